//! One session of a sender: its state machine, and its intervals.

use std::net::SocketAddr;

use owl_measure::sample::Stamp;
use owl_measure::summary::Recorder;
use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_protocol::session::SessionSender;
use owl_protocol::session::sender::{Arrival, Observations, Received, Transmit, TransmitToken};
use owl_protocol::wire::ErrorEstimate;

use super::engine::LOOK_AROUND;
use super::session_keys::SessionKeys;
use super::{SessionSettings, Watcher};
use crate::net;

/// An interval is closed this long after the last fate in it was decided: what its socket dropped is known by then.
const CLOSING_MARGIN: Nanos = Nanos(LOOK_AROUND.0 + 50_000_000);

/// Intervals of different sessions end together. They are closed one after the other, so far apart, within this part of
/// an interval, so that neither packets nor whoever takes the summaries must wait for all of them.
const CLOSING_GAP: Nanos = Nanos::from_micros(100);
const CLOSING_SHARE: i64 = 10;

/// One session.
#[derive(Debug)]
pub struct SenderSession {
    peer: SocketAddr,
    lane: usize,
    /// DSCP and ECN as they stand in the IP header.
    traffic_class: Option<u8>,
    sender: SessionSender,
    keys: Option<SessionKeys>,
    recorder: Recorder,
    linger: Nanos,
    unsent: u64,
    /// What had been dropped at its socket when it was told last.
    own_loss: u64,
    is_over: bool,
}

/// Whether a session has just come to its end: everything sent, and every fate decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    GoesOn,
    Ended,
}

impl SenderSession {
    /// `number` tells it from the other sessions of its thread.
    pub(super) fn new(number: usize, settings: SessionSettings, lane: usize) -> Self {
        let class = settings.sender.class.octet();
        let (peer, ssid) = (settings.peer, settings.sender.ssid);
        let spread = CLOSING_GAP.times(number as i64).0
            % (settings.report_interval.0 / CLOSING_SHARE).max(1);
        // A loss is certain after twice the threshold, its direction after once more.
        let linger = settings.sender.timeout.times(3) + CLOSING_MARGIN + Nanos(spread);
        let sender = SessionSender::new(settings.sender);
        Self {
            peer,
            lane,
            traffic_class: (class != 0).then_some(class),
            linger,
            keys: settings
                .keys
                .map(|live| SessionKeys::new(live, peer.ip(), ssid)),
            recorder: Recorder::new(
                settings.report_interval,
                settings.aligned_to,
                settings.targets,
            ),
            unsent: 0,
            own_loss: 0,
            // One that is to send nothing is over before it begins.
            is_over: sender.is_over(),
            sender,
        }
    }

    /// The session-reflector.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// UDP payload of a test packet: what was asked for, or what its TLVs need.
    pub fn packet_octets(&self) -> usize {
        self.sender.packet_octets()
    }

    /// Packets that the kernel did not take; they are lost, and their direction is not told.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Datagrams that were no reply of this session.
    pub fn strangers(&self) -> u64 {
        self.sender.strangers()
    }

    /// What the reflector and the path have shown beside delay and loss.
    pub fn observations(&self) -> &Observations {
        self.sender.observations()
    }

    pub(super) fn lane(&self) -> usize {
        self.lane
    }

    pub(super) fn traffic_class(&self) -> Option<u8> {
        self.traffic_class
    }

    pub(super) fn next_transmit(&self) -> Option<Monotonic> {
        self.sender.next_transmit()
    }

    /// Writes the next packet into `buffer` when its time has come.
    pub(super) fn transmit(
        &mut self,
        now: Monotonic,
        wall: Timestamp,
        estimate: ErrorEstimate,
        buffer: &mut [u8],
    ) -> Option<Transmit> {
        let transmit = self.sender.poll_transmit(now, wall, estimate, buffer)?;
        self.recorder.sent(transmit.origin, transmit.due.lateness);
        if transmit.due.skipped > 0 {
            self.recorder.skipped(transmit.origin, transmit.due.skipped);
        }
        Some(transmit)
    }

    /// Whether its key may change.
    pub(super) fn has_live_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Follows a change of the session's key.
    pub(super) fn look_at_keys(&mut self) {
        if let Some(key) = self.keys.as_mut().and_then(SessionKeys::changed) {
            self.sender.handle_new_key(key);
        }
    }

    pub(super) fn transmitted(&mut self, token: TransmitToken, at: Stamp) {
        self.sender.handle_transmitted(token, at);
    }

    pub(super) fn refused(&mut self) {
        self.unsent += 1;
    }

    pub(super) fn reply(&mut self, now: Monotonic, received: &net::Received, datagram: &[u8]) {
        let how = Received {
            stamp: received.stamp,
            ttl: received.ttl,
            traffic_class: received.traffic_class,
        };
        match self.sender.handle_reply(now, datagram, how) {
            Arrival::OnTime | Arrival::Stranger => {}
            Arrival::Late { origin } => self.recorder.late(origin),
            Arrival::Duplicate { origin, direction } => self.recorder.duplicated(origin, direction),
        }
    }

    /// Tells how many datagrams its socket has dropped so far. Whose they were nobody knows: they may be missing in each
    /// interval that is open.
    pub(super) fn own_loss(&mut self, dropped: u64) {
        let more = dropped.saturating_sub(self.own_loss);
        if more > 0 {
            self.own_loss = dropped;
            self.recorder.own_loss(more);
        }
    }

    /// Decides what is certain at `now`, a time before the socket was read: losses, samples, and the intervals in which
    /// nothing is open any more at `wall`.
    pub(super) fn settle(
        &mut self,
        number: usize,
        now: Monotonic,
        wall: Timestamp,
        watcher: &mut impl Watcher,
    ) -> Course {
        while let Some(loss) = self.sender.poll_loss(now) {
            self.recorder.lost(&loss);
        }
        while let Some((sample, reordered)) = self.sender.poll_sample(now) {
            self.recorder.received(&sample, reordered);
            watcher.sample(number, &sample);
        }
        let course = match (self.is_over, self.sender.is_over()) {
            (false, true) => Course::Ended,
            _ => Course::GoesOn,
        };
        self.is_over |= course == Course::Ended;
        let end = if self.is_over {
            Timestamp(i64::MAX)
        } else {
            wall - self.linger
        };
        while let Some(summary) = self.recorder.close(end) {
            watcher.summary(number, summary);
        }
        course
    }

    /// Closes every interval as far as it went: what is still on its way was sent, and has no fate yet.
    pub(super) fn break_off(&mut self, number: usize, watcher: &mut impl Watcher) {
        while let Some(summary) = self.recorder.close(Timestamp(i64::MAX)) {
            watcher.summary(number, summary);
        }
    }

    /// Ends the session before its time. Its place stays, for transmit stamps that are still to come.
    pub(super) fn leave(&mut self, number: usize, watcher: &mut impl Watcher) -> Course {
        if self.is_over {
            return Course::GoesOn;
        }
        self.break_off(number, watcher);
        self.is_over = true;
        Course::Ended
    }

    /// Its lane stands so many places further on.
    pub(super) fn move_lanes(&mut self, by: usize) {
        self.lane += by;
    }

    /// When to settle again, unless a reply comes before; `None` when nothing is open.
    pub(super) fn next_settlement(&self, now: Monotonic, wall: Timestamp) -> Option<Monotonic> {
        let closing = self
            .recorder
            .next_end()
            .map(|end| now + (end - wall + self.linger));
        [closing, self.sender.next_settlement()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}
