//! Many packets of a socket in one system call, for whoever sends to many peers.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;

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
        room.batch.receive(self.socket.as_fd(), Queue::Error)
    }
}
