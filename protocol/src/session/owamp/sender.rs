//! The OWAMP session-sender (RFC 4656, section 4.1): sends when the schedule
//! says so. A packet that is too late is left out, and told as skipped when the
//! session ends, so a sender that slept never catches up in a burst.

use owl_measure::time::{Nanos, Timestamp};

use super::SendSchedule;
use crate::wire::owamp::{Interval, RequestSession, SentSession, Sid, SkipRange, TestPacket};
use crate::wire::{ErrorEstimate, NtpTimestamp};

/// Gaps in what was sent that are remembered. One more ends the session: the host cannot keep the schedule.
const SKIP_RANGES_MAX: usize = 1_000;
/// A packet that is later than this is not sent any more, nor one later than the loss threshold. It bounds the burst
/// that follows a pause.
const LATE_MAX: Nanos = Nanos::from_millis(100);

/// The send times of a session, one after the other.
#[derive(Debug)]
pub(super) struct SendTimes {
    start: Timestamp,
    schedule: SendSchedule,
    offset: u64,
}

impl SendTimes {
    /// From the start that was asked for, but not before now, which is when Start-Sessions was said (section 3.5). Zero
    /// asks for no time.
    pub(super) fn new(request: &RequestSession, sid: Sid, now: Timestamp) -> Self {
        let asked = match request.preamble.start_at {
            NtpTimestamp(0) => now,
            start_at => start_at.to_timestamp(now),
        };
        Self {
            start: asked.max(now),
            schedule: SendSchedule::new(sid, request.schedule.clone()),
            offset: 0,
        }
    }

    /// The next one. Added up in units of 2⁻³² s, so that nothing is lost on the way.
    pub(super) fn next(&mut self) -> Timestamp {
        self.offset = self.offset.saturating_add(self.schedule.next_gap().0);
        self.start + Interval(self.offset).to_nanos()
    }
}

/// When the last packet of a session is to be sent that is started now.
pub fn last_send_time(request: &RequestSession, sid: Sid, now: Timestamp) -> Timestamp {
    let mut times = SendTimes::new(request, sid, now);
    for _ in 1..request.preamble.packets {
        times.next();
    }
    times.next()
}

/// An OWAMP session-sender.
#[derive(Debug)]
pub struct SessionSender {
    sid: Sid,
    times: SendTimes,
    due: Timestamp,
    packets: u32,
    late_max: Nanos,
    next: u32,
    skipped: Vec<SkipRange>,
}

impl SessionSender {
    /// Of a session that is started now. Its padding is added by whoever sends.
    pub fn new(request: &RequestSession, sid: Sid, now: Timestamp) -> Self {
        let mut times = SendTimes::new(request, sid, now);
        Self {
            sid,
            due: times.next(),
            times,
            packets: request.preamble.packets,
            late_max: request.preamble.timeout.to_nanos().min(LATE_MAX),
            next: 0,
            skipped: Vec::new(),
        }
    }

    /// The next test packet, if its time has come.
    pub fn poll_transmit(
        &mut self,
        now: Timestamp,
        error_estimate: ErrorEstimate,
    ) -> Option<TestPacket> {
        while self.next < self.packets && self.due <= now {
            let (sequence, late) = (self.next, now - self.due > self.late_max);
            if late && !self.skip(sequence) {
                self.packets = sequence;
                return None;
            }
            self.next += 1;
            self.due = self.times.next();
            if !late {
                return Some(TestPacket {
                    sequence,
                    sent_at: NtpTimestamp::from_timestamp(now),
                    error_estimate,
                });
            }
        }
        None
    }

    /// The kernel did not take the packet that was given last: it was never sent, and is told as skipped.
    pub fn handle_unsent(&mut self, sequence: u32) {
        let is_last = sequence.checked_add(1) == Some(self.next);
        if is_last && !self.skip(sequence) {
            self.packets = self.next;
        }
    }

    /// When to poll again; `None` once all packets have been sent.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        (self.next < self.packets).then_some(self.due)
    }

    /// What Stop-Sessions tells of the session, now or at its end.
    pub fn sent(&self) -> SentSession {
        SentSession {
            sid: self.sid,
            next_sequence: self.next,
            skipped: self.skipped.clone(),
        }
    }

    /// Whether there was room to remember it.
    fn skip(&mut self, sequence: u32) -> bool {
        if let Some(range) = self.skipped.last_mut()
            && range.last + 1 == sequence
        {
            range.last = sequence;
            return true;
        }
        if self.skipped.len() >= SKIP_RANGES_MAX {
            return false;
        }
        self.skipped.push(SkipRange {
            first: sequence,
            last: sequence,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::owamp::tests::request;
    use crate::wire::owamp::Slot;

    const SID: Sid = Sid([7; 16]);
    const START: Timestamp = Timestamp(1_795_441_000_000_000_000);
    /// A gap that a binary fraction holds exactly: 2⁻⁸ s.
    const GAP: Nanos = Nanos(3_906_250);

    fn sender(packets: u32) -> SessionSender {
        let mut request = request();
        request.schedule = vec![Slot::Fixed(Interval::from_nanos(GAP))];
        request.preamble.packets = packets;
        request.preamble.timeout = Interval::from_nanos(GAP.times(2));
        SessionSender::new(&request, SID, START)
    }

    fn poll(sender: &mut SessionSender, after_gaps: i64) -> Option<u32> {
        let now = START + GAP.times(after_gaps);
        let packet = sender.poll_transmit(now, ErrorEstimate::NO_CLAIM)?;
        assert_eq!(packet.sent_at, NtpTimestamp::from_timestamp(now));
        Some(packet.sequence)
    }

    #[test]
    fn the_first_packet_goes_one_gap_after_the_start() {
        let mut sender = sender(2);
        assert_eq!(sender.next_deadline(), Some(START + GAP));
        assert_eq!(poll(&mut sender, 0), None);
        assert_eq!(poll(&mut sender, 1), Some(0));
        assert_eq!(poll(&mut sender, 1), None);
        assert_eq!(poll(&mut sender, 2), Some(1));
        assert_eq!(sender.next_deadline(), None);
        assert_eq!(poll(&mut sender, 9), None);
        assert_eq!(
            (sender.sent().next_sequence, sender.sent().skipped),
            (2, vec![])
        );
    }

    #[test]
    fn what_is_late_by_more_than_the_threshold_is_skipped_and_told() {
        let mut sender = sender(100);
        assert_eq!(poll(&mut sender, 1), Some(0));
        // Due after 2 … 10 gaps; those after 8 and more are not too late yet.
        assert_eq!(poll(&mut sender, 10), Some(7));
        assert_eq!(poll(&mut sender, 10), Some(8));
        assert_eq!(poll(&mut sender, 10), Some(9));
        assert_eq!(poll(&mut sender, 10), None);
        let skipped = vec![SkipRange { first: 1, last: 6 }];
        assert_eq!(
            (sender.sent().next_sequence, sender.sent().skipped),
            (10, skipped)
        );
    }

    #[test]
    fn what_the_kernel_refused_was_never_sent() {
        let mut sender = sender(5);
        for k in 1..=3 {
            poll(&mut sender, k);
            if k > 1 {
                sender.handle_unsent(k as u32 - 1);
            }
        }
        sender.handle_unsent(0);
        assert_eq!(poll(&mut sender, 4), Some(3));
        let skipped = vec![SkipRange { first: 1, last: 2 }];
        assert_eq!(
            (sender.sent().next_sequence, sender.sent().skipped),
            (4, skipped)
        );
    }

    #[test]
    fn a_pause_is_not_made_up_for_in_a_burst() {
        let mut request = request();
        request.schedule = vec![Slot::Fixed(Interval::from_nanos(Nanos::from_millis(1)))];
        request.preamble.packets = 50_000;
        request.preamble.timeout = Interval::from_nanos(Nanos::from_secs(60));
        let mut sender = SessionSender::new(&request, SID, START);
        let now = START + Nanos::from_secs(40);
        let burst = std::iter::from_fn(|| sender.poll_transmit(now, ErrorEstimate::NO_CLAIM));
        assert!((90..=101).contains(&burst.count()));
        assert!(sender.sent().next_sequence >= 39_990);
    }

    #[test]
    fn a_session_begins_when_it_was_to_begin_but_not_before_it_is_started() {
        let begins = |asked: Timestamp| {
            let mut request = request();
            request.schedule = vec![Slot::Fixed(Interval::from_nanos(GAP))];
            request.preamble.start_at = NtpTimestamp::from_timestamp(asked);
            SessionSender::new(&request, SID, START).next_deadline()
        };
        let later = START + Nanos::from_secs(7);
        assert_eq!(begins(later), Some(later + GAP));
        assert_eq!(begins(START - Nanos::from_secs(7)), Some(START + GAP));
    }

    #[test]
    fn the_last_packet_is_sent_when_the_schedule_says() {
        let mut request = request();
        let last = last_send_time(&request, SID, START);
        let mut sender = SessionSender::new(&request, SID, START);
        let mut deadline = START;
        while let Some(due) = sender.next_deadline() {
            deadline = due;
            sender.poll_transmit(due, ErrorEstimate::NO_CLAIM);
        }
        assert_eq!(last, deadline);
        request.preamble.packets = 1;
        assert!(last_send_time(&request, SID, START) < last);
    }

    #[test]
    fn a_host_that_cannot_keep_the_schedule_gives_up() {
        let mut sender = sender(u32::MAX);
        let mut sent = 0;
        for k in 0.. {
            // Each time one is skipped and one is sent.
            if poll(&mut sender, 4 * (k + 1)).is_some() {
                sent += 1;
            }
            if sender.next_deadline().is_none() {
                break;
            }
        }
        let told = sender.sent();
        assert!(
            sent >= 1_000 && told.skipped.len() == SKIP_RANGES_MAX,
            "{sent}"
        );
        assert!(SkipRange::are_sound(&told.skipped, told.next_sequence));
    }
}
