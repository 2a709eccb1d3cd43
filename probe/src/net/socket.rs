//! A UDP socket whose packets are stamped by the kernel, or by the interface.
//!
//! What `setsockopt` promises is not believed: [`StampedSocket::prove`] sends a
//! real datagram and sees which stamps are delivered.

mod batched;
mod exchange;
mod proof;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd, RawFd};

use owl_measure::sample::{Stamp, StampSource};
use owl_measure::time::Timestamp;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::sys::{self, Bundling, Queue};
use crate::clock::Clock;

pub(crate) use batched::{Departures, Incoming};
pub(crate) use exchange::{Answer, Answerer, Exchange};
pub use proof::Stamping;

/// Octets of receive buffer asked for; the kernel gives what its limits allow.
const RECEIVE_BUFFER_OCTETS: usize = 4 << 20;
/// RFC 8762 leaves the TTL open; 255 lets the far end count hops, as OWAMP and TWAMP require (RFC 4656, 4.1.2).
const TTL: u32 = 255;

/// A socket that cannot be had, or not used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The address is taken, not ours, or below 1024 without permission.
    #[error("cannot bind UDP {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The kernel refuses an option that measuring needs.
    #[error("cannot set {option} on UDP {address}")]
    Option {
        /// The socket's address.
        address: SocketAddr,
        /// The option.
        option: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// A datagram that arrived.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// How many octets of the buffer it fills; a longer datagram is cut.
    pub octets: usize,
    /// Where it came from.
    pub source: SocketAddr,
    /// The local address it was sent to.
    pub destination: Option<IpAddr>,
    /// The interface over which it came, as the kernel numbers them, when the kernel tells.
    pub interface: Option<u32>,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
    /// DSCP and ECN on arrival as they stand in the IP header, when the kernel tells.
    pub traffic_class: Option<u8>,
    /// When it arrived, by the best stamp there is.
    pub stamp: Stamp,
}

/// When a datagram left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransmitStamp {
    /// Which send of this socket, counted from 0.
    pub id: u32,
    /// When.
    pub stamp: Stamp,
}

/// A UDP socket with transmit and receive stamps.
#[derive(Debug)]
pub struct StampedSocket {
    socket: Socket,
    local: SocketAddr,
    clock: Clock,
    sends: u32,
    transmit_stamps: TransmitStamps,
    bundling: Bundling,
}

/// Whether the kernel is asked to stamp what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransmitStamps {
    Asked,
    NotAsked,
}

/// Whether a socket is the first on its address, or one beside another of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Beside,
}

impl AsRawFd for StampedSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl StampedSocket {
    /// Binds a socket. Stamps are shown on `clock`, which a lab may have set wrong.
    ///
    /// # Errors
    /// When the address cannot be bound or the kernel lacks an option that measuring needs.
    pub fn bind(address: SocketAddr, clock: Clock) -> Result<Self, SocketError> {
        Self::bind_at(address, Place::First, clock)
    }

    /// Binds another socket to the same address. From now on the kernel gives each flow, by its addresses and ports, to
    /// one of those that are bound there (SO_REUSEPORT); only processes of the same user can join them.
    ///
    /// # Errors
    /// As [`StampedSocket::bind`].
    pub fn bind_beside(&self) -> Result<Self, SocketError> {
        self.socket
            .set_reuse_port(true)
            .map_err(self.option("SO_REUSEPORT"))?;
        Self::bind_at(self.local, Place::Beside, self.clock)
    }

    fn bind_at(address: SocketAddr, place: Place, clock: Clock) -> Result<Self, SocketError> {
        let bind = |source| SocketError::Bind { address, source };
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )
        .map_err(bind)?;
        let option = |option| {
            move |source| SocketError::Option {
                address,
                option,
                source,
            }
        };
        if address.is_ipv6() {
            socket.set_only_v6(true).map_err(option("IPV6_V6ONLY"))?;
            socket
                .set_unicast_hops_v6(TTL)
                .map_err(option("IPV6_UNICAST_HOPS"))?;
            socket
                .set_recv_hoplimit_v6(true)
                .map_err(option("IPV6_RECVHOPLIMIT"))?;
            socket
                .set_recv_tclass_v6(true)
                .map_err(option("IPV6_RECVTCLASS"))?;
            sys::set_option(
                socket.as_fd(),
                libc::IPPROTO_IPV6,
                libc::IPV6_RECVPKTINFO,
                1,
            )
            .map_err(option("IPV6_RECVPKTINFO"))?;
        } else {
            socket.set_ttl_v4(TTL).map_err(option("IP_TTL"))?;
            socket.set_recv_tos_v4(true).map_err(option("IP_RECVTOS"))?;
            sys::set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_RECVTTL, 1)
                .map_err(option("IP_RECVTTL"))?;
            sys::set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
                .map_err(option("IP_PKTINFO"))?;
        }
        if place == Place::Beside {
            socket
                .set_reuse_port(true)
                .map_err(option("SO_REUSEPORT"))?;
        }
        // A small buffer is no error: what it drops is lost and counted as such.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_OCTETS);
        socket.bind(&SockAddr::from(address)).map_err(bind)?;
        let local = socket
            .local_addr()
            .map_err(bind)?
            .as_socket()
            .unwrap_or(address);
        let bundling = Bundling::of(socket.as_fd());
        let mut socket = Self {
            socket,
            local,
            clock,
            sends: 0,
            transmit_stamps: TransmitStamps::Asked,
            bundling,
        };
        socket
            .number_sends_from_zero()
            .map_err(option("SO_TIMESTAMPING"))?;
        Ok(socket)
    }

    fn option(&self, option: &'static str) -> impl FnOnce(io::Error) -> SocketError {
        let address = self.local;
        move |source| SocketError::Option {
            address,
            option,
            source,
        }
    }

    /// Asks for no transmit stamps any more, which saves the kernel a queue and this process its reading.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn without_transmit_stamps(&mut self) -> Result<(), SocketError> {
        self.transmit_stamps = TransmitStamps::NotAsked;
        self.renumber().map_err(self.option("SO_TIMESTAMPING"))
    }

    /// Whether packets that wait together may leave in one send; not where the kernel cannot or once it has refused.
    pub(crate) fn bundles(&self) -> bool {
        self.bundling == Bundling::Possible
    }

    /// Datagrams that the kernel dropped at this socket since it was bound, for lack of room above all: loss of our own,
    /// not the network's. The count wraps.
    ///
    /// # Errors
    /// When the kernel does not tell (before Linux 4.12).
    pub fn dropped(&self) -> io::Result<u32> {
        sys::drops(self.socket.as_fd())
    }

    /// Marks what is sent with this DSCP and ECN, as they stand in the IP header.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_traffic_class(&self, class: u8) -> Result<(), SocketError> {
        let class = u32::from(class);
        let result = if self.local.is_ipv6() {
            self.socket.set_tclass_v6(class)
        } else {
            self.socket.set_tos_v4(class)
        };
        result.map_err(|source| SocketError::Option {
            address: self.local,
            option: "DSCP and ECN",
            source,
        })
    }

    /// Drops the stamps that are still on their way, and numbers sends anew.
    ///
    /// # Errors
    /// When the kernel refuses to number them.
    pub(crate) fn renumber(&mut self) -> io::Result<()> {
        let mut nothing = [0; 0];
        while let Ok(Some(_)) = sys::receive(self.socket.as_fd(), Queue::Error, &mut nothing) {}
        self.number_sends_from_zero()
    }

    fn number_sends_from_zero(&mut self) -> io::Result<()> {
        let receive = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
        let wanted = match self.transmit_stamps {
            TransmitStamps::NotAsked => receive,
            TransmitStamps::Asked => {
                receive | libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_OPT_TSONLY
            }
        };
        let set = |flags: libc::c_uint| {
            sys::set_option(
                self.socket.as_fd(),
                libc::SOL_SOCKET,
                libc::SO_TIMESTAMPING,
                flags as libc::c_int,
            )
        };
        // The kernel numbers from zero whenever the numbering is switched on anew.
        set(wanted)?;
        set(wanted | libc::SOF_TIMESTAMPING_OPT_ID)?;
        self.sends = 0;
        Ok(())
    }

    /// Where it is bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends a datagram, from a given local address when the socket is bound to all; its number for the transmit stamp.
    ///
    /// # Errors
    /// When the kernel does not take it. The numbering of sends then begins anew, since the kernel may or may not have
    /// used a number: stamps still on the way are dropped rather than given to the wrong packet.
    pub fn send(
        &mut self,
        datagram: &[u8],
        to: SocketAddr,
        from: Option<IpAddr>,
    ) -> io::Result<u32> {
        self.send_marked(datagram, to, from, None, None)
    }

    /// The same over a given interface, and with a DSCP and ECN of its own as they stand in the IP header.
    ///
    /// # Errors
    /// As [`StampedSocket::send`].
    pub fn send_marked(
        &mut self,
        datagram: &[u8],
        to: SocketAddr,
        from: Option<IpAddr>,
        interface: Option<u32>,
        traffic_class: Option<u8>,
    ) -> io::Result<u32> {
        match sys::send(
            self.socket.as_fd(),
            datagram,
            to,
            from,
            interface,
            traffic_class,
        ) {
            Ok(()) => {
                let id = self.sends;
                self.sends = self.sends.wrapping_add(1);
                Ok(id)
            }
            Err(error) => {
                self.renumber()?;
                Err(error)
            }
        }
    }

    /// The next datagram, without waiting.
    ///
    /// # Errors
    /// When the kernel reports one; a lack of datagrams is `None`.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let Some(message) = sys::receive(self.socket.as_fd(), Queue::Data, buffer)? else {
            return Ok(None);
        };
        let user = self.clock.now();
        let Some(source) = message.source else {
            return Ok(None);
        };
        let stamp = stamp(self.clock, message.control.kernel, user);
        Ok(Some(Received {
            octets: message.octets,
            source,
            destination: message.control.destination,
            interface: message.control.interface,
            ttl: message.control.ttl.unwrap_or(0),
            traffic_class: message.control.traffic_class,
            stamp,
        }))
    }

    /// The next transmit stamp, without waiting.
    ///
    /// # Errors
    /// When the kernel reports one; a lack of stamps is `None`.
    pub fn transmit_stamp(&self) -> io::Result<Option<TransmitStamp>> {
        let mut nothing = [0; 0];
        while let Some(message) = sys::receive(self.socket.as_fd(), Queue::Error, &mut nothing)? {
            if let (Some(id), Some(at)) = (message.control.transmit_id, message.control.kernel) {
                return Ok(Some(TransmitStamp {
                    id,
                    stamp: kernel(self.clock, at),
                }));
            }
        }
        Ok(None)
    }
}

/// The kernel's stamp, or the process's where there is none.
fn stamp(clock: Clock, at: Option<Timestamp>, user: Timestamp) -> Stamp {
    at.map_or(
        Stamp {
            at: user,
            source: StampSource::User,
        },
        |at| kernel(clock, at),
    )
}

fn kernel(clock: Clock, at: Timestamp) -> Stamp {
    Stamp {
        at: clock.shown(at),
        source: StampSource::Kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn pair(ip: IpAddr) -> (StampedSocket, StampedSocket) {
        let bind = || StampedSocket::bind(SocketAddr::new(ip, 0), Clock::honest()).unwrap();
        (bind(), bind())
    }

    #[test]
    fn a_real_send_proves_kernel_stamps_both_ways_on_both_families() {
        for ip in [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        ] {
            let (mut socket, _) = pair(ip);
            let kernel = Stamping {
                transmit: StampSource::Kernel,
                receive: StampSource::Kernel,
            };
            assert_eq!(socket.prove().unwrap(), kernel, "{ip}");
        }
    }

    #[test]
    fn every_send_gets_its_own_stamp_and_every_receipt_its_ttl_and_destination() {
        for ip in [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ] {
            let (mut near, far) = pair(ip);
            let mut buffer = [0; 2_048];
            let mut last = Timestamp(0);
            for k in 0..200_u32 {
                assert_eq!(near.send(&[7; 44], far.local(), None).unwrap(), k);
                let sent = near
                    .transmit_stamp()
                    .unwrap()
                    .expect("loopback stamps at once");
                let received = far
                    .receive(&mut buffer)
                    .unwrap()
                    .expect("loopback delivers at once");
                assert_eq!((sent.id, received.octets, received.ttl), (k, 44, 255));
                assert_eq!(
                    (received.source, received.destination),
                    (near.local(), Some(ip))
                );
                assert!(
                    last < sent.stamp.at && sent.stamp.at <= received.stamp.at,
                    "{sent:?} {received:?}"
                );
                last = sent.stamp.at;
            }
        }
    }

    #[test]
    fn a_datagram_carries_its_own_mark_and_source_and_the_next_one_the_sockets() {
        for ip in [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ] {
            let (mut near, far) = pair(ip);
            near.set_traffic_class(10 << 2).unwrap();
            let mut buffer = [0; 64];
            for (own, seen) in [
                (None, 10 << 2),
                (Some(46 << 2 | 2), 46 << 2 | 2),
                (None, 40),
            ] {
                for from in [None, Some(ip)] {
                    near.send_marked(&[7; 44], far.local(), from, None, own)
                        .unwrap();
                    let received = far.receive(&mut buffer).unwrap().unwrap();
                    assert_eq!(received.traffic_class, Some(seen), "{ip}");
                    assert_eq!(received.source, near.local());
                }
            }
        }
    }

    #[test]
    fn sockets_on_one_address_share_its_flows_and_strangers_cannot_join() {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (first, _) = pair(ip);
        let beside = first.bind_beside().unwrap();
        assert_eq!(beside.local(), first.local());
        let refused = StampedSocket::bind(first.local(), Clock::honest()).unwrap_err();
        assert!(matches!(refused, SocketError::Bind { .. }), "{refused}");
        let mut buffer = [0; 64];
        let mut served = [0, 0];
        for _ in 0..64 {
            let (mut near, _) = pair(ip);
            let mut by = Vec::new();
            for _ in 0..3 {
                near.send(&[7; 44], first.local(), None).unwrap();
                for (k, socket) in [&first, &beside].into_iter().enumerate() {
                    by.extend(socket.receive(&mut buffer).unwrap().map(|_| k));
                }
            }
            assert!(by.len() == 3 && by[0] == by[1] && by[1] == by[2], "{by:?}");
            served[by[0]] += 1;
        }
        // 64 flows all on one of two would be a chance of 2⁻⁶³.
        assert!(served.iter().all(|&flows| flows > 0), "{served:?}");
    }

    #[test]
    fn without_transmit_stamps_none_come_and_receive_stamps_do() {
        let (mut near, far) = pair(IpAddr::V4(Ipv4Addr::LOCALHOST));
        near.without_transmit_stamps().unwrap();
        near.send(&[7; 44], far.local(), None).unwrap();
        assert_eq!(near.transmit_stamp().unwrap(), None);
        let mut buffer = [0; 64];
        let received = far.receive(&mut buffer).unwrap().unwrap();
        assert_eq!(received.stamp.source, StampSource::Kernel);
    }

    #[test]
    fn what_a_full_buffer_drops_is_counted() {
        let (mut near, far) = pair(IpAddr::V4(Ipv4Addr::LOCALHOST));
        far.socket.set_recv_buffer_size(4_096).unwrap();
        for _ in 0..100 {
            near.send(&[7; 1_000], far.local(), None).unwrap();
        }
        let (mut buffer, mut received) = ([0; 1_000], 0);
        while far.receive(&mut buffer).unwrap().is_some() {
            received += 1;
        }
        assert!(received < 100);
        assert_eq!(far.dropped().unwrap(), 100 - received);
    }

    #[test]
    fn a_failed_send_does_not_give_later_stamps_to_the_wrong_packet() {
        let (mut near, far) = pair(IpAddr::V4(Ipv4Addr::LOCALHOST));
        near.send(&[0; 44], far.local(), None).unwrap();
        assert!(near.send(&vec![0; 70_000], far.local(), None).is_err());
        let id = near.send(&[0; 44], far.local(), None).unwrap();
        assert_eq!(
            near.transmit_stamp().unwrap().map(|stamp| stamp.id),
            Some(id)
        );
    }
}
