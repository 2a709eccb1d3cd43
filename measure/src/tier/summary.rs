//! The counts and spreads of any number of intervals of one session.

use super::gatherer::Gatherer;
use super::spread::Spread;
use crate::clock::ClockClaim;
use crate::patterns::Patterns;
use crate::report::Report;
use crate::sample::Direction;
use crate::summary::{DirectionSummary, Headers, StampCounts, Within};
use crate::time::{Nanos, Timestamp};

/// Targets that a summary tells of at most; a plan has a handful.
pub(super) const TARGETS_MAX: usize = 64;

/// Values within one target, counted exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithinTally {
    /// The target.
    pub target: Nanos,
    /// Values ≤ target. Of raw differences and round trips: no verdict by themselves, the clocks are not in them.
    pub count: u64,
    /// Of how many values that is told: a plan may count other targets in other intervals.
    pub of: u64,
}

/// One direction of any number of intervals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TierDirection {
    /// Raw one-way differences; none of an interval in which the own clock stepped.
    pub raw: Spread,
    /// Raw differences within each target, in the order of targets.
    pub within: Vec<WithinTally>,
    /// Packets known to be lost in this direction; backward without what the session-sender's own host may have dropped.
    pub lost: u64,
    /// Second and later copies made in this direction (RFC 5560).
    pub duplicated: u64,
    /// Packets overtaken in this direction (RFC 4737).
    pub reordered: u64,
    /// What losses and overtaken packets looked like (RFC 3357, RFC 4737).
    pub patterns: Patterns,
    /// How its packets arrived.
    pub headers: Headers,
}

/// What one clock claimed in the intervals in which packets came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClaimTally {
    /// Intervals with a claim.
    pub claims: u64,
    /// Intervals without one.
    pub no_claims: u64,
    /// Every error that one of the claims allows.
    pub widest: Option<ClockClaim>,
}

impl ClaimTally {
    fn count(&mut self, claim: Option<ClockClaim>) {
        match claim {
            None => self.no_claims += 1,
            Some(claim) => {
                self.claims += 1;
                self.widest = Some(self.widest.map_or(claim, |widest| widest.or(claim)));
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.claims = self.claims.saturating_add(other.claims);
        self.no_claims = self.no_claims.saturating_add(other.no_claims);
        self.widest = match (self.widest, other.widest) {
            (Some(one), Some(two)) => Some(one.or(two)),
            (one, two) => one.or(two),
        };
    }

    /// What was claimed all the time; `None` when an interval made no claim.
    pub fn claim(&self) -> Option<ClockClaim> {
        self.widest.filter(|_| self.no_claims == 0)
    }
}

/// Which plans were followed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Generations {
    /// No interval.
    #[default]
    None,
    /// One all the time.
    One(String),
    /// Not the same all the time.
    Several,
}

impl Generations {
    fn merge(&mut self, other: &Self) {
        *self = match (std::mem::take(self), other) {
            (Self::None, other) => other.clone(),
            (own, Self::None) => own,
            (Self::One(own), Self::One(other)) if own == *other => Self::One(own),
            _ => Self::Several,
        };
    }
}

/// Whether an audit believed what was said in some intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Believed {
    /// Audited windows in which the claim of one of the two clocks was not used.
    pub withdrawn: u64,
    /// Audited windows in which the coordinates of one of the two ends were disproved.
    pub misplaced: u64,
}

/// Any number of intervals of one session: a value that can be put together with others, in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierSummary {
    /// When the first interval began.
    pub start: Timestamp,
    /// When the last one ended.
    pub end: Timestamp,
    /// How many there are.
    pub intervals: u64,
    /// The longest of them.
    pub interval: Nanos,
    /// The highest number of a flow, plus one.
    pub flows: u32,
    /// The longest time between two packets that a plan asked for, all flows together.
    pub packet_interval: Nanos,
    /// Which plans were followed.
    pub generations: Generations,
    /// Packets sent.
    pub sent: u64,
    /// Packets that came back within the loss threshold.
    pub received: u64,
    /// Packets that came back after it.
    pub late: u64,
    /// Packets that never came back.
    pub lost: u64,
    /// Of those, the ones whose replies the session-sender's own host may have dropped.
    pub own_loss: u64,
    /// Packets lost nobody knows which way.
    pub lost_somewhere: u64,
    /// Send times let go by unused.
    pub skipped: u64,
    /// Intervals in which the own clock stepped: their packets count, their delays do not.
    pub stepped: u64,
    /// T1 → T2
    pub forward: TierDirection,
    /// T3 → T4
    pub backward: TierDirection,
    /// What losses and overtaken packets looked like of which nobody knows the direction.
    pub somewhere: Patterns,
    /// Round-trip delay without the reflector's residence; none of an interval in which the own clock stepped.
    pub round_trip: Spread,
    /// Round trips within each target, in the order of targets.
    pub round_trip_within: Vec<WithinTally>,
    /// Where T1 was taken.
    pub transmit_stamps: StampCounts,
    /// Where T4 was taken.
    pub receive_stamps: StampCounts,
    /// Where T3 was taken.
    pub reflector_stamps: StampCounts,
    /// The earliest that a transmit stamp may be.
    pub transmit_stamp_error: Nanos,
    /// The latest that a receipt stamp may be.
    pub receive_stamp_error: Nanos,
    /// What the session-sender's clock claimed.
    pub own_clock: ClaimTally,
    /// What the session-reflector claimed of its clock.
    pub peer_clock: ClaimTally,
    /// What audits said of both.
    pub believed: Believed,
}

impl TierSummary {
    /// Of reports of one session, of whichever flow; `None` when there are none.
    pub fn of<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Option<Self> {
        let mut gatherer = Gatherer::default();
        reports
            .into_iter()
            .for_each(|report| gatherer.add_report(report));
        gatherer.finish()
    }

    /// Adds the intervals of another one.
    pub fn merge(&mut self, other: &Self) {
        self.merge_counts(other);
        self.forward.raw.merge(&other.forward.raw);
        self.backward.raw.merge(&other.backward.raw);
        self.round_trip.merge(&other.round_trip);
    }

    /// One of its directions.
    pub fn direction(&self, direction: Direction) -> &TierDirection {
        match direction {
            Direction::Forward => &self.forward,
            Direction::Backward => &self.backward,
        }
    }

    /// How many intervals a span of time would have, by the length and the flows of those that there are.
    pub fn expected(&self, span: Nanos) -> u64 {
        let times = u64::try_from(span.0 / self.interval.0.max(1)).unwrap_or(0);
        times.saturating_mul(self.flows.max(1).into())
    }

    /// All of one report but its spreads.
    pub(super) fn counted(report: &Report) -> Self {
        let (summary, clock) = (&report.summary, &report.clock);
        let mut own_clock = ClaimTally::default();
        let mut peer_clock = ClaimTally::default();
        if summary.received > 0 {
            own_clock.count(ClockClaim::of(clock, summary.end()));
            peer_clock.count(summary.peer_clock.bound().map(ClockClaim::within));
        }
        Self {
            start: summary.start,
            end: summary.end(),
            intervals: 1,
            interval: summary.length,
            flows: report.flow.saturating_add(1),
            packet_interval: report.packet_interval,
            generations: Generations::One(report.generation.clone()),
            sent: summary.sent,
            received: summary.received,
            late: summary.late,
            lost: summary.lost,
            own_loss: summary.lost_here(),
            lost_somewhere: summary.lost_somewhere(),
            skipped: summary.skipped,
            stepped: u64::from(clock.steps > 0),
            forward: direction(&summary.forward, summary.forward.lost),
            // What the own host dropped had come all the way: that the path lost it is not certain.
            backward: direction(
                &summary.backward,
                summary.backward.lost.saturating_sub(summary.own_loss),
            ),
            somewhere: summary.somewhere,
            round_trip: Spread::default(),
            round_trip_within: tallied(&summary.round_trip_within, summary.round_trip.count()),
            transmit_stamps: summary.transmit_stamps,
            receive_stamps: summary.receive_stamps,
            reflector_stamps: summary.reflector_stamps,
            transmit_stamp_error: clock.transmit_stamp_error,
            receive_stamp_error: clock.receive_stamp_error,
            own_clock,
            peer_clock,
            believed: Believed::default(),
        }
    }

    /// Adds all of another one but its spreads.
    pub(super) fn merge_counts(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.interval = self.interval.max(other.interval);
        self.flows = self.flows.max(other.flows);
        self.packet_interval = self.packet_interval.max(other.packet_interval);
        self.generations.merge(&other.generations);
        for (count, more) in [
            (&mut self.intervals, other.intervals),
            (&mut self.sent, other.sent),
            (&mut self.received, other.received),
            (&mut self.late, other.late),
            (&mut self.lost, other.lost),
            (&mut self.own_loss, other.own_loss),
            (&mut self.lost_somewhere, other.lost_somewhere),
            (&mut self.skipped, other.skipped),
            (&mut self.stepped, other.stepped),
            (&mut self.believed.withdrawn, other.believed.withdrawn),
            (&mut self.believed.misplaced, other.believed.misplaced),
        ] {
            *count = count.saturating_add(more);
        }
        merge_direction(&mut self.forward, &other.forward);
        merge_direction(&mut self.backward, &other.backward);
        self.somewhere.merge(&other.somewhere);
        merge_within(&mut self.round_trip_within, &other.round_trip_within);
        merge_stamps(&mut self.transmit_stamps, other.transmit_stamps);
        merge_stamps(&mut self.receive_stamps, other.receive_stamps);
        merge_stamps(&mut self.reflector_stamps, other.reflector_stamps);
        self.transmit_stamp_error = self.transmit_stamp_error.max(other.transmit_stamp_error);
        self.receive_stamp_error = self.receive_stamp_error.max(other.receive_stamp_error);
        self.own_clock.merge(&other.own_clock);
        self.peer_clock.merge(&other.peer_clock);
    }
}

fn direction(summary: &DirectionSummary, lost: u64) -> TierDirection {
    TierDirection {
        raw: Spread::default(),
        within: tallied(&summary.within, summary.raw.count()),
        lost,
        duplicated: summary.duplicated,
        reordered: summary.reordered,
        patterns: summary.patterns,
        headers: summary.headers,
    }
}

/// Everything but the spread.
fn merge_direction(own: &mut TierDirection, other: &TierDirection) {
    merge_within(&mut own.within, &other.within);
    own.lost = own.lost.saturating_add(other.lost);
    own.duplicated = own.duplicated.saturating_add(other.duplicated);
    own.reordered = own.reordered.saturating_add(other.reordered);
    own.patterns.merge(&other.patterns);
    own.headers.merge(&other.headers);
}

fn tallied(within: &[Within], of: u64) -> Vec<WithinTally> {
    let mut tallies = Vec::with_capacity(within.len());
    for &Within { target, count } in within {
        merge_within(&mut tallies, &[WithinTally { target, count, of }]);
    }
    tallies
}

/// Adds tallies; of more than [`TARGETS_MAX`] targets the highest are left out, whatever the order.
fn merge_within(own: &mut Vec<WithinTally>, other: &[WithinTally]) {
    for tally in other {
        match own.binary_search_by_key(&tally.target, |own| own.target) {
            Ok(place) => {
                own[place].count = own[place].count.saturating_add(tally.count);
                own[place].of = own[place].of.saturating_add(tally.of);
            }
            Err(place) => {
                own.insert(place, *tally);
                own.truncate(TARGETS_MAX);
            }
        }
    }
}

fn merge_stamps(own: &mut StampCounts, other: StampCounts) {
    own.hardware = own.hardware.saturating_add(other.hardware);
    own.kernel = own.kernel.saturating_add(other.kernel);
    own.user = own.user.saturating_add(other.user);
}
