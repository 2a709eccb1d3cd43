//! What a session is: whom it asks, when, how, and for what.

use owl_measure::time::Nanos;

use super::{Padding, Protection, Question};
use crate::session::schedule::Schedule;
use crate::wire::twamp::TestMode;
use crate::wire::{TaiOffset, TimestampFormat};

/// What is known of the session-reflector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reflector {
    /// One of ours: it counts its replies, and its clock claim is honest.
    Own,
    /// Any other: it counts its replies only if it shows so, and a clock claim below 100 ns is no claim.
    Stranger,
}

/// Which test packets are spoken.
#[derive(Debug, Clone)]
pub enum Dialect {
    /// STAMP's (RFC 8762).
    Stamp,
    /// TWAMP-Test's (RFC 5357, section 4), for TWAMP Light too: 14 octets and padding, or 48 in a protected mode. They
    /// have no session identifier and no TLVs, so nothing is asked, and their mode alone protects them.
    Twamp(TestMode),
}

/// What marks a packet in its IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrafficClass {
    /// RFC 2474, 0 to 63.
    pub dscp: u8,
    /// RFC 3168, 0 to 3: not-ECT, ECT(1), ECT(0), CE.
    pub ecn: u8,
}

impl TrafficClass {
    /// The octet as it stands in the IP header.
    pub fn octet(self) -> u8 {
        self.dscp << 2 | self.ecn & 0x03
    }
}

/// What becomes of a session whose replies have the session identifier zero though its packets have not: the choice
/// that RFC 8972, section 3, wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroSsid {
    /// It goes on: the reflector is one of RFC 8762, or of TWAMP Light.
    Continue,
    /// No further packet is sent.
    Stop,
}

/// What a session is. [`SenderConfig::new`] is one that asks for nothing and protects nothing.
#[derive(Debug, Clone)]
pub struct SenderConfig {
    /// Which test packets are spoken.
    pub dialect: Dialect,
    /// STAMP session identifier.
    pub ssid: u16,
    /// Send times.
    pub schedule: Schedule,
    /// Loss threshold Tmax.
    pub timeout: Nanos,
    /// Stop after this many packets, if the schedule has not ended before; `None` goes on as long as it does.
    pub packets: Option<u64>,
    /// What is known of the reflector.
    pub reflector: Reflector,
    /// UDP payload of a test packet at least; it is longer where its base and its TLVs need more.
    pub packet_octets: usize,
    /// What fills it up.
    pub padding: Padding,
    /// How packets are marked.
    pub class: TrafficClass,
    /// What becomes of the session when its reflector knows no session identifiers.
    pub zero_ssid: ZeroSsid,
    /// Format of T1.
    pub format: TimestampFormat,
    /// TAI less UTC, for the PTP format of either end.
    pub tai_offset: TaiOffset,
    /// How the session is protected.
    pub protection: Protection,
    /// What is asked of the reflector.
    pub question: Question,
}

impl SenderConfig {
    /// A session of base packets without end, in the NTP format.
    pub fn new(ssid: u16, schedule: Schedule, timeout: Nanos, reflector: Reflector) -> Self {
        Self {
            dialect: Dialect::Stamp,
            ssid,
            schedule,
            timeout,
            packets: None,
            reflector,
            packet_octets: 0,
            padding: Padding::Zeros,
            class: TrafficClass::default(),
            zero_ssid: ZeroSsid::Continue,
            format: TimestampFormat::Ntp,
            tai_offset: TaiOffset::SINCE_2017,
            protection: Protection::None,
            question: Question::default(),
        }
    }
}
