//! The short messages that OWAMP and TWAMP share: Accept-Session (RFC 4656,
//! section 3.5; RFC 5357, section 3.5), Start-Sessions and Start-Ack (section
//! 3.7 of both).

use super::{Accept, Sid, command};
use crate::wire::{Reader, TooShort};

/// The answer to a request for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptSession {
    /// Whether the session is accepted.
    pub accept: Accept,
    /// The UDP port that the server has chosen; zero when it refuses.
    pub port: u16,
    /// The session identifier, when the server is the receiving side.
    pub sid: Sid,
}

impl AcceptSession {
    /// Length of the message.
    pub const OCTETS: usize = 48;

    /// Refuses a session.
    pub fn refuse(accept: Accept) -> Self {
        Self {
            accept,
            port: 0,
            sid: Sid::default(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(message: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(message);
        let accept = Accept::from_octet(fields.u8()?);
        fields.u8()?;
        let answer = Self {
            accept,
            port: fields.u16()?,
            sid: Sid(fields.take()?),
        };
        fields.take::<{ 12 + 16 }>()?;
        Ok(answer)
    }

    /// The octets of the message.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut message = [0; Self::OCTETS];
        message[0] = self.accept.to_octet();
        message[2..4].copy_from_slice(&self.port.to_be_bytes());
        message[4..20].copy_from_slice(&self.sid.0);
        message
    }
}

/// Starts all sessions that have been accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartSessions;

impl StartSessions {
    /// Length of the message.
    pub const OCTETS: usize = 32;

    /// The octets of the message; read, it has no fields but its number.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut message = [0; Self::OCTETS];
        message[0] = command::START_SESSIONS;
        message
    }
}

/// The answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartAck {
    /// Whether the sessions have been started.
    pub accept: Accept,
}

impl StartAck {
    /// Length of the message.
    pub const OCTETS: usize = 32;

    /// Reads the message.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(message: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(message);
        let accept = Accept::from_octet(fields.u8()?);
        fields.take::<{ 15 + 16 }>()?;
        Ok(Self { accept })
    }

    /// The octets of the message.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut message = [0; Self::OCTETS];
        message[0] = self.accept.to_octet();
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_accept_session_is_read_and_written_back() {
        const GOLDEN: &[u8; 48] = b"\
            \0\0\x46\x50\
            session-of-jiuzi\
            \0\0\0\0\0\0\0\0\0\0\0\0\
            \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let answer = AcceptSession::decode(GOLDEN).unwrap();
        assert_eq!((answer.accept, answer.port), (Accept::Ok, 18_000));
        assert_eq!(&answer.sid.0, b"session-of-jiuzi");
        assert_eq!(&answer.encode(), GOLDEN);
        for end in 0..48 {
            assert!(AcceptSession::decode(&GOLDEN[..end]).is_err(), "{end}");
        }
        let refusal = AcceptSession::refuse(Accept::TemporaryLimit).encode();
        assert_eq!((refusal[0], &refusal[1..]), (5, &[0; 47][..]));
    }

    #[test]
    fn the_golden_start_and_its_answer_are_read_and_written_back() {
        let mut golden = [0; 32];
        golden[0] = 2;
        assert_eq!(StartSessions.encode(), golden);
        golden[0] = 3;
        let ack = StartAck::decode(&golden).unwrap();
        assert_eq!(ack.accept, Accept::NotSupported);
        assert_eq!(ack.encode(), golden);
        for end in 0..32 {
            assert!(StartAck::decode(&golden[..end]).is_err(), "{end}");
        }
    }
}
