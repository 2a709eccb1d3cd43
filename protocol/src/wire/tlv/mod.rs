//! Extensions of a STAMP test packet: type, length, value (RFC 8972, section 4).
//!
//! They follow the base packet: one octet of flags, one of type, two of the
//! value's length, the value. Sub-TLVs of Location and Return Path look the
//! same. Reading never panics and ends at the first one that claims more
//! octets than there are; each step takes four octets at least, so a datagram
//! has a quarter as many as octets at most.

mod location;
mod return_path;
mod value;

pub use location::{Location, LocationItem};
pub use return_path::{ReturnPath, ReturnPathItem};
pub use value::{
    AccessReport, ClassOfService, DirectMeasurement, FollowUp, MicroSession, ReflectedControl,
    SyncSource, TimestampInformation, TimestampMethod,
};

use std::net::IpAddr;

/// Octets before the value: flags, type, length.
pub const HEADER_OCTETS: usize = 4;

/// Types of TLV (the IANA registry "STAMP TLV Types").
pub mod kind {
    /// Never assigned; an area that begins with it is padding, such as a TWAMP-Light sender's.
    pub const RESERVED: u8 = 0;
    /// Octets without meaning (RFC 8972, section 4.1).
    pub const EXTRA_PADDING: u8 = 1;
    /// Addresses and ports as the reflector saw them (RFC 8972, section 4.2).
    pub const LOCATION: u8 = 2;
    /// How the reflector's timestamps came about (RFC 8972, section 4.3).
    pub const TIMESTAMP_INFORMATION: u8 = 3;
    /// DSCP and ECN (RFC 8972, section 4.4).
    pub const CLASS_OF_SERVICE: u8 = 4;
    /// Counters of packets (RFC 8972, section 4.5).
    pub const DIRECT_MEASUREMENT: u8 = 5;
    /// State of an access network (RFC 8972, section 4.6).
    pub const ACCESS_REPORT: u8 = 6;
    /// T3 of an earlier reply as its hardware or kernel stamped it (RFC 8972, section 4.7).
    pub const FOLLOW_UP: u8 = 7;
    /// HMAC over the sequence number and all TLVs before (RFC 8972, section 4.8).
    pub const HMAC: u8 = 8;
    /// For whom the packet is meant (RFC 9503, section 3).
    pub const DESTINATION_NODE_ADDRESS: u8 = 9;
    /// How the reply is to come back (RFC 9503, section 4).
    pub const RETURN_PATH: u8 = 10;
    /// Member link of a link aggregation group (RFC 9534, section 3.1).
    pub const MICRO_SESSION: u8 = 11;
    /// Length and number of replies (RFC 10052, section 3).
    pub const REFLECTED_CONTROL: u8 = 12;
}

/// The flags of a TLV (RFC 8972, section 4; C: RFC 10052, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// U: the reflector did not understand it. A sender sets it, a reflector that understands clears it.
    pub const UNRECOGNISED: Self = Self(0x80);
    /// M: its length does not fit its type, or it claims more octets than there are.
    pub const MALFORMED: Self = Self(0x40);
    /// I: the HMAC over the extensions was wrong.
    pub const INTEGRITY: Self = Self(0x20);
    /// C: what was asked for (by Reflected Test Packet Control) was more than the reflector does.
    pub const CONFORMANT: Self = Self(0x10);
    /// As a session-sender sends every TLV: U set, M and I clear.
    pub const FROM_SENDER: Self = Self::UNRECOGNISED;
    /// As a reflector sends back a TLV that it understood.
    pub const UNDERSTOOD: Self = Self(0);

    /// Whether all of these are set.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// With these set too.
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }
}

/// One extension as it stands in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Octets of the area before its header.
    pub at: usize,
    /// Its flags.
    pub flags: Flags,
    /// Its type, one of [`kind`] or unknown.
    pub kind: u8,
    /// Its value.
    pub value: &'a [u8],
}

/// An area that ends within a TLV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a TLV at octet {at} claims more octets than there are")]
pub struct Broken {
    /// Octets of the area before its header.
    pub at: usize,
}

/// A value that is not as long as its type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a TLV of type {kind} cannot have {octets} octets")]
pub struct WrongLength {
    /// The type.
    pub kind: u8,
    /// How long the value is.
    pub octets: usize,
}

/// What a TLV says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// [`kind::EXTRA_PADDING`]
    ExtraPadding(&'a [u8]),
    /// [`kind::LOCATION`]
    Location(Location<'a>),
    /// [`kind::TIMESTAMP_INFORMATION`]
    TimestampInformation(TimestampInformation),
    /// [`kind::CLASS_OF_SERVICE`]
    ClassOfService(ClassOfService),
    /// [`kind::DIRECT_MEASUREMENT`]
    DirectMeasurement(DirectMeasurement),
    /// [`kind::ACCESS_REPORT`]
    AccessReport(AccessReport),
    /// [`kind::FOLLOW_UP`]
    FollowUp(FollowUp),
    /// [`kind::HMAC`]
    Hmac([u8; 16]),
    /// [`kind::DESTINATION_NODE_ADDRESS`]
    DestinationNodeAddress(IpAddr),
    /// [`kind::RETURN_PATH`]
    ReturnPath(ReturnPath<'a>),
    /// [`kind::MICRO_SESSION`]
    MicroSession(MicroSession),
    /// [`kind::REFLECTED_CONTROL`]
    ReflectedControl(ReflectedControl),
    /// A type that is not known here.
    Unknown(&'a [u8]),
}

impl<'a> Tlv<'a> {
    /// Where in the area its value begins.
    pub fn value_at(&self) -> usize {
        self.at + HEADER_OCTETS
    }

    /// Where in the area the next TLV begins.
    pub fn end(&self) -> usize {
        self.value_at() + self.value.len()
    }

    /// What it says.
    ///
    /// # Errors
    /// When its length does not fit its type: then it is malformed.
    pub fn value(&self) -> Result<Value<'a>, WrongLength> {
        let wrong = WrongLength {
            kind: self.kind,
            octets: self.value.len(),
        };
        let value = self.value;
        let read = match self.kind {
            kind::EXTRA_PADDING => Some(Value::ExtraPadding(value)),
            kind::LOCATION => Location::decode(value).map(Value::Location),
            kind::TIMESTAMP_INFORMATION => fixed(value, |v| {
                Value::TimestampInformation(TimestampInformation::decode(v))
            }),
            kind::CLASS_OF_SERVICE => {
                fixed(value, |v| Value::ClassOfService(ClassOfService::decode(v)))
            }
            kind::DIRECT_MEASUREMENT => fixed(value, |v| {
                Value::DirectMeasurement(DirectMeasurement::decode(v))
            }),
            kind::ACCESS_REPORT => fixed(value, |v| Value::AccessReport(AccessReport::decode(v))),
            kind::FOLLOW_UP => fixed(value, |v| Value::FollowUp(FollowUp::decode(v))),
            kind::HMAC => fixed(value, Value::Hmac),
            kind::DESTINATION_NODE_ADDRESS => address(value).map(Value::DestinationNodeAddress),
            kind::RETURN_PATH => Some(Value::ReturnPath(ReturnPath(value))),
            kind::MICRO_SESSION => fixed(value, |v| Value::MicroSession(MicroSession::decode(v))),
            kind::REFLECTED_CONTROL => ReflectedControl::decode(value).map(Value::ReflectedControl),
            _ => Some(Value::Unknown(value)),
        };
        read.ok_or(wrong)
    }
}

fn fixed<'a, const N: usize>(
    value: &[u8],
    read: impl FnOnce([u8; N]) -> Value<'a>,
) -> Option<Value<'a>> {
    value.try_into().ok().map(read)
}

/// An address of either family by its length alone (RFC 9503, sections 3 and 4.1.2).
fn address(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}

/// The TLVs of an area, one after the other; a broken one is the last.
#[derive(Debug, Clone)]
pub struct Tlvs<'a> {
    area: &'a [u8],
    at: usize,
}

impl<'a> Tlvs<'a> {
    /// Of an area, which begins behind the base packet, or behind the fixed fields of a value with sub-TLVs.
    pub fn new(area: &'a [u8]) -> Self {
        Self { area, at: 0 }
    }

    /// Of the rest of an area, from octet `at` on.
    pub fn starting(area: &'a [u8], at: usize) -> Self {
        Self { area, at }
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<Tlv<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let rest = self.area.get(at..).filter(|rest| !rest.is_empty())?;
        let whole = rest.split_first_chunk::<HEADER_OCTETS>().and_then(
            |(&[flags, kind, high, low], behind)| {
                let octets = usize::from(u16::from_be_bytes([high, low]));
                let value = behind.get(..octets)?;
                Some(Tlv {
                    at,
                    flags: Flags(flags),
                    kind,
                    value,
                })
            },
        );
        match whole {
            Some(tlv) => {
                self.at = tlv.end();
                Some(Ok(tlv))
            }
            None => {
                self.at = self.area.len();
                Some(Err(Broken { at }))
            }
        }
    }
}

/// Appends a TLV as a session-sender sends it. A value of more than 65 535 octets is cut there; no datagram holds more.
pub fn append(area: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let octets = u16::try_from(value.len()).unwrap_or(u16::MAX);
    area.extend_from_slice(&[Flags::FROM_SENDER.0, kind]);
    area.extend_from_slice(&octets.to_be_bytes());
    area.extend_from_slice(&value[..usize::from(octets)]);
}

/// Appends one whose value is an address.
pub fn append_address(area: &mut Vec<u8>, kind: u8, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => append(area, kind, &ip.octets()),
        IpAddr::V6(ip) => append(area, kind, &ip.octets()),
    }
}

#[cfg(test)]
mod tests;
