//! The host's network interfaces, and which stamps each says it can take.
//!
//! What an interface says is a capability. Stamps that are used are proved by a
//! real send ([`crate::net::StampedSocket::prove`]); stamps taken by an
//! interface stand on the interface's own clock and are not used at all.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd as _;

use pnet::datalink;

use crate::net::interface_stamping;

/// The stamps an interface says it can take (SOF_TIMESTAMPING_*, linux/net_tstamp.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability(u32);

impl Capability {
    fn has(self, flags: u32) -> bool {
        self.0 & flags == flags
    }

    /// By its own clock, both ways, and the kernel hands them out.
    pub fn hardware(self) -> bool {
        self.has(
            libc::SOF_TIMESTAMPING_TX_HARDWARE
                | libc::SOF_TIMESTAMPING_RX_HARDWARE
                | libc::SOF_TIMESTAMPING_RAW_HARDWARE,
        )
    }

    /// By the kernel when the packet is handed to the driver.
    pub fn kernel_transmit(self) -> bool {
        self.has(libc::SOF_TIMESTAMPING_TX_SOFTWARE)
    }

    /// By the kernel when the driver hands the packet over.
    pub fn kernel_receive(self) -> bool {
        self.has(libc::SOF_TIMESTAMPING_RX_SOFTWARE)
    }
}

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// As the kernel names it.
    pub name: String,
    /// As the kernel counts it, from 1.
    pub index: u32,
    /// Its addresses, of both families.
    pub addresses: Vec<IpAddr>,
    /// Whether it is up and has a carrier.
    pub up: bool,
    /// Whether it leads nowhere but back.
    pub loopback: bool,
    /// What it says of stamps; `None` when it does not tell.
    pub stamping: Option<Capability>,
}

/// Every interface of this host (of this network namespace).
pub fn interfaces() -> Vec<Interface> {
    // Any socket will do to ask about interfaces; without one, nothing is told about stamps.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok();
    let stamping = |name: &str| {
        let flags = interface_stamping(socket.as_ref()?.as_fd(), name).ok()?;
        Some(Capability(flags))
    };
    datalink::interfaces()
        .into_iter()
        .map(|interface| Interface {
            stamping: stamping(&interface.name),
            index: interface.index,
            addresses: interface.ips.iter().map(|network| network.ip()).collect(),
            up: interface.is_up() && interface.is_running(),
            loopback: interface.is_loopback(),
            name: interface.name,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_stamps_are_those_of_both_ways_that_the_kernel_hands_out() {
        // As `ethtool -T` lists them: transmit, receive, raw.
        assert!(Capability(0b100_0101).hardware());
        for lacking in [0b100_0100, 0b100_0001, 0b000_0101, 0b001_1010] {
            assert!(!Capability(lacking).hardware(), "{lacking:#b}");
        }
        let software = Capability(0b001_1010);
        assert!(software.kernel_transmit() && software.kernel_receive());
    }

    #[test]
    fn the_loopback_is_there_and_stamped_by_the_kernel_alone() {
        let all = interfaces();
        let loopback = all
            .iter()
            .find(|interface| interface.loopback)
            .expect("every host has one");
        assert!(
            loopback
                .addresses
                .contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)),
            "{loopback:?}"
        );
        let stamping = loopback.stamping.expect("Linux tells for every interface");
        assert!(stamping.kernel_transmit() && stamping.kernel_receive() && !stamping.hardware());
    }
}
