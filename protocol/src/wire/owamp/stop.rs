//! OWAMP's Stop-Sessions (RFC 4656, section 3.8): how far each session was
//! sent, and which packets the session-sender itself left out.

use super::{Accept, BLOCK_OCTETS, Sid, command};
use crate::wire::{Reader, TooShort};

/// Packets that were never sent, from the first to the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkipRange {
    /// Sequence number of the first.
    pub first: u32,
    /// Sequence number of the last; never less than the first.
    pub last: u32,
}

impl SkipRange {
    /// Length of a range.
    pub const OCTETS: usize = 8;

    /// Reads a range.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(octets: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(octets);
        Ok(Self {
            first: fields.u32()?,
            last: fields.u32()?,
        })
    }

    /// The octets of a range.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut octets = [0; Self::OCTETS];
        octets[0..4].copy_from_slice(&self.first.to_be_bytes());
        octets[4..8].copy_from_slice(&self.last.to_be_bytes());
        octets
    }

    /// Whether the ranges are in order, apart, and below the first number that was not sent.
    pub fn are_sound(ranges: &[Self], next_sequence: u32) -> bool {
        let apart = ranges.windows(2).all(|pair| pair[0].last < pair[1].first);
        apart
            && ranges
                .iter()
                .all(|range| range.first <= range.last && range.last < next_sequence)
    }
}

/// What a session-sender tells of a session when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentSession {
    /// Which one.
    pub sid: Sid,
    /// The sequence number that would have been sent next.
    pub next_sequence: u32,
    /// Packets before it that were never sent.
    pub skipped: Vec<SkipRange>,
}

impl SentSession {
    /// Length of its fields before the ranges.
    pub const HEAD_OCTETS: usize = 24;

    /// Length with so many ranges, filled up to whole blocks.
    pub fn octets(ranges: usize) -> usize {
        (Self::HEAD_OCTETS + ranges * SkipRange::OCTETS).next_multiple_of(BLOCK_OCTETS)
    }

    /// How many ranges follow this head.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn ranges(head: &[u8]) -> Result<u32, TooShort> {
        let mut fields = Reader::new(head);
        fields.take::<20>()?;
        fields.u32()
    }

    /// Reads a session with its ranges.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(octets: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(octets);
        let sid = Sid(fields.take()?);
        let next_sequence = fields.u32()?;
        let ranges = fields.u32()?;
        let mut skipped = Vec::new();
        for _ in 0..ranges {
            skipped.push(SkipRange::decode(&fields.take::<{ SkipRange::OCTETS }>()?)?);
        }
        Ok(Self {
            sid,
            next_sequence,
            skipped,
        })
    }

    /// The octets of it, filled up to whole blocks.
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(Self::octets(self.skipped.len()));
        octets.extend(self.sid.0);
        octets.extend(self.next_sequence.to_be_bytes());
        octets.extend((self.skipped.len() as u32).to_be_bytes());
        octets.extend(self.skipped.iter().flat_map(SkipRange::encode));
        octets.resize(Self::octets(self.skipped.len()), 0);
        octets
    }
}

/// The head of Stop-Sessions; the sessions that this side has sent follow, then an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopSessions {
    /// Anything but `Ok` says that the results are worth nothing.
    pub accept: Accept,
    /// How many sessions follow.
    pub sessions: u32,
}

impl StopSessions {
    /// Length of the head.
    pub const HEAD_OCTETS: usize = 16;

    /// Reads the head, but for the number of the command.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(head: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(head);
        fields.u8()?;
        let accept = Accept::from_octet(fields.u8()?);
        fields.u16()?;
        let stop = Self {
            accept,
            sessions: fields.u32()?,
        };
        fields.take::<8>()?;
        Ok(stop)
    }

    /// The octets of the head.
    pub fn encode(&self) -> [u8; Self::HEAD_OCTETS] {
        let mut head = [0; Self::HEAD_OCTETS];
        head[0] = command::STOP_SESSIONS;
        head[1] = self.accept.to_octet();
        head[4..8].copy_from_slice(&self.sessions.to_be_bytes());
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_head_is_read_and_written_back() {
        const GOLDEN: &[u8; 16] = b"\x03\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0";
        let stop = StopSessions::decode(GOLDEN).unwrap();
        assert_eq!((stop.accept, stop.sessions), (Accept::Ok, 2));
        assert_eq!(&stop.encode(), GOLDEN);
        for end in 0..16 {
            assert!(StopSessions::decode(&GOLDEN[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn the_golden_session_is_read_and_written_back_in_whole_blocks() {
        const GOLDEN: &[u8; 48] = b"\
            session-of-jiuzi\
            \0\0\x02\x58\0\0\0\x02\
            \0\0\0\x07\0\0\0\x09\
            \0\0\0\x40\0\0\0\x40\
            \0\0\0\0\0\0\0\0";
        let session = SentSession::decode(GOLDEN).unwrap();
        assert_eq!(
            (&session.sid.0, session.next_sequence),
            (b"session-of-jiuzi", 600)
        );
        let ranges = [
            SkipRange { first: 7, last: 9 },
            SkipRange {
                first: 64,
                last: 64,
            },
        ];
        assert_eq!(session.skipped, ranges);
        assert_eq!(SentSession::ranges(GOLDEN), Ok(2));
        assert_eq!(session.encode(), GOLDEN);
        for end in 0..40 {
            assert!(SentSession::decode(&GOLDEN[..end]).is_err(), "{end}");
        }
        for (ranges, octets) in [(0, 32), (1, 32), (2, 48), (3, 48)] {
            assert_eq!(SentSession::octets(ranges), octets, "{ranges}");
        }
    }

    #[test]
    fn a_count_of_ranges_beyond_the_message_allocates_nothing() {
        let mut octets = [0xFF; 32];
        octets[20..24].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(SentSession::decode(&octets).is_err());
    }

    #[test]
    fn ranges_are_in_order_apart_and_of_packets_that_could_have_been_sent() {
        let check = |ranges: &[(u32, u32)], sound| {
            let ranges: Vec<_> = ranges
                .iter()
                .map(|&(first, last)| SkipRange { first, last })
                .collect();
            assert_eq!(SkipRange::are_sound(&ranges, 10), sound, "{ranges:?}");
        };
        check(&[], true);
        check(&[(0, 0), (1, 3), (9, 9)], true);
        check(&[(3, 2)], false);
        check(&[(1, 3), (3, 4)], false);
        check(&[(5, 6), (1, 2)], false);
        check(&[(9, 10)], false);
    }
}
