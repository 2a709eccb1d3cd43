//! Datagrams answered many at once, each reply written over its request.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;

use super::{Received, StampedSocket, TransmitStamp, kernel, stamp};
use crate::net::sys::{self, Batch, Queue, Sent};

/// A reply that was written over its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<T> {
    /// How long it is.
    pub(crate) octets: usize,
    /// Where it goes.
    pub(crate) to: SocketAddr,
    /// The local address it comes from; `None` lets the kernel choose.
    pub(crate) from: Option<IpAddr>,
    /// The interface over which it leaves; `None` lets the kernel choose.
    pub(crate) interface: Option<u32>,
    /// Its traffic class; `None` is the socket's.
    pub(crate) mark: Option<u8>,
    /// What is to be told when the kernel has taken it.
    pub(crate) note: T,
}

/// How an exchange went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exchanged {
    /// The room was filled, so there may be more to read.
    pub(crate) full: bool,
    /// Replies that it refused.
    pub(crate) refused: usize,
}

/// Who answers the datagrams of an exchange.
pub(crate) trait Answerer {
    /// What is to be told when the kernel has taken a reply.
    type Note;

    /// Whether the answer to a datagram depends on when earlier replies left, of which some may still wait to be sent:
    /// these are sent then, and their stamps told, before it is answered.
    fn needs_stamps(&mut self, datagram: &Received, octets: &[u8]) -> bool;

    /// Writes the reply over the datagram, or leaves it unanswered.
    fn answer(&mut self, datagram: &Received, room: &mut [u8]) -> Option<Answer<Self::Note>>;

    /// The kernel took a reply, alone or with others in one send, whose stamp is that of all.
    fn sent(&mut self, id: u32, note: Self::Note);

    /// Sends are numbered anew: no stamp of an earlier one will come.
    fn renumbered(&mut self);

    /// The kernel stamped one.
    fn stamped(&mut self, stamp: TransmitStamp);
}

/// Room for the datagrams of one exchange, made once.
pub(crate) struct Exchange<T> {
    batch: Batch,
    stamps: Batch,
    notes: Box<[Option<T>]>,
}

impl<T> Exchange<T> {
    pub(crate) fn new() -> Self {
        Self {
            batch: Batch::new(),
            stamps: Batch::new(),
            notes: (0..sys::BATCH).map(|_| None).collect(),
        }
    }

    /// Replies that left with others in one send, under one stamp, so far.
    pub(crate) fn bundled(&self) -> u64 {
        self.batch.bundled()
    }
}

impl StampedSocket {
    /// Answers what has come, many datagrams in one system call, without waiting.
    ///
    /// # Errors
    /// When the kernel reports one.
    pub(crate) fn exchange<A: Answerer>(
        &mut self,
        room: &mut Exchange<A::Note>,
        answerer: &mut A,
    ) -> io::Result<Exchanged> {
        let received = room.batch.receive(self.socket.as_fd(), Queue::Data)?;
        let user = self.clock.now();
        let mut refused = 0;
        for k in 0..received {
            let control = room.batch.control(k);
            let Some(source) = room.batch.source(k) else {
                continue;
            };
            let datagram = Received {
                octets: room.batch.datagram(k).len(),
                source,
                destination: control.destination,
                interface: control.interface,
                ttl: control.ttl.unwrap_or(0),
                traffic_class: control.traffic_class,
                stamp: stamp(self.clock, control.kernel, user),
            };
            if answerer.needs_stamps(&datagram, room.batch.datagram(k)) {
                refused += self.send_answers(room, answerer)?;
                self.transmit_stamps(room, |stamp| answerer.stamped(stamp))?;
            }
            let Some(reply) = answerer.answer(&datagram, room.batch.room(k)) else {
                continue;
            };
            room.notes[k] = Some(reply.note);
            let to = (reply.to != source).then_some(reply.to);
            room.batch
                .reply(k, reply.octets, to, reply.from, reply.interface, reply.mark);
        }
        refused += self.send_answers(room, answerer)?;
        Ok(Exchanged {
            full: received == sys::BATCH,
            refused,
        })
    }

    /// Sends the replies that wait; how many the kernel refused.
    fn send_answers<A: Answerer>(
        &mut self,
        room: &mut Exchange<A::Note>,
        answerer: &mut A,
    ) -> io::Result<usize> {
        let Exchange { batch, notes, .. } = room;
        batch.arrange(self.bundling);
        let (mut refused, mut numbered) = (0, true);
        loop {
            let (bundling, sends) = (&mut self.bundling, &mut self.sends);
            let sent = batch.send(self.socket.as_fd(), bundling, sends, |k, id| {
                match (notes[k].take(), id) {
                    (Some(note), Some(id)) if numbered => answerer.sent(id, note),
                    (_, None) => refused += 1,
                    _ => {}
                }
            });
            match sent {
                Sent::All => break,
                // One renewal of the numbers is enough for a batch, however much of it is refused.
                Sent::Stopped => numbered = false,
            }
        }
        if !numbered {
            self.renumber()?;
            answerer.renumbered();
        }
        Ok(refused)
    }

    /// Reads the transmit stamps that have come, many in one system call.
    ///
    /// # Errors
    /// When the kernel reports one.
    pub(crate) fn transmit_stamps<T>(
        &self,
        room: &mut Exchange<T>,
        mut each: impl FnMut(TransmitStamp),
    ) -> io::Result<()> {
        loop {
            let received = room.stamps.receive(self.socket.as_fd(), Queue::Error)?;
            for k in 0..received {
                let control = room.stamps.control(k);
                if let (Some(id), Some(at)) = (control.transmit_id, control.kernel) {
                    each(TransmitStamp {
                        id,
                        stamp: kernel(self.clock, at),
                    });
                }
            }
            if received < sys::BATCH {
                return Ok(());
            }
        }
    }
}
