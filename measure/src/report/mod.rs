//! What a probe sends to a collector, and the few words around it.
//!
//! The contract between the two is this module and `report.proto` beside it.
//! Whatever arrives is checked before it becomes a value of this crate: counts
//! may be wrong, but no reader can be made to panic, overflow or allocate more
//! than the message itself.

pub(crate) mod convert;
mod numbers;
mod standing;
pub(crate) mod wire;

pub use numbers::{Abilities, Loss, Numbers};
pub use standing::{PlanFault, PlanStanding, TurnedDown};

use prost::Message as _;

use crate::clock::ClockState;
use crate::summary::Summary;
use crate::time::Nanos;

/// The version of this contract that [`Hello`] carries.
pub const VERSION: u32 = 1;

/// Flows of one path at most.
pub const FLOWS_MAX: u32 = 32;

/// The largest message either side accepts, in octets; a sender splits its batches to stay below.
pub const MESSAGE_OCTETS_MAX: usize = 1 << 20;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Of the contract.
    pub version: u32,
    /// The probe's id; must be the name in its certificate.
    pub probe: String,
    /// Drawn anew when a probe starts with an empty spool, so a sequence number never means two reports.
    pub epoch: u64,
    /// The probe's version.
    pub software: String,
    /// Clocks or delays are injected: a lab, not a measurement.
    pub simulated: bool,
    /// What the probe can do.
    pub abilities: Abilities,
}

/// One interval of one session, as its session-sender saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `FROM~TO`, the session-sender and the session-reflector.
    pub path: String,
    /// Of the plan that was followed.
    pub generation: String,
    /// Which of the flows that the packets of the path are spread over, from 0: each has its own source port, so
    /// routers that balance load over equal-cost paths may send each another way.
    pub flow: u32,
    /// Time between two packets of the path by that plan, all its flows together.
    pub packet_interval: Nanos,
    /// What was measured.
    pub summary: Summary,
    /// The sender's clock at its worst in the interval; the reflector's claim is in the summary.
    pub clock: ClockState,
}

/// Reports whose sequence numbers follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportBatch {
    /// Of the probe's spool.
    pub epoch: u64,
    /// Sequence number of the first report; the first report of an epoch has number 1.
    pub first_sequence: u64,
    /// The octets of each report, as [`Report::encode`] makes them. They are read one by one, so that one which cannot be read
    /// takes no other with it.
    pub reports: Vec<Vec<u8>>,
    /// How much of the spool's room is taken by reports that no collector has, in millionths; `None` of a probe that does not say.
    pub spool_filled_ppm: Option<u32>,
}

impl ReportBatch {
    /// Their numbers; `None` of a batch without a report.
    pub fn numbers(&self) -> Option<Numbers> {
        let count = self.reports.len() as u64;
        (count > 0).then_some(Numbers {
            epoch: self.epoch,
            first: self.first_sequence,
            count,
        })
    }
}

/// What a probe says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromProbe {
    /// First, once.
    Hello(Hello),
    /// Then, as often as there is something to report.
    Batch(ReportBatch),
    /// Numbers that no report will come for, and why.
    Gone(Numbers, Loss),
    /// Which plan it follows, whenever that changes; said to collectors with [`Abilities::PLANS`].
    Plan(PlanStanding),
}

/// What a collector says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromCollector {
    /// What to measure, as an encoded plan of the topology that nobody signed. Said to probes without
    /// [`Abilities::PLANS`]; others do not follow it.
    Plan(Vec<u8>),
    /// Every report up to and with this sequence number is committed and need not be kept. Said to probes without
    /// [`Abilities::RANGES`].
    Stored(u64),
    /// Why the connection is closed.
    Refusal(String),
    /// First, to a probe that has said what it can do: what the collector can.
    Welcome(Abilities),
    /// The reports with these numbers are committed, or kept aside with the reason why they were refused.
    Taken(Numbers),
    /// The reports with these numbers did not come: they are to be sent again, or said to be gone.
    Again(Numbers),
    /// What to measure, as a signed plan of the topology: after the welcome, and whenever there is a newer one.
    Order(Vec<u8>),
    /// The highest number that came of the epoch in the hello, 0 when none did. Said to probes with [`Abilities::HIGHEST`], once
    /// the store has told it; they send nothing before.
    Highest(u64),
}

/// A message that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// No protobuf of this contract.
    #[error("cannot read a message")]
    Protobuf(#[from] prost::DecodeError),
    /// Protobuf, but something that must be there is not.
    #[error("cannot read a message: {0} is missing")]
    Missing(&'static str),
    /// Something is there that cannot be.
    #[error("cannot read a message: {0}")]
    Impossible(&'static str),
    /// A histogram that nobody can have recorded.
    #[error("cannot read a message")]
    Histogram(#[from] crate::histogram::HistogramError),
}

impl FromProbe {
    /// As octets, without the length before them.
    pub fn encode(&self) -> Vec<u8> {
        convert::from_probe(self).encode_to_vec()
    }

    /// From octets, without the length before them.
    ///
    /// # Errors
    /// When they are no message of this contract.
    pub fn decode(octets: &[u8]) -> Result<Self, ReportError> {
        convert::to_from_probe(wire::FromProbe::decode(octets)?)
    }
}

impl FromCollector {
    /// As octets, without the length before them.
    pub fn encode(&self) -> Vec<u8> {
        convert::from_collector(self).encode_to_vec()
    }

    /// From octets, without the length before them.
    ///
    /// # Errors
    /// When they are no message of this contract.
    pub fn decode(octets: &[u8]) -> Result<Self, ReportError> {
        convert::to_from_collector(wire::FromCollector::decode(octets)?)
    }
}

impl Report {
    /// As octets, as it is kept in a spool or a store.
    pub fn encode(&self) -> Vec<u8> {
        convert::from_report(self).encode_to_vec()
    }

    /// The same without what no judge reads: counts within targets, lateness and skipped send times, and what the kernel
    /// itself says of the clock. It is judged as the whole report is, and its octets are one and the same whoever made it.
    pub fn for_judge(mut self) -> Self {
        let summary = &mut self.summary;
        summary.forward.within.clear();
        summary.backward.within.clear();
        summary.round_trip_within.clear();
        (summary.lateness_max, summary.skipped) = (Nanos::ZERO, 0);
        (self.clock.kernel, self.clock.as_of_monotonic) = Default::default();
        self
    }

    /// From octets.
    ///
    /// # Errors
    /// When they are no report.
    pub fn decode(octets: &[u8]) -> Result<Self, ReportError> {
        convert::to_report(wire::Report::decode(octets)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{BoundBasis, ClockSource, ClockStatus, KernelClock};
    use crate::hindrance::Hindrance;
    use crate::reordering::{Overtaken, Reordered};
    use crate::sample::Direction;
    use crate::summary::Recorder;
    use crate::summary::tests::{loss, sample};
    use crate::time::{Monotonic, Timestamp};

    fn report() -> Report {
        let mut recorder = Recorder::new(
            Nanos(1_000_000_000),
            Timestamp(0),
            vec![Nanos(1_000_000), Nanos(4_000_000)],
        );
        for k in 0..100_u32 {
            let origin = i64::from(k) * 10_000_000;
            recorder.sent(Timestamp(origin), Nanos(7));
            match k % 10 {
                3 => recorder.lost(&loss(k, origin, Some(Direction::Forward))),
                4 => recorder.late(Timestamp(origin)),
                _ => {
                    let noise = i64::from(k * k % 97) * 1_000;
                    recorder.received(
                        &sample(k, origin, 200_700_000 + noise, -199_300_000 - noise),
                        Reordered {
                            backward: (k == 71).then_some(Overtaken {
                                extent: 40,
                                n: 2,
                                late: Nanos::from_millis(5),
                            }),
                            ..Reordered::default()
                        },
                    );
                }
            }
        }
        recorder.own_loss(2);
        recorder.hindered(Timestamp(7), Hindrance::Refused { accept: 3 });
        Report {
            path: "yannan-ct~binhaigang-ct".into(),
            generation: "c0ffee".into(),
            flow: 3,
            packet_interval: Nanos(10_000_000),
            summary: recorder.close(Timestamp(1_000_000_000)).unwrap(),
            clock: ClockState {
                as_of: Timestamp(999),
                source: ClockSource::Ptp,
                status: ClockStatus::Synchronised,
                bound: Some((Nanos(1_500), BoundBasis::Declared)),
                drift_ppb: 50,
                transmit_stamp_error: Nanos(25_000),
                receive_stamp_error: Nanos(25_000),
                kernel: KernelClock {
                    synchronised: true,
                    max_error: Nanos(16_000_000_000),
                    estimated_error: Nanos(0),
                    tai_offset_s: 37,
                    frequency_ppb: -12_345,
                },
                as_of_monotonic: Monotonic(77),
                correction: Nanos(-400),
                random: Nanos(30),
                void_after: Some(Timestamp(60_000_000_999)),
                steps: 1,
            },
        }
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        let batch = ReportBatch {
            epoch: u64::MAX,
            first_sequence: 12,
            reports: vec![report().encode(), report().encode()],
            spool_filled_ppm: Some(500_000),
        };
        let hello = Hello {
            version: VERSION,
            probe: "p".into(),
            epoch: 9,
            software: "0.1".into(),
            simulated: true,
            abilities: Abilities::OURS,
        };
        let numbers = Numbers {
            epoch: u64::MAX,
            first: 3,
            count: 9,
        };
        let gone = FromProbe::Gone(numbers, Loss::Full);
        let standing = PlanStanding {
            follows: 1_795_000_000,
            on_trial: true,
            turned_down: Some(TurnedDown::new(u64::MAX, PlanFault::Forged, "by whom?")),
        };
        let said = [
            FromProbe::Batch(batch),
            FromProbe::Hello(hello),
            gone,
            FromProbe::Plan(standing),
            FromProbe::Plan(PlanStanding::default()),
        ];
        for message in said {
            assert_eq!(FromProbe::decode(&message.encode()), Ok(message));
        }
        for message in [
            FromCollector::Plan(vec![1, 2]),
            FromCollector::Stored(7),
            FromCollector::Refusal("no".into()),
            FromCollector::Welcome(Abilities::OURS),
            FromCollector::Taken(numbers),
            FromCollector::Again(numbers),
            FromCollector::Order(vec![3]),
            FromCollector::Highest(7),
        ] {
            assert_eq!(FromCollector::decode(&message.encode()), Ok(message));
        }
        assert_eq!(Report::decode(&report().encode()), Ok(report()));
    }

    #[test]
    fn no_octets_make_a_reader_panic() {
        let octets = FromProbe::Batch(ReportBatch {
            epoch: 1,
            first_sequence: 1,
            reports: vec![report().encode()],
            spool_filled_ppm: None,
        })
        .encode();
        let reports = |octets: &[u8]| match FromProbe::decode(octets) {
            Ok(FromProbe::Batch(batch)) => {
                let reports = batch.reports.iter();
                Ok(reports.map(|octets| Report::decode(octets)).collect())
            }
            Ok(_) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        for end in 0..octets.len() {
            let _ = reports(&octets[..end]);
        }
        let mut changed = 0;
        for at in 0..octets.len() {
            for flip in [1_u8, 0x80, 0xFF] {
                let mut broken = octets.clone();
                broken[at] ^= flip;
                changed += usize::from(reports(&broken) != reports(&octets));
            }
        }
        assert!(
            changed > octets.len() * 2,
            "most changes must be noticed or change the value"
        );
    }

    #[test]
    fn every_tag_is_the_one_of_the_proto_file() {
        let proto = include_str!("report.proto");
        let rust = include_str!("wire.rs");
        let fields = |text: &str, pick: fn(&str) -> Option<(String, u32)>| {
            text.lines()
                .filter_map(|line| pick(line.trim()))
                .collect::<Vec<_>>()
        };
        let of_proto = fields(proto, |line| {
            let (declaration, tag) = line
                .split("//")
                .next()?
                .trim()
                .strip_suffix(';')?
                .split_once(" = ")?;
            Some((
                declaration.split_whitespace().last()?.to_owned(),
                tag.parse().ok()?,
            ))
        });
        let tags = fields(rust, |line| {
            Some((
                String::new(),
                line.split("tag = \"")
                    .nth(1)?
                    .split('"')
                    .next()?
                    .parse()
                    .ok()?,
            ))
        });
        let names = rust
            .lines()
            .collect::<Vec<_>>()
            .windows(2)
            .filter(|pair| pair[0].contains(" tag = \""))
            .map(|pair| {
                let name = pair[1].trim().trim_start_matches("pub(super) ");
                name.split([':', '(']).next().unwrap().to_lowercase()
            })
            .collect::<Vec<_>>();
        let of_rust: Vec<(String, u32)> = names
            .into_iter()
            .zip(tags.into_iter().map(|(_, tag)| tag))
            .collect();
        assert_eq!(of_rust, of_proto);
    }

    /// The messages as the version before ranges spoke them, by hand: tags, lengths and values.
    #[test]
    fn the_version_before_ranges_is_understood_and_understands_what_it_is_sent() {
        // Hello: version 1, probe "p", epoch 9, software "0.1", simulated.
        let hello = b"\x0a\x15\x08\x01\x12\x01p\x19\x09\0\0\0\0\0\0\0\x22\x030.1\x28\x01";
        let Ok(FromProbe::Hello(read)) = FromProbe::decode(hello) else {
            panic!("the hello of the version before is not understood");
        };
        assert_eq!((read.probe.as_str(), read.epoch), ("p", 9));
        assert_eq!(read.abilities, Abilities::NONE);
        // What it does not know of ours is one field at the end, which a reader of protobuf skips.
        let ours = FromProbe::Hello(Hello {
            abilities: Abilities::RANGES,
            ..read.clone()
        });
        let ours = ours.encode();
        assert_eq!(ours[2..hello.len()], hello[2..]);
        assert_eq!(ours[hello.len()..], [0xA0, 0x01, 0x01], "tag 20, the bits");
        let unable = FromProbe::Hello(read);
        assert_eq!(unable.encode(), hello);
        assert_eq!(FromCollector::Stored(7).encode(), b"\x10\x07");
        assert_eq!(FromCollector::Plan(vec![5]).encode(), b"\x0a\x01\x05");
        let batch = FromProbe::Batch(ReportBatch {
            epoch: 9,
            first_sequence: 4,
            reports: vec![report().encode()],
            spool_filled_ppm: None,
        });
        let octets = batch.encode();
        assert_eq!(octets[3..14], *b"\x09\x09\0\0\0\0\0\0\0\x10\x04");
        assert_eq!(octets[14], 0x1A, "reports are messages in field 3, as ever");
    }

    #[test]
    fn the_new_messages_have_these_octets_for_ever() {
        let numbers = Numbers {
            epoch: 9,
            first: 3,
            count: 300,
        };
        let octets = b"\x09\x09\0\0\0\0\0\0\0\x10\x03\x18\xac\x02";
        let message = |head: &[u8]| [head, octets].concat();
        let expected = message(b"\xaa\x01\x0e");
        assert_eq!(FromCollector::Taken(numbers).encode(), expected);
        let expected = message(b"\xb2\x01\x0e");
        assert_eq!(FromCollector::Again(numbers).encode(), expected);
        let welcome = FromCollector::Welcome(Abilities::RANGES).encode();
        assert_eq!(welcome, b"\xa2\x01\x02\x08\x01");
        assert_eq!(FromCollector::Highest(300).encode(), b"\xe0\x01\xac\x02");
        let expected = [&message(b"\xa2\x01\x12\x0a\x0e")[..], b"\x10\x01"].concat();
        assert_eq!(FromProbe::Gone(numbers, Loss::Full).encode(), expected);
        assert_eq!(FromCollector::Order(vec![5]).encode(), b"\xba\x01\x01\x05");
        let standing = PlanStanding {
            follows: 300,
            on_trial: true,
            turned_down: Some(TurnedDown::new(7, PlanFault::Older, "x")),
        };
        let expected = b"\xaa\x01\x0e\x08\xac\x02\x10\x01\x1a\x07\x08\x07\x10\x07\x1a\x01x";
        assert_eq!(FromProbe::Plan(standing).encode(), expected);
        assert!(
            FromCollector::decode(b"\xaa\x01\x00").is_err(),
            "no numbers"
        );
    }

    #[test]
    fn a_report_that_cannot_be_read_takes_no_other_with_it() {
        let sent = FromProbe::Batch(ReportBatch {
            epoch: 1,
            first_sequence: 1,
            reports: vec![report().encode(), b"no report".to_vec()],
            spool_filled_ppm: None,
        });
        let Ok(FromProbe::Batch(batch)) = FromProbe::decode(&sent.encode()) else {
            panic!("no batch");
        };
        let read: Vec<bool> = batch
            .reports
            .iter()
            .map(|octets| Report::decode(octets).is_ok())
            .collect();
        assert_eq!(read, [true, false]);
        assert_eq!(batch.numbers().map(|numbers| numbers.range()), Some(1..=2));
    }

    #[test]
    fn an_interval_is_small_on_the_wire() {
        let octets = report().encode().len();
        assert!(octets < 1_000, "one report takes {octets} octets");
    }

    #[test]
    fn what_a_judge_reads_of_a_report_is_smaller_and_stays_as_it_is() {
        let judged = report().for_judge();
        let octets = judged.encode();
        assert!(octets.len() < report().encode().len());
        assert_eq!(Report::decode(&octets), Ok(judged.clone()));
        assert_eq!(judged.clone().for_judge(), judged);
        assert_eq!(judged.summary.forward.raw, report().summary.forward.raw);
        assert_eq!(judged.clock.bound, report().clock.bound);
    }

    #[test]
    fn a_report_of_a_probe_that_tells_no_patterns_is_read_as_one_without_any() {
        let mut old = convert::from_report(&report());
        let summary = old.summary.as_mut().unwrap();
        summary.somewhere = None;
        for direction in [&mut summary.forward, &mut summary.backward] {
            direction.as_mut().unwrap().patterns = None;
        }
        let read = Report::decode(&old.encode_to_vec()).unwrap().summary;
        assert!(read.forward.patterns.is_empty() && read.backward.patterns.is_empty());
        assert_eq!(read.forward.lost, report().summary.forward.lost);
    }
}
