//! A test packet as a whole Ethernet frame: IPv4 and UDP round it, without options.

use std::net::SocketAddrV4;

use pnet::packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv4::{self, Ipv4Flags, MutableIpv4Packet};
use pnet::packet::udp::{self, MutableUdpPacket};
use pnet::util::MacAddr;

use super::socket::TTL;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP: usize = 8;
/// Octets of IPv4 and UDP round a test packet.
pub(crate) const AROUND_PACKET: usize = IPV4 + UDP;

/// From where to where frames go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) source_mac: MacAddr,
    /// The next hop's.
    pub(crate) destination_mac: MacAddr,
    pub(crate) source: SocketAddrV4,
    pub(crate) destination: SocketAddrV4,
}

impl Ends {
    /// Writes the frame of a packet, marked with this DSCP and ECN as they stand in the IP header, into `frame`; `None`
    /// when the packet is longer than IPv4 can carry.
    pub(crate) fn write(&self, packet: &[u8], class: u8, frame: &mut Vec<u8>) -> Option<()> {
        let ip_octets = u16::try_from(AROUND_PACKET + packet.len()).ok()?;
        let udp_octets = u16::try_from(UDP + packet.len()).ok()?;
        frame.clear();
        frame.resize(ETHERNET + usize::from(ip_octets), 0);
        {
            let mut ethernet = MutableEthernetPacket::new(frame)?;
            ethernet.set_source(self.source_mac);
            ethernet.set_destination(self.destination_mac);
            ethernet.set_ethertype(EtherTypes::Ipv4);
        }
        let (source, destination) = (self.source.ip(), self.destination.ip());
        {
            let mut ip = MutableIpv4Packet::new(&mut frame[ETHERNET..])?;
            ip.set_version(4);
            ip.set_header_length(5);
            ip.set_dscp(class >> 2);
            ip.set_ecn(class & 3);
            ip.set_total_length(ip_octets);
            // It is never a fragment, so its identification may be zero (RFC 6864, section 4.1).
            ip.set_flags(Ipv4Flags::DontFragment);
            ip.set_ttl(TTL as u8);
            ip.set_next_level_protocol(IpNextHeaderProtocols::Udp);
            ip.set_source(*source);
            ip.set_destination(*destination);
            ip.set_checksum(ipv4::checksum(&ip.to_immutable()));
        }
        let mut udp = MutableUdpPacket::new(&mut frame[ETHERNET + IPV4..])?;
        udp.set_source(self.source.port());
        udp.set_destination(self.destination.port());
        udp.set_length(udp_octets);
        udp.set_payload(packet);
        // A sum of zero would say that there is none (RFC 768).
        let sum = match udp::ipv4_checksum(&udp.to_immutable(), source, destination) {
            0 => 0xffff,
            sum => sum,
        };
        udp.set_checksum(sum);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Ends = Ends {
        source_mac: MacAddr(2, 0, 0, 0, 0, 1),
        destination_mac: MacAddr(2, 0, 0, 0, 0, 2),
        source: SocketAddrV4::new(std::net::Ipv4Addr::new(192, 0, 2, 1), 40_000),
        destination: SocketAddrV4::new(std::net::Ipv4Addr::new(192, 0, 2, 2), 862),
    };

    fn frame(packet: &[u8], class: u8) -> Vec<u8> {
        let mut frame = vec![0xee; 3];
        ENDS.write(packet, class, &mut frame).unwrap();
        frame
    }

    /// The Internet checksum over these octets (RFC 1071), as a receiver takes it: zero when they are right.
    fn sum(octets: &[u8]) -> u16 {
        let words = octets.chunks(2).map(|word| {
            let low = word.get(1).copied().unwrap_or(0);
            u32::from(u16::from_be_bytes([word[0], low]))
        });
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    fn udp_sum(frame: &[u8]) -> u16 {
        let datagram = &frame[ETHERNET + IPV4..];
        let pseudo = [0, 17, frame[38], frame[39]];
        sum(&[&frame[26..34], &pseudo, datagram].concat())
    }

    #[test]
    fn a_frame_is_written_octet_by_octet_as_the_rfcs_have_it() {
        let frame = frame(&[7; 3], 46 << 2 | 2);
        let expected = [
            &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00][..],
            // Version, traffic class, length, no identification, DF, TTL 255, UDP.
            &[0x45, 0xba, 0, 31, 0, 0, 0x40, 0, 255, 17],
        ]
        .concat();
        assert_eq!(frame[..24], expected);
        assert_eq!(frame[26..34], [192, 0, 2, 1, 192, 0, 2, 2]);
        assert_eq!(frame[34..40], [0x9c, 0x40, 3, 0x5e, 0, 11]);
        assert_eq!(frame[42..], [7; 3]);
    }

    #[test]
    fn both_sums_are_right_whatever_is_in_the_packet_and_the_udp_sum_is_never_left_out() {
        for content in 0..=u16::MAX {
            let frame = frame(&content.to_be_bytes(), 0);
            let written = u16::from_be_bytes([frame[40], frame[41]]);
            assert_ne!(written, 0, "{content:#x}");
            assert_eq!(udp_sum(&frame), 0, "{content:#x}");
            assert_eq!(sum(&frame[14..34]), 0);
        }
    }

    #[test]
    fn a_packet_beyond_what_ipv4_carries_makes_no_frame() {
        let (mut buffer, longest) = (Vec::new(), 65_535 - AROUND_PACKET);
        assert!(ENDS.write(&vec![0; longest], 0, &mut buffer).is_some());
        assert!(ENDS.write(&vec![0; longest + 1], 0, &mut buffer).is_none());
    }
}
