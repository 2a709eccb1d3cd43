//! What a session-sender asks for by TLVs, and what the replies say.
//!
//! The test packet is laid out once. A reply's TLVs are read only where they
//! stand as they were sent: a TWAMP-Light reflector takes them for padding and
//! may send them back cut or elsewhere (RFC 8762, section 4.6).

use std::net::{IpAddr, SocketAddr};

use owl_measure::sample::StampSource;

use super::reporting::Retransmission;
use crate::wire::WireTimestamp;
use crate::wire::authentication::{AUTHENTICATED_OCTETS, HMAC_OCTETS, Key};
use crate::wire::stamp::PACKET_OCTETS;
use crate::wire::tlv::{
    self, AccessReport, ClassOfService, DirectMeasurement, Flags, FollowUp, HEADER_OCTETS,
    Location, LocationItem, MicroSession, ReflectedControl, ReturnPath, TimestampInformation,
    TimestampMethod, Tlv, Tlvs, Value, kind,
};

/// The longest UDP payload over IPv4; longer packets are asked for in vain.
const PACKET_OCTETS_MAX: usize = 65_507;

/// How a session is protected.
#[derive(Debug, Clone)]
pub enum Protection {
    /// Not at all.
    None,
    /// Its TLVs by the HMAC TLV (RFC 8972, section 4.8), the base packet not.
    Tlvs(Key),
    /// Everything: authenticated mode (RFC 8762, section 4.4).
    Authenticated(Key),
}

impl Protection {
    pub(super) fn key(&self) -> Option<&Key> {
        match self {
            Self::None => None,
            Self::Tlvs(key) | Self::Authenticated(key) => Some(key),
        }
    }
}

/// What fills a packet up to its length (RFC 8972, section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Zeros, which a link may compress.
    Zeros,
    /// Pseudorandom octets, the same for the same seed.
    Pseudorandom(u64),
}

/// What is asked of the reflector. Each costs the octets of its TLV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Question {
    /// When the earlier reply really left, to correct its T3 (RFC 8972, section 4.7).
    pub follow_up: bool,
    /// How T2 and T3 come about (RFC 8972, section 4.3).
    pub timestamp_information: bool,
    /// With which DSCP and ECN packets arrive, and a reply with the same DSCP (RFC 8972, section 4.4).
    pub class_of_service: bool,
    /// How many packets were received and sent (RFC 8972, section 4.5).
    pub direct_measurement: bool,
    /// Between which addresses and ports packets arrive (RFC 8972, section 4.2).
    pub location: bool,
    /// Over which member links they go (RFC 9534); the reflector's is 0 until it is known.
    pub member_links: Option<MicroSession>,
    /// That the reflector's operator learns of an access network (RFC 8972, section 4.6). The first packet says so, and
    /// later ones until it is acknowledged; the others have padding in its place.
    pub access_report: Option<AccessReport>,
    /// How often later ones do.
    pub retransmission: Retransmission,
    /// That the node with this address answers, and from it (RFC 9503, section 3).
    pub destination: Option<IpAddr>,
    /// How the replies come back (RFC 9503, section 4).
    pub return_path: Option<WantedReturn>,
    /// One reply of this length to each packet, as UDP payload (RFC 10052, section 3).
    pub reply_octets: Option<u16>,
}

/// How replies are to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedReturn {
    /// On the link on which the packet arrived.
    SameLink,
    /// To this address of the session-sender.
    Address(IpAddr),
}

/// A test packet without its base, and where in its TLVs what stands.
#[derive(Debug)]
pub(super) struct Layout {
    template: Vec<u8>,
    base_octets: usize,
    /// Where the TLVs begin that change with each packet.
    direct_measurement: Option<usize>,
    access_report: Option<usize>,
    hmac: Option<usize>,
}

/// What one packet tells that the one before it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Telling {
    /// Packets sent so far, this one among them.
    pub(super) sent: u32,
    /// Whether it carries the Access Report, in a session with one.
    pub(super) access_report: bool,
}

/// What one reply's TLVs say; nothing where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// All zero from a reflector that understands and does not know.
    pub(super) follow_up: Option<FollowUp>,
    pub(super) information: Option<TimestampInformation>,
    pub(super) class_of_service: Option<ClassOfService>,
    pub(super) counts: Option<DirectMeasurement>,
    pub(super) source: Option<SocketAddr>,
    pub(super) destination: Option<SocketAddr>,
    pub(super) member_links: Option<MicroSession>,
}

/// What became of one TLV that was asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Understood,
    /// U
    Unrecognised,
    /// M; what follows was not looked at.
    Malformed,
    /// C
    Beyond,
    /// It is not in the reply, or not where it was.
    Absent,
}

impl Fate {
    fn of(flags: Flags) -> Self {
        match () {
            () if flags.has(Flags::MALFORMED) => Self::Malformed,
            () if flags.has(Flags::UNRECOGNISED) => Self::Unrecognised,
            () if flags.has(Flags::CONFORMANT) => Self::Beyond,
            () => Self::Understood,
        }
    }
}

/// TLVs that are not to be believed (RFC 8972, sections 4 and 4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotBelieved;

impl Layout {
    pub(super) fn new(
        question: &Question,
        dscp: u8,
        protection: &Protection,
        packet_octets: usize,
        padding: Padding,
    ) -> Self {
        let base_octets = match protection {
            Protection::None | Protection::Tlvs(_) => PACKET_OCTETS,
            Protection::Authenticated(_) => AUTHENTICATED_OCTETS,
        };
        let mut area = Vec::new();
        let (mut direct_measurement, mut access_report) = (None, None);
        if question.follow_up {
            tlv::append(&mut area, kind::FOLLOW_UP, &FollowUp::default().encode());
        }
        if question.timestamp_information {
            tlv::append(
                &mut area,
                kind::TIMESTAMP_INFORMATION,
                &[0; TimestampInformation::OCTETS],
            );
        }
        if question.class_of_service {
            let asked = ClassOfService {
                wanted_dscp: dscp & 0x3F,
                ..ClassOfService::default()
            };
            tlv::append(&mut area, kind::CLASS_OF_SERVICE, &asked.encode());
        }
        if question.direct_measurement {
            direct_measurement = Some(area.len());
            tlv::append(
                &mut area,
                kind::DIRECT_MEASUREMENT,
                &[0; DirectMeasurement::OCTETS],
            );
        }
        if question.location {
            tlv::append(&mut area, kind::LOCATION, &Location::question());
        }
        if let Some(links) = question.member_links {
            tlv::append(&mut area, kind::MICRO_SESSION, &links.encode());
        }
        if let Some(report) = question.access_report {
            access_report = Some(area.len());
            tlv::append(&mut area, kind::ACCESS_REPORT, &report.encode());
        }
        if let Some(ip) = question.destination {
            tlv::append_address(&mut area, kind::DESTINATION_NODE_ADDRESS, ip);
        }
        match question.return_path {
            Some(WantedReturn::SameLink) => {
                tlv::append(&mut area, kind::RETURN_PATH, &ReturnPath::same_link());
            }
            Some(WantedReturn::Address(ip)) => {
                tlv::append(&mut area, kind::RETURN_PATH, &ReturnPath::to(ip));
            }
            None => {}
        }
        if let Some(octets) = question.reply_octets {
            let control = ReflectedControl {
                octets,
                count: 1,
                interval_ns: 0,
            };
            tlv::append(&mut area, kind::REFLECTED_CONTROL, &control.encode());
        }
        let signed = protection.key().is_some() && !area.is_empty();
        let hmac_octets = if signed {
            HEADER_OCTETS + HMAC_OCTETS
        } else {
            0
        };
        let wanted = packet_octets.min(PACKET_OCTETS_MAX);
        let missing = wanted.saturating_sub(base_octets + area.len() + hmac_octets);
        if missing < HEADER_OCTETS && area.is_empty() {
            // Too little for a header, and no TLV that it could be taken for a part of.
            area.resize(missing, 0);
        } else if missing > 0 {
            let octets = missing.saturating_sub(HEADER_OCTETS);
            tlv::append(&mut area, kind::EXTRA_PADDING, &fill(padding, octets));
        }
        // Padding may stand behind the HMAC too, but some reflectors send it back before.
        let hmac = signed.then(|| {
            let at = area.len();
            tlv::append(&mut area, kind::HMAC, &[0; HMAC_OCTETS]);
            at
        });
        let mut template = vec![0; base_octets];
        template.append(&mut area);
        Self {
            template,
            base_octets,
            direct_measurement,
            access_report,
            hmac,
        }
    }

    /// A packet without TLVs: whatever stands before its padding is written by the caller.
    pub(super) fn padded(octets: usize, padding: Padding) -> Self {
        let template = fill(padding, octets.min(PACKET_OCTETS_MAX));
        Self {
            base_octets: template.len(),
            template,
            direct_measurement: None,
            access_report: None,
            hmac: None,
        }
    }

    /// Fills a packet up.
    pub(super) fn pad(&self, packet: &mut [u8]) {
        packet.copy_from_slice(&self.template);
    }

    pub(super) fn octets(&self) -> usize {
        self.template.len()
    }

    /// Writes a packet around its base.
    pub(super) fn write(&self, base: &[u8], told: &Telling, key: Option<&Key>, packet: &mut [u8]) {
        packet.copy_from_slice(&self.template);
        let (head, area) = packet.split_at_mut(self.base_octets);
        head.copy_from_slice(base);
        if let Some(at) = self.access_report.filter(|_| !told.access_report) {
            let value = at + HEADER_OCTETS;
            area[at + 1] = kind::EXTRA_PADDING; // behind its flags
            area[value..value + AccessReport::OCTETS].fill(0);
        }
        if let Some(at) = self.direct_measurement {
            let value = at + HEADER_OCTETS;
            area[value..value + 4].copy_from_slice(&told.sent.to_be_bytes());
        }
        if let (Some(at), Some(key)) = (self.hmac, key) {
            let hmac = key.sign([&head[..4], &area[..at]]);
            let value = at + HEADER_OCTETS;
            area[value..value + HMAC_OCTETS].copy_from_slice(&hmac);
        }
    }

    /// Reads the TLVs of a reply whose base has been believed.
    pub(super) fn read(&self, reply: &[u8], keys: &[Key]) -> Result<Told, NotBelieved> {
        let (sequence, area) = match (reply.get(..4), reply.get(self.base_octets..)) {
            (Some(sequence), Some(area)) => (sequence, area),
            _ => return Ok(Told::default()),
        };
        if self
            .answered(area)
            .any(|tlv| tlv.flags.has(Flags::INTEGRITY))
        {
            return Err(NotBelieved);
        }
        if let Some(at) = self.hmac {
            let right = self.answered(area).any(|tlv| match tlv.value() {
                Ok(Value::Hmac(hmac)) => keys
                    .iter()
                    .any(|key| key.verifies([sequence, &area[..at]], &hmac)),
                _ => false,
            });
            if !right {
                return Err(NotBelieved);
            }
        }
        let mut told = Told::default();
        for tlv in self.answered(area) {
            if tlv.flags.has(Flags::MALFORMED) {
                break;
            }
            if tlv.flags.has(Flags::UNRECOGNISED) {
                continue;
            }
            let Ok(value) = tlv.value() else { break };
            told.take(value);
        }
        Ok(told)
    }

    fn asked(&self) -> impl Iterator<Item = Tlv<'_>> {
        Tlvs::new(&self.template[self.base_octets..]).flatten()
    }

    /// The TLVs of a reply as far as they stand as they were sent.
    fn answered<'a>(&self, area: &'a [u8]) -> impl Iterator<Item = Tlv<'a>> {
        Tlvs::new(area)
            .map_while(Result::ok)
            .zip(self.asked())
            .take_while(|(tlv, asked)| {
                let is_asked = tlv.kind == asked.kind || is_in_place_of(tlv, asked);
                is_asked && tlv.value.len() == asked.value.len()
            })
            .map(|(tlv, _)| tlv)
    }

    /// What became of each TLV that was asked by, its type first.
    pub(super) fn fates(&self, reply: &[u8]) -> impl Iterator<Item = (u8, Fate)> {
        let mut answered = self.answered(reply.get(self.base_octets..).unwrap_or_default());
        self.asked().filter_map(move |asked| match answered.next() {
            Some(tlv) if is_in_place_of(&tlv, &asked) => None,
            Some(tlv) => Some((asked.kind, Fate::of(tlv.flags))),
            None => Some((asked.kind, Fate::Absent)),
        })
    }
}

impl Told {
    fn take(&mut self, value: Value<'_>) {
        match value {
            Value::FollowUp(value) => self.follow_up = Some(value),
            Value::TimestampInformation(value) => self.information = Some(value),
            Value::ClassOfService(value) => self.class_of_service = Some(value),
            Value::DirectMeasurement(value) => self.counts = Some(value),
            Value::MicroSession(value) => self.member_links = Some(value),
            Value::Location(value) => {
                for item in value.items() {
                    match item {
                        LocationItem::Source(ip) => {
                            self.source = Some(SocketAddr::new(ip, value.source_port));
                        }
                        LocationItem::Destination(ip) => {
                            self.destination = Some(SocketAddr::new(ip, value.destination_port));
                        }
                    }
                }
            }
            Value::ExtraPadding(_)
            | Value::AccessReport(_)
            | Value::Hmac(_)
            | Value::DestinationNodeAddress(_)
            | Value::ReturnPath(_)
            | Value::ReflectedControl(_)
            | Value::Unknown(_) => {}
        }
    }
}

/// Whether it is the padding of a packet that carried no Access Report, though the session does.
fn is_in_place_of(tlv: &Tlv<'_>, asked: &Tlv<'_>) -> bool {
    (tlv.kind, asked.kind) == (kind::EXTRA_PADDING, kind::ACCESS_REPORT)
}

fn fill(padding: Padding, octets: usize) -> Vec<u8> {
    use rand_pcg::rand_core::{Rng as _, SeedableRng as _};
    let mut filling = vec![0; octets];
    if let Padding::Pseudorandom(seed) = padding {
        rand_pcg::Pcg64::seed_from_u64(seed).fill_bytes(&mut filling);
    }
    filling
}

/// Where a followed-up T3 was taken; "nobody said" is taken for the process, and zero for no stamp at all.
pub(super) fn followed_up(told: &FollowUp) -> Option<StampSource> {
    let source = match told.method {
        TimestampMethod::HARDWARE => StampSource::Hardware,
        TimestampMethod::SOFTWARE => StampSource::Kernel,
        _ => StampSource::User,
    };
    (told.sent_at != WireTimestamp::default()).then_some(source)
}
