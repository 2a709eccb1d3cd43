//! Request-Session (RFC 4656, section 3.5) and the fields it has in common
//! with TWAMP's Request-TW-Session (RFC 5357, section 3.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Interval, Sid, command};
use crate::wire::{NtpTimestamp, Reader, TooShort};

/// Who is to set up one end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// The requesting side has it; its port in the request is the one that is used.
    Requester,
    /// The server shall; its port in the request means nothing.
    Server,
}

impl Agent {
    fn from_octet(octet: u8) -> Self {
        if octet == 0 {
            Self::Requester
        } else {
            Self::Server
        }
    }

    fn to_octet(self) -> u8 {
        match self {
            Self::Requester => 0,
            Self::Server => 1,
        }
    }
}

/// The addresses between which test packets go. All zero stands for those of the control connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// 4 or 6; a request may come with any of 16 values.
    pub ip_version: u8,
    /// An IPv4 address stands in the first four octets.
    pub sender: [u8; 16],
    /// As the sender's.
    pub receiver: [u8; 16],
}

impl Addresses {
    /// Those of the control connection, over IPv4.
    pub const OF_CONNECTION_V4: Self = Self {
        ip_version: 4,
        sender: [0; 16],
        receiver: [0; 16],
    };

    /// Those of the control connection, over IPv6.
    pub const OF_CONNECTION_V6: Self = Self {
        ip_version: 6,
        ..Self::OF_CONNECTION_V4
    };

    /// Two addresses of one family.
    pub fn between(sender: IpAddr, receiver: IpAddr) -> Self {
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            }
            IpAddr::V6(address) => address.octets(),
        };
        Self {
            ip_version: if sender.is_ipv4() { 4 } else { 6 },
            sender: octets(sender),
            receiver: octets(receiver),
        }
    }

    /// The sender's; `None` when it is that of the connection or of no version of IP.
    pub fn sender(&self) -> Option<IpAddr> {
        self.address(self.sender)
    }

    /// The receiver's; `None` when it is that of the connection or of no version of IP.
    pub fn receiver(&self) -> Option<IpAddr> {
        self.address(self.receiver)
    }

    /// Whether the version is one of IP.
    pub fn version_is_known(&self) -> bool {
        matches!(self.ip_version, 4 | 6)
    }

    fn address(&self, octets: [u8; 16]) -> Option<IpAddr> {
        let [a, b, c, d, ..] = octets;
        let address = match self.ip_version {
            4 => IpAddr::from(Ipv4Addr::new(a, b, c, d)),
            6 => IpAddr::from(Ipv6Addr::from(octets)),
            _ => return None,
        };
        (!address.is_unspecified()).then_some(address)
    }
}

/// What of a packet's header is asked for (RFC 4656, section 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TypeP(pub u32);

impl TypeP {
    /// The code point of differentiated services, of which the low six bits count.
    pub fn of_dscp(dscp: u8) -> Self {
        Self(u32::from(dscp & 0x3F) << 24)
    }

    /// The code point; `None` when it asks for something else.
    pub fn dscp(self) -> Option<u8> {
        (self.0 >> 30 == 0).then_some((self.0 >> 24) as u8)
    }
}

/// What a request begins with, in OWAMP and in TWAMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preamble {
    /// Who sets up the session-sender; zero in TWAMP.
    pub conf_sender: Agent,
    /// Who sets up the session-receiver; zero in TWAMP.
    pub conf_receiver: Agent,
    /// How many schedule slots follow; zero in TWAMP.
    pub slots: u32,
    /// How many test packets will be sent; zero in TWAMP.
    pub packets: u32,
    /// The sender's UDP port.
    pub sender_port: u16,
    /// The UDP port to which test packets shall be sent.
    pub receiver_port: u16,
    /// Between which addresses.
    pub addresses: Addresses,
    /// The session identifier when the requesting side receives, else zero.
    pub sid: Sid,
    /// Octets behind the fields of a test packet.
    pub padding_octets: u32,
    /// Not before this time, nor before Start-Sessions.
    pub start_at: NtpTimestamp,
    /// OWAMP: loss threshold. TWAMP: how long packets are still reflected after Stop-Sessions.
    pub timeout: Interval,
    /// What the header of the test packets shall have.
    pub type_p: TypeP,
}

impl Preamble {
    /// Its length with the HMAC behind it.
    pub const OCTETS: usize = 112;

    /// Reads it, but for the number of the command.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(message: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(message);
        fields.u8()?;
        let ip_version = fields.u8()? & 0x0F;
        let preamble = Self {
            conf_sender: Agent::from_octet(fields.u8()?),
            conf_receiver: Agent::from_octet(fields.u8()?),
            slots: fields.u32()?,
            packets: fields.u32()?,
            sender_port: fields.u16()?,
            receiver_port: fields.u16()?,
            addresses: Addresses {
                ip_version,
                sender: fields.take()?,
                receiver: fields.take()?,
            },
            sid: Sid(fields.take()?),
            padding_octets: fields.u32()?,
            start_at: NtpTimestamp(fields.u64()?),
            timeout: Interval(fields.u64()?),
            type_p: TypeP(fields.u32()?),
        };
        fields.take::<{ 8 + 16 }>()?;
        Ok(preamble)
    }

    /// The octets of it, behind the number of the command.
    pub fn encode(&self, command: u8) -> [u8; Self::OCTETS] {
        let mut message = [0; Self::OCTETS];
        message[0] = command;
        message[1] = self.addresses.ip_version & 0x0F;
        message[2] = self.conf_sender.to_octet();
        message[3] = self.conf_receiver.to_octet();
        message[4..8].copy_from_slice(&self.slots.to_be_bytes());
        message[8..12].copy_from_slice(&self.packets.to_be_bytes());
        message[12..14].copy_from_slice(&self.sender_port.to_be_bytes());
        message[14..16].copy_from_slice(&self.receiver_port.to_be_bytes());
        message[16..32].copy_from_slice(&self.addresses.sender);
        message[32..48].copy_from_slice(&self.addresses.receiver);
        message[48..64].copy_from_slice(&self.sid.0);
        message[64..68].copy_from_slice(&self.padding_octets.to_be_bytes());
        message[68..76].copy_from_slice(&self.start_at.0.to_be_bytes());
        message[76..84].copy_from_slice(&self.timeout.0.to_be_bytes());
        message[84..88].copy_from_slice(&self.type_p.0.to_be_bytes());
        message
    }
}

/// One gap of a send schedule; the gaps are gone through again and again (RFC 4656, section 3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// 0: exponentially distributed with this mean.
    Exponential(Interval),
    /// 1: always this long.
    Fixed(Interval),
}

impl Slot {
    /// Length of a slot.
    pub const OCTETS: usize = 16;

    /// Reads a slot; `Ok(None)` for a type that has no meaning.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(octets: &[u8]) -> Result<Option<Self>, TooShort> {
        let mut fields = Reader::new(octets);
        let slot_type = fields.u8()?;
        fields.take::<7>()?;
        let parameter = Interval(fields.u64()?);
        Ok(match slot_type {
            0 => Some(Self::Exponential(parameter)),
            1 => Some(Self::Fixed(parameter)),
            _ => None,
        })
    }

    /// The octets of a slot.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let (slot_type, parameter) = match self {
            Self::Exponential(mean) => (0, mean),
            Self::Fixed(gap) => (1, gap),
        };
        let mut octets = [0; Self::OCTETS];
        octets[0] = slot_type;
        octets[8..16].copy_from_slice(&parameter.0.to_be_bytes());
        octets
    }
}

/// Asks an OWAMP server for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSession {
    /// All but the schedule; its number of slots is that of `schedule`.
    pub preamble: Preamble,
    /// The send schedule.
    pub schedule: Vec<Slot>,
}

impl RequestSession {
    /// Length of a message with so many slots, the two HMACs included.
    pub fn octets(slots: usize) -> usize {
        Preamble::OCTETS + slots * Slot::OCTETS + super::BLOCK_OCTETS
    }

    /// The octets of the message. It has two HMACs: behind the preamble, and at the end.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(Self::octets(self.schedule.len()));
        message.extend(self.preamble.encode(command::REQUEST_SESSION));
        message.extend(self.schedule.iter().flat_map(Slot::encode));
        message.extend([0; super::BLOCK_OCTETS]);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octet for octet as RFC 4656, section 3.5, draws it: IPv4, the server receives, one exponential slot of 100 ms,
    /// 600 packets from port 8760 of 192.0.2.1 to 198.51.100.2, 14 octets of padding, timeout 2 s, DSCP 46.
    const GOLDEN: [u8; 144] = {
        let mut message = [0; 144];
        let head = *b"\
            \x01\x04\x00\x01\0\0\0\x01\0\0\x02\x58\x22\x38\0\0\
            \xc0\0\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\
            \xc6\x33\x64\x02\0\0\0\0\0\0\0\0\0\0\0\0\
            \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
            \0\0\0\x0e\xeb\x0f\x12\x34\x80\0\0\0\0\0\0\x02\0\0\0\0\
            \x2e\0\0\0";
        let mut k = 0;
        while k < head.len() {
            message[k] = head[k];
            k += 1;
        }
        // 100 ms are 0x1999999A units of 2⁻³² s, behind type 0, seven zero octets and four of whole seconds.
        message[124] = 0x19;
        message[125] = 0x99;
        message[126] = 0x99;
        message[127] = 0x9A;
        message
    };

    #[test]
    fn the_golden_request_is_read_and_written_back() {
        let preamble = Preamble::decode(&GOLDEN).unwrap();
        let slot = Slot::decode(&GOLDEN[112..]).unwrap().unwrap();
        assert_eq!(
            slot,
            Slot::Exponential(Interval::from_nanos(owl_measure::time::Nanos::from_millis(
                100
            )))
        );
        assert_eq!(
            (preamble.conf_sender, preamble.conf_receiver),
            (Agent::Requester, Agent::Server)
        );
        assert_eq!((preamble.slots, preamble.packets), (1, 600));
        assert_eq!((preamble.sender_port, preamble.receiver_port), (8760, 0));
        assert_eq!(
            preamble.addresses.sender(),
            Some("192.0.2.1".parse().unwrap())
        );
        assert_eq!(
            preamble.addresses.receiver(),
            Some("198.51.100.2".parse().unwrap())
        );
        assert_eq!(
            (preamble.sid, preamble.padding_octets),
            (Sid::default(), 14)
        );
        assert_eq!(preamble.start_at, NtpTimestamp(0xEB0F_1234_8000_0000));
        assert_eq!(
            (preamble.timeout, preamble.type_p.dscp()),
            (Interval(2 << 32), Some(46))
        );
        let request = RequestSession {
            preamble,
            schedule: vec![slot],
        };
        assert_eq!(request.encode(), GOLDEN);
        for end in 0..112 {
            assert!(Preamble::decode(&GOLDEN[..end]).is_err(), "{end}");
        }
        for end in 0..16 {
            assert!(Slot::decode(&GOLDEN[112..112 + end]).is_err(), "{end}");
        }
    }

    #[test]
    fn an_address_is_read_as_it_was_written() {
        for (sender, receiver) in [("192.0.2.1", "198.51.100.7"), ("2001:db8::1", "::1")] {
            let (sender, receiver) = (sender.parse().unwrap(), receiver.parse().unwrap());
            let addresses = Addresses::between(sender, receiver);
            assert_eq!(addresses.sender(), Some(sender));
            assert_eq!(addresses.receiver(), Some(receiver));
        }
    }

    #[test]
    fn a_zero_address_is_that_of_the_connection_and_an_unknown_version_has_none() {
        let with = |ip_version, first| Addresses {
            ip_version,
            sender: [first; 16],
            receiver: [0; 16],
        };
        assert_eq!(Addresses::OF_CONNECTION_V6.sender(), None);
        assert_eq!(with(6, 0x20).sender(), Some(IpAddr::from([0x20_u8; 16])));
        assert_eq!(with(5, 1).sender(), None);
        assert!(with(4, 0).version_is_known() && !with(5, 0).version_is_known());
    }

    #[test]
    fn only_a_code_point_is_read_as_one() {
        assert_eq!(TypeP::of_dscp(46), TypeP(0x2E00_0000));
        assert_eq!(TypeP(0x4000_0000).dscp(), None, "a per-hop behaviour");
        assert_eq!(TypeP(0x8000_0000).dscp(), None);
    }

    #[test]
    fn a_fixed_slot_is_read_and_written_back_and_an_unknown_one_is_told() {
        let slot = Slot::Fixed(Interval(7));
        assert_eq!(slot.encode(), *b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07");
        assert_eq!(Slot::decode(&slot.encode()), Ok(Some(slot)));
        assert_eq!(Slot::decode(&[2; 16]), Ok(None));
    }
}
