//! One socket's turn: the datagrams that have come to it are answered.

use std::net::{IpAddr, SocketAddr};

use owl_measure::time::Monotonic;
use owl_protocol::session::SessionReflector;
use owl_protocol::session::reflector::{ReflectorClock, Request};

use super::ReflectorReading;
use super::awaited::{Awaited, Note};
use super::repeats::{Repeat, Repeats};
use crate::clock::Clock;
use crate::net::{Answer, Answerer, Received, TransmitStamp};

/// Where the session identifier of an unauthenticated packet stands (RFC 8972, section 3). In an authenticated one there
/// are zeros.
const SSID: std::ops::Range<usize> = 14..16;

/// Whose reply waits to be sent: its source, and what stands for its session identifier. Sessions that are taken for one
/// cost a system call and nothing else.
pub(super) type Waiting = (SocketAddr, [u8; 2]);

/// What answers the datagrams of one socket.
pub(super) struct Turn<'a> {
    pub(super) table: &'a mut SessionReflector,
    /// `None` where no transmit stamps are awaited.
    pub(super) awaited: Option<&'a mut Awaited>,
    pub(super) reading: &'a mut ReflectorReading,
    /// Who asks when its last reply left, while that has not left yet; a batch at most.
    pub(super) waiting: &'a mut Vec<Waiting>,
    pub(super) repeats: &'a mut Repeats,
    /// Which of the thread's sockets it is.
    pub(super) socket: usize,
    pub(super) told: &'a ReflectorClock,
    pub(super) clock: Clock,
    /// When the turn began.
    pub(super) now: Monotonic,
    pub(super) local: SocketAddr,
    pub(super) member_link: Option<u16>,
}

fn session(source: SocketAddr, octets: &[u8]) -> Waiting {
    let ssid = octets.get(SSID).and_then(|ssid| ssid.try_into().ok());
    (source, ssid.unwrap_or_default())
}

impl Answerer for Turn<'_> {
    type Note = Note;

    fn needs_stamps(&mut self, datagram: &Received, octets: &[u8]) -> bool {
        let needs = self.waiting.contains(&session(datagram.source, octets));
        if needs {
            // All of them are sent now.
            self.waiting.clear();
        }
        needs
    }

    fn answer(&mut self, datagram: &Received, room: &mut [u8]) -> Option<Answer<Note>> {
        let local = self.local;
        let destination = SocketAddr::new(datagram.destination.unwrap_or(local.ip()), local.port());
        let request = Request {
            octets: datagram.octets,
            source: datagram.source,
            destination,
            ttl: datagram.ttl,
            traffic_class: datagram.traffic_class.unwrap_or(0),
            received_at: datagram.stamp.at,
            interface: datagram.interface,
            member_link: self.member_link,
        };
        let session = session(datagram.source, room);
        let mut reply = self
            .table
            .handle(self.now, &request, self.told, room)
            .ok()?;
        if reply.follow_up && self.awaited.is_some() {
            self.waiting.push(session);
        }
        let from = reply
            .from
            .or(local.ip().is_unspecified().then_some(destination.ip()));
        let (octets, to, from) = (reply.octets, reply.to, usable(from));
        let interface = reply.interface;
        let mark = Some(reply.traffic_class).filter(|&class| class != 0);
        let t3 = self.clock.now();
        reply.seal(room, t3);
        let token = reply.token.take();
        let (times, distance) = reply.copies;
        if times > 1 {
            let fits = self.repeats.push(Repeat {
                due: self.clock.monotonic() + distance,
                socket: self.socket,
                datagram: room[..octets].to_vec(),
                reply,
                from,
            });
            self.reading.unsent += u64::from(!fits) * u64::from(times - 1);
        }
        Some(Answer {
            octets,
            to,
            from,
            interface,
            mark,
            note: (t3, token),
        })
    }

    fn sent(&mut self, id: u32, note: Note) {
        if let Some(awaited) = &mut self.awaited {
            awaited.sent(id, note);
        }
    }

    fn renumbered(&mut self) {
        if let Some(awaited) = &mut self.awaited {
            awaited.renumbered();
        }
    }

    fn stamped(&mut self, stamp: TransmitStamp) {
        if let Some(awaited) = &mut self.awaited {
            awaited.stamped(stamp, self.table, self.reading);
        }
    }
}

/// A broadcast or multicast destination cannot be a source.
fn usable(from: Option<IpAddr>) -> Option<IpAddr> {
    from.filter(|ip| !ip.is_multicast() && *ip != IpAddr::from([255, 255, 255, 255]))
}
