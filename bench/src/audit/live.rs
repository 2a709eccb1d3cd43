//! The audit of single windows, as the collector's judge does it, against meshes whose truth is known.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::AddAssign;

use owl_measure::clock::live::{MeshFindings, Span};
use owl_measure::clock::suspicion::ProbeVerdict;
use owl_measure::clock::{BoundBasis, ClockSource, ClockState, ClockStatus};
use owl_measure::delay::{Basis, ClockDifference, Floors};
use owl_measure::loss::Loss;
use owl_measure::reordering::Reordered;
use owl_measure::report::Report;
use owl_measure::sample::{Header, PeerClock, Sample, Stamp, StampSource};
use owl_measure::summary::Recorder;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::window::{Heard, SessionOf, hear, judge_path};
use owl_measure::verdict::{Profile, Quantile, SessionWindow, State};
use owl_sim::mesh::{Exchange, Kind, Scenario, Seen, Stamps, Truth};

use super::mesh::light;

/// The judged window.
const WINDOW: Nanos = Nanos::from_secs(60);
/// What one report tells of.
const INTERVAL: Nanos = Nanos::from_secs(10);
/// Between two packets of a session.
const PACKET_INTERVAL: Nanos = Nanos::from_secs(2);
/// Right at its own moment a step is in neither window.
const MOMENT_NS: i64 = 10_000_000;
/// A clock moves by no more than this while a packet is under way.
const UNDER_WAY_NS: f64 = 200.0;

/// Counts over one or more runs, window by window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LiveOutcome {
    /// Verdicts, decided or not.
    pub verdicts: u32,
    /// Proved, claimed.
    pub decided: [u32; 2],
    /// False ones among those.
    pub wrong: [u32; 2],
    /// Bounds on two clocks' difference, proved and claimed, that hold for all packets of a session's window.
    pub held: [u32; 2],
    /// All such bounds.
    pub bounds: [u32; 2],
    /// Claims that were broken in a window.
    pub lies: u32,
    /// Those of them that were not believed.
    pub found: u32,
    /// Claims that held in a window.
    pub truths: u32,
    /// Those of them that were not believed.
    pub doubted: u32,
    /// Those of them that were called faulty.
    pub slandered: u32,
}

impl AddAssign for LiveOutcome {
    fn add_assign(&mut self, other: Self) {
        self.verdicts += other.verdicts;
        for k in 0..2 {
            self.decided[k] += other.decided[k];
            self.wrong[k] += other.wrong[k];
            self.held[k] += other.held[k];
            self.bounds[k] += other.bounds[k];
        }
        self.lies += other.lies;
        self.found += other.found;
        self.truths += other.truths;
        self.doubted += other.doubted;
        self.slandered += other.slandered;
    }
}

/// A packet, and what is true of it.
#[derive(Clone, Copy)]
struct Crossed {
    exchange: Exchange,
    /// There and back; `None` when lost on that way or never sent.
    delays: [Option<i64>; 2],
    /// When it was sent, in nanoseconds since the start of the run.
    sent: i64,
}

/// One session in one window.
struct Seat {
    window: SessionWindow,
    packets: Vec<Crossed>,
}

impl LiveOutcome {
    /// Makes one run, audits and judges each of its windows, and holds the answers against the truth.
    pub fn of(kind: Kind, seed: u64) -> Self {
        let Scenario { seen, truth } = Scenario::of(kind, seed);
        let mut windows: BTreeMap<i64, BTreeMap<(usize, usize), Vec<Crossed>>> = BTreeMap::new();
        let mut taken = BTreeMap::new();
        for &exchange in &seen.exchanges {
            let crossed = crossed(&truth, exchange, &mut taken);
            let start = Timestamp(exchange.t1_ns).period_start(WINDOW, Timestamp(truth.span_ns.0));
            let sessions = windows.entry(start.0).or_default();
            let session = sessions.entry((exchange.from, exchange.to)).or_default();
            session.push(crossed);
        }
        let mut outcome = Self::default();
        for (start, sessions) in windows {
            let seats = sessions
                .into_iter()
                .filter_map(|(pair, packets)| {
                    let reports = reports(&seen, pair, &packets);
                    let window = SessionWindow::of(&reports)?;
                    Some((pair, Seat { window, packets }))
                })
                .collect();
            outcome.window(&seen, &truth, Timestamp(start), &seats);
        }
        outcome
    }

    fn window(
        &mut self,
        seen: &Seen,
        truth: &Truth,
        start: Timestamp,
        seats: &BTreeMap<(usize, usize), Seat>,
    ) {
        let floors = |from: usize, to: usize| Floors {
            forward: light(seen.min_km[from][to]),
            backward: light(seen.min_km[to][from]),
        };
        let sessions: Vec<SessionOf<'_>> = seats
            .iter()
            .map(|(&(from, to), seat)| SessionOf {
                from: seen.probes[from].name,
                to: seen.probes[to].name,
                window: &seat.window,
                floors: floors(from, to),
            })
            .collect();
        let span = Span {
            start,
            length: WINDOW,
        };
        let findings = hear(span, &sessions);
        for (&(from, to), seat) in seats {
            self.bounds(seen, truth, &findings, (from, to), seat);
            let heard = Heard::of(&findings, seen.probes[from].name, seen.probes[to].name);
            for (way, path) in [(0, (from, to)), (1, (to, from))] {
                for targets in [&seen.targets_ns, &seen.plan_targets_ns] {
                    let Some(target) = targets[path.0][path.1] else {
                        continue;
                    };
                    let (own, opposite) = if way == 0 {
                        (Some((&seat.window, heard)), None)
                    } else {
                        (None, Some((&seat.window, heard)))
                    };
                    let floors = floors(path.0, path.1);
                    let verdict = judge_path(own, opposite, floors, Nanos(target), &profile());
                    self.verdict(verdict.state, verdict.basis(), seat, way, target);
                }
            }
        }
        self.claims(seen, truth, &findings, start);
    }

    fn verdict(
        &mut self,
        state: State,
        basis: Option<Basis>,
        seat: &Seat,
        way: usize,
        target: i64,
    ) {
        self.verdicts += 1;
        let mut delays: Vec<Option<i64>> = seat
            .packets
            .iter()
            .map(|packet| packet.delays[way])
            .collect();
        if way == 1 && delays.contains(&None) {
            // Of a packet that never arrived there is no way back to be true of.
            return;
        }
        delays.sort_unstable_by_key(|delay| delay.unwrap_or(i64::MAX));
        let rank = Quantile::P95.rank(delays.len() as u64) as usize;
        let truth = delays[rank - 1].unwrap_or(i64::MAX);
        let right = match state {
            State::Met => truth <= target,
            State::Missed => truth > target,
            State::Undecided => return,
        };
        let place = usize::from(basis != Some(Basis::Proved));
        self.decided[place] += 1;
        self.wrong[place] += u32::from(!right);
    }

    fn bounds(
        &mut self,
        seen: &Seen,
        truth: &Truth,
        findings: &MeshFindings,
        (from, to): (usize, usize),
        seat: &Seat,
    ) {
        let bounds = findings.bounds(seen.probes[from].name, seen.probes[to].name);
        let holds = |bound: ClockDifference| {
            seat.packets.iter().all(|packet| {
                let at = packet.sent;
                if truth
                    .event_ns
                    .is_some_and(|event| (event - at).abs() < MOMENT_NS)
                {
                    return true;
                }
                let theta = truth.clocks[to].error_ns(at) - truth.clocks[from].error_ns(at);
                bound.at_least.0 as f64 <= theta + UNDER_WAY_NS
                    && theta - UNDER_WAY_NS <= bound.at_most.0 as f64
            })
        };
        for (k, bound) in [bounds.proved, bounds.claimed].into_iter().enumerate() {
            if let Some(bound) = bound {
                self.bounds[k] += 1;
                self.held[k] += u32::from(holds(bound));
            }
        }
    }

    fn claims(&mut self, seen: &Seen, truth: &Truth, findings: &MeshFindings, start: Timestamp) {
        for (probe, site) in seen.probes.iter().enumerate() {
            let Some(found) = findings.probes.get(site.name) else {
                continue;
            };
            let Some(claim) = found.claim else {
                continue;
            };
            // In true time the window lies where its clock puts it.
            let begin = start.0 - truth.span_ns.0 - truth.clocks[probe].error_ns(0) as i64;
            let broken = (0..60).any(|second| {
                let at = begin + second * 1_000_000_000;
                truth.clocks[probe].error_ns(at).abs() > claim.0 as f64
            });
            if broken {
                self.lies += 1;
                self.found += u32::from(!found.stands);
            } else {
                self.truths += 1;
                self.doubted += u32::from(!found.stands);
                self.slandered += u32::from(found.verdict == ProbeVerdict::Faulty);
            }
        }
    }
}

fn profile() -> Profile {
    Profile {
        min_samples: 10,
        min_coverage_ppm: 500_000,
        ..Profile::plan_2026()
    }
}

/// What became of a packet; `taken` counts the true delays of each direction that belong to packets before it.
fn crossed(
    truth: &Truth,
    exchange: Exchange,
    taken: &mut BTreeMap<(usize, usize), usize>,
) -> Crossed {
    let mut next = |from: usize, to: usize| {
        let place = taken.entry((from, to)).or_insert(0);
        *place += 1;
        truth.paths[from][to].delays_ns[*place - 1]
    };
    let there = next(exchange.from, exchange.to);
    let back = there.and_then(|_| next(exchange.to, exchange.from));
    let local = exchange.t1_ns - truth.span_ns.0;
    let clock = &truth.clocks[exchange.from];
    let rough = local - clock.error_ns(local) as i64;
    Crossed {
        exchange,
        delays: [there, back],
        sent: local - clock.error_ns(rough) as i64,
    }
}

/// What the session-sender reports of these packets.
fn reports(seen: &Seen, (from, to): (usize, usize), packets: &[Crossed]) -> Vec<Report> {
    let source = match seen.stamps {
        Stamps::Hardware => StampSource::Hardware,
        Stamps::Software => StampSource::Kernel,
    };
    let claim = |probe: usize, at: i64| {
        let claims = seen.claims.iter().filter(|claim| claim.probe == probe);
        let held = claims.take_while(|claim| claim.at_ns <= at).last();
        held.and_then(|claim| claim.bound_ns)
    };
    let aligned = packets.first().map_or(0, |packet| packet.exchange.t1_ns);
    let aligned = Timestamp(aligned).period_start(INTERVAL, Timestamp(0));
    let mut recorder = Recorder::new(INTERVAL, aligned, vec![]);
    let mut reports = Vec::new();
    let mut close = |recorder: &mut Recorder, at: i64| {
        while let Some(summary) = recorder.close(Timestamp(at)) {
            let end = (summary.start + summary.length).0;
            let both = claim(from, summary.start.0).zip(claim(from, end));
            reports.push(Report {
                path: String::new(),
                generation: String::new(),
                flow: 0,
                packet_interval: PACKET_INTERVAL,
                clock: ClockState {
                    as_of: summary.start + summary.length,
                    source: ClockSource::Simulated,
                    status: ClockStatus::Synchronised,
                    bound: both.map(|(a, b)| (Nanos(a.max(b)), BoundBasis::Declared)),
                    transmit_stamp_error: Nanos(200),
                    receive_stamp_error: Nanos(200),
                    ..ClockState::default()
                },
                summary,
            });
        }
    };
    for packet in packets {
        let exchange = packet.exchange;
        let origin = Timestamp(exchange.t1_ns);
        let begun = origin.period_start(INTERVAL, aligned);
        close(&mut recorder, begun.0);
        recorder.sent(origin, Nanos::ZERO);
        let stamp = |at| Stamp {
            at: Timestamp(at),
            source,
        };
        let (Some(t2), Some(t3), Some(t4)) = (exchange.t2_ns, exchange.t3_ns, exchange.t4_ns)
        else {
            recorder.lost(&Loss {
                sequence: exchange.sequence,
                origin,
                direction: None,
                period: None,
            });
            continue;
        };
        recorder.received(
            &Sample {
                sequence: exchange.sequence,
                origin,
                sent_at: stamp(exchange.t1_ns),
                reflector_received_at: Timestamp(t2),
                reflector_sent_at: Timestamp(t3),
                t3: source,
                received_at: stamp(t4),
                forward_header: Header::default(),
                backward_header: Header::default(),
                peer_clock: claim(to, t2)
                    .map_or(PeerClock::NoClaim, |bound| PeerClock::Within(Nanos(bound))),
            },
            Reordered::default(),
        );
    }
    close(&mut recorder, i64::MAX);
    reports
}

/// One line a kind, and one for all of them.
pub fn live_table(kinds: &[Kind], seeds: u64) -> String {
    let mut text = String::from(
        "kind                              proved claimed undecided false:proved claimed  θ proved holds  claimed holds  lies found  truths doubted faulty\n",
    );
    let mut all = LiveOutcome::default();
    for &kind in kinds {
        let mut outcome = LiveOutcome::default();
        for seed in 0..seeds {
            outcome += LiveOutcome::of(kind, seed);
        }
        all += outcome;
        line(&mut text, kind.name(), &outcome);
    }
    line(&mut text, "all", &all);
    text
}

fn line(text: &mut String, name: &str, outcome: &LiveOutcome) {
    let share = |part: u32, whole: u32| 100.0 * f64::from(part) / f64::from(whole.max(1));
    let [proved, claimed] = outcome.decided.map(|part| share(part, outcome.verdicts));
    let held = |k: usize| share(outcome.held[k], outcome.bounds[k]);
    writeln!(
        text,
        "{name:<32} {proved:>6.1}% {claimed:>6.1}% {:>8.1}% {:>12} {:>7} {:>14.3}% {:>13.3}% {:>6} {:>5} {:>7} {:>7} {:>6}",
        100.0 - proved - claimed,
        outcome.wrong[0],
        outcome.wrong[1],
        held(0),
        held(1),
        outcome.lies,
        outcome.found,
        outcome.truths,
        outcome.doubted,
        outcome.slandered,
    )
    .expect("writing to a string cannot fail");
}
