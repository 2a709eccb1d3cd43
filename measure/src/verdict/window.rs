//! The reports of one path's sessions in one judged window, put together.
//!
//! A window may hold several reports (six of ten seconds make the minute of
//! `plan-2026`, for each of the path's flows). A session measures two paths, one in each direction; the path
//! of its own direction has the better stamps, so it is judged from there and
//! the other session's backward direction stands in only when it is missing.

use super::flow::{FlowWindow, flows};
use super::reported_clock::{ReportedClock, widest};
use super::{Claim, Correlation, Evidence, Explanation, Profile, Verdict, explain};
use crate::clock::ClockClaim;
use crate::clock::live::{MeshBounds, MeshFindings, Sighting, Span, audit_window};
use crate::delay::{ClockDifference, Floors};
use crate::distribution::Distribution;
use crate::hindrance::Hindrance;
use crate::patterns::Patterns;
use crate::report::Report;
use crate::sample::Direction;
use crate::summary::{DirectionSummary, EnvelopePoint, Headers};
use crate::time::Nanos;

/// What one path's sessions measured in one window: one session, or one for each flow.
#[derive(Debug, Clone)]
pub struct SessionWindow {
    sent: u64,
    late: u64,
    lost: [u64; 2],
    lost_somewhere: u64,
    own_loss: u64,
    hindrance: Option<Hindrance>,
    raw: [Distribution; 2],
    ipdv: [Distribution; 2],
    duplicated: [u64; 2],
    reordered: [u64; 2],
    patterns: [Patterns; 2],
    somewhere: Patterns,
    headers: [Headers; 2],
    flows: Vec<FlowWindow>,
    round_trip: Distribution,
    packet_interval: Nanos,
    envelope: [Vec<EnvelopePoint>; 2],
    /// Of the session-sender's clock, of the session-reflector's.
    claims: [Option<ClockClaim>; 2],
    reported: Option<ReportedClock>,
    /// Of our own stamps; the far end's are within the bound that it claims.
    stamp_errors: [Option<Nanos>; 2],
    hardware_stamps: bool,
    /// Also those of the session-reflector.
    hardware_everywhere: bool,
}

impl SessionWindow {
    /// From all reports of one path, of whichever flow, whose intervals lie in the window; `None` when there are none.
    ///
    /// Flows are put together packet by packet: every count is a sum, every quantile a rank among the packets of all of
    /// them, and every bound of a packet holds whichever flow it was of.
    pub fn of<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Option<Self> {
        let reports: Vec<&Report> = reports.into_iter().collect();
        let first = reports.first()?;
        let summaries = || reports.iter().map(|report| &report.summary);
        let total = |count: fn(&crate::summary::Summary) -> u64| {
            summaries().fold(0_u64, |sum, s| sum.saturating_add(count(s)))
        };
        // Where the own clock stepped, no difference of two stamps means anything, not even a round trip: its packets
        // were sent, and nobody knows how long they took.
        let steady = || {
            reports
                .iter()
                .filter(|report| report.clock.steps == 0)
                .map(|report| &report.summary)
        };
        let raw = |pick: fn(&crate::summary::Summary) -> &DirectionSummary| {
            Distribution::of(steady().map(|s| &pick(s).raw))
        };
        let ipdv = |pick: fn(&crate::summary::Summary) -> &DirectionSummary| {
            Distribution::of(steady().map(|s| &pick(s).ipdv))
        };
        let merged = |pick: fn(&crate::summary::Summary) -> &Patterns| {
            summaries().fold(Patterns::default(), |mut merged, s| {
                merged.merge(pick(s));
                merged
            })
        };
        let headers = |pick: fn(&crate::summary::Summary) -> &DirectionSummary| {
            summaries().fold(Headers::default(), |mut merged, s| {
                merged.merge(&pick(s).headers);
                merged
            })
        };
        let user_transmit = total(|s| s.transmit_stamps.user) > 0;
        let user_receive = total(|s| s.receive_stamps.user) > 0;
        // Reports of older probes tell nothing of T3: then it was the reflector's process that took it.
        let corrected = total(|s| {
            s.reflector_stamps
                .kernel
                .saturating_add(s.reflector_stamps.hardware)
        }) >= total(|s| s.received);
        let worst = |error: fn(&Report) -> Nanos| {
            reports
                .iter()
                .map(|&report| error(report))
                .max()
                .unwrap_or(Nanos::ZERO)
        };
        let soft_stamps = total(|s| {
            s.transmit_stamps
                .kernel
                .saturating_add(s.receive_stamps.kernel)
                .saturating_add(s.receive_stamps.user)
        }) > 0;
        let envelope = |pick: fn(&crate::summary::Summary) -> &DirectionSummary| {
            let mut points: Vec<EnvelopePoint> = steady()
                .flat_map(|s| pick(s).envelope.iter().copied())
                .collect();
            points.sort_unstable_by_key(|point| (point.at, point.raw));
            points
        };
        Some(Self {
            sent: total(|s| s.sent),
            late: total(|s| s.late),
            lost: [
                total(|s| s.forward.lost),
                // What the own host dropped had come all the way: that the path lost it is not certain.
                total(|s| s.backward.lost.saturating_sub(s.own_loss)),
            ],
            lost_somewhere: total(crate::summary::Summary::lost_somewhere),
            own_loss: total(crate::summary::Summary::lost_here),
            hindrance: summaries().filter_map(|s| s.hindrance).next_back(),
            raw: [raw(|s| &s.forward), raw(|s| &s.backward)],
            ipdv: [ipdv(|s| &s.forward), ipdv(|s| &s.backward)],
            duplicated: [
                total(|s| s.forward.duplicated),
                total(|s| s.backward.duplicated),
            ],
            reordered: [
                total(|s| s.forward.reordered),
                total(|s| s.backward.reordered),
            ],
            patterns: [
                merged(|s| &s.forward.patterns),
                merged(|s| &s.backward.patterns),
            ],
            somewhere: merged(|s| &s.somewhere),
            headers: [headers(|s| &s.forward), headers(|s| &s.backward)],
            flows: flows(&reports),
            round_trip: Distribution::of(steady().map(|s| &s.round_trip)),
            packet_interval: first.packet_interval,
            envelope: [envelope(|s| &s.forward), envelope(|s| &s.backward)],
            claims: widest_claims(&reports),
            reported: ReportedClock::of(&reports),
            stamp_errors: [
                (!user_transmit).then(|| worst(|report| report.clock.transmit_stamp_error)),
                (corrected && !user_receive)
                    .then(|| worst(|report| report.clock.receive_stamp_error)),
            ],
            hardware_stamps: !user_transmit && !soft_stamps,
            hardware_everywhere: !user_transmit
                && !soft_stamps
                && total(|s| s.reflector_stamps.hardware) >= total(|s| s.received),
        })
    }

    /// Packets sent in the window.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Packets that came back after the loss threshold.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Packets known to be lost in a direction; backward without what the session-sender's own host may have dropped.
    pub fn lost(&self, direction: Direction) -> u64 {
        self.lost[direction as usize]
    }

    /// Packets that are lost, nobody knows which way.
    pub fn lost_somewhere(&self) -> u64 {
        self.lost_somewhere
    }

    /// Packets that never came back since the session-sender's own host dropped their replies, at most: the sum of
    /// [`Summary::lost_here`](crate::summary::Summary::lost_here). The losses of the way back are told without them.
    pub fn own_loss(&self) -> u64 {
        self.own_loss
    }

    /// Why nothing was sent for a part of the window or all of it: the last reason that a report tells.
    pub fn hindrance(&self) -> Option<Hindrance> {
        self.hindrance
    }

    /// Raw one-way differences of a direction.
    pub fn raw(&self, direction: Direction) -> &Distribution {
        &self.raw[direction as usize]
    }

    /// IPDV (RFC 3393) of a direction, over the pairs of consecutive packets that came back.
    pub fn ipdv(&self, direction: Direction) -> &Distribution {
        &self.ipdv[direction as usize]
    }

    /// Second and later copies made in a direction (RFC 5560).
    pub fn duplicated(&self, direction: Direction) -> u64 {
        self.duplicated[direction as usize]
    }

    /// Packets overtaken in a direction (RFC 4737).
    pub fn reordered(&self, direction: Direction) -> u64 {
        self.reordered[direction as usize]
    }

    /// What losses and overtaken packets of a direction looked like; of those of which nobody knows it, with `None`.
    pub fn patterns(&self, direction: Option<Direction>) -> &Patterns {
        direction.map_or(&self.somewhere, |direction| {
            &self.patterns[direction as usize]
        })
    }

    /// How the packets of a direction arrived.
    pub fn headers(&self, direction: Direction) -> &Headers {
        &self.headers[direction as usize]
    }

    /// Its flows one by one, when there are several.
    pub fn flows(&self) -> &[FlowWindow] {
        &self.flows
    }

    /// Round-trip delays.
    pub fn round_trip(&self) -> &Distribution {
        &self.round_trip
    }

    /// What both clocks claim, seen forward; `None` when one of them claims nothing.
    pub fn clocks(&self) -> Option<ClockDifference> {
        let [own, peer] = self.claims;
        Some(own?.difference(peer?))
    }

    /// One standard deviation of what is random in the difference of both clocks; it is three times in [`Self::clocks`].
    pub fn clocks_random(&self) -> Nanos {
        let [own, peer] = self.claims;
        own.zip(peer)
            .map_or(Nanos::ZERO, |(own, peer)| own.random_beside(peer))
    }

    /// Takes in what the session-reflector's probe reported of its own clock for its own session: its correction and what
    /// is random in it, of which its replies tell nothing. A probe whose replies made no claim still makes none, and a
    /// report that tells of a part of the window only is left out.
    pub fn hear_peer(&mut self, peer: ReportedClock) {
        let covered = self
            .reported
            .is_some_and(|own| peer.from <= own.from && own.until <= peer.until);
        if let Some(heard) = self.claims[1].as_mut().filter(|_| covered) {
            *heard = heard.and(peer.claim);
        }
    }

    /// What the session-sender's probe reported of its clock, for those who send to it; `None` when it claims nothing, or
    /// tells of a part of the window only.
    pub fn reported_clock(&self) -> Option<ReportedClock> {
        self.reported
    }

    /// The lowest raw one-way differences of a direction, in the order of the T1 of their packets; none of an interval in
    /// which the own clock stepped.
    pub fn envelope(&self, direction: Direction) -> &[EnvelopePoint] {
        &self.envelope[direction as usize]
    }

    /// The evidence on one direction; `floors` are seen in that direction, the mesh forward.
    pub fn evidence(
        &self,
        direction: Direction,
        window: Nanos,
        floors: Floors,
        heard: impl Into<Heard>,
    ) -> Evidence<'_> {
        let Heard {
            claims,
            mesh,
            places,
        } = heard.into();
        let light = floors.forward + floors.backward;
        let possible = self.round_trip.min().is_none_or(|least| least >= light);
        // Where the path itself disproves its floors, they stay, so that this is the verdict; where another path does,
        // nothing is known of how near the two ends are.
        let floors = match places {
            Places::Disproved if possible => Floors::default(),
            _ => floors,
        };
        let opposite = match direction {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        };
        let seen = |clocks: ClockDifference| {
            if direction == Direction::Forward {
                clocks
            } else {
                clocks.reversed()
            }
        };
        let clocks = self.clocks().map(seen);
        Evidence {
            planned: u64::try_from(window.0.max(0) / self.packet_interval.0.max(1)).unwrap_or(0),
            sent: self.sent,
            lost: self.lost(direction),
            raw: self.raw(direction),
            opposite_min: self.raw(opposite).min(),
            round_trip: &self.round_trip,
            floors,
            claim: match (claims, clocks) {
                (Claims::Withdrawn, Some(_)) => Claim::Withdrawn,
                (Claims::Stand, Some(clocks)) => Claim::Clocks(clocks),
                (_, None) => Claim::None,
            },
            mesh: MeshBounds {
                proved: mesh.proved.map(seen),
                claimed: mesh.claimed.map(seen),
                moving: mesh.moving,
            },
            // Backward, the packet leaves with T3: taken in user space before the send call it has no hard bound, and only the
            // kernel's stamp that the reflector sent after it has one.
            stamp_error: self.stamp_errors[direction as usize],
            hardware_stamps: self.hardware_everywhere
                || (self.hardware_stamps && direction == Direction::Forward),
            correlation: Correlation::of(self.raw(direction), self.ipdv(direction)),
            random: self.clocks_random(),
        }
    }

    /// Whether some packet of this window was faster than light if both clocks were right.
    pub fn contradicts_clocks(&self, floors: Floors) -> bool {
        let evidence = self.evidence(Direction::Forward, Nanos::ZERO, floors, Claims::Stand);
        self.clocks()
            .is_some_and(|clocks| evidence.contradicts(clocks))
    }
}

/// What the two clocks claim over all of the reports; one interval without a claim makes none.
fn widest_claims(reports: &[&Report]) -> [Option<ClockClaim>; 2] {
    let own = |report: &Report| ClockClaim::of(&report.clock, report.summary.end());
    let peer = |report: &Report| {
        let bound = report.summary.peer_clock.bound()?;
        Some(ClockClaim::within(bound))
    };
    [widest(reports, own), widest(reports, peer)]
}

/// Whether the claims of a path's clocks stand in this window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    /// Nothing contradicted them.
    Stand,
    /// One of the two is not believed: its clock is contradicted, on this path or on another.
    Withdrawn,
}

/// What a judge has heard of a session's clocks besides the session itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Whether what they claim stands.
    pub claims: Claims,
    /// What the other pairs of the mesh tell of them, seen forward.
    pub mesh: MeshBounds,
    /// Whether the coordinates of both ends are believed.
    pub places: Places,
}

/// Whether the coordinates of a path's ends are believed in this window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// Nothing speaks against them.
    Believed,
    /// Round trips of one of the two, on this path or on another, were faster than light there and back.
    Disproved,
}

impl From<Claims> for Heard {
    /// Nobody else was asked.
    fn from(claims: Claims) -> Self {
        Self {
            claims,
            mesh: MeshBounds::default(),
            places: Places::Believed,
        }
    }
}

/// One session in one window, and between whom.
#[derive(Debug, Clone, Copy)]
pub struct SessionOf<'a> {
    /// The probe with the session-sender.
    pub from: &'a str,
    /// The probe with the session-reflector.
    pub to: &'a str,
    /// What was measured.
    pub window: &'a SessionWindow,
    /// The light floors, seen forward.
    pub floors: Floors,
}

impl<'a> SessionOf<'a> {
    fn sighting(&self) -> Sighting<'a> {
        let window = self.window;
        Sighting {
            from: self.from,
            to: self.to,
            forward: window.envelope(Direction::Forward),
            backward: window.envelope(Direction::Backward),
            round_trip: window.round_trip().min(),
            floors: self.floors,
            claims: window.claims.map(|claim| Some(claim?.bound())),
        }
    }
}

/// Audits the meshes that these sessions of one window form: whose claims stand, and what is known of their clocks.
pub fn hear(span: Span, sessions: &[SessionOf<'_>]) -> MeshFindings {
    let sightings: Vec<Sighting<'_>> = sessions.iter().map(SessionOf::sighting).collect();
    audit_window(span, &sightings)
}

impl Heard {
    /// What an audit tells of the clocks of the session from one probe to another.
    pub fn of(findings: &MeshFindings, from: &str, to: &str) -> Self {
        Self {
            claims: if findings.stands(from) && findings.stands(to) {
                Claims::Stand
            } else {
                Claims::Withdrawn
            },
            mesh: findings.bounds(from, to),
            places: if findings.misplaced.contains(from) || findings.misplaced.contains(to) {
                Places::Disproved
            } else {
                Places::Believed
            },
        }
    }
}

/// Judges a path from its own session, or else from the backward direction of the opposite one.
///
/// `floors` are seen along the path, and what was heard along the session that measured it.
pub fn judge_path<H: Into<Heard>>(
    own: Option<(&SessionWindow, H)>,
    opposite: Option<(&SessionWindow, H)>,
    floors: Floors,
    target: Nanos,
    profile: &Profile,
) -> Verdict {
    explain_path(own, opposite, floors, target, profile).map_or_else(
        || Verdict::no_data(target, 0),
        |explanation| explanation.verdict,
    )
}

/// As [`judge_path`], with how it came to the verdict; `None` when neither session reported.
pub fn explain_path<H: Into<Heard>>(
    own: Option<(&SessionWindow, H)>,
    opposite: Option<(&SessionWindow, H)>,
    floors: Floors,
    target: Nanos,
    profile: &Profile,
) -> Option<Explanation> {
    let ((window, heard), direction) = match (own, opposite) {
        (Some(own), _) => (own, Direction::Forward),
        (None, Some(opposite)) => (opposite, Direction::Backward),
        (None, None) => return None,
    };
    let evidence = window.evidence(direction, profile.interval, floors, heard);
    Some(explain(&evidence, target, profile))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::clock::{BoundBasis, ClockSource, ClockState, ClockStatus};
    use crate::reordering::Reordered;
    use crate::summary::tests::sample;
    use crate::summary::{Recorder, StampCounts};
    use crate::time::Timestamp;
    use crate::verdict::{Reason, State};

    const MS: i64 = 1_000_000;

    /// Ten seconds of 10 packets a second over a path of these true delays, the far clock `theta` ahead.
    pub(in crate::verdict) fn reports(forward: i64, backward: i64, theta: i64) -> Vec<Report> {
        let mut recorder = Recorder::new(Nanos::from_secs(2), Timestamp(0), vec![]);
        for k in 0..100_u32 {
            let origin = i64::from(k) * 100 * MS;
            recorder.sent(Timestamp(origin), Nanos::ZERO);
            recorder.received(
                &sample(k, origin, forward + theta, backward - theta),
                Reordered::default(),
            );
        }
        std::iter::from_fn(|| recorder.close(Timestamp(i64::MAX)))
            .map(|summary| Report {
                path: "a~b".into(),
                flow: 0,
                generation: String::new(),
                packet_interval: Nanos(100 * MS),
                clock: ClockState {
                    as_of: summary.start,
                    source: ClockSource::Gnss,
                    status: ClockStatus::Synchronised,
                    bound: Some((Nanos(10_000), BoundBasis::Declared)),
                    transmit_stamp_error: Nanos(5_000),
                    receive_stamp_error: Nanos(5_000),
                    ..ClockState::default()
                },
                summary,
            })
            .collect()
    }

    fn floors(ns: i64) -> Floors {
        Floors {
            forward: Nanos(ns),
            backward: Nanos(ns),
        }
    }

    #[test]
    fn the_reports_of_a_window_are_judged_as_one_and_each_direction_on_its_own() {
        let reports = reports(900_000, 1_300_000, 0);
        assert_eq!(reports.len(), 5);
        let window = SessionWindow::of(&reports).unwrap();
        assert_eq!(window.sent(), 100);
        let verdict = |own: Option<&SessionWindow>, opposite: Option<&SessionWindow>| {
            judge_path(
                own.map(|own| (own, Claims::Stand)),
                opposite.map(|opposite| (opposite, Claims::Stand)),
                floors(300_000),
                Nanos(MS),
                &Profile::lab(),
            )
        };
        assert_eq!(verdict(Some(&window), None).state, State::Met);
        // The backward direction misses, and the kernel's T3 lets the opposite session tell; a T3 without a bound does not.
        assert_eq!(verdict(None, Some(&window)).state, State::Missed);
        let mut uncorrected = reports.clone();
        for report in &mut uncorrected {
            report.summary.reflector_stamps = StampCounts::default();
        }
        let uncorrected = SessionWindow::of(&uncorrected);
        assert_eq!(
            verdict(None, uncorrected.as_ref()).reason,
            Some(Reason::Clock)
        );
        assert_eq!(verdict(None, None).reason, Some(Reason::NoData));
        let half = SessionWindow::of(&reports[..2]).unwrap();
        assert_eq!(verdict(Some(&half), None).reason, Some(Reason::Coverage));
    }

    /// Hundred packets at 10 a second, of which flow k sends every fourth; flow 3 takes `longer`.
    fn spread(longer: i64) -> Vec<Report> {
        let mut recorders =
            [0, 1, 2, 3].map(|_| Recorder::new(Nanos::from_secs(10), Timestamp(0), vec![]));
        for k in 0..100_u32 {
            let (origin, flow) = (i64::from(k) * 100 * MS, k as usize % 4);
            let forward = 600_000 + i64::from(k) * 500 + if flow == 3 { longer } else { 0 };
            recorders[flow].sent(Timestamp(origin), Nanos::ZERO);
            let sample = sample(k / 4, origin, forward, 700_000);
            recorders[flow].received(&sample, Reordered::default());
        }
        let like = reports(900_000, 900_000, 0).swap_remove(0);
        (0..)
            .zip(recorders)
            .map(|(flow, mut recorder)| Report {
                flow,
                summary: recorder.close(Timestamp(i64::MAX)).unwrap(),
                ..like.clone()
            })
            .collect()
    }

    #[test]
    fn flows_are_judged_as_one_path_packet_by_packet() {
        let verdict = |reports: &[Report]| {
            let window = SessionWindow::of(reports).unwrap();
            judge_path(
                Some((&window, Claims::Stand)),
                None,
                floors(300_000),
                Nanos(MS),
                &Profile::lab(),
            )
        };
        let even = spread(0);
        assert_eq!(verdict(&even).state, State::Met);
        let window = SessionWindow::of(&even).unwrap();
        assert_eq!((window.sent(), window.round_trip().count()), (100, 100));
        for rank in 1..=100 {
            let truth = Nanos(600_000 + (rank - 1) * 500);
            let bounds = window.raw(Direction::Forward).at_rank(rank as u64).unwrap();
            assert!(
                bounds.at_least <= truth && truth <= bounds.at_most,
                "rank {rank}"
            );
        }
        // A quarter of the packets is more than the five in a hundred that may miss.
        let uneven = spread(1_200_000);
        assert_eq!(verdict(&uneven).state, State::Missed);
        let flows = SessionWindow::of(&uneven).unwrap().flows().to_vec();
        let forward = |flow: &FlowWindow| flow.way(Direction::Forward).takes_other_route();
        let told: Vec<u32> = flows
            .iter()
            .filter(|f| forward(f))
            .map(|f| f.flow)
            .collect();
        assert_eq!((flows.len(), told), (4, vec![3]));
        // A flow that does not report is missing from the plan, so nobody takes the others for the whole.
        assert_eq!(verdict(&even[..3]).reason, Some(Reason::Coverage));
        assert!(SessionWindow::of(&even[..1]).unwrap().flows().is_empty());
    }

    #[test]
    fn an_interval_in_which_the_clock_stepped_has_packets_and_no_delays() {
        let steps = |n: usize| {
            let mut reports = reports(900_000, 900_000, 0);
            for report in &mut reports[..n] {
                report.clock.steps = 1;
                report.clock.status = ClockStatus::Disrupted;
            }
            let window = SessionWindow::of(&reports).unwrap();
            assert_eq!(window.sent(), 100);
            let evidence = (
                window.round_trip().count(),
                window.raw(Direction::Forward).count(),
            );
            (evidence, window.clocks().is_some())
        };
        assert_eq!(steps(0), ((100, 100), true));
        assert_eq!(steps(1), ((80, 80), false));
        assert_eq!(steps(5), ((0, 0), false));
    }

    #[test]
    fn what_the_own_host_dropped_is_not_blamed_on_the_way_back() {
        let mut reports = reports(900_000, 900_000, 0);
        for report in &mut reports {
            report.summary.lost = 5;
            report.summary.backward.lost = 5;
        }
        let lost = |own_loss: [u64; 5]| {
            let mut reports = reports.clone();
            for (report, own_loss) in reports.iter_mut().zip(own_loss) {
                report.summary.own_loss = own_loss;
            }
            let window = SessionWindow::of(&reports).unwrap();
            (
                window.lost(Direction::Forward),
                window.lost(Direction::Backward),
                window.own_loss(),
            )
        };
        assert_eq!(lost([0; 5]), (0, 25, 0));
        assert_eq!(lost([2, 0, 0, 0, 0]), (0, 23, 2));
        assert_eq!(lost([0, 9, 0, 0, 0]), (0, 20, 5), "each interval by itself");
    }

    #[test]
    fn one_contradiction_withdraws_the_claims_of_both_probes_and_nobody_elses() {
        let lying = SessionWindow::of(&reports(900_000, 900_000, 3 * MS)).unwrap();
        let honest = SessionWindow::of(&reports(900_000, 900_000, 4_000)).unwrap();
        let session = |from, to, window| SessionOf {
            from,
            to,
            window,
            floors: floors(300_000),
        };
        let span = Span {
            start: Timestamp(0),
            length: Nanos::from_secs(10),
        };
        let findings = hear(
            span,
            &[session("a", "liar", &lying), session("c", "d", &honest)],
        );
        let withdrawn = ["a", "c", "d", "liar"].map(|probe| !findings.stands(probe));
        assert_eq!(withdrawn, [true, false, false, true]);
        let verdict = judge_path(
            Some((&lying, Heard::of(&findings, "a", "liar"))),
            None,
            floors(300_000),
            Nanos(MS),
            &Profile::lab(),
        );
        assert_eq!(verdict.reason, Some(Reason::Contradiction));
    }

    #[test]
    fn a_place_that_one_path_disproves_gives_no_floor_to_another() {
        let near = SessionWindow::of(&reports(900_000, 900_000, 0)).unwrap();
        let session = |from, to, floor| SessionOf {
            from,
            to,
            window: &near,
            floors: floors(floor),
        };
        let span = Span {
            start: Timestamp(0),
            length: Nanos::from_secs(10),
        };
        let sessions = [
            session("a", "moved", 1_000_000),
            session("b", "moved", 950_000),
            session("moved", "c", 890_000),
            session("a", "c", 300_000),
        ];
        let findings = hear(span, &sessions);
        assert_eq!(findings.misplaced, ["moved".to_owned()].into());
        let verdict = |from, to, floor| {
            judge_path(
                Some((&near, Heard::of(&findings, from, to))),
                None,
                floors(floor),
                Nanos(850_000),
                &Profile::lab(),
            )
        };
        let own = verdict("a", "moved", 1_000_000);
        assert_eq!((own.reason, own.delay), (Some(Reason::Contradiction), None));
        // By the wrong floor the delay would be 0.89 ms at least; the clocks know better than nothing.
        let other = verdict("moved", "c", 890_000);
        assert_eq!(other.state, State::Missed);
        assert!(other.delay.unwrap().lo < Nanos(890_000), "{other:?}");
        assert_eq!(
            verdict("a", "c", 300_000).delay.unwrap().basis,
            crate::delay::Basis::Claimed
        );
    }

    #[test]
    fn of_a_mesh_only_the_one_that_all_others_contradict_loses_its_claim() {
        let lying = SessionWindow::of(&reports(900_000, 900_000, 3 * MS)).unwrap();
        let honest = SessionWindow::of(&reports(900_000, 900_000, 4_000)).unwrap();
        let session = |from, to, window| SessionOf {
            from,
            to,
            window,
            floors: floors(300_000),
        };
        let sessions = [
            session("a", "liar", &lying),
            session("b", "liar", &lying),
            session("a", "b", &honest),
            session("c", "liar", &lying),
            session("b", "c", &honest),
        ];
        let span = Span {
            start: Timestamp(0),
            length: Nanos::from_secs(10),
        };
        let findings = hear(span, &sessions);
        let stands = ["a", "b", "c", "liar"].map(|probe| findings.stands(probe));
        assert_eq!(stands, [true, true, true, false], "{findings:?}");
        let verdict = |from, to, window, target| {
            judge_path(
                Some((window, Heard::of(&findings, from, to))),
                None,
                floors(300_000),
                Nanos(target),
                &Profile::lab(),
            )
        };
        let between_honest = verdict("a", "b", &honest, MS);
        assert_eq!(between_honest.state, State::Met);
        // The round trip allows 1.5 ms; the honest claims bound the liar's clock to 0.6 ms either way.
        assert_eq!(
            verdict("a", "liar", &lying, MS).reason,
            Some(Reason::Contradiction)
        );
        let mut backwards = sessions;
        backwards.reverse();
        let again = hear(span, &backwards);
        assert_eq!(again.bounds("a", "liar"), findings.bounds("a", "liar"));
        assert_eq!(again.probes, findings.probes);
    }
}
