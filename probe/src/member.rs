//! A member link of an aggregation group, and how packets that are bound to it are addressed (RFC 9534).
//!
//! No IP socket sends over a chosen member of a bond: members have no routes.
//! So the packets of a session leave as whole frames, with the hardware
//! addresses that the kernel itself would use: the member's own, and that of
//! the next hop, which the kernel is made to find by one datagram over the
//! aggregate. An interface that is no member stands for itself.
//!
//! Followed is what the neighbour table and the main routing table say when
//! the session begins; a next hop that changes later, further tables of
//! routes, VLAN tags and IPv6 are not.

mod neighbour;

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use owl_measure::time::Nanos;
use pnet::datalink;
use pnet::util::MacAddr;
use socket2::{Domain, SockAddr, Socket, Type};

use self::neighbour::{hardware_address, next_hop};
use crate::clock::Clock;

/// How long the next hop has to say its hardware address: Linux asks three times, a second apart.
const NEIGHBOUR_WAIT: Nanos = Nanos::from_secs(3);
const NEIGHBOUR_LOOK: Nanos = Nanos::from_millis(10);
/// What makes the kernel look for the next hop: shorter than any test packet, so that nobody answers it.
const WHO: [u8; 4] = *b"owl?";

/// An interface to which packets cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// None has this name.
    #[error("there is no interface {interface}")]
    Unknown {
        /// Its name.
        interface: String,
    },
    /// It carries no Ethernet frames: the loopback, a tunnel.
    #[error("interface {interface} carries no Ethernet frames")]
    NotEthernet {
        /// Its name.
        interface: String,
    },
    /// It is down, or its link is.
    #[error("interface {interface} is down")]
    Down {
        /// Its name.
        interface: String,
    },
    /// The session-reflector has no IPv4 address.
    #[error("frames are built for IPv4 alone, and {reflector} is not")]
    NotIpv4 {
        /// The session-reflector.
        reflector: SocketAddr,
    },
    /// The kernel sends it nothing over the interface, or the aggregate of which that is a member.
    #[error("cannot send to {reflector} over {interface}")]
    Unreachable {
        /// The session-reflector.
        reflector: SocketAddr,
        /// The aggregate, or the interface itself.
        interface: String,
        /// Why not.
        source: io::Error,
    },
    /// What the kernel knows of routes, neighbours or the interface cannot be read.
    #[error("cannot read {file}")]
    Kernel {
        /// The file.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// The next hop does not say its hardware address.
    #[error("no neighbour on {interface} answers for {next_hop}")]
    NoNeighbour {
        /// The aggregate, or the interface itself.
        interface: String,
        /// The gateway, or the session-reflector.
        next_hop: Ipv4Addr,
    },
}

/// An interface, and how frames are addressed that go to one session-reflector over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// As the kernel names it.
    pub interface: String,
    /// The aggregate of which it is a member; `None` when it stands for itself.
    pub aggregate: Option<String>,
    /// Octets of an IP packet at most.
    pub mtu: usize,
    /// From where to where, without the hardware.
    pub(crate) source: Ipv4Addr,
    pub(crate) reflector: SocketAddrV4,
    pub(crate) index: u32,
    pub(crate) aggregate_index: Option<u32>,
    pub(crate) own_mac: MacAddr,
    pub(crate) next_mac: MacAddr,
}

impl Member {
    /// Finds out how to reach a session-reflector over an interface; for three seconds at most, when the next hop is
    /// silent. One datagram of four octets goes to the session-reflector over the aggregate.
    ///
    /// # Errors
    /// When there is no such interface, frames cannot go over it, or the next hop does not answer.
    pub fn find(name: &str, reflector: SocketAddr) -> Result<Self, MemberError> {
        let interface = || name.to_owned();
        let SocketAddr::V4(reflector) = reflector else {
            return Err(MemberError::NotIpv4 { reflector });
        };
        let all = datalink::interfaces();
        let found = all.iter().find(|interface| interface.name == name);
        let found = found.ok_or_else(|| MemberError::Unknown {
            interface: interface(),
        })?;
        let mac = found.mac.filter(|mac| *mac != MacAddr::zero());
        let own_mac =
            mac.filter(|_| !found.is_loopback())
                .ok_or_else(|| MemberError::NotEthernet {
                    interface: interface(),
                })?;
        if !(found.is_up() && found.is_running()) {
            return Err(MemberError::Down {
                interface: interface(),
            });
        }
        let aggregate = aggregate_of(name);
        let above = aggregate.as_deref().unwrap_or(name);
        let source =
            ask_for_next_hop(above, reflector).map_err(|source| MemberError::Unreachable {
                reflector: reflector.into(),
                interface: above.to_owned(),
                source,
            })?;
        let next_hop = next_hop(&read("/proc/net/route")?, above, *reflector.ip());
        let index_of = |name: &str| {
            let found = all.iter().find(|interface| interface.name == name);
            found.map(|interface| interface.index)
        };
        Ok(Self {
            mtu: mtu_of(name)?,
            index: found.index,
            aggregate_index: aggregate.as_deref().and_then(index_of),
            own_mac,
            next_mac: wait_for_neighbour(above, next_hop)?,
            interface: interface(),
            source,
            reflector,
            aggregate,
        })
    }
}

fn read(file: &str) -> Result<String, MemberError> {
    fs::read_to_string(file).map_err(|source| MemberError::Kernel {
        file: file.to_owned(),
        source,
    })
}

/// The interface that this one is enslaved to.
fn aggregate_of(interface: &str) -> Option<String> {
    let link = Path::new("/sys/class/net").join(interface).join("master");
    let master = fs::read_link(link).ok()?;
    Some(master.file_name()?.to_str()?.to_owned())
}

fn mtu_of(interface: &str) -> Result<usize, MemberError> {
    let file = format!("/sys/class/net/{interface}/mtu");
    let text = read(&file)?;
    text.trim().parse().map_err(|error| MemberError::Kernel {
        file,
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    })
}

/// Makes the kernel look for the next hop; the address that it sends from there.
fn ask_for_next_hop(interface: &str, reflector: SocketAddrV4) -> io::Result<Ipv4Addr> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.connect(&SockAddr::from(reflector))?;
    socket.send(&WHO)?;
    match socket.local_addr()?.as_socket().map(|local| local.ip()) {
        Some(IpAddr::V4(source)) if !source.is_unspecified() => Ok(source),
        _ => Err(io::Error::from(io::ErrorKind::AddrNotAvailable)),
    }
}

fn wait_for_neighbour(interface: &str, next_hop: Ipv4Addr) -> Result<MacAddr, MemberError> {
    let clock = Clock::honest();
    let end = clock.monotonic() + NEIGHBOUR_WAIT;
    loop {
        if let Some(mac) = hardware_address(&read("/proc/net/arp")?, interface, next_hop) {
            return Ok(mac);
        }
        if clock.monotonic() >= end {
            return Err(MemberError::NoNeighbour {
                interface: interface.to_owned(),
                next_hop,
            });
        }
        std::thread::sleep(NEIGHBOUR_LOOK.to_std());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(interface: &str, reflector: &str, refused: &str) {
        let error = Member::find(interface, reflector.parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), refused);
    }

    #[test]
    fn an_interface_that_carries_no_frames_to_the_reflector_is_refused_by_its_name() {
        check(
            "lo",
            "127.0.0.1:862",
            "interface lo carries no Ethernet frames",
        );
        check(
            "owl-none",
            "192.0.2.1:862",
            "there is no interface owl-none",
        );
        let refused = "frames are built for IPv4 alone, and [::1]:862 is not";
        check("lo", "[::1]:862", refused);
    }
}
