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
pub(super) mod tests;
