//! The Return Path TLV (RFC 9503, section 4): how the reply is to come back.

use std::net::IpAddr;

use super::{Flags, Tlvs, address, append_address};

/// Sub-TLV types (the IANA registry "STAMP Return Path Sub-TLV Types").
mod sub {
    pub(super) const CONTROL_CODE: u8 = 1;
    pub(super) const RETURN_ADDRESS: u8 = 2;
}

/// Bit of the control code that asks for a reply on the link on which the packet arrived; without it none is wanted.
const REPLY_ON_SAME_LINK: u32 = 1;

/// A Return Path TLV's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnPath<'a>(pub(super) &'a [u8]);

/// What a return path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnPathItem {
    /// No reply.
    NoReply,
    /// A reply on the link on which the packet arrived.
    SameLink,
    /// A reply to this address.
    Address(IpAddr),
    /// Something else, such as a segment list, or nothing that can be read.
    Unsupported,
}

impl ReturnPath<'_> {
    /// What it asks for. A control code overrides all else (RFC 9503, section 4.1.1); of several of a kind the first counts.
    pub fn item(&self) -> ReturnPathItem {
        let mut address_asked = None;
        let mut unsupported = false;
        for tlv in Tlvs::new(self.0) {
            let Ok(tlv) = tlv else {
                return ReturnPathItem::Unsupported;
            };
            match tlv.kind {
                sub::CONTROL_CODE => {
                    let Ok(code) = tlv.value.try_into().map(u32::from_be_bytes) else {
                        return ReturnPathItem::Unsupported;
                    };
                    return if code & REPLY_ON_SAME_LINK == 0 {
                        ReturnPathItem::NoReply
                    } else {
                        ReturnPathItem::SameLink
                    };
                }
                sub::RETURN_ADDRESS if address_asked.is_none() => match address(tlv.value) {
                    Some(ip) => address_asked = Some(ip),
                    None => unsupported = true,
                },
                sub::RETURN_ADDRESS => {}
                _ => unsupported = true,
            }
        }
        match address_asked {
            Some(ip) if !unsupported => ReturnPathItem::Address(ip),
            _ => ReturnPathItem::Unsupported,
        }
    }

    /// The value that asks for a reply to an address.
    pub fn to(ip: IpAddr) -> Vec<u8> {
        let mut value = Vec::new();
        append_address(&mut value, sub::RETURN_ADDRESS, ip);
        value
    }

    /// The value that asks for a reply on the same link.
    pub fn same_link() -> [u8; 8] {
        [
            Flags::FROM_SENDER.0,
            sub::CONTROL_CODE,
            0,
            4,
            0,
            0,
            0,
            REPLY_ON_SAME_LINK as u8,
        ]
    }
}
