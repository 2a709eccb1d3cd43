//! Samples → the summary of one interval of one session.
//!
//! Everything that a later judge or audit needs and nothing derived: counts,
//! histograms of raw (uncorrected, signed) one-way differences and of
//! round-trip delay, and the lower envelope of each direction. A packet belongs
//! to the interval of the T1 that it carries. Negative values are kept.

use std::collections::VecDeque;

use crate::hindrance::Hindrance;
use crate::histogram::{Histogram, HistogramRecorder};
use crate::loss::Loss;
use crate::patterns::{LastLosses, OpenPeriod, PLACES, Patterns, place};
use crate::reordering::Reordered;
use crate::sample::{Direction, DscpFate, Header, PeerClock, Sample, StampSource};
use crate::time::{Nanos, Timestamp};
use crate::variation::IpdvPairs;

/// Points of the lower envelope that an interval keeps for each direction.
const ENVELOPE_POINTS: i64 = 10;
/// Intervals open at once; a packet of yet another one closes the oldest early (only a stepping clock does that).
const OPEN_MAX: usize = 4;

/// How many values were at most a target, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within {
    /// The target.
    pub target: Nanos,
    /// Values ≤ target. Of raw differences and round trips: no verdict by themselves, the clocks are not in them.
    pub count: u64,
}

/// The smallest raw difference of one tenth of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvelopePoint {
    /// T1 of the packet that had it.
    pub at: Timestamp,
    /// Its raw one-way difference.
    pub raw: Nanos,
}

/// How the packets of one direction arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headers {
    /// Smallest and largest TTL or hop limit on arrival; `None` when none was told. Equal ones say that all packets took
    /// as many hops.
    pub ttl: Option<(u8, u8)>,
    /// Packets of which it is known with which DSCP they arrived.
    pub dscp_told: u64,
    /// Those of them that arrived with another than they were sent with.
    pub remarked: u64,
    /// Packets that a router marked as having met congestion.
    pub congestion: u64,
}

impl Headers {
    fn count(&mut self, header: Header) {
        if header.ttl != 0 {
            let (low, high) = self.ttl.unwrap_or((header.ttl, header.ttl));
            self.ttl = Some((low.min(header.ttl), high.max(header.ttl)));
        }
        self.dscp_told += u64::from(header.dscp != DscpFate::Untold);
        self.remarked += u64::from(header.dscp == DscpFate::Remarked);
        self.congestion += u64::from(header.congestion);
    }

    /// Adds those of another interval.
    pub fn merge(&mut self, other: &Self) {
        self.ttl = match (self.ttl, other.ttl) {
            (Some((low, high)), Some((lower, higher))) => Some((low.min(lower), high.max(higher))),
            (known, new) => known.or(new),
        };
        self.dscp_told = self.dscp_told.saturating_add(other.dscp_told);
        self.remarked = self.remarked.saturating_add(other.remarked);
        self.congestion = self.congestion.saturating_add(other.congestion);
    }
}

/// One direction of one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectionSummary {
    /// Raw one-way differences of the packets that came back in time.
    pub raw: Histogram,
    /// IPDV (RFC 3393) of consecutive packets.
    pub ipdv: Histogram,
    /// Raw differences within each target.
    pub within: Vec<Within>,
    /// Packets known to be lost in this direction.
    pub lost: u64,
    /// Second and later copies made in this direction (RFC 5560).
    pub duplicated: u64,
    /// Packets overtaken in this direction (RFC 4737).
    pub reordered: u64,
    /// What losses and overtaken packets of this direction looked like (RFC 3357, RFC 4737).
    pub patterns: Patterns,
    /// How its packets arrived.
    pub headers: Headers,
    /// The lower envelope, in order of time.
    pub envelope: Vec<EnvelopePoint>,
}

/// Where the stamps of one of our own instants (T1 or T4) were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StampCounts {
    /// By the interface.
    pub hardware: u64,
    /// By the kernel.
    pub kernel: u64,
    /// By the process, because nothing better was delivered.
    pub user: u64,
}

impl StampCounts {
    fn count(&mut self, source: StampSource) {
        match source {
            StampSource::Hardware => self.hardware += 1,
            StampSource::Kernel => self.kernel += 1,
            StampSource::User => self.user += 1,
        }
    }
}

/// What the session-reflector claimed of its clock in one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerClockSummary {
    /// Replies with a claim.
    pub claims: u64,
    /// Replies without one.
    pub no_claims: u64,
    /// The widest bound that was claimed.
    pub widest: Nanos,
}

impl PeerClockSummary {
    /// The bound that held for every packet of the interval; `None` when one packet came without a claim.
    pub fn bound(&self) -> Option<Nanos> {
        (self.claims > 0 && self.no_claims == 0).then_some(self.widest)
    }
}

/// One interval of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// When the interval began.
    pub start: Timestamp,
    /// How long it is.
    pub length: Nanos,
    /// Packets sent.
    pub sent: u64,
    /// Packets that came back within the loss threshold, by T4.
    pub received: u64,
    /// Packets that came back after it, by T4: late is not lost.
    pub late: u64,
    /// Packets that never came back, whichever way they were lost.
    pub lost: u64,
    /// Send times let go by because the sender woke too late for them; nothing was sent, nothing is lost.
    pub skipped: u64,
    /// The longest that a packet was sent after its time.
    pub lateness_max: Nanos,
    /// Datagrams that the session-sender's own host dropped at its socket meanwhile, of this session or of another that
    /// shares the socket: so many of the losses may be its own and not the path's.
    pub own_loss: u64,
    /// Why nothing was sent all the time or, in an interval with packets, for a part of it.
    pub hindrance: Option<Hindrance>,
    /// T1 → T2
    pub forward: DirectionSummary,
    /// T3 → T4
    pub backward: DirectionSummary,
    /// What losses and overtaken packets looked like of which nobody knows the direction.
    pub somewhere: Patterns,
    /// Round-trip delay without the reflector's residence.
    pub round_trip: Histogram,
    /// Round trips within each target.
    pub round_trip_within: Vec<Within>,
    /// Where T1 was taken.
    pub transmit_stamps: StampCounts,
    /// Where T4 was taken.
    pub receive_stamps: StampCounts,
    /// Where T3 was taken, as far as the reflector's follow-ups tell; by its process where they do not.
    pub reflector_stamps: StampCounts,
    /// What the reflector claimed of its clock.
    pub peer_clock: PeerClockSummary,
}

impl Summary {
    /// When the interval ended.
    pub fn end(&self) -> Timestamp {
        self.start + self.length
    }

    /// One of its directions.
    pub fn direction(&self, direction: Direction) -> &DirectionSummary {
        match direction {
            Direction::Forward => &self.forward,
            Direction::Backward => &self.backward,
        }
    }

    /// Lost packets of which nobody knows the direction.
    pub fn lost_somewhere(&self) -> u64 {
        self.lost
            .saturating_sub(self.forward.lost)
            .saturating_sub(self.backward.lost)
    }

    /// Lost packets whose replies the session-sender's own host may have dropped: as many as it dropped at the socket, but
    /// none that is known not to have reached the reflector. No more than these are its own, and maybe fewer: what it
    /// dropped may have been another session's, a duplicate or a stranger's, and is told to every interval open meanwhile.
    pub fn lost_here(&self) -> u64 {
        self.own_loss
            .min(self.lost.saturating_sub(self.forward.lost))
    }
}

#[derive(Debug)]
struct OpenDirection {
    raw: HistogramRecorder,
    ipdv: HistogramRecorder,
    within: Vec<Within>,
    lost: u64,
    duplicated: u64,
    reordered: u64,
    headers: Headers,
    envelope: [Option<EnvelopePoint>; ENVELOPE_POINTS as usize],
}

impl OpenDirection {
    fn new(targets: &[Nanos]) -> Self {
        Self {
            raw: HistogramRecorder::default(),
            ipdv: HistogramRecorder::default(),
            within: none_within(targets),
            lost: 0,
            duplicated: 0,
            reordered: 0,
            headers: Headers::default(),
            envelope: [None; ENVELOPE_POINTS as usize],
        }
    }

    fn finish(&self, patterns: Patterns) -> DirectionSummary {
        DirectionSummary {
            raw: self.raw.finish(),
            ipdv: self.ipdv.finish(),
            within: self.within.clone(),
            lost: self.lost,
            duplicated: self.duplicated,
            reordered: self.reordered,
            patterns,
            headers: self.headers,
            envelope: self.envelope.iter().flatten().copied().collect(),
        }
    }
}

fn none_within(targets: &[Nanos]) -> Vec<Within> {
    targets
        .iter()
        .map(|&target| Within { target, count: 0 })
        .collect()
}

fn count_within(within: &mut [Within], value: Nanos) {
    for entry in within {
        entry.count += u64::from(value <= entry.target);
    }
}

#[derive(Debug)]
struct OpenInterval {
    start: Timestamp,
    sent: u64,
    received: u64,
    late: u64,
    lost: u64,
    skipped: u64,
    lateness_max: Nanos,
    own_loss: u64,
    hindrance: Option<Hindrance>,
    directions: [OpenDirection; 2],
    /// Forward, backward, nobody knows.
    patterns: [Patterns; PLACES],
    periods: [OpenPeriod; PLACES],
    round_trip: HistogramRecorder,
    round_trip_within: Vec<Within>,
    transmit_stamps: StampCounts,
    receive_stamps: StampCounts,
    reflector_stamps: StampCounts,
    peer_clock: PeerClockSummary,
}

/// Sorts the fates of a session's packets into intervals.
#[derive(Debug)]
pub struct Recorder {
    length: Nanos,
    aligned_to: Timestamp,
    targets: Vec<Nanos>,
    open: VecDeque<OpenInterval>,
    ipdv: [IpdvPairs; 2],
    last_losses: LastLosses,
}

const DIRECTIONS: [Direction; 2] = [Direction::Forward, Direction::Backward];

impl Recorder {
    /// Intervals of `length`, counted from `aligned_to`; `targets` are counted exactly.
    pub fn new(length: Nanos, aligned_to: Timestamp, targets: Vec<Nanos>) -> Self {
        Self {
            length,
            aligned_to,
            targets,
            open: VecDeque::with_capacity(OPEN_MAX),
            ipdv: [IpdvPairs::default(); 2],
            last_losses: LastLosses::default(),
        }
    }

    fn interval(&mut self, origin: Timestamp) -> &mut OpenInterval {
        let start = origin.period_start(self.length, self.aligned_to);
        let index = match self
            .open
            .iter()
            .position(|interval| interval.start == start)
        {
            Some(index) => index,
            None => {
                let directions = DIRECTIONS.map(|_| OpenDirection::new(&self.targets));
                self.open.push_back(OpenInterval {
                    start,
                    sent: 0,
                    received: 0,
                    late: 0,
                    lost: 0,
                    skipped: 0,
                    lateness_max: Nanos::ZERO,
                    own_loss: 0,
                    hindrance: None,
                    directions,
                    patterns: [Patterns::default(); PLACES],
                    periods: [OpenPeriod::default(); PLACES],
                    round_trip: HistogramRecorder::default(),
                    round_trip_within: none_within(&self.targets),
                    transmit_stamps: StampCounts::default(),
                    receive_stamps: StampCounts::default(),
                    reflector_stamps: StampCounts::default(),
                    peer_clock: PeerClockSummary::default(),
                });
                self.open.len() - 1
            }
        };
        &mut self.open[index]
    }

    /// A packet was sent, `lateness` after its time.
    pub fn sent(&mut self, origin: Timestamp, lateness: Nanos) {
        let interval = self.interval(origin);
        interval.sent += 1;
        interval.lateness_max = interval.lateness_max.max(lateness);
    }

    /// Send times went by unused.
    pub fn skipped(&mut self, now: Timestamp, count: u64) {
        self.interval(now).skipped += count;
    }

    /// At `now` nothing could be sent, for this reason.
    pub fn hindered(&mut self, now: Timestamp, why: Hindrance) {
        self.interval(now).hindrance = Some(why);
    }

    /// A packet came back in time.
    pub fn received(&mut self, sample: &Sample, reordered: Reordered) {
        let length = self.length;
        let ipdv = [0, 1].map(|k| self.ipdv[k].next(sample.sequence, sample.raw(DIRECTIONS[k])));
        let interval = self.interval(sample.origin);
        let tenth = (sample.origin - interval.start)
            .0
            .saturating_mul(ENVELOPE_POINTS)
            / length.0.max(1);
        for (k, open) in interval.directions.iter_mut().enumerate() {
            let raw = sample.raw(DIRECTIONS[k]);
            open.raw.record(raw);
            open.headers.count(sample.header(DIRECTIONS[k]));
            count_within(&mut open.within, raw);
            if let Some(ipdv) = ipdv[k] {
                open.ipdv.record(ipdv);
            }
            let point = &mut open.envelope[tenth.clamp(0, ENVELOPE_POINTS - 1) as usize];
            if point.is_none_or(|lowest| raw < lowest.raw) {
                *point = Some(EnvelopePoint {
                    at: sample.origin,
                    raw,
                });
            }
        }
        let overtaken = [reordered.forward, reordered.backward, reordered.somewhere];
        for (patterns, overtaken) in interval.patterns.iter_mut().zip(overtaken) {
            if let Some(overtaken) = overtaken {
                patterns.overtaken(overtaken);
            }
        }
        interval.directions[0].reordered += u64::from(reordered.forward.is_some());
        interval.directions[1].reordered += u64::from(reordered.backward.is_some());
        interval.received += 1;
        interval.round_trip.record(sample.round_trip());
        count_within(&mut interval.round_trip_within, sample.round_trip());
        interval.transmit_stamps.count(sample.sent_at.source);
        interval.receive_stamps.count(sample.received_at.source);
        interval.reflector_stamps.count(sample.t3);
        match sample.peer_clock {
            PeerClock::Within(bound) => {
                interval.peer_clock.claims += 1;
                interval.peer_clock.widest = interval.peer_clock.widest.max(bound);
            }
            PeerClock::NoClaim => interval.peer_clock.no_claims += 1,
        }
    }

    /// A packet came back, after the loss threshold.
    pub fn late(&mut self, origin: Timestamp) {
        self.interval(origin).late += 1;
    }

    /// A packet did not come back. Losses are told in the order of their numbers.
    pub fn lost(&mut self, loss: &Loss) {
        let distance = self.last_losses.distance(loss);
        let interval = self.interval(loss.origin);
        interval.lost += 1;
        if let Some(direction) = loss.direction {
            interval.directions[direction as usize].lost += 1;
        }
        let place = place(loss.period);
        let patterns = &mut interval.patterns[place];
        if let Some(distance) = distance {
            patterns.loss_distances.record(distance);
        }
        if let Some(length) = interval.periods[place].lost(loss.sequence) {
            patterns.loss_periods.record(length);
        }
    }

    /// The own host dropped datagrams at the session's socket. They may be missing in each of the open intervals.
    pub fn own_loss(&mut self, count: u64) {
        for interval in &mut self.open {
            interval.own_loss = interval.own_loss.saturating_add(count);
        }
    }

    /// A second copy arrived.
    pub fn duplicated(&mut self, origin: Timestamp, direction: Direction) {
        self.interval(origin).directions[direction as usize].duplicated += 1;
    }

    /// When the first of the open intervals ends; `None` when none is open.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.open
            .iter()
            .map(|interval| interval.start + self.length)
            .min()
    }

    /// The next interval that ended at or before `end`, or one too many to be kept open.
    pub fn close(&mut self, end: Timestamp) -> Option<Summary> {
        let length = self.length;
        let ended = |interval: &OpenInterval| interval.start + length <= end;
        let index = self
            .open
            .iter()
            .position(ended)
            .or((self.open.len() > OPEN_MAX).then_some(0))?;
        let mut interval = self.open.remove(index)?;
        for (patterns, period) in interval.patterns.iter_mut().zip(interval.periods) {
            if let Some(length) = period.finish() {
                patterns.loss_periods.record(length);
            }
        }
        let [forward, backward, somewhere] = interval.patterns;
        Some(Summary {
            start: interval.start,
            length,
            sent: interval.sent,
            received: interval.received,
            late: interval.late,
            lost: interval.lost,
            skipped: interval.skipped,
            lateness_max: interval.lateness_max,
            own_loss: interval.own_loss,
            hindrance: interval.hindrance,
            forward: interval.directions[0].finish(forward),
            backward: interval.directions[1].finish(backward),
            somewhere,
            round_trip: interval.round_trip.finish(),
            round_trip_within: interval.round_trip_within,
            transmit_stamps: interval.transmit_stamps,
            receive_stamps: interval.receive_stamps,
            reflector_stamps: interval.reflector_stamps,
            peer_clock: interval.peer_clock,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
