//! STAMP test packets, unauthenticated mode (RFC 8762, sections 4.2.1 and 4.3.1).
//!
//! 44 octets each way; whatever follows is TLVs (RFC 8972) or padding, which a
//! reflector that knows none of them sends back as it came.

use super::{ErrorEstimate, Reader, TooShort, WireTimestamp};

/// Length of a test packet without TLVs.
pub const PACKET_OCTETS: usize = 44;

/// The shortest request that holds a sequence number, T1 and an Error Estimate: a TWAMP-Light sender's (RFC 8762, section 4.6).
pub const SHORT_REQUEST_OCTETS: usize = 14;

/// What a session-sender sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderPacket {
    /// Of this session, from 0.
    pub sequence: u32,
    /// T1
    pub sent_at: WireTimestamp,
    /// Of the sender's clock.
    pub error_estimate: ErrorEstimate,
    /// STAMP session identifier (RFC 8972, section 3); 0 from senders that know none.
    pub ssid: u16,
}

impl SenderPacket {
    /// Reads a test packet; one too short for a session identifier has none.
    ///
    /// # Errors
    /// When the datagram ends before the Error Estimate does.
    pub fn decode(datagram: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(datagram);
        Ok(Self {
            sequence: fields.u32()?,
            sent_at: WireTimestamp(fields.u64()?),
            error_estimate: ErrorEstimate(fields.u16()?),
            ssid: fields.u16().unwrap_or(0),
        }) // the 28 octets that follow are zero, and ignored on receipt
    }

    /// The 44 octets of the packet.
    pub fn encode(&self) -> [u8; PACKET_OCTETS] {
        let mut packet = [0; PACKET_OCTETS];
        packet[0..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..12].copy_from_slice(&self.sent_at.0.to_be_bytes());
        packet[12..14].copy_from_slice(&self.error_estimate.0.to_be_bytes());
        packet[14..16].copy_from_slice(&self.ssid.to_be_bytes());
        packet
    }
}

/// What a session-reflector sends back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReflectorPacket {
    /// The reflector's own count of this session when it keeps state, else the sender's number.
    pub sequence: u32,
    /// T3
    pub sent_at: WireTimestamp,
    /// Of the reflector's clock.
    pub error_estimate: ErrorEstimate,
    /// As the sender sent it.
    pub ssid: u16,
    /// T2
    pub received_at: WireTimestamp,
    /// As the sender sent it.
    pub sender_sequence: u32,
    /// T1, as the sender sent it.
    pub sender_sent_at: WireTimestamp,
    /// As the sender sent it.
    pub sender_error_estimate: ErrorEstimate,
    /// TTL or hop limit with which the sender's packet arrived; 0 from reflectors whose reply ends before it.
    pub sender_ttl: u8,
}

/// The shortest reply that holds everything up to the sender's Error Estimate: some TWAMP-Light reflectors end there.
const SHORT_REPLY_OCTETS: usize = 38;

impl ReflectorPacket {
    /// Reads a reply, also of 38, 40 or 41 octets as TWAMP-Light reflectors send it.
    ///
    /// # Errors
    /// When the datagram ends before the sender's Error Estimate does.
    pub fn decode(datagram: &[u8]) -> Result<Self, TooShort> {
        if datagram.len() < SHORT_REPLY_OCTETS {
            return Err(TooShort {
                octets: datagram.len(),
                needed: SHORT_REPLY_OCTETS,
            });
        }
        let mut fields = Reader::new(datagram);
        Ok(Self {
            sequence: fields.u32()?,
            sent_at: WireTimestamp(fields.u64()?),
            error_estimate: ErrorEstimate(fields.u16()?),
            ssid: fields.u16()?,
            received_at: WireTimestamp(fields.u64()?),
            sender_sequence: fields.u32()?,
            sender_sent_at: WireTimestamp(fields.u64()?),
            sender_error_estimate: ErrorEstimate(fields.u16()?),
            sender_ttl: fields.u16().and_then(|_zero| fields.u8()).unwrap_or(0),
        }) // three more octets are zero, and ignored on receipt
    }

    /// The 44 octets of the packet.
    pub fn encode(&self) -> [u8; PACKET_OCTETS] {
        let mut packet = [0; PACKET_OCTETS];
        packet[0..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..12].copy_from_slice(&self.sent_at.0.to_be_bytes());
        packet[12..14].copy_from_slice(&self.error_estimate.0.to_be_bytes());
        packet[14..16].copy_from_slice(&self.ssid.to_be_bytes());
        packet[16..24].copy_from_slice(&self.received_at.0.to_be_bytes());
        packet[24..28].copy_from_slice(&self.sender_sequence.to_be_bytes());
        packet[28..36].copy_from_slice(&self.sender_sent_at.0.to_be_bytes());
        packet[36..38].copy_from_slice(&self.sender_error_estimate.0.to_be_bytes());
        packet[40] = self.sender_ttl;
        packet
    }

    /// Writes T3 into an encoded reply: the last thing before it is sent.
    pub fn set_sent_at(packet: &mut [u8; PACKET_OCTETS], sent_at: WireTimestamp) {
        packet[4..12].copy_from_slice(&sent_at.0.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octet for octet as RFC 8762, figure 2, draws it: sequence 7, T1 = 0xEB0F1234.80000000, S with 50 µs, SSID 0x0102.
    const SENDER: [u8; 44] = {
        let mut packet = [0; 44];
        let head = [
            0, 0, 0, 7, 0xEB, 0x0F, 0x12, 0x34, 0x80, 0, 0, 0, 0x8A, 0xD2, 1, 2,
        ];
        let mut k = 0;
        while k < head.len() {
            packet[k] = head[k];
            k += 1;
        }
        packet
    };

    /// The reply to it as figure 5 draws it: reflector sequence 5, T3, no claim, T2, and the received TTL of 253.
    const REFLECTOR: [u8; 44] = [
        0, 0, 0, 5, 0xEB, 0x0F, 0x12, 0x34, 0x80, 0, 0, 9, 0x3F, 0xFF, 1, 2, 0xEB, 0x0F, 0x12,
        0x34, 0x80, 0, 0, 3, 0, 0, 0, 7, 0xEB, 0x0F, 0x12, 0x34, 0x80, 0, 0, 0, 0x8A, 0xD2, 0, 0,
        253, 0, 0, 0,
    ];

    #[test]
    fn the_golden_packets_are_read_and_written_back() {
        let sender = SenderPacket::decode(&SENDER).unwrap();
        assert_eq!(
            (sender.sequence, sender.sent_at.0, sender.ssid),
            (7, 0xEB0F_1234_8000_0000, 0x0102)
        );
        assert_eq!(sender.encode(), SENDER);

        let reflector = ReflectorPacket::decode(&REFLECTOR).unwrap();
        assert_eq!(
            (
                reflector.sequence,
                reflector.sender_sequence,
                reflector.sender_ttl
            ),
            (5, 7, 253)
        );
        assert_eq!(
            (reflector.received_at.0, reflector.sent_at.0),
            (0xEB0F_1234_8000_0003, 0xEB0F_1234_8000_0009)
        );
        assert_eq!(reflector.sender_error_estimate, sender.error_estimate);
        assert_eq!(reflector.encode(), REFLECTOR);
    }

    #[test]
    fn every_shorter_prefix_is_refused_except_those_of_twamp_light() {
        for end in 0..44 {
            assert_eq!(
                SenderPacket::decode(&SENDER[..end]).is_ok(),
                end >= 14,
                "request of {end} octets"
            );
            assert_eq!(
                ReflectorPacket::decode(&REFLECTOR[..end]).is_ok(),
                end >= 38,
                "reply of {end} octets"
            );
        }
        assert_eq!(SenderPacket::decode(&SENDER[..15]).unwrap().ssid, 0);
        assert_eq!(
            ReflectorPacket::decode(&REFLECTOR[..40])
                .unwrap()
                .sender_ttl,
            0
        );
        assert_eq!(
            ReflectorPacket::decode(&REFLECTOR[..41])
                .unwrap()
                .sender_ttl,
            253
        );
    }

    #[test]
    fn t3_is_written_where_it_belongs() {
        let mut packet = REFLECTOR;
        ReflectorPacket::set_sent_at(&mut packet, WireTimestamp(42));
        assert_eq!(
            ReflectorPacket::decode(&packet).unwrap().sent_at,
            WireTimestamp(42)
        );
        assert_eq!(packet[12..], REFLECTOR[12..]);
    }
}
