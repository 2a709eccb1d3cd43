//! What one probe must do: the only thing that flows from collector to probe.
//!
//! One session for each path that begins at the probe, spread over as many flows
//! as its measurement declares. Of the addresses, sizes and code points that a
//! measurement declares the plan takes the first; the others and further
//! families are declared and checked, not planned.
//! The message is also written down in plan.proto.

use owl_measure::report::FLOWS_MAX;
use owl_measure::time::Nanos;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::choice::Choice;
use crate::id::ProbeId;
use crate::model::Topology;
use crate::path::Claim;

/// Everything that one probe must do.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
pub struct Plan {
    /// Which plan it is: the number that the collector gave it, in decimal, or as long as none did, SHA-256 of the topology's
    /// text in hex. Reports echo it.
    #[prost(string, tag = "1")]
    pub generation: String,
    /// The probe that it is for.
    #[prost(string, tag = "2")]
    pub probe: String,
    /// Its session-senders.
    #[prost(message, repeated, tag = "3")]
    pub sessions: Vec<PlannedSession>,
    /// Where it sends test packets from, as text; empty for what its own configuration says.
    #[prost(string, tag = "4")]
    #[serde(default)]
    pub sends_from: String,
    /// The intakes that it reports to, as ADDRESS:PORT; none for those of its own configuration.
    #[prost(string, repeated, tag = "5")]
    #[serde(default)]
    pub reports_to: Vec<String>,
}

/// One session-sender.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
pub struct PlannedSession {
    /// `FROM~TO`; FROM is the probe that the plan is for.
    #[prost(string, tag = "1")]
    pub path: String,
    /// The probe that reflects.
    #[prost(string, tag = "2")]
    pub peer: String,
    /// The IP address of its session-reflector, as text.
    #[prost(string, tag = "3")]
    pub address: String,
    /// The UDP port of its session-reflector; of a peer with TWAMP-Control the TCP port of its server.
    #[prost(uint32, tag = "4")]
    pub port: u32,
    /// Time between test packets, or its mean for a Poisson schedule.
    #[prost(uint64, tag = "5")]
    pub packet_interval_ns: u64,
    /// UDP payload of a test packet.
    #[prost(uint32, tag = "6")]
    pub packet_octets: u32,
    /// Differentiated services code point.
    #[prost(uint32, tag = "7")]
    pub dscp: u32,
    /// A packet without a reply for this long is lost (Tmax of RFC 7680).
    #[prost(uint64, tag = "8")]
    pub timeout_ns: u64,
    /// How often a report is made.
    #[prost(uint64, tag = "9")]
    pub report_interval_ns: u64,
    /// How the send times are drawn.
    #[prost(enumeration = "Schedule", tag = "10")]
    #[serde(
        serialize_with = "write_word::<Schedule, _>",
        deserialize_with = "read_word::<Schedule, _>"
    )]
    pub schedule: i32,
    /// The distinct targets of one-way delay on this path; the probe counts packets within each exactly.
    #[prost(uint64, repeated, tag = "11")]
    pub target_ns: Vec<u64>,
    /// Flows over which the packets are spread, each with a session identifier and a source port of its own; 0 in plans of
    /// older collectors, which is one. The flows share the time between packets: each sends every `flows`-th.
    #[prost(uint32, tag = "12")]
    pub flows: u32,
    /// What the peer is.
    #[prost(enumeration = "ReflectorKind", tag = "13")]
    #[serde(
        default,
        serialize_with = "write_word::<ReflectorKind, _>",
        deserialize_with = "read_word::<ReflectorKind, _>"
    )]
    pub reflector: i32,
    /// As whom the peer's TWAMP server is asked for the session; empty for nobody, unauthenticated. The probe has the
    /// pass-phrase.
    #[prost(string, tag = "20")]
    #[serde(default)]
    pub twamp_user: String,
}

impl PlannedSession {
    /// How many flows it has, from one to [`FLOWS_MAX`].
    pub fn flow_count(&self) -> u32 {
        self.flows.clamp(1, FLOWS_MAX)
    }
}

/// How send times are drawn.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    prost::Enumeration,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Schedule {
    /// At equal distances (RFC 3432).
    Periodic = 0,
    /// With exponential distances (RFC 2330, section 11.1.1).
    Poisson = 1,
}

impl Choice for Schedule {
    const WORDS: &'static [(&'static str, Self)] =
        &[("periodic", Self::Periodic), ("poisson", Self::Poisson)];
}

/// What reflects the packets of a session.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    prost::Enumeration,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[repr(i32)]
pub enum ReflectorKind {
    /// A probe of ours, which measures, too.
    Owl = 0,
    /// A router or host that only reflects STAMP (RFC 8762).
    Stamp = 1,
    /// One that only reflects TWAMP Light (RFC 5357, appendix I).
    TwampLight = 2,
    /// One that only reflects the sessions that its TWAMP server is asked for (RFC 5357, section 3).
    Twamp = 3,
}

impl Choice for ReflectorKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("owl", Self::Owl),
        ("stamp", Self::Stamp),
        ("twamp-light", Self::TwampLight),
        ("twamp", Self::Twamp),
    ];
}

/// A choice is a number in protobuf and a word in JSON; the signature is serde's, which hands out references to fields.
fn write_word<T: TryFrom<i32> + Default + Serialize, S: Serializer>(
    number: &i32,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    T::try_from(*number)
        .unwrap_or_default()
        .serialize(serializer)
}

fn read_word<'de, T: Deserialize<'de> + Into<i32>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<i32, D::Error> {
    T::deserialize(deserializer).map(Into::into)
}

impl Topology {
    /// What `probe` must do, or `None` when there is no such probe. A probe that nobody measures from gets an empty plan:
    /// it only reflects.
    pub fn plan(&self, probe: &ProbeId) -> Option<Plan> {
        let declared = self.probe(probe)?;
        let sessions = self
            .claims_from(|from| from.id == *probe)
            .iter()
            .map(session)
            .collect();
        Some(Plan {
            generation: self.generation.clone(),
            probe: probe.to_string(),
            sessions,
            sends_from: declared
                .sends_from
                .map(|from| from.to_string())
                .unwrap_or_default(),
            reports_to: declared
                .reports_to
                .iter()
                .map(ToString::to_string)
                .collect(),
        })
    }
}

fn session(claim: &Claim<'_>) -> PlannedSession {
    let (peer, measure) = (claim.to.0, claim.measure);
    PlannedSession {
        path: claim.path_id(),
        peer: peer.id.to_string(),
        address: peer
            .addr
            .first()
            .map(ToString::to_string)
            .unwrap_or_default(),
        port: u32::from(peer.port),
        packet_interval_ns: (1e9 / measure.rate_pps).round() as u64,
        packet_octets: measure.sizes.first().copied().unwrap_or_default(),
        dscp: measure
            .dscp
            .first()
            .copied()
            .map(u32::from)
            .unwrap_or_default(),
        timeout_ns: ns(measure.timeout),
        report_interval_ns: ns(measure.report_every),
        schedule: measure.schedule.into(),
        target_ns: vec![ns(claim.class.target)],
        flows: measure.flows,
        reflector: peer.reflector.into(),
        twamp_user: peer.twamp_user.clone().unwrap_or_default(),
    }
}

/// Spans of a topology are checked to be positive when they are read.
fn ns(span: Nanos) -> u64 {
    u64::try_from(span.0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use prost::Message as _;
    use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};

    use super::*;

    fn full() -> Plan {
        Plan {
            generation: "g".into(),
            probe: "a".into(),
            sessions: vec![PlannedSession {
                path: "a~b".into(),
                peer: "b".into(),
                address: "192.0.2.1".into(),
                port: 862,
                packet_interval_ns: 1,
                packet_octets: 44,
                dscp: 46,
                timeout_ns: 2,
                report_interval_ns: 3,
                schedule: Schedule::Poisson.into(),
                target_ns: vec![4],
                flows: 5,
                reflector: ReflectorKind::TwampLight.into(),
                twamp_user: "u".into(),
            }],
            sends_from: "192.0.2.2".into(),
            reports_to: vec!["192.0.2.9:4455".into()],
        }
    }

    /// Name → (tag, wire type) of one message in plan.proto.
    fn declared(message: &str) -> BTreeMap<&'static str, (u32, WireType)> {
        include_str!("plan.proto")
            .lines()
            .skip_while(|line| *line != format!("message {message} {{"))
            .skip(1)
            .take_while(|line| *line != "}")
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| {
                let (left, tag) = line.trim().trim_end_matches(';').split_once(" = ").unwrap();
                let (kind, name) = left.rsplit_once(' ').unwrap();
                let wire = match kind {
                    "uint32" | "uint64" | "Schedule" | "ReflectorKind" => WireType::Varint,
                    _ => WireType::LengthDelimited,
                };
                (name, (tag.parse().unwrap(), wire))
            })
            .collect()
    }

    #[track_caller]
    fn agrees<M: prost::Message + Serialize>(name: &str, message: &M) {
        let declared = declared(name);
        let json = serde_json::to_value(message).unwrap();
        let names: BTreeSet<_> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(names, declared.keys().copied().collect(), "{name}");

        let bytes = message.encode_to_vec();
        let mut rest = bytes.as_slice();
        let mut written = BTreeSet::new();
        while !rest.is_empty() {
            let (tag, wire) = decode_key(&mut rest).unwrap();
            skip_field(wire, tag, &mut rest, DecodeContext::default()).unwrap();
            written.insert((tag, wire as u8));
        }
        assert_eq!(
            written,
            declared
                .values()
                .map(|&(tag, wire)| (tag, wire as u8))
                .collect(),
            "{name}"
        );
    }

    #[test]
    fn the_proto_file_and_the_structs_name_the_same_fields_and_tags() {
        agrees("Plan", &full());
        agrees("PlannedSession", &full().sessions[0]);
    }

    #[test]
    fn a_plan_comes_back_from_bytes_and_from_json() {
        let plan = full();
        assert_eq!(
            Plan::decode(plan.encode_to_vec().as_slice()),
            Ok(plan.clone())
        );
        let json = serde_json::to_string(&plan).unwrap();
        assert!(json.contains("\"schedule\":\"poisson\""), "{json}");
        assert!(json.contains("\"reflector\":\"twamp-light\""), "{json}");
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }

    #[test]
    fn the_plan_of_a_probe_has_a_session_for_each_path_that_begins_there() {
        let topology = Topology::yancheng();
        let plan = topology.plan(&"binhaigang-cm".into()).unwrap();
        assert_eq!(plan.generation, topology.generation);
        let sessions: Vec<_> = plan
            .sessions
            .iter()
            .map(|s| (s.path.as_str(), s.address.as_str(), s.target_ns.as_slice()))
            .collect();
        assert_eq!(
            sessions,
            [
                (
                    "binhaigang-cm~yannan-cm",
                    "192.0.2.8",
                    [1_000_000].as_slice()
                ),
                (
                    "binhaigang-cm~shanghai-cm",
                    "192.0.2.11",
                    [4_000_000].as_slice()
                ),
            ]
        );
        let first = &plan.sessions[0];
        assert_eq!(
            (
                first.port,
                first.packet_interval_ns,
                first.packet_octets,
                first.dscp
            ),
            (862, 100_000_000, 128, 0)
        );
        assert_eq!(
            (first.timeout_ns, first.report_interval_ns),
            (2_000_000_000, 10_000_000_000)
        );
        assert_eq!(first.schedule(), Schedule::Periodic);
        assert_eq!(
            (first.flows, PlannedSession::default().flow_count()),
            (16, 1)
        );
        assert_eq!(topology.plan(&"nobody".into()), None);
    }

    #[test]
    fn a_router_that_only_reflects_is_measured_and_measures_nobody() {
        let text = include_str!("../examples/two-probes.toml").replace(
            "addr = [\"192.0.2.2\"]\nclock = { source = \"ptp\", max_u95 = \"5us\" }",
            "addr = [\"192.0.2.2\"]\nreflector = \"twamp-light\"\nclock = { source = \"free\", max_u95 = \"1s\" }",
        );
        let topology = Topology::parse(&[crate::Source {
            name: "router.toml",
            text: &text,
        }])
        .unwrap()
        .topology;
        let paths: Vec<_> = topology.paths().into_iter().map(|path| path.id).collect();
        assert_eq!(paths, ["p-north~p-south"]);
        let plan = topology.plan(&"p-north".into()).unwrap();
        assert_eq!(plan.sessions[0].reflector(), ReflectorKind::TwampLight);
        let plan = topology.plan(&"p-south".into()).unwrap();
        assert!(plan.sessions.is_empty());
    }

    #[test]
    fn a_router_with_a_twamp_server_is_asked_as_the_user_that_it_knows() {
        let with = |keys: &str| {
            include_str!("../examples/two-probes.toml").replace(
                "addr = [\"192.0.2.2\"]\nclock = { source = \"ptp\", max_u95 = \"5us\" }",
                &format!("addr = [\"192.0.2.2\"]\n{keys}\nclock = {{ source = \"free\", max_u95 = \"1s\" }}"),
            )
        };
        let check = |keys: &str, user: &str| {
            let text = with(keys);
            let name = "router.toml";
            let topology = Topology::parse(&[crate::Source { name, text: &text }])
                .unwrap()
                .topology;
            let plan = topology.plan(&"p-north".into()).unwrap();
            let session = &plan.sessions[0];
            assert_eq!(session.reflector(), ReflectorKind::Twamp);
            assert_eq!((session.port, session.twamp_user.as_str()), (862, user));
        };
        check("reflector = \"twamp\"", "");
        check("reflector = \"twamp\"\ntwamp_user = \"jiuzi\"", "jiuzi");
        for wrong in [
            "reflector = \"twamp-light\"\ntwamp_user = \"jiuzi\"",
            "twamp_user = \"jiuzi\"",
            &format!("reflector = \"twamp\"\ntwamp_user = \"{}\"", "x".repeat(81)),
        ] {
            let text = with(wrong);
            let name = "router.toml";
            let refused = Topology::parse(&[crate::Source { name, text: &text }]).unwrap_err();
            assert!(format!("{refused:?}").contains("twamp_user"), "{refused:?}");
        }
    }

    #[test]
    fn the_plans_of_all_probes_are_all_paths_once() {
        let topology = Topology::yancheng();
        let planned: BTreeSet<_> = topology
            .probes
            .iter()
            .flat_map(|probe| topology.plan(&probe.id).unwrap().sessions)
            .map(|session| session.path)
            .collect();
        assert_eq!(
            planned,
            topology.paths().into_iter().map(|path| path.id).collect()
        );
    }
}
