//! The Location TLV (RFC 8972, section 4.2): ports and addresses as the
//! session-reflector saw them, which shows a translator on the way.

use std::net::IpAddr;

use super::{Flags, HEADER_OCTETS, Tlvs};

/// Sub-TLV types (the IANA registry "STAMP Sub-TLV Types").
mod sub {
    pub(super) const SOURCE_MAC: u8 = 1;
    pub(super) const SOURCE_EUI_64: u8 = 3;
    pub(super) const DESTINATION_IP: u8 = 4;
    pub(super) const DESTINATION_IPV4: u8 = 5;
    pub(super) const DESTINATION_IPV6: u8 = 6;
    pub(super) const SOURCE_IP: u8 = 7;
    pub(super) const SOURCE_IPV4: u8 = 8;
    pub(super) const SOURCE_IPV6: u8 = 9;
}

/// Octets of the two ports before the sub-TLVs.
const PORTS_OCTETS: usize = 4;
const MAC_OCTETS: usize = 8;
const ADDRESS_OCTETS: usize = 16;

/// A Location TLV's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location<'a> {
    /// UDP destination port of the packet as the reflector received it.
    pub destination_port: u16,
    /// UDP source port of the packet as the reflector received it.
    pub source_port: u16,
    sub_tlvs: &'a [u8],
}

/// What one sub-TLV tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocationItem {
    /// Destination address of the packet as it arrived; the reflector's own, unless translated.
    Destination(IpAddr),
    /// Source address of the packet as it arrived.
    Source(IpAddr),
}

impl<'a> Location<'a> {
    pub(super) fn decode(value: &'a [u8]) -> Option<Self> {
        let (&[a, b, c, d], sub_tlvs) = value.split_first_chunk::<PORTS_OCTETS>()?;
        Some(Self {
            destination_port: u16::from_be_bytes([a, b]),
            source_port: u16::from_be_bytes([c, d]),
            sub_tlvs,
        })
    }

    /// What its well-formed sub-TLVs tell that the reflector understood.
    pub fn items(&self) -> impl Iterator<Item = LocationItem> + 'a {
        Tlvs::new(self.sub_tlvs)
            .flatten()
            .filter(|tlv| !tlv.flags.has(Flags::UNRECOGNISED) && !tlv.flags.has(Flags::MALFORMED))
            .filter_map(|tlv| {
                let value: [u8; ADDRESS_OCTETS] = tlv.value.try_into().ok()?;
                let [a, b, c, d, ..] = value;
                match tlv.kind {
                    sub::DESTINATION_IPV4 => Some(LocationItem::Destination([a, b, c, d].into())),
                    sub::DESTINATION_IPV6 => Some(LocationItem::Destination(value.into())),
                    sub::SOURCE_IPV4 => Some(LocationItem::Source([a, b, c, d].into())),
                    sub::SOURCE_IPV6 => Some(LocationItem::Source(value.into())),
                    _ => None,
                }
            })
    }

    /// The value by which a session-sender asks for both ports and both addresses.
    pub fn question() -> [u8; PORTS_OCTETS + 2 * (HEADER_OCTETS + ADDRESS_OCTETS)] {
        let mut value = [0; PORTS_OCTETS + 2 * (HEADER_OCTETS + ADDRESS_OCTETS)];
        for (k, kind) in [sub::DESTINATION_IP, sub::SOURCE_IP]
            .into_iter()
            .enumerate()
        {
            let at = PORTS_OCTETS + k * (HEADER_OCTETS + ADDRESS_OCTETS);
            value[at] = Flags::FROM_SENDER.0;
            value[at + 1] = kind;
            value[at + 3] = ADDRESS_OCTETS as u8;
        }
        value
    }

    /// Answers in place, at the same length. `seen` holds the destination and the source of the packet; `None` tells
    /// nothing, which a reflector may. A source MAC address does not reach a UDP socket: its field stays zero.
    pub fn answer(value: &mut [u8], seen: Option<(std::net::SocketAddr, std::net::SocketAddr)>) {
        let Some((ports, sub_tlvs)) = value.split_first_chunk_mut::<PORTS_OCTETS>() else {
            return;
        };
        *ports = [0; PORTS_OCTETS];
        if let Some((destination, source)) = seen {
            ports[..2].copy_from_slice(&destination.port().to_be_bytes());
            ports[2..].copy_from_slice(&source.port().to_be_bytes());
        }
        let mut at = 0;
        loop {
            let (kind, octets) = match Tlvs::starting(sub_tlvs, at).next() {
                None => return,
                Some(Err(_)) => {
                    sub_tlvs[at] = Flags::MALFORMED.0;
                    return;
                }
                Some(Ok(tlv)) => (tlv.kind, tlv.value.len()),
            };
            let (header, rest) = sub_tlvs[at..].split_at_mut(HEADER_OCTETS);
            header[0] = answer_one(&mut header[1], kind, &mut rest[..octets], seen).0;
            at += HEADER_OCTETS + octets;
        }
    }
}

fn answer_one(
    kind_field: &mut u8,
    kind: u8,
    value: &mut [u8],
    seen: Option<(std::net::SocketAddr, std::net::SocketAddr)>,
) -> Flags {
    let (wanted_octets, address, kinds) = match kind {
        sub::SOURCE_MAC => (MAC_OCTETS, None, [sub::SOURCE_EUI_64; 2]),
        sub::DESTINATION_IP => (
            ADDRESS_OCTETS,
            seen.map(|(destination, _)| destination.ip()),
            [sub::DESTINATION_IPV4, sub::DESTINATION_IPV6],
        ),
        sub::SOURCE_IP => (
            ADDRESS_OCTETS,
            seen.map(|(_, source)| source.ip()),
            [sub::SOURCE_IPV4, sub::SOURCE_IPV6],
        ),
        _ => return Flags::UNRECOGNISED,
    };
    if value.len() != wanted_octets {
        return Flags::MALFORMED;
    }
    value.fill(0);
    *kind_field = kinds[1];
    match address {
        Some(IpAddr::V4(v4)) => {
            *kind_field = kinds[0];
            value[..4].copy_from_slice(&v4.octets());
        }
        Some(IpAddr::V6(v6)) => value.copy_from_slice(&v6.octets()),
        None => {}
    }
    Flags::UNDERSTOOD
}
