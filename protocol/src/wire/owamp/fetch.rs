//! Fetch-Session and its answer (RFC 4656, section 3.9): the records of a
//! session, from the host that received it.
//!
//! Behind an accepting Fetch-Ack come the request as it was accepted, the skip
//! ranges, and the packet records, each part filled up to whole blocks and
//! closed with an HMAC.

use super::{Accept, Sid, command};
use crate::wire::{ErrorEstimate, NtpTimestamp, Reader, TooShort};

/// Asks for the records of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchSession {
    /// The first sequence number.
    pub begin: u32,
    /// The last one. From 0 to 0xFFFFFFFF asks for all of a session that ended as it should.
    pub end: u32,
    /// Of which session.
    pub sid: Sid,
}

impl FetchSession {
    /// Length of the message.
    pub const OCTETS: usize = 48;

    /// Reads the message, but for the number of the command.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(message: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(message);
        fields.u64()?;
        let fetch = Self {
            begin: fields.u32()?,
            end: fields.u32()?,
            sid: Sid(fields.take()?),
        };
        fields.take::<16>()?;
        Ok(fetch)
    }

    /// The octets of the message.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut message = [0; Self::OCTETS];
        message[0] = command::FETCH_SESSION;
        message[8..12].copy_from_slice(&self.begin.to_be_bytes());
        message[12..16].copy_from_slice(&self.end.to_be_bytes());
        message[16..32].copy_from_slice(&self.sid.0);
        message
    }
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// It goes on; what was sent is not known yet.
    Not,
    /// It has ended as it should; the sequence number that would have been sent next.
    Normally(u32),
    /// It has ended some other way; the number as far as it is known.
    Otherwise(u32),
}

/// The answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchAck {
    /// Whether records follow.
    pub accept: Accept,
    /// How far the session has come.
    pub finished: Finished,
    /// How many skip ranges follow.
    pub skip_ranges: u32,
    /// How many packet records follow.
    pub records: u32,
}

impl FetchAck {
    /// Length of the message.
    pub const OCTETS: usize = 32;

    /// Gives nothing.
    pub fn refuse(accept: Accept) -> Self {
        Self {
            accept,
            finished: Finished::Not,
            skip_ranges: 0,
            records: 0,
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(message: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(message);
        let accept = Accept::from_octet(fields.u8()?);
        let finished = fields.u8()?;
        fields.u16()?;
        let next_sequence = fields.u32()?;
        let ack = Self {
            accept,
            finished: match finished {
                0 => Finished::Not,
                1 => Finished::Normally(next_sequence),
                _ => Finished::Otherwise(next_sequence),
            },
            skip_ranges: fields.u32()?,
            records: fields.u32()?,
        };
        fields.take::<16>()?;
        Ok(ack)
    }

    /// The octets of the message.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let (finished, next_sequence) = match self.finished {
            Finished::Not => (0, 0),
            Finished::Normally(next) => (1, next),
            Finished::Otherwise(next) => (2, next),
        };
        let mut message = [0; Self::OCTETS];
        message[0] = self.accept.to_octet();
        message[1] = finished;
        message[4..8].copy_from_slice(&u32::to_be_bytes(next_sequence));
        message[8..12].copy_from_slice(&self.skip_ranges.to_be_bytes());
        message[12..16].copy_from_slice(&self.records.to_be_bytes());
        message
    }
}

/// What was received of one test packet, or that it was not (section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketRecord {
    /// Sequence number.
    pub sequence: u32,
    /// Of the sender's clock.
    pub sent_error_estimate: ErrorEstimate,
    /// Of the receiver's clock.
    pub received_error_estimate: ErrorEstimate,
    /// As the packet told it, or as the schedule has it when it was lost.
    pub sent_at: NtpTimestamp,
    /// Zero when it was lost.
    pub received_at: NtpTimestamp,
    /// TTL or hop limit on arrival; 255 when it was lost.
    pub ttl: u8,
}

impl PacketRecord {
    /// Length of a record.
    pub const OCTETS: usize = 25;

    /// Of a packet that never came, with the time at which it should have been sent. The RFC asks for a sending Error
    /// Estimate with Scale 64, which six bits cannot hold; the one that is written has Scale 0, as its other
    /// implementations do.
    pub fn lost(
        sequence: u32,
        scheduled_at: NtpTimestamp,
        received_error_estimate: ErrorEstimate,
    ) -> Self {
        Self {
            sequence,
            sent_error_estimate: ErrorEstimate(0x0001),
            received_error_estimate,
            sent_at: scheduled_at,
            received_at: NtpTimestamp(0),
            ttl: 255,
        }
    }

    /// Whether the packet was lost.
    pub fn is_lost(&self) -> bool {
        self.received_at == NtpTimestamp(0)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(octets: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(octets);
        Ok(Self {
            sequence: fields.u32()?,
            sent_error_estimate: ErrorEstimate(fields.u16()?),
            received_error_estimate: ErrorEstimate(fields.u16()?),
            sent_at: NtpTimestamp(fields.u64()?),
            received_at: NtpTimestamp(fields.u64()?),
            ttl: fields.u8()?,
        })
    }

    /// The octets of a record.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut octets = [0; Self::OCTETS];
        octets[0..4].copy_from_slice(&self.sequence.to_be_bytes());
        octets[4..6].copy_from_slice(&self.sent_error_estimate.0.to_be_bytes());
        octets[6..8].copy_from_slice(&self.received_error_estimate.0.to_be_bytes());
        octets[8..16].copy_from_slice(&self.sent_at.0.to_be_bytes());
        octets[16..24].copy_from_slice(&self.received_at.0.to_be_bytes());
        octets[24] = self.ttl;
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_fetch_is_read_and_written_back() {
        const GOLDEN: &[u8; 48] = b"\
            \x04\0\0\0\0\0\0\0\0\0\0\x05\xff\xff\xff\xff\
            session-of-jiuzi\
            \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let fetch = FetchSession::decode(GOLDEN).unwrap();
        assert_eq!((fetch.begin, fetch.end), (5, u32::MAX));
        assert_eq!(&fetch.sid.0, b"session-of-jiuzi");
        assert_eq!(&fetch.encode(), GOLDEN);
        for end in 0..48 {
            assert!(FetchSession::decode(&GOLDEN[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn the_golden_answer_is_read_and_written_back() {
        const GOLDEN: &[u8; 32] = b"\
            \0\x01\0\0\0\0\x02\x58\0\0\0\x02\0\0\x02\x57\
            \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let ack = FetchAck::decode(GOLDEN).unwrap();
        assert_eq!(
            (ack.accept, ack.finished),
            (Accept::Ok, Finished::Normally(600))
        );
        assert_eq!((ack.skip_ranges, ack.records), (2, 599));
        assert_eq!(&ack.encode(), GOLDEN);
        for end in 0..32 {
            assert!(FetchAck::decode(&GOLDEN[..end]).is_err(), "{end}");
        }
        let refusal = FetchAck::refuse(Accept::Failure).encode();
        assert_eq!((refusal[0], &refusal[1..]), (1, &[0; 31][..]));
    }

    #[test]
    fn the_golden_record_is_read_and_written_back() {
        const GOLDEN: &[u8; 25] = b"\
            \0\0\0\x07\x8a\xd2\x8a\x01\
            \xeb\x0f\x12\x34\x80\0\0\0\
            \xeb\x0f\x12\x34\x80\0\0\x09\
            \xfb";
        let record = PacketRecord::decode(GOLDEN).unwrap();
        assert_eq!((record.sequence, record.ttl), (7, 251));
        assert_eq!(record.sent_error_estimate, ErrorEstimate(0x8AD2));
        assert_eq!(record.received_error_estimate, ErrorEstimate(0x8A01));
        assert_eq!(record.sent_at, NtpTimestamp(0xEB0F_1234_8000_0000));
        assert_eq!(record.received_at, NtpTimestamp(0xEB0F_1234_8000_0009));
        assert_eq!(&record.encode(), GOLDEN);
        assert!(!record.is_lost());
        for end in 0..25 {
            assert!(PacketRecord::decode(&GOLDEN[..end]).is_err(), "{end}");
        }
        let lost = PacketRecord::lost(8, record.sent_at, ErrorEstimate(0x8A01));
        assert_eq!(PacketRecord::decode(&lost.encode()), Ok(lost));
        assert!(lost.is_lost());
    }
}
