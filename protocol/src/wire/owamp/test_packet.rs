//! The OWAMP-Test packet, unauthenticated (RFC 4656, section 4.1.2): 14 octets
//! and padding. It is also what a TWAMP session-sender sends (RFC 5357, section
//! 4.1.2).

use crate::wire::{ErrorEstimate, NtpTimestamp, Reader, TooShort};

/// A test packet without its padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestPacket {
    /// Of this session, from 0.
    pub sequence: u32,
    /// When it was sent, on the sender's clock.
    pub sent_at: NtpTimestamp,
    /// Of the sender's clock.
    pub error_estimate: ErrorEstimate,
}

impl TestPacket {
    /// Length without padding.
    pub const OCTETS: usize = 14;

    /// Reads a test packet.
    ///
    /// # Errors
    /// When the datagram ends before the Error Estimate does.
    pub fn decode(datagram: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(datagram);
        Ok(Self {
            sequence: fields.u32()?,
            sent_at: NtpTimestamp(fields.u64()?),
            error_estimate: ErrorEstimate(fields.u16()?),
        })
    }

    /// The 14 octets of the packet; the padding follows.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut packet = [0; Self::OCTETS];
        packet[0..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..12].copy_from_slice(&self.sent_at.0.to_be_bytes());
        packet[12..14].copy_from_slice(&self.error_estimate.0.to_be_bytes());
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_packet_is_read_and_written_back() {
        const GOLDEN: &[u8; 14] = b"\0\0\0\x07\xeb\x0f\x12\x34\x80\0\0\0\x8a\xd2";
        let packet = TestPacket::decode(GOLDEN).unwrap();
        assert_eq!(packet.sequence, 7);
        assert_eq!(packet.sent_at, NtpTimestamp(0xEB0F_1234_8000_0000));
        assert_eq!(packet.error_estimate, ErrorEstimate(0x8AD2));
        assert_eq!(&packet.encode(), GOLDEN);
        for end in 0..14 {
            assert!(TestPacket::decode(&GOLDEN[..end]).is_err(), "{end}");
        }
    }
}
