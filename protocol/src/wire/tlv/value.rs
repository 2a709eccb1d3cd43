//! The values of fixed layout (RFC 8972, sections 4.3 to 4.7; RFC 9534,
//! section 3.1; RFC 10052, section 3).

use crate::wire::WireTimestamp;

/// What disciplines a clock (the IANA registry "STAMP Synchronization Sources").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncSource(pub u8);

impl SyncSource {
    /// Nobody said.
    pub const UNKNOWN: Self = Self(0);
    /// Network Time Protocol.
    pub const NTP: Self = Self(1);
    /// Precision Time Protocol.
    pub const PTP: Self = Self(2);
    /// Synchronization Supply Unit or Building Integrated Timing Supply.
    pub const SSU_BITS: Self = Self(3);
    /// A satellite system or LORAN-C.
    pub const GNSS: Self = Self(4);
    /// Nothing: it runs free.
    pub const FREE: Self = Self(5);
}

/// How a timestamp was taken (the IANA registry "STAMP Timestamping Methods").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimestampMethod(pub u8);

impl TimestampMethod {
    /// Nobody said.
    pub const UNKNOWN: Self = Self(0);
    /// By the hardware.
    pub const HARDWARE: Self = Self(1);
    /// By software of the local system.
    pub const SOFTWARE: Self = Self(2);
    /// By the control plane.
    pub const CONTROL_PLANE: Self = Self(3);
}

/// How the reflector's T2 ("in") and T3 ("out") came about. A sender leaves all of it zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimestampInformation {
    /// Source of the clock that took T2.
    pub source_in: SyncSource,
    /// How T2 was taken.
    pub method_in: TimestampMethod,
    /// Source of the clock that took T3.
    pub source_out: SyncSource,
    /// How T3 was taken.
    pub method_out: TimestampMethod,
}

impl TimestampInformation {
    /// Length of the value.
    pub const OCTETS: usize = 4;

    pub(super) fn decode([source_in, method_in, source_out, method_out]: [u8; 4]) -> Self {
        Self {
            source_in: SyncSource(source_in),
            method_in: TimestampMethod(method_in),
            source_out: SyncSource(source_out),
            method_out: TimestampMethod(method_out),
        }
    }

    /// The value's octets.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        [
            self.source_in.0,
            self.method_in.0,
            self.source_out.0,
            self.method_out.0,
        ]
    }
}

/// DSCP and ECN, asked for and seen (RFC 8972, section 4.4, with erratum 8199).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassOfService {
    /// DSCP1: the DSCP that the sender wants the reply to have, 0 to 63.
    pub wanted_dscp: u8,
    /// DSCP2: the DSCP with which the packet reached the reflector.
    pub received_dscp: u8,
    /// ECN with which the packet reached the reflector.
    pub received_ecn: u8,
    /// RP: the wanted DSCP is not permitted, the reply has the received one; 0 or 1, two bits.
    pub reverse_path: u8,
}

impl ClassOfService {
    /// Length of the value.
    pub const OCTETS: usize = 4;

    pub(super) fn decode([high, low, _reserved, _reserved_too]: [u8; 4]) -> Self {
        Self {
            wanted_dscp: high >> 2,
            received_dscp: (high & 0x03) << 4 | low >> 4,
            received_ecn: low >> 2 & 0x03,
            reverse_path: low & 0x03,
        }
    }

    /// The value's octets.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let received = self.received_dscp & 0x3F;
        [
            self.wanted_dscp << 2 | received >> 4,
            received << 4 | (self.received_ecn & 0x03) << 2 | self.reverse_path & 0x03,
            0,
            0,
        ]
    }
}

/// Counters of packets of one session (RFC 8972, section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DirectMeasurement {
    /// S_TxC: sent by the session-sender.
    pub sender_sent: u32,
    /// R_RxC: received by the session-reflector.
    pub reflector_received: u32,
    /// R_TxC: sent by the session-reflector.
    pub reflector_sent: u32,
}

impl DirectMeasurement {
    /// Length of the value.
    pub const OCTETS: usize = 12;

    pub(super) fn decode(value: [u8; 12]) -> Self {
        let word = |at: usize| {
            u32::from_be_bytes([value[at], value[at + 1], value[at + 2], value[at + 3]])
        };
        Self {
            sender_sent: word(0),
            reflector_received: word(4),
            reflector_sent: word(8),
        }
    }

    /// The value's octets.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut value = [0; Self::OCTETS];
        value[0..4].copy_from_slice(&self.sender_sent.to_be_bytes());
        value[4..8].copy_from_slice(&self.reflector_received.to_be_bytes());
        value[8..12].copy_from_slice(&self.reflector_sent.to_be_bytes());
        value
    }
}

/// State of an access network (RFC 8972, section 4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessReport {
    /// 1: 3GPP network, 2: non-3GPP network; a report of any other is discarded. Four bits.
    pub access: u8,
    /// 1: available, 2: unavailable.
    pub return_code: u8,
}

impl AccessReport {
    /// Length of the value.
    pub const OCTETS: usize = 4;

    pub(super) fn decode([access, return_code, _reserved, _reserved_too]: [u8; 4]) -> Self {
        Self {
            access: access >> 4,
            return_code,
        }
    }

    /// Whether the access is one of those that there are.
    pub fn is_valid(&self) -> bool {
        matches!(self.access, 1 | 2)
    }

    /// The value's octets.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        [self.access << 4, self.return_code, 0, 0]
    }
}

/// T3 of an earlier reply, nearer to the wire than the one that it carried (RFC 8972, section 4.7).
///
/// All zero from a session-sender, from a stateless reflector, and from one that knows none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FollowUp {
    /// Sequence number of that reply, as the reflector counts.
    pub sequence: u32,
    /// Its T3, in the format of the packet that carries this.
    pub sent_at: WireTimestamp,
    /// How that was taken.
    pub method: TimestampMethod,
}

impl FollowUp {
    /// Length of the value.
    pub const OCTETS: usize = 16;

    pub(super) fn decode(value: [u8; 16]) -> Self {
        let [a, b, c, d, t0, t1, t2, t3, t4, t5, t6, t7, method, ..] = value;
        Self {
            sequence: u32::from_be_bytes([a, b, c, d]),
            sent_at: WireTimestamp(u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7])),
            method: TimestampMethod(method),
        }
    }

    /// The value's octets.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut value = [0; Self::OCTETS];
        value[0..4].copy_from_slice(&self.sequence.to_be_bytes());
        value[4..12].copy_from_slice(&self.sent_at.0.to_be_bytes());
        value[12] = self.method.0;
        value
    }
}

/// The member links on which the two ends send (RFC 9534, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MicroSession {
    /// The session-sender's.
    pub sender: u16,
    /// The session-reflector's; 0 from a sender that does not know it.
    pub reflector: u16,
}

impl MicroSession {
    /// Length of the value.
    pub const OCTETS: usize = 4;

    pub(super) fn decode([a, b, c, d]: [u8; 4]) -> Self {
        Self {
            sender: u16::from_be_bytes([a, b]),
            reflector: u16::from_be_bytes([c, d]),
        }
    }

    /// The value's octets.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let ([a, b], [c, d]) = (self.sender.to_be_bytes(), self.reflector.to_be_bytes());
        [a, b, c, d]
    }
}

/// Asks for replies of another length or number than the requests (RFC 10052, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReflectedControl {
    /// Length of each reply, as UDP payload.
    pub octets: u16,
    /// How many replies; 0 asks for none.
    pub count: u16,
    /// Time between two of them, in nanoseconds.
    pub interval_ns: u32,
}

impl ReflectedControl {
    /// Length of the value with the header of one empty sub-TLV, the shortest that is well-formed.
    pub const OCTETS: usize = 12;

    /// The fixed fields; the sub-TLVs behind them address groups of reflectors, to which ours belong without exception.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let &[a, b, c, d, e, f, g, h, _, _, _, _] = value.first_chunk()?;
        Some(Self {
            octets: u16::from_be_bytes([a, b]),
            count: u16::from_be_bytes([c, d]),
            interval_ns: u32::from_be_bytes([e, f, g, h]),
        })
    }

    /// The value's octets, with an empty sub-TLV.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut value = [0; Self::OCTETS];
        value[0..2].copy_from_slice(&self.octets.to_be_bytes());
        value[2..4].copy_from_slice(&self.count.to_be_bytes());
        value[4..8].copy_from_slice(&self.interval_ns.to_be_bytes());
        value
    }
}
