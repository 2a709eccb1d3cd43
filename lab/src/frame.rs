//! Ethernet frames of the delay box between namespaces: ARP and UDP over IPv4.

use std::net::{Ipv4Addr, SocketAddrV4};

use pnet::packet::arp::{ArpHardwareTypes, ArpOperations, ArpPacket, MutableArpPacket};
use pnet::packet::ethernet::{EtherTypes, EthernetPacket, MutableEthernetPacket};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv4::{self, Ipv4Packet, MutableIpv4Packet};
use pnet::packet::udp::{self, MutableUdpPacket, UdpPacket};
use pnet::packet::{MutablePacket as _, Packet as _};
use pnet::util::MacAddr;

/// Octets of the headers of Ethernet, IPv4 without options, UDP and ARP.
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP: usize = 8;
const ARP: usize = 28;
/// What the box's hop leaves of the 255 that probes send with.
const TTL: u8 = 254;

/// What a frame is to the box.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// Somebody asks who has an address.
    Who {
        /// Who asks.
        asks: (MacAddr, Ipv4Addr),
        /// The address.
        has: Ipv4Addr,
    },
    /// A UDP datagram.
    Datagram {
        source: SocketAddrV4,
        destination: SocketAddrV4,
        payload: &'a [u8],
    },
}

/// Reads a frame; `None` for everything that is no business of the box, and for what is cut off or a fragment.
pub(crate) fn read(frame: &[u8]) -> Option<Frame<'_>> {
    let ethernet = EthernetPacket::new(frame)?;
    match ethernet.get_ethertype() {
        EtherTypes::Arp => {
            let arp = ArpPacket::new(ethernet.payload())?;
            (arp.get_operation() == ArpOperations::Request).then(|| Frame::Who {
                asks: (arp.get_sender_hw_addr(), arp.get_sender_proto_addr()),
                has: arp.get_target_proto_addr(),
            })
        }
        EtherTypes::Ipv4 => {
            let packet = frame.get(ETHERNET..)?;
            let ip = Ipv4Packet::new(packet)?;
            let header = usize::from(ip.get_header_length()) * 4;
            let total = usize::from(ip.get_total_length());
            let more_fragments = ip.get_flags() & 1 != 0;
            if ip.get_next_level_protocol() != IpNextHeaderProtocols::Udp
                || ip.get_fragment_offset() != 0
                || more_fragments
            {
                return None;
            }
            // Everything behind the stated length is padding.
            let datagram = packet.get(header..total)?;
            let udp = UdpPacket::new(datagram)?;
            let payload = datagram.get(UDP..usize::from(udp.get_length()))?;
            Some(Frame::Datagram {
                source: SocketAddrV4::new(ip.get_source(), udp.get_source()),
                destination: SocketAddrV4::new(ip.get_destination(), udp.get_destination()),
                payload,
            })
        }
        _ => None,
    }
}

/// The answer to [`Frame::Who`]: `mac` has it.
pub(crate) fn here(mac: MacAddr, (asker, address): (MacAddr, Ipv4Addr), has: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0; ETHERNET + ARP];
    let mut ethernet =
        MutableEthernetPacket::new(&mut frame).expect("the buffer has room for the header");
    ethernet.set_source(mac);
    ethernet.set_destination(asker);
    ethernet.set_ethertype(EtherTypes::Arp);
    let mut arp =
        MutableArpPacket::new(ethernet.payload_mut()).expect("the buffer has room for the message");
    arp.set_hardware_type(ArpHardwareTypes::Ethernet);
    arp.set_protocol_type(EtherTypes::Ipv4);
    arp.set_hw_addr_len(6);
    arp.set_proto_addr_len(4);
    arp.set_operation(ArpOperations::Reply);
    arp.set_sender_hw_addr(mac);
    arp.set_sender_proto_addr(has);
    arp.set_target_hw_addr(asker);
    arp.set_target_proto_addr(address);
    frame
}

/// A UDP datagram in a frame from one hardware address to another; `None` when it is too long for one.
pub(crate) fn datagram(
    macs: (MacAddr, MacAddr),
    (source, destination): (SocketAddrV4, SocketAddrV4),
    payload: &[u8],
) -> Option<Vec<u8>> {
    let udp_octets = u16::try_from(UDP + payload.len()).ok()?;
    let ip_octets = u16::try_from(IPV4).ok()?.checked_add(udp_octets)?;
    let mut frame = vec![0; ETHERNET + usize::from(ip_octets)];
    {
        let mut ethernet = MutableEthernetPacket::new(&mut frame)?;
        ethernet.set_source(macs.0);
        ethernet.set_destination(macs.1);
        ethernet.set_ethertype(EtherTypes::Ipv4);
    }
    {
        let mut ip = MutableIpv4Packet::new(&mut frame[ETHERNET..])?;
        ip.set_version(4);
        ip.set_header_length(5);
        ip.set_total_length(ip_octets);
        ip.set_ttl(TTL);
        ip.set_next_level_protocol(IpNextHeaderProtocols::Udp);
        ip.set_source(*source.ip());
        ip.set_destination(*destination.ip());
        ip.set_checksum(ipv4::checksum(&ip.to_immutable()));
    }
    let mut udp = MutableUdpPacket::new(&mut frame[ETHERNET + IPV4..])?;
    udp.set_source(source.port());
    udp.set_destination(destination.port());
    udp.set_length(udp_octets);
    udp.set_payload(payload);
    udp.set_checksum(udp::ipv4_checksum(
        &udp.to_immutable(),
        source.ip(),
        destination.ip(),
    ));
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
    const B: MacAddr = MacAddr(2, 0, 0, 0, 0, 2);
    const FROM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 40_000);
    const TO: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 2), 862);

    #[test]
    fn a_datagram_is_read_back_as_it_was_written_and_no_shorter_prefix_is_one() {
        let frame = datagram((A, B), (FROM, TO), b"forty-four octets").unwrap();
        let expected = Frame::Datagram {
            source: FROM,
            destination: TO,
            payload: b"forty-four octets",
        };
        assert_eq!(read(&frame), Some(expected));
        for end in 0..frame.len() {
            assert_eq!(read(&frame[..end]), None, "{end} octets");
        }
        let mut padded = frame.clone();
        padded.extend([0; 9]);
        assert_eq!(read(&padded), read(&frame));
    }

    #[test]
    fn a_question_for_an_address_is_answered_to_the_asker_alone() {
        let mut question = here(A, (B, *TO.ip()), *FROM.ip());
        question[21] = 1; // a request instead of a reply
        assert_eq!(
            read(&question),
            Some(Frame::Who {
                asks: (A, *FROM.ip()),
                has: *TO.ip()
            })
        );
        let answer = here(B, (A, *FROM.ip()), *TO.ip());
        assert_eq!(&answer[..6], &[2, 0, 0, 0, 0, 1]);
        assert_eq!(read(&answer), None, "an answer is no question");
    }
}
