//! Where a frame goes: the address of an interface as packet sockets know it.

use std::mem::size_of;

use socket2::{SockAddr, SockAddrStorage};

/// Whether a packet socket is to be given the frames that arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) enum Protocol {
    /// None of them: protocol 0 registers nothing with the kernel (packet(7)).
    None,
    /// IPv4, as what is sent is said to be.
    Ipv4,
}

/// The interface with this index, as the kernel numbers them.
pub(in crate::net) fn link_address(interface: u32, protocol: Protocol) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is one of the platform's address types, of plain integers, and the storage is all zero.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = libc::AF_PACKET as libc::sa_family_t;
    link.sll_protocol = match protocol {
        Protocol::None => 0,
        Protocol::Ipv4 => (libc::ETH_P_IP as u16).to_be(),
    };
    link.sll_ifindex = interface.cast_signed();
    // SAFETY: the storage holds a sockaddr_ll, whose family and length are stated.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}
