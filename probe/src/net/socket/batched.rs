//! Many packets of a socket in one system call, for whoever sends to many peers.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd};

use owl_measure::time::Timestamp;

use super::{Received, StampedSocket, TransmitStamp};
use crate::clock::Clock;
use crate::net::sys::{self, Batch, Outgoing, Queue, Sent, TransmitStamps};

/// Packets of one socket that wait to leave in one system call.
pub(crate) struct Departures(Outgoing);

impl fmt::Debug for Departures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets", self.waiting())
    }
}

impl Departures {
    /// As many as leave in one system call.
    pub(crate) const MOST: usize = sys::BATCH;

    /// For packets of at most so many octets.
    pub(crate) fn new(octets: usize) -> Self {
        Self(Outgoing::new(octets))
    }

    /// How large a packet may be.
    pub(crate) fn room(&self) -> usize {
        self.0.room()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// Where the next packet is to be written; `None` when as many wait as leave in one call.
    pub(crate) fn next(&mut self) -> Option<&mut [u8]> {
        self.0.next()
    }

    /// Lets the packet that was written last wait, with a traffic class of its own or the socket's.
    pub(crate) fn push(
        &mut self,
        octets: usize,
        to: SocketAddr,
        class: Option<u8>,
        stamps: TransmitStamps,
    ) {
        self.0.push(octets, to, class, stamps);
    }

    /// The packet that waits at this position; `None` when none does.
    pub(crate) fn packet(&self, k: usize) -> Option<&[u8]> {
        self.0.packet(k)
    }

    /// Packets that left with others in one send, under one stamp, so far.
    pub(crate) fn bundled(&self) -> u64 {
        self.0.bundled()
    }

    /// Makes room again.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Room for what is read in one system call.
pub(crate) struct Incoming {
    batch: Batch,
    clock: Clock,
    /// When the process read it, for datagrams without a better stamp.
    read_at: Timestamp,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read at {:?}", self.read_at)
    }
}

impl Incoming {
    /// As many as are read in one system call.
    pub(crate) const MOST: usize = sys::BATCH;

    /// Stamps are shown on `clock`.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            batch: Batch::new(),
            clock,
            read_at: Timestamp(0),
        }
    }

    /// Reads a socket's transmit stamps, without waiting: how many.
    pub(in crate::net) fn read_stamps(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.batch.receive(socket, Queue::Error)
    }

    /// A datagram of the last [`StampedSocket::receive_many`]; `None` when the kernel does not say where it came from.
    pub(crate) fn datagram(&self, k: usize) -> Option<(Received, &[u8])> {
        let control = self.batch.control(k);
        let datagram = self.batch.datagram(k);
        let received = Received {
            octets: datagram.len(),
            source: self.batch.source(k)?,
            destination: control.destination,
            interface: control.interface,
            ttl: control.ttl.unwrap_or(0),
            traffic_class: control.traffic_class,
            stamp: super::stamp(self.clock, control.kernel, self.read_at),
        };
        Some((received, datagram))
    }

    /// A transmit stamp of the last [`StampedSocket::transmit_stamps_many`]; `None` when it is something else.
    pub(crate) fn transmit_stamp(&self, k: usize) -> Option<TransmitStamp> {
        let control = self.batch.control(k);
        Some(TransmitStamp {
            id: control.transmit_id?,
            stamp: super::kernel(self.clock, control.kernel?),
        })
    }

    /// The same of a stamp that tells when the packet came to the queueing discipline.
    pub(crate) fn queueing_stamp(&self, k: usize) -> Option<TransmitStamp> {
        let control = self.batch.control(k);
        Some(TransmitStamp {
            id: control.queued_id?,
            stamp: super::kernel(self.clock, control.kernel?),
        })
    }
}

impl StampedSocket {
    /// Makes those that wait ready for [`StampedSocket::send_many`].
    pub(crate) fn arrange(&self, departures: &mut Departures) {
        departures.0.arrange(self.bundling);
    }

    /// Sends what was arranged, from where it stopped. `each` is told the position of every packet and the number of its
    /// send for the transmit stamp, which several may share; `None` for one that the kernel refused.
    ///
    /// Where it stopped, the kernel may or may not have used a number: [`StampedSocket::renumber`] makes the numbers
    /// right again.
    pub(crate) fn send_many(
        &mut self,
        departures: &mut Departures,
        each: impl FnMut(usize, Option<u32>),
    ) -> Sent {
        let (bundling, sends) = (&mut self.bundling, &mut self.sends);
        departures
            .0
            .send(self.socket.as_fd(), bundling, sends, each)
    }

    /// Reads datagrams, without waiting: how many.
    ///
    /// # Errors
    /// When the kernel reports one.
    pub(crate) fn receive_many(&self, room: &mut Incoming) -> io::Result<usize> {
        let received = room.batch.receive(self.socket.as_fd(), Queue::Data)?;
        room.read_at = self.clock.now();
        Ok(received)
    }

    /// Reads transmit stamps, without waiting: how many.
    ///
    /// # Errors
    /// When the kernel reports one.
    pub(crate) fn transmit_stamps_many(&self, room: &mut Incoming) -> io::Result<usize> {
        room.read_stamps(self.socket.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use std::net::IpAddr;

    const EACH_FAMILY: [&str; 2] = ["127.0.0.1", "::1"];

    fn socket(ip: &str) -> StampedSocket {
        let ip: IpAddr = ip.parse().unwrap();
        StampedSocket::bind(SocketAddr::new(ip, 0), Clock::honest()).unwrap()
    }

    /// A packet to this receiver, of so many octets, with a traffic class of its own.
    type Packet = (usize, usize, Option<u8>);

    /// Sends these together: the number of each one's send, in the order of writing.
    fn sent(near: &mut StampedSocket, to: &[SocketAddr], packets: &[Packet]) -> Vec<Option<u32>> {
        let mut departures = Departures::new(2_048);
        for (content, &(receiver, octets, class)) in (0..).zip(packets) {
            departures.next().unwrap()[..octets].fill(content);
            departures.push(octets, to[receiver], class, TransmitStamps::Departure);
        }
        let mut ids = vec![None; packets.len()];
        near.arrange(&mut departures);
        while near.send_many(&mut departures, |k, id| ids[k] = id) == Sent::Stopped {
            near.renumber().unwrap();
        }
        ids
    }

    fn stamps(near: &StampedSocket) -> Vec<TransmitStamp> {
        std::iter::from_fn(|| near.transmit_stamp().unwrap()).collect()
    }

    #[test]
    fn packets_for_one_way_leave_as_one_under_one_stamp_and_come_one_by_one() {
        for ip in EACH_FAMILY {
            let (mut near, far) = (socket(ip), socket(ip));
            for round in 0..3 {
                let ids = sent(&mut near, &[far.local()], &[(0, 44, Some(184)); 20]);
                let first = 2 * round;
                let expected = [vec![Some(first); 16], vec![Some(first + 1); 4]].concat();
                assert_eq!(ids, expected, "{ip}");
                let stamps = stamps(&near);
                let numbers: Vec<_> = stamps.iter().map(|stamp| stamp.id).collect();
                assert_eq!(
                    numbers,
                    [first, first + 1],
                    "{ip}: one a send, however many packets"
                );
                let mut buffer = [0; 64];
                for content in 0..20 {
                    let received = far.receive(&mut buffer).unwrap().unwrap();
                    assert_eq!((received.octets, buffer[0]), (44, content), "{ip}");
                    assert_eq!(received.traffic_class, Some(184));
                    let left = stamps[usize::from(content / 16)].stamp.at;
                    assert!(left <= received.stamp.at, "{ip}: {left:?} {received:?}");
                }
                assert!(far.receive(&mut buffer).unwrap().is_none());
            }
        }
    }

    #[test]
    fn only_what_goes_the_same_way_and_is_as_long_leaves_together_and_not_much_of_it() {
        let class = Some(40);
        for (packets, sends) in [
            (vec![(0, 44, None)], vec![0]),
            (vec![(0, 44, None), (0, 44, None)], vec![0, 0]),
            (
                vec![(0, 44, None), (0, 48, None), (0, 44, None)],
                vec![0, 1, 0],
            ),
            (
                vec![(0, 44, None), (1, 44, None), (0, 44, None)],
                vec![0, 1, 0],
            ),
            (
                vec![(0, 44, None), (0, 44, class), (0, 44, class)],
                vec![0, 1, 1],
            ),
            // 1,024 octets at most.
            (vec![(0, 512, None); 3], vec![0, 0, 1]),
            (vec![(0, 513, None); 3], vec![0, 1, 2]),
            (vec![(0, 1_400, None); 2], vec![0, 1]),
        ] {
            for ip in EACH_FAMILY {
                let (mut near, one, other) = (socket(ip), socket(ip), socket(ip));
                let ids = sent(&mut near, &[one.local(), other.local()], &packets);
                let expected: Vec<_> = sends.iter().copied().map(Some).collect();
                assert_eq!(ids, expected, "{ip}: {packets:?}");
            }
        }
    }

    #[test]
    fn where_the_kernel_refuses_bundles_packets_leave_one_by_one_from_then_on() {
        let (mut near, far) = (socket("127.0.0.1"), socket("127.0.0.1"));
        // Without a UDP sum the kernel cannot cut a packet apart.
        sys::set_option(near.socket.as_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
        for first in [0, 5] {
            let ids = sent(&mut near, &[far.local()], &[(0, 44, None); 5]);
            let expected: Vec<u32> = (first..first + 5).collect();
            let numbers: Vec<_> = stamps(&near).iter().map(|stamp| stamp.id).collect();
            assert_eq!(
                (ids.into_iter().flatten().collect(), numbers),
                (expected.clone(), expected)
            );
            assert!(!near.bundles());
        }
        let mut buffer = [0; 64];
        let came = std::iter::from_fn(|| far.receive(&mut buffer).unwrap()).count();
        assert_eq!(came, 10, "each of them once");
    }

    #[test]
    fn a_bundle_that_is_refused_for_its_destination_ends_no_bundling() {
        for ip in EACH_FAMILY {
            let (mut near, far) = (socket(ip), socket(ip));
            let nowhere = SocketAddr::new(far.local().ip(), 0);
            let packets = [(0, 44, None), (1, 44, None), (0, 44, None), (1, 44, None)];
            let ids = sent(&mut near, &[nowhere, far.local()], &packets);
            // Whoever is behind it in the batch leaves alone, this once.
            assert_eq!(ids, [None, Some(0), None, Some(1)], "{ip}");
            assert!(near.bundles());
            let ids = sent(&mut near, &[far.local()], &[(0, 44, None); 2]);
            assert_eq!(ids, [Some(2), Some(2)], "{ip}");
        }
    }
}
