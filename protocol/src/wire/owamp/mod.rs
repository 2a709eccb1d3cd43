//! OWAMP-Control and OWAMP-Test messages (RFC 4656), and what TWAMP (RFC 5357)
//! takes over from them unchanged: the connection set-up, Accept-Session,
//! Start-Sessions and Start-Ack.
//!
//! A control message is read from as many octets as it has; what must be zero
//! is written so and ignored when read. Its HMAC is left zero here: only the
//! one who holds the keys of the connection can fill it in.

mod accept;
mod answer;
mod fetch;
mod interval;
mod keys;
mod protection;
mod request;
mod setup;
mod sid;
mod stop;
mod test_packet;

pub use accept::Accept;
pub use answer::{AcceptSession, StartAck, StartSessions};
pub use fetch::{FetchAck, FetchSession, Finished, PacketRecord};
pub use interval::Interval;
pub use keys::{COUNT_MAX, COUNT_MIN, Passphrase, SessionKeys};
pub use protection::{Opener, Sealer};
pub use request::{Addresses, Agent, Preamble, RequestSession, Slot, TypeP};
pub use setup::{KeyId, Modes, ServerGreeting, ServerStart, SetUpResponse};
pub use sid::Sid;
pub use stop::{SentSession, SkipRange, StopSessions};
pub use test_packet::TestPacket;

/// Where an OWAMP server listens (TCP; RFC 4656, section 3.1).
pub const CONTROL_PORT: u16 = 861;

/// Length of an HMAC, and of the block that everything on an encrypted connection is a multiple of (RFC 4656, section 3.2).
pub const BLOCK_OCTETS: usize = 16;

/// The number that a command begins with (RFC 4656, section 3.4, and RFC 5357, section 3.4).
pub mod command {
    /// Request-Session (OWAMP).
    pub const REQUEST_SESSION: u8 = 1;
    /// Start-Sessions.
    pub const START_SESSIONS: u8 = 2;
    /// Stop-Sessions.
    pub const STOP_SESSIONS: u8 = 3;
    /// Fetch-Session (OWAMP).
    pub const FETCH_SESSION: u8 = 4;
    /// Request-TW-Session (TWAMP).
    pub const REQUEST_TW_SESSION: u8 = 5;
}
