//! Which packets of an authenticated session were seen before.
//!
//! An HMAC proves who wrote a packet, not when. A window over the sequence
//! numbers, as IPsec has it (RFC 4303, section 3.4.3), tells a copy from a
//! packet that was overtaken. A number far from the window is an old recording,
//! unless its T1 is later than any before: then packets were lost, or the
//! sender began anew.

use owl_measure::time::Timestamp;

/// Numbers below the highest that may still come, in any order.
const WINDOW: u32 = 64;

/// The numbers seen of one session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReplayWindow {
    highest: u32,
    /// Bit k: the highest less k was seen. None at all before the first packet.
    seen: u64,
    latest: Timestamp,
}

impl ReplayWindow {
    /// Whether a packet is none that was seen before; it is from now on.
    pub(super) fn admit(&mut self, sequence: u32, sent_at: Timestamp) -> bool {
        let later = sent_at > self.latest;
        let ahead = sequence.wrapping_sub(self.highest);
        let behind = self.highest.wrapping_sub(sequence);
        if behind < WINDOW && self.seen != 0 {
            let bit = 1_u64 << behind;
            if self.seen & bit != 0 {
                return false;
            }
            self.seen |= bit;
        } else if ahead < WINDOW && self.seen != 0 {
            self.seen = self.seen << ahead | 1;
            self.highest = sequence;
        } else if later || self.seen == 0 {
            self.seen = 1;
            self.highest = sequence;
        } else {
            return false;
        }
        self.latest = self.latest.max(sent_at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(packets: &[(u32, i64)], admitted: &[bool]) {
        let mut window = ReplayWindow::default();
        let told: Vec<_> = packets
            .iter()
            .map(|&(sequence, t1)| window.admit(sequence, Timestamp(t1)))
            .collect();
        assert_eq!(told, admitted, "{packets:?}");
    }

    #[test]
    fn a_copy_is_refused_and_an_overtaken_packet_is_not() {
        check(&[(0, 1), (0, 1)], &[true, false]);
        check(
            &[(5, 5), (7, 7), (6, 6), (6, 6), (7, 7)],
            &[true, true, true, false, false],
        );
        check(&[(100, 100), (37, 37), (36, 36)], &[true, true, false]);
        check(&[(0, 1), (1_000, 2), (0, 1)], &[true, true, false]);
    }

    #[test]
    fn numbers_wrap_around() {
        check(
            &[(u32::MAX, 1), (0, 2), (u32::MAX, 1), (u32::MAX - 1, 0)],
            &[true, true, false, true],
        );
    }

    #[test]
    fn a_sender_that_begins_anew_is_told_from_an_old_recording() {
        check(
            &[(9_000, 9_000), (0, 9_500), (1, 9_600), (9_000, 9_000)],
            &[true, true, true, false],
        );
        check(&[(9_000, 9_000), (0, 8_000)], &[true, false]);
        check(&[(0, 100), (1, 40), (2, 41)], &[true, true, true]);
        check(&[(0, 100), (500, 200), (501, 201)], &[true, true, true]);
    }
}
