//! What the reports of one session amount to: the same numbers as a collector's.
//!
//! Quantiles are over the packets *sent*, a lost one being of infinite delay,
//! and each is an interval because a histogram knows only the cell.

use owl_measure::clock::ClockState;
use owl_measure::delay::{Floors, OneWayDelay};
use owl_measure::distribution::{Bounds, Distribution};
use owl_measure::patterns::Patterns;
use owl_measure::report::Report;
use owl_measure::sample::Direction;
use owl_measure::summary::{PeerClockSummary, StampCounts, Summary};
use owl_measure::time::Nanos;
use owl_measure::variation::{ipdv, pdv};
use owl_measure::verdict::flow::FlowWindow;
use owl_measure::verdict::window::Claims;
use owl_measure::verdict::{Claim, Evidence, Quantile, SessionWindow, judge};

use super::judged::{Asked, Judged};

/// The quantiles that are shown.
pub(super) const SHOWN: [Quantile; 3] = [Quantile::P50, Quantile::P95, Quantile::P99];
/// Both ways of a packet, in the order in which they are shown.
pub(super) const DIRECTIONS: [Direction; 2] = [Direction::Forward, Direction::Backward];

/// Spans from the smallest to the largest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    pub(super) min: Option<Nanos>,
    pub(super) max: Option<Nanos>,
    /// Of [`SHOWN`]; `None` when so many packets did not come back.
    pub(super) quantiles: [Option<Bounds>; 3],
}

impl Spread {
    fn of(spans: &Distribution, population: u64) -> Self {
        Self {
            min: spans.min(),
            max: spans.max(),
            quantiles: SHOWN.map(|quantile| spans.at_rank(quantile.rank(population))),
        }
    }
}

/// One direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// The raw difference of the two clocks' stamps: no delay.
    pub(super) raw: Spread,
    /// The one-way delay, of [`SHOWN`]; `None` when round trips are faster than light.
    pub(super) one_way: Option<[OneWayDelay; 3]>,
    /// The 95th percentile of PDV (RFC 5481) over the packets received.
    pub(super) pdv_p95: Option<Bounds>,
    /// The 95th percentile of IPDV (RFC 3393) over the pairs there are.
    pub(super) ipdv_p95: Option<Bounds>,
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    pub(super) reordered: u64,
    /// What its losses and overtaken packets looked like.
    pub(super) patterns: Patterns,
}

/// Counts of packets, and of what befell their sender.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) late: u64,
    pub(super) lost: u64,
    /// Of the lost: those whose direction nobody knows.
    pub(super) lost_somewhere: u64,
    /// Of the lost: those that this host dropped itself, at most.
    pub(super) own_loss: u64,
    pub(super) skipped: u64,
    pub(super) lateness_max: Nanos,
    pub(super) transmit_stamps: StampCounts,
    pub(super) receive_stamps: StampCounts,
    pub(super) peer_clock: PeerClockSummary,
}

impl Counts {
    fn add(&mut self, summary: &Summary) {
        self.sent += summary.sent;
        self.received += summary.received;
        self.late += summary.late;
        self.lost += summary.lost;
        self.lost_somewhere += summary.lost_somewhere();
        self.own_loss += summary.lost_here();
        self.skipped += summary.skipped;
        self.lateness_max = self.lateness_max.max(summary.lateness_max);
        add_stamps(&mut self.transmit_stamps, summary.transmit_stamps);
        add_stamps(&mut self.receive_stamps, summary.receive_stamps);
        self.peer_clock.claims += summary.peer_clock.claims;
        self.peer_clock.no_claims += summary.peer_clock.no_claims;
        self.peer_clock.widest = self.peer_clock.widest.max(summary.peer_clock.widest);
    }
}

fn add_stamps(total: &mut StampCounts, more: StampCounts) {
    total.hardware += more.hardware;
    total.kernel += more.kernel;
    total.user += more.user;
}

/// What a session found.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) counts: Counts,
    /// Forward, backward.
    pub(super) ways: [Way; 2],
    /// What losses and overtaken packets looked like of which nobody knows the direction.
    pub(super) somewhere: Patterns,
    pub(super) round_trip: Spread,
    /// This host's clock at its worst.
    pub(super) own_clock: ClockState,
    pub(super) floors: Floors,
    pub(super) claims: Claims,
    window: SessionWindow,
    /// As long as the packets that were wanted take.
    length: Nanos,
}

impl Findings {
    /// From all reports of one session; `None` when there are none.
    pub(super) fn of(reports: &[Report], floors: Floors) -> Option<Self> {
        let window = SessionWindow::of(reports)?;
        let mut counts = Counts::default();
        let mut own_clock: Option<ClockState> = None;
        for report in reports {
            counts.add(&report.summary);
            own_clock = Some(own_clock.map_or(report.clock, |clock| clock.worse(report.clock)));
        }
        let claims = if window.contradicts_clocks(floors) {
            Claims::Withdrawn
        } else {
            Claims::Stand
        };
        let wanted = i64::try_from(counts.sent.saturating_add(counts.skipped)).unwrap_or(i64::MAX);
        let length = reports.first()?.packet_interval.times(wanted);
        let evidence = |direction| window.evidence(direction, length, floors, claims);
        let ways = DIRECTIONS.map(|direction| way(&window, direction, &evidence(direction)));
        let round_trip = Spread::of(
            window.round_trip(),
            population(&evidence(Direction::Forward)),
        );
        let somewhere = *window.patterns(None);
        Some(Self {
            counts,
            ways,
            somewhere,
            round_trip,
            own_clock: own_clock?,
            floors,
            claims,
            window,
            length,
        })
    }

    /// The flows one by one, when there are several.
    pub(super) fn flows(&self) -> &[FlowWindow] {
        self.window.flows()
    }

    /// The evidence on one direction.
    pub(super) fn evidence(&self, direction: Direction) -> Evidence<'_> {
        self.window
            .evidence(direction, self.length, self.floors, self.claims)
    }

    /// The verdicts, forward and backward.
    pub(super) fn judged(&self, asked: Asked) -> Judged {
        let profile = asked.profile(self.length);
        let verdict = |direction| judge(&self.evidence(direction), asked.target, &profile);
        Judged {
            quantile: asked.quantile,
            verdicts: DIRECTIONS
                .map(|direction| (direction, verdict(direction)))
                .into(),
        }
    }

    /// How far the two clocks are apart at least, by light and causality alone; `None` when they may agree.
    ///
    /// No packet is faster than light, so the reflector's clock minus ours, θ, obeys F − min(T4 − T3) ≤ θ ≤ min(T2 − T1) − F.
    pub(super) fn clocks_apart(&self) -> Option<Nanos> {
        let forward = self.window.raw(Direction::Forward).min()?;
        let backward = self.window.raw(Direction::Backward).min()?;
        let at_most = forward - self.floors.forward;
        let at_least = self.floors.backward - backward;
        (at_least <= at_most && !(at_least..=at_most).contains(&Nanos::ZERO))
            .then(|| at_least.abs().min(at_most.abs()))
    }

    /// Whether packets were faster than light both ways together: no clock explains that.
    pub(super) fn faster_than_light(&self) -> bool {
        let least = self.floors.forward + self.floors.backward;
        self.round_trip.min.is_some_and(|min| min < least)
    }
}

fn population(evidence: &Evidence<'_>) -> u64 {
    evidence
        .sent
        .max(evidence.raw.count().saturating_add(evidence.lost))
}

fn way(window: &SessionWindow, direction: Direction, evidence: &Evidence<'_>) -> Way {
    let one_way = |quantile| {
        let ranks = evidence.ranks(quantile);
        let proved = evidence.proved(ranks)?;
        let claimed = match evidence.claim {
            Claim::Clocks(clocks) => evidence.claimed(ranks, proved, clocks),
            Claim::None | Claim::Withdrawn => None,
        };
        Some(claimed.unwrap_or(proved))
    };
    let [p50, p95, p99] = SHOWN.map(one_way);
    Way {
        raw: Spread::of(evidence.raw, population(evidence)),
        one_way: (|| Some([p50?, p95?, p99?]))(),
        pdv_p95: pdv(evidence.raw, Quantile::P95),
        ipdv_p95: ipdv(window.ipdv(direction), Quantile::P95),
        lost: evidence.lost,
        duplicated: window.duplicated(direction),
        reordered: window.reordered(direction),
        patterns: *window.patterns(Some(direction)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use owl_measure::clock::{BoundBasis, ClockSource, ClockStatus};
    use owl_measure::reordering::Reordered;
    use owl_measure::sample::{Header, PeerClock, Sample, Stamp, StampSource};
    use owl_measure::summary::Recorder;
    use owl_measure::time::Timestamp;
    use owl_measure::verdict::{Population, State};

    const US: fn(i64) -> Nanos = Nanos::from_micros;

    /// A hundred packets of these true delays, the far clock `theta` ahead; both clocks claim `bound`.
    pub(in crate::command::delay) struct Path {
        pub(in crate::command::delay) forward: i64,
        pub(in crate::command::delay) backward: i64,
        pub(in crate::command::delay) theta: i64,
        pub(in crate::command::delay) bound: Option<i64>,
        pub(in crate::command::delay) floor: i64,
    }

    impl Path {
        pub(in crate::command::delay) fn findings(&self) -> Findings {
            let kernel = |at| Stamp {
                at,
                source: StampSource::Kernel,
            };
            let mut recorder = Recorder::new(Nanos::from_secs(10), Timestamp(0), vec![]);
            for sequence in 0..100 {
                let origin = Timestamp(0) + Nanos::from_millis(i64::from(sequence) * 100);
                let there = origin + US(self.forward + self.theta);
                recorder.sent(origin, Nanos::ZERO);
                let sample = Sample {
                    sequence,
                    origin,
                    sent_at: kernel(origin),
                    reflector_received_at: there,
                    reflector_sent_at: there,
                    t3: StampSource::Kernel,
                    received_at: kernel(origin + US(self.forward + self.backward)),
                    forward_header: Header {
                        ttl: 250,
                        ..Header::default()
                    },
                    backward_header: Header {
                        ttl: 250,
                        ..Header::default()
                    },
                    peer_clock: self
                        .bound
                        .map_or(PeerClock::NoClaim, |us| PeerClock::Within(US(us))),
                };
                recorder.received(&sample, Reordered::default());
            }
            let report = Report {
                path: String::new(),
                generation: String::new(),
                flow: 0,
                packet_interval: Nanos::from_millis(100),
                summary: recorder.close(Timestamp(i64::MAX)).unwrap(),
                clock: ClockState {
                    as_of: Timestamp(0),
                    source: ClockSource::Gnss,
                    status: ClockStatus::Synchronised,
                    bound: self.bound.map(|us| (US(us), BoundBasis::Declared)),
                    transmit_stamp_error: US(25),
                    receive_stamp_error: US(25),
                    ..ClockState::default()
                },
            };
            Findings::of(
                &[report],
                Floors {
                    forward: US(self.floor),
                    backward: US(self.floor),
                },
            )
            .unwrap()
        }
    }

    /// The p95 of the packets.
    pub(in crate::command::delay) fn asked(target: Nanos) -> Asked {
        Asked {
            target,
            quantile: Quantile::P95,
            population: Population::Packets,
        }
    }

    pub(in crate::command::delay) const HONEST: Path = Path {
        forward: 600,
        backward: 900,
        theta: 0,
        bound: None,
        floor: 100,
    };

    #[test]
    fn without_claims_light_and_the_round_trip_bound_each_way() {
        let found = HONEST.findings();
        assert_eq!((found.counts.sent, found.counts.received), (100, 100));
        for way in &found.ways {
            assert_eq!(way.one_way.unwrap()[0].lo, US(100));
            assert!(
                way.one_way.unwrap()[0].hi >= US(1_400) && way.one_way.unwrap()[0].hi <= US(1_415),
                "{way:?}"
            );
        }
        assert_eq!(
            found.judged(asked(Nanos::from_millis(2))).state(),
            State::Met
        );
        assert_eq!(found.judged(asked(US(50))).state(), State::Missed);
        assert_eq!(found.judged(asked(US(800))).state(), State::Undecided);
    }

    #[test]
    fn claims_of_both_clocks_narrow_and_a_contradiction_withdraws_them() {
        let claimed = Path {
            bound: Some(10),
            ..HONEST
        }
        .findings();
        let forward = claimed.ways[0].one_way.unwrap()[0];
        assert!(
            forward.lo <= US(600) && US(600) <= forward.hi && forward.hi - forward.lo <= US(90),
            "{forward:?}"
        );
        let lying = Path {
            bound: Some(10),
            theta: 3_000,
            ..HONEST
        }
        .findings();
        assert_eq!(lying.claims, Claims::Withdrawn);
        assert_eq!(lying.ways[0].one_way.unwrap()[0].lo, US(100));
    }

    #[test]
    fn clocks_that_cannot_agree_are_told_by_how_much_at_least() {
        let apart = |theta| Path { theta, ..HONEST }.findings().clocks_apart();
        assert_eq!(apart(0), None);
        assert_eq!(apart(-3_000), Some(US(2_500)));
        assert_eq!(apart(3_000), Some(US(2_200)));
    }
}
