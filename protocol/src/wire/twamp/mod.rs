//! TWAMP-Control messages (RFC 5357, section 3) that differ from OWAMP's:
//! Request-TW-Session and Stop-Sessions. The others stand in
//! [`owamp`](super::owamp). TWAMP-Test packets (section 4) have the fields of
//! [`stamp`](super::stamp)'s without a session identifier; [`TestMode`] lays
//! them out.

mod request;
mod stop;
mod test_packet;

pub use request::RequestTwSession;
pub use stop::StopTwSessions;
pub use test_packet::{TestKeys, TestMode};

/// Where a TWAMP server listens (TCP; RFC 5357, section 3.1).
pub const CONTROL_PORT: u16 = 862;
