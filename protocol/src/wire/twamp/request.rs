//! Request-TW-Session (RFC 5357, section 3.5).

use crate::wire::owamp::{Addresses, Agent, Interval, Preamble, Sid, TypeP, command};
use crate::wire::{NtpTimestamp, TooShort};

/// Asks a TWAMP server to reflect the packets of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTwSession {
    /// The session-sender's UDP port, for both directions.
    pub sender_port: u16,
    /// The UDP port to which test packets would best be sent; the server may choose another.
    pub receiver_port: u16,
    /// Between which addresses.
    pub addresses: Addresses,
    /// Octets behind the fields of a test packet.
    pub padding_octets: u32,
    /// Not before this time, nor before Start-Sessions.
    pub start_at: NtpTimestamp,
    /// How long packets are still reflected after Stop-Sessions.
    pub timeout: Interval,
    /// What the header of the test packets shall have.
    pub type_p: TypeP,
}

impl RequestTwSession {
    /// Length of the message.
    pub const OCTETS: usize = Preamble::OCTETS;

    /// Reads the message, but for the number of the command; `Ok(None)` when a field that must be zero in TWAMP is not,
    /// so that it asks for something else.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(message: &[u8]) -> Result<Option<Self>, TooShort> {
        let preamble = Preamble::decode(message)?;
        let two_way = preamble.conf_sender == Agent::Requester
            && preamble.conf_receiver == Agent::Requester
            && preamble.slots == 0
            && preamble.packets == 0;
        Ok(two_way.then_some(Self {
            sender_port: preamble.sender_port,
            receiver_port: preamble.receiver_port,
            addresses: preamble.addresses,
            padding_octets: preamble.padding_octets,
            start_at: preamble.start_at,
            timeout: preamble.timeout,
            type_p: preamble.type_p,
        }))
    }

    /// The octets of the message.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        Preamble {
            conf_sender: Agent::Requester,
            conf_receiver: Agent::Requester,
            slots: 0,
            packets: 0,
            sender_port: self.sender_port,
            receiver_port: self.receiver_port,
            addresses: self.addresses,
            sid: Sid::default(), // the reflector's side makes it
            padding_octets: self.padding_octets,
            start_at: self.start_at,
            timeout: self.timeout,
            type_p: self.type_p,
        }
        .encode(command::REQUEST_TW_SESSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octet for octet as RFC 5357, section 3.5, draws it: IPv6 addresses of the connection, from port 18 000 to 862,
    /// 27 octets of padding, at once, timeout 900 ms, DSCP 46.
    const GOLDEN: &[u8; 112] = b"\
        \x05\x06\0\0\0\0\0\0\0\0\0\0\x46\x50\x03\x5e\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \0\0\0\x1b\0\0\0\0\0\0\0\0\0\0\0\0\
        \xe6\x66\x66\x66\x2e\0\0\0\0\0\0\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    #[test]
    fn the_golden_request_is_read_and_written_back() {
        let request = RequestTwSession::decode(GOLDEN).unwrap().unwrap();
        assert_eq!((request.sender_port, request.receiver_port), (18_000, 862));
        assert_eq!(request.addresses, Addresses::OF_CONNECTION_V6);
        assert_eq!((request.padding_octets, request.start_at.0), (27, 0));
        assert_eq!(
            request.timeout.to_nanos(),
            owl_measure::time::Nanos::from_millis(900)
        );
        assert_eq!(request.type_p.dscp(), Some(46));
        assert_eq!(&request.encode(), GOLDEN);
        for end in 0..112 {
            assert!(RequestTwSession::decode(&GOLDEN[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_request_for_one_way_packets_is_not_taken_for_one() {
        for octet in [2, 3, 7, 11] {
            let mut message = *GOLDEN;
            message[octet] = 1;
            assert_eq!(
                RequestTwSession::decode(&message),
                Ok(None),
                "octet {octet}"
            );
        }
    }
}
