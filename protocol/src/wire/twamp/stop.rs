//! TWAMP's Stop-Sessions (RFC 5357, section 3.8): a head without sessions
//! behind it, for the session-reflector need not be told what was sent.

use crate::wire::TooShort;
use crate::wire::owamp::{BLOCK_OCTETS, StopSessions};

/// Stops all sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopTwSessions(pub StopSessions);

impl StopTwSessions {
    /// Length of the message.
    pub const OCTETS: usize = StopSessions::HEAD_OCTETS + BLOCK_OCTETS;

    /// Reads the message, but for the number of the command.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(message: &[u8]) -> Result<Self, TooShort> {
        if message.len() < Self::OCTETS {
            return Err(TooShort {
                octets: message.len(),
                needed: Self::OCTETS,
            });
        }
        StopSessions::decode(message).map(Self)
    }

    /// The octets of the message.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut message = [0; Self::OCTETS];
        message[..StopSessions::HEAD_OCTETS].copy_from_slice(&self.0.encode());
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::owamp::Accept;

    #[test]
    fn the_golden_stop_is_read_and_written_back() {
        const GOLDEN: &[u8; 32] = b"\
            \x03\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\
            \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let stop = StopTwSessions::decode(GOLDEN).unwrap();
        assert_eq!((stop.0.accept, stop.0.sessions), (Accept::Ok, 3));
        assert_eq!(&stop.encode(), GOLDEN);
        for end in 0..32 {
            assert!(StopTwSessions::decode(&GOLDEN[..end]).is_err(), "{end}");
        }
    }
}
