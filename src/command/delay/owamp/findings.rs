//! What the records of OWAMP sessions amount to.
//!
//! Nothing comes back to its sender, so there is no round trip, and nothing but
//! the two clocks' claims bounds a one-way delay from above. The arithmetic is
//! that of every other measurement: quantiles over the packets sent, a lost one
//! being of infinite delay, and intervals from what both Error Estimates claim.

use std::collections::HashSet;

use owl_measure::clock::live::MeshBounds;
use owl_measure::clock::{ClockClaim, ClockState};
use owl_measure::delay::{ClockDifference, Floors, OneWayDelay};
use owl_measure::distribution::{Bounds, Distribution};
use owl_measure::histogram::HistogramRecorder;
use owl_measure::sample::{Direction, PeerClock, StampSource};
use owl_measure::summary::{PeerClockSummary, StampCounts};
use owl_measure::time::Nanos;
use owl_measure::variation::{IpdvPairs, pdv};
use owl_measure::verdict::{Claim, Correlation, Evidence, Profile, Quantile, judge};
use owl_probe::control::owamp::{Measured, OneWay};

use crate::command::delay::findings::SHOWN;
use crate::command::delay::judged::{Asked, Judged};

/// One direction.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) direction: Direction,
    pub(super) sent: u64,
    /// Packets that the sender left out.
    pub(super) skipped: u64,
    /// Of those, the ones that this host's kernel refused, when it was the sender.
    pub(super) unsent: Option<u64>,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    pub(super) reordered: u64,
    /// Packets that came here outside of the loss threshold, when that is known.
    pub(super) out_of_time: Option<u64>,
    /// T2 − T1, the difference of the two clocks included.
    pub(super) raw: Distribution,
    /// Of [`SHOWN`].
    pub(super) one_way: [OneWayDelay; 3],
    pub(super) pdv_p95: Option<Bounds>,
    pub(super) ipdv_p95: Option<Bounds>,
    correlation: Correlation,
    /// Smallest and largest TTL on arrival.
    pub(super) ttl: Option<(u8, u8)>,
    /// Where T1 was taken, of the packets that arrived.
    pub(super) transmit_stamps: StampCounts,
    /// Where T2 was taken, when that is known.
    pub(super) receive_stamps: Option<StampCounts>,
    /// What the other host claims of its clock.
    pub(super) far_clock: PeerClockSummary,
    gathered: Gathered,
}

impl Way {
    /// Packets whose fate is not known: too young to be judged when the session was stopped.
    pub(super) fn open(&self) -> u64 {
        self.sent.saturating_sub(self.received + self.lost)
    }

    /// A quantile of the raw difference over the packets sent; `None` when that one did not come.
    pub(super) fn raw_at(&self, quantile: Quantile) -> Option<Bounds> {
        let population = self.sent.max(self.received + self.lost);
        self.raw.at_rank(quantile.rank(population))
    }
}

/// What decides the interval and the verdict of one direction, beside its raw differences.
#[derive(Debug, Clone, Copy)]
struct Gathered {
    clocks: Option<ClockDifference>,
    /// One standard deviation of what is random in it.
    random: Nanos,
    stamp_error: Option<Nanos>,
    opposite_min: Option<Nanos>,
}

/// What a measurement found.
#[derive(Debug)]
pub(super) struct Findings {
    /// Those that were measured, forward first.
    pub(super) ways: Vec<Way>,
    pub(super) own_clock: ClockState,
    pub(super) floors: Floors,
    /// With the clocks' claims, a packet was faster than light: no claim is used.
    pub(super) withdrawn: bool,
}

impl Findings {
    /// `own_clock` is this host's at its worst.
    pub(super) fn of(measured: &Measured, own_clock: ClockState, floors: Floors) -> Self {
        let sessions = [
            (Direction::Forward, &measured.forward),
            (Direction::Backward, &measured.backward),
        ];
        let mut ways: Vec<Way> = sessions
            .into_iter()
            .filter_map(|(direction, session)| Some(way(direction, session.as_ref()?, &own_clock)))
            .collect();
        if let [forward, backward] = &mut ways[..] {
            forward.gathered.opposite_min = backward.raw.min();
            backward.gathered.opposite_min = forward.raw.min();
        }
        let mut findings = Self {
            ways,
            own_clock,
            floors,
            withdrawn: false,
        };
        findings.withdrawn = findings.ways.iter().any(|way| {
            way.gathered
                .clocks
                .is_some_and(|clocks| findings.evidence(way).contradicts(clocks))
        });
        let intervals: Vec<_> = findings
            .ways
            .iter()
            .map(|way| SHOWN.map(|quantile| one_way(&findings.evidence(way), quantile)))
            .collect();
        for (way, one_way) in findings.ways.iter_mut().zip(intervals) {
            way.one_way = one_way;
        }
        findings
    }

    /// What both clocks claim together, where both claim something.
    pub(super) fn clocks(&self) -> Option<ClockDifference> {
        self.ways.iter().find_map(|way| way.gathered.clocks)
    }

    /// The bound that the other host claims for its clock at its widest; `None` when it once claimed nothing.
    pub(super) fn far_bound(&self) -> Option<Nanos> {
        let heard = self.ways.iter().filter(|way| way.received > 0);
        let bounds: Option<Vec<Nanos>> = heard.map(|way| way.far_clock.bound()).collect();
        bounds?.into_iter().max()
    }

    /// One verdict for each way.
    pub(super) fn judged(&self, asked: Asked) -> Judged {
        let profile = asked.profile(Profile::plan_2026().interval);
        let verdict = |way| judge(&self.evidence(way), asked.target, &profile);
        let each = self.ways.iter();
        Judged {
            quantile: asked.quantile,
            verdicts: each.map(|way| (way.direction, verdict(way))).collect(),
        }
    }

    /// Between which the smallest one-way delay of each way lies.
    pub(super) fn fastest(&self) -> impl Iterator<Item = (Direction, Option<OneWayDelay>)> + '_ {
        let each = self.ways.iter();
        each.map(|way| (way.direction, self.evidence(way).fastest()))
    }

    fn evidence<'a>(&'a self, way: &'a Way) -> Evidence<'a> {
        let floors = match way.direction {
            Direction::Forward => self.floors,
            Direction::Backward => Floors {
                forward: self.floors.backward,
                backward: self.floors.forward,
            },
        };
        Evidence {
            planned: way.sent + way.skipped,
            sent: way.sent,
            lost: way.lost,
            raw: &way.raw,
            opposite_min: way.gathered.opposite_min,
            round_trip: &NO_ROUND_TRIP,
            floors,
            claim: match way.gathered.clocks {
                Some(_) if self.withdrawn => Claim::Withdrawn,
                Some(clocks) => Claim::Clocks(clocks),
                None => Claim::None,
            },
            mesh: MeshBounds::default(),
            stamp_error: way.gathered.stamp_error,
            hardware_stamps: false,
            random: way.gathered.random,
            correlation: way.correlation,
        }
    }
}

static NO_ROUND_TRIP: std::sync::LazyLock<Distribution> =
    std::sync::LazyLock::new(Distribution::default);

fn one_way(evidence: &Evidence<'_>, quantile: Quantile) -> OneWayDelay {
    let ranks = evidence.ranks(quantile);
    // Without a round trip nothing can be faster than light there and back.
    let proved = evidence
        .proved(ranks)
        .unwrap_or(OneWayDelay::proved(Nanos::MAX, evidence.floors));
    match evidence.claim {
        Claim::Clocks(clocks) => evidence.claimed(ranks, proved, clocks).unwrap_or(proved),
        Claim::None | Claim::Withdrawn => proved,
    }
}

fn way(direction: Direction, session: &OneWay, own_clock: &ClockState) -> Way {
    let (mut raw, mut ipdv) = (HistogramRecorder::default(), HistogramRecorder::default());
    let (mut pairs, mut seen) = (IpdvPairs::default(), HashSet::new());
    let (mut received, mut lost, mut duplicated, mut reordered) = (0, 0, 0, 0);
    let (mut next_expected, mut ttl) = (0, None);
    let mut transmit_stamps = StampCounts::default();
    let mut claimed = [PeerClockSummary::default(); 2];
    for record in &session.records {
        let Some(received_at) = record.received_at else {
            lost += 1;
            continue;
        };
        if !seen.insert(record.sequence) {
            duplicated += 1;
            continue;
        }
        received += 1;
        let delay = received_at - record.sent_at.at;
        raw.record(delay);
        if let Some(variation) = pairs.next(record.sequence, delay) {
            ipdv.record(variation);
        }
        // RFC 4737, section 3.3: smaller than the next one expected.
        reordered += u64::from(record.sequence < next_expected);
        next_expected = next_expected.max(record.sequence.saturating_add(1));
        let (low, high) = ttl.unwrap_or((record.ttl, record.ttl));
        ttl = Some((record.ttl.min(low), record.ttl.max(high)));
        match record.sent_at.source {
            StampSource::Hardware => transmit_stamps.hardware += 1,
            StampSource::Kernel => transmit_stamps.kernel += 1,
            StampSource::User => transmit_stamps.user += 1,
        }
        for (claimed, clock) in claimed
            .iter_mut()
            .zip([record.sender_clock, record.receiver_clock])
        {
            count_claim(claimed, clock);
        }
    }
    let [sender, receiver] = claimed;
    let (raw, ipdv) = (raw.finish(), ipdv.finish());
    let (raw, ipdv) = (Distribution::of([&raw]), Distribution::of([&ipdv]));
    Way {
        direction,
        sent: session.sent,
        skipped: session.skipped,
        unsent: session.unsent,
        received,
        lost,
        duplicated,
        reordered,
        out_of_time: session.out_of_time,
        one_way: SHOWN.map(|_| OneWayDelay::proved(Nanos::MAX, Floors::default())),
        pdv_p95: pdv(&raw, Quantile::P95),
        ipdv_p95: ipdv.at_rank(Quantile::P95.rank(ipdv.count())),
        correlation: Correlation::of(&raw, &ipdv),
        raw,
        ttl,
        transmit_stamps,
        receive_stamps: session.receive_stamps,
        far_clock: match direction {
            Direction::Forward => receiver,
            Direction::Backward => sender,
        },
        gathered: Gathered {
            clocks: sender
                .bound()
                .zip(receiver.bound())
                .map(|(sender, receiver)| {
                    // Of the other clock, packets tell nothing but the bound.
                    ClockClaim::within(sender)
                        .with_random(own_clock.random)
                        .difference(ClockClaim::within(receiver))
                }),
            random: own_clock.random,
            // T1 has a bound only where this host's kernel took it; a process takes it any time before the packet leaves.
            stamp_error: (direction == Direction::Forward && transmit_stamps.user == 0)
                .then_some(own_clock.transmit_stamp_error),
            opposite_min: None,
        },
    }
}

fn count_claim(claimed: &mut PeerClockSummary, clock: PeerClock) {
    match clock {
        PeerClock::Within(bound) => {
            claimed.claims += 1;
            claimed.widest = claimed.widest.max(bound);
        }
        PeerClock::NoClaim => claimed.no_claims += 1,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::command::delay::findings::tests::asked;
    use owl_measure::clock::{ClockSource, ClockStatus};
    use owl_measure::sample::Stamp;
    use owl_measure::time::Timestamp;
    use owl_measure::verdict::{Reason, State};
    use owl_probe::control::owamp::Record;
    use owl_protocol::wire::owamp::Sid;

    const US: fn(i64) -> Nanos = Nanos::from_micros;

    /// A hundred packets of one delay each way, the far clock `theta` ahead; both clocks claim `bound`. All in µs.
    #[derive(Clone, Copy)]
    pub(in crate::command::delay::owamp) struct Path {
        pub(in crate::command::delay::owamp) forward: i64,
        pub(in crate::command::delay::owamp) backward: i64,
        pub(in crate::command::delay::owamp) theta: i64,
        pub(in crate::command::delay::owamp) bound: Option<i64>,
        pub(in crate::command::delay::owamp) lost: u32,
    }

    pub(in crate::command::delay::owamp) const HONEST: Path = Path {
        forward: 600,
        backward: 900,
        theta: 0,
        bound: Some(10),
        lost: 0,
    };

    impl Path {
        fn session(&self, delay: i64, source: StampSource) -> OneWay {
            let clock = self
                .bound
                .map_or(PeerClock::NoClaim, |us| PeerClock::Within(US(us)));
            let record = |sequence: u32| {
                let at = Timestamp(i64::from(sequence) * 100_000_000);
                Record {
                    sequence,
                    sent_at: Stamp { at, source },
                    received_at: (sequence >= self.lost).then(|| at + US(delay)),
                    sender_clock: clock,
                    receiver_clock: clock,
                    ttl: 250,
                }
            };
            OneWay {
                sid: Sid::default(),
                sent: 100,
                skipped: 0,
                unsent: None,
                records: (0..100).map(record).collect(),
                out_of_time: None,
                receive_stamps: None,
            }
        }

        pub(in crate::command::delay::owamp) fn findings(&self) -> Findings {
            let measured = Measured {
                forward: Some(self.session(self.forward + self.theta, StampSource::Kernel)),
                backward: Some(self.session(self.backward - self.theta, StampSource::User)),
            };
            let own_clock = ClockState {
                as_of: Timestamp(0),
                source: ClockSource::Gnss,
                status: ClockStatus::Free,
                bound: None,
                drift_ppb: 0,
                transmit_stamp_error: US(25),
                receive_stamp_error: US(25),
                ..ClockState::default()
            };
            let floors = Floors {
                forward: US(100),
                backward: US(100),
            };
            Findings::of(&measured, own_clock, floors)
        }
    }

    #[test]
    fn both_error_estimates_bound_the_delay_and_only_the_kernels_t1_bounds_it_from_below() {
        let found = HONEST.findings();
        let [forward, backward] = &found.ways[..] else {
            panic!("two ways");
        };
        let [_, p95, _] = forward.one_way;
        assert_eq!((p95.lo, p95.hi), (US(600 - 20 - 25), US(620)));
        let [_, p95, _] = backward.one_way;
        assert_eq!((p95.lo, p95.hi), (US(100), US(920)));
    }

    #[test]
    fn without_claims_of_both_clocks_nothing_bounds_a_delay_from_above() {
        let silent = Path {
            bound: None,
            ..HONEST
        };
        for way in &silent.findings().ways {
            assert_eq!(
                (way.one_way[0].lo, way.one_way[0].hi),
                (US(100), Nanos::MAX)
            );
        }
        for (_, verdict) in silent.findings().judged(asked(US(50_000))).verdicts {
            assert_eq!(verdict.state, State::Undecided);
            assert_eq!(verdict.reason, Some(Reason::Clock));
        }
    }

    #[test]
    fn a_target_is_judged_by_the_claims_alone() {
        let states = |path: Path, target| -> Vec<State> {
            path.findings()
                .judged(asked(US(target)))
                .verdicts
                .iter()
                .map(|(_, verdict)| verdict.state)
                .collect()
        };
        assert_eq!(states(HONEST, 1_000), [State::Met, State::Met]);
        assert_eq!(states(HONEST, 500), [State::Missed, State::Undecided]);
        let lossy = Path { lost: 10, ..HONEST };
        assert_eq!(states(lossy, 1_000), [State::Missed, State::Missed]);
    }

    #[test]
    fn a_packet_faster_than_light_withdraws_the_claims() {
        let lying = Path {
            theta: 3_000,
            ..HONEST
        };
        let found = lying.findings();
        assert!(found.withdrawn);
        assert!(found.ways.iter().all(|way| way.one_way[0].hi == Nanos::MAX));
        assert!(!HONEST.findings().withdrawn);
    }

    #[test]
    fn losses_copies_and_overtaking_are_counted_apart() {
        let mut session = HONEST.session(600, StampSource::Kernel);
        session.records[7].received_at = None;
        session.records.swap(20, 22);
        let again = session.records[50];
        session.records.push(again);
        session.sent = 103;
        let own_clock = HONEST.findings().own_clock;
        let way = way(Direction::Forward, &session, &own_clock);
        assert_eq!((way.received, way.lost, way.open()), (99, 1, 3));
        assert_eq!((way.duplicated, way.reordered), (1, 2));
        assert_eq!(way.ttl, Some((250, 250)));
        assert_eq!(way.raw_at(Quantile::P50).unwrap().at_most, US(600));
        assert_eq!(way.raw_at(Quantile::P99), None);
    }
}
