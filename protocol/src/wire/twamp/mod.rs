//! TWAMP-Control messages (RFC 5357, section 3) that differ from OWAMP's:
//! Request-TW-Session and Stop-Sessions. The others stand in
//! [`owamp`](super::owamp). Unauthenticated test packets are those of
//! [`stamp`](super::stamp) without a session identifier.

mod request;
mod stop;

pub use request::RequestTwSession;
pub use stop::StopTwSessions;

/// Where a TWAMP server listens (TCP; RFC 5357, section 3.1).
pub const CONTROL_PORT: u16 = 862;

/// Octets of a session-sender's test packet before its padding (RFC 5357, section 4.1.2).
pub const SENDER_PACKET_OCTETS: u32 = 14;

/// Octets of a session-reflector's test packet before its padding (RFC 5357, section 4.2.1).
pub const REFLECTOR_PACKET_OCTETS: u32 = 41;
