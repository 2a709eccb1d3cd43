//! A socket that sessions to different peers share.
//!
//! A reply belongs to the session whose peer it came from. Where sessions to
//! one peer must share a lane, the session identifier in it decides (RFC 8972,
//! section 3); a reply without one then goes to the first of them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::Ordering::Relaxed;

use owl_measure::time::{Monotonic, Nanos};
use owl_protocol::session::sender::Transmit;
use owl_protocol::wire::stamp::SenderPacket;

use super::awaited::{Awaited, Note};
use super::bound::{Bound, RepliesOver};
use super::session::SenderSession;
use super::stats::SenderStats;
use crate::clock::Clock;
use crate::member::Member;
use crate::net::{
    Departures, Incoming, Sent, SocketError, StampedSocket, Stamping, TransmitStamp, TransmitStamps,
};

/// A packet of a socket is asked how long it queued on this host so often at most: the answer costs a message on the
/// error queue, about as much as the stamp of its departure.
const QUEUEING_PERIOD: Nanos = Nanos::from_millis(10);

/// A shared socket.
#[derive(Debug)]
pub(super) struct Lane {
    /// The local address of sessions that may join; `None` when it is one session's own.
    shared_from: Option<IpAddr>,
    socket: StampedSocket,
    /// What its packets leave by, when they are bound to a member link; the socket receives all the same.
    bound: Option<Bound>,
    stamping: Option<Stamping>,
    /// Peer and session identifier → session; identifier 0 is the first session to that peer.
    peers: HashMap<(SocketAddr, u16), u32>,
    sessions: usize,
    departures: Departures,
    /// Of those that wait to leave, by their positions.
    notes: Vec<Option<Note>>,
    awaited: Awaited,
    /// When a packet is asked next how long it queued.
    queueing: Monotonic,
    /// Datagrams that the kernel dropped at this socket when it was looked at: its count, which wraps, and their sum.
    dropped: u32,
    own_loss: u64,
}

impl AsRawFd for Lane {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Lane {
    /// Opens a socket on a port of the kernel's choice, and proves its stamps by a real send.
    pub(super) fn open(local: IpAddr, clock: Clock) -> Result<Self, SocketError> {
        let mut lane = Self::private(SocketAddr::new(local, 0), clock)?;
        lane.shared_from = Some(local);
        Ok(lane)
    }

    /// The same on a port that was agreed upon for one session.
    pub(super) fn private(local: SocketAddr, clock: Clock) -> Result<Self, SocketError> {
        let mut socket = StampedSocket::bind(local, clock)?;
        let stamping = socket.prove().ok();
        Ok(Self {
            shared_from: None,
            socket,
            bound: None,
            stamping,
            peers: HashMap::new(),
            sessions: 0,
            departures: Departures::new(0),
            notes: Vec::with_capacity(Departures::MOST),
            awaited: Awaited::new(),
            queueing: Monotonic(0),
            dropped: 0,
            own_loss: 0,
        })
    }

    /// Binds its packets to a member link, and proves their stamps by a real frame.
    pub(super) fn bind(&mut self, member: &Member, clock: Clock) -> io::Result<()> {
        let mut bound = Bound::open(member, self.source_port(), clock)?;
        let transmit = bound.prove()?;
        self.stamping = self.stamping.map(|proved| Stamping { transmit, ..proved });
        self.bound = Some(bound);
        Ok(())
    }

    /// Whether its packets are bound to a member link.
    pub(super) fn is_bound(&self) -> bool {
        self.bound.is_some()
    }

    /// Notes over which interface a datagram of the session-reflector came in.
    pub(super) fn came_over(&mut self, interface: Option<u32>) {
        if let Some(bound) = &mut self.bound {
            bound.came_over(interface);
        }
    }

    /// Over which interfaces they came; `None` when the packets are bound to none.
    pub(super) fn replies_over(&self) -> Option<RepliesOver> {
        self.bound.as_ref().map(Bound::replies)
    }

    /// Whether sessions from this local address may join.
    pub(super) fn is_shared_from(&self, local: IpAddr) -> bool {
        self.shared_from == Some(local)
    }

    pub(super) fn source_port(&self) -> u16 {
        self.socket.local().port()
    }

    pub(super) fn stamping(&self) -> Option<Stamping> {
        self.stamping
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions
    }

    pub(super) fn has_peer(&self, peer: SocketAddr) -> bool {
        self.has(peer, 0)
    }

    pub(super) fn has(&self, peer: SocketAddr, ssid: u16) -> bool {
        self.peers.contains_key(&(peer, ssid))
    }

    /// Takes a session in, whose replies come from one of these.
    pub(super) fn join(&mut self, session: u32, sources: &[SocketAddr], ssid: u16) {
        for &source in sources {
            self.peers.entry((source, 0)).or_insert(session);
            self.peers.insert((source, ssid), session);
        }
        self.sessions += 1;
        self.awaited.make_room(self.sessions);
    }

    /// Lets a session go: what comes for it from now on is nobody's.
    pub(super) fn leave(&mut self, session: u32) {
        self.peers.retain(|_, of| *of != session);
        // The first session to a peer answers for datagrams without an identifier; now another one does.
        let left: Vec<(SocketAddr, u32)> = self
            .peers
            .iter()
            .map(|(&(source, _), &of)| (source, of))
            .collect();
        for (source, of) in left {
            self.peers.entry((source, 0)).or_insert(of);
        }
        self.sessions = self.sessions.saturating_sub(1);
    }

    /// The numbers of its sessions are so much higher from now on; nothing has been sent yet.
    pub(super) fn renumber_sessions(&mut self, by: u32) {
        self.peers.values_mut().for_each(|session| *session += by);
    }

    /// Sees to it that packets of so many octets fit.
    pub(super) fn make_room(&mut self, octets: usize) {
        if octets > self.departures.room() {
            self.departures = Departures::new(octets);
        }
    }

    /// Whose reply a datagram may be.
    pub(super) fn session_of(&self, source: SocketAddr, datagram: &[u8]) -> Option<u32> {
        let first = self.peers.get(&(source, 0))?;
        // The identifier stands at the same place in a packet and its reply, at one place in each mode.
        let open = SenderPacket::decode(datagram).map(|packet| packet.ssid);
        let authenticated = SenderPacket::claimed_ssid(datagram);
        let named = [open.ok(), authenticated.ok()]
            .into_iter()
            .flatten()
            .filter(|&ssid| ssid != 0)
            .find_map(|ssid| self.peers.get(&(source, ssid)));
        Some(*named.unwrap_or(first))
    }

    /// Whether nothing more can wait until what waits has left.
    pub(super) fn is_full(&self) -> bool {
        self.departures.waiting() == Departures::MOST
    }

    /// Whether something waits to leave.
    pub(super) fn is_waiting(&self) -> bool {
        self.departures.waiting() > 0
    }

    /// Where the next packet is to be written.
    pub(super) fn room(&mut self) -> Option<&mut [u8]> {
        self.departures.next()
    }

    /// Lets the packet that was written last wait until it leaves with the others.
    pub(super) fn push(
        &mut self,
        number: u32,
        session: &SenderSession,
        now: Monotonic,
        transmit: Transmit,
    ) {
        let stamps = if now >= self.queueing {
            self.queueing = now + QUEUEING_PERIOD;
            TransmitStamps::Queueing
        } else {
            TransmitStamps::Departure
        };
        let (peer, class) = (session.peer(), session.traffic_class());
        self.departures.push(transmit.octets, peer, class, stamps);
        self.notes.push(Some(Note {
            session: number,
            token: transmit.token,
            origin: transmit.origin,
            lateness: transmit.due.lateness,
            queued_at: None,
        }));
    }

    /// Sends what waits as frames over the member link, each by itself.
    fn flush_frames(
        &mut self,
        sessions: &mut [SenderSession],
        incoming: &mut Incoming,
        stats: &SenderStats,
    ) {
        for k in 0..self.departures.waiting() {
            let (Some(bound), Some(note), Some(packet)) = (
                &mut self.bound,
                self.notes.get_mut(k).and_then(Option::take),
                self.departures.packet(k),
            ) else {
                continue;
            };
            let session = &mut sessions[note.session as usize];
            match bound.send(packet, session.traffic_class().unwrap_or(0)) {
                Ok(id) => {
                    stats.sent.fetch_add(1, Relaxed);
                    if let Some(unstamped) = self.awaited.sent(id, note) {
                        given_up(&unstamped, stats);
                    }
                }
                Err(_) => {
                    session.refused();
                    stats.unsent.fetch_add(1, Relaxed);
                    self.renumber(sessions, incoming, stats);
                }
            }
        }
        self.notes.clear();
        self.departures.clear();
    }

    /// Begins to number sends anew. What was sent before keeps the stamps that have come; the others' are given up.
    fn renumber(
        &mut self,
        sessions: &mut [SenderSession],
        incoming: &mut Incoming,
        stats: &SenderStats,
    ) {
        self.collect_stamps(sessions, incoming, stats);
        for unstamped in self.awaited.renumbered() {
            given_up(&unstamped, stats);
        }
        // Where the kernel refuses even that, no stamp has the number of a packet, and none is believed.
        let _ = match &mut self.bound {
            Some(bound) => bound.renumber(),
            None => self.socket.renumber(),
        };
    }

    /// Sends what waits.
    pub(super) fn flush(
        &mut self,
        sessions: &mut [SenderSession],
        incoming: &mut Incoming,
        stats: &SenderStats,
    ) {
        if self.is_bound() {
            return self.flush_frames(sessions, incoming, stats);
        }
        let (bundled, bundles) = (self.departures.bundled(), self.socket.bundles());
        self.socket.arrange(&mut self.departures);
        loop {
            let (notes, awaited) = (&mut self.notes, &mut self.awaited);
            let sent =
                self.socket
                    .send_many(&mut self.departures, |k, id| match (notes[k].take(), id) {
                        (Some(note), Some(id)) => {
                            stats.sent.fetch_add(1, Relaxed);
                            if let Some(unstamped) = awaited.sent(id, note) {
                                given_up(&unstamped, stats);
                            }
                        }
                        (Some(refused), None) => {
                            sessions[refused.session as usize].refused();
                            stats.unsent.fetch_add(1, Relaxed);
                        }
                        (None, _) => {}
                    });
            match sent {
                Sent::All => break,
                Sent::Stopped => self.renumber(sessions, incoming, stats),
            }
        }
        self.notes.clear();
        self.departures.clear();
        let bundled = self.departures.bundled() - bundled;
        stats.bundled.fetch_add(bundled, Relaxed);
        let refused = u64::from(bundles && !self.socket.bundles());
        stats.bundles_refused.fetch_add(refused, Relaxed);
    }

    /// Gives the transmit stamps that have come to their sessions.
    pub(super) fn collect_stamps(
        &mut self,
        sessions: &mut [SenderSession],
        incoming: &mut Incoming,
        stats: &SenderStats,
    ) {
        // No more can have come than are awaited.
        for _ in 0..=self.awaited.room() / Incoming::MOST {
            // An error here is the network's (an ICMP message); stamps that are lost with it are counted as missing.
            let read = match &self.bound {
                Some(bound) => bound.transmit_stamps_many(incoming),
                None => self.socket.transmit_stamps_many(incoming),
            };
            let Ok(read) = read else {
                return;
            };
            for k in 0..read {
                if let Some(stamp) = incoming.transmit_stamp(k) {
                    self.stamped(stamp, sessions, stats);
                } else if let Some(stamp) = incoming.queueing_stamp(k) {
                    self.awaited.queued(stamp.id, stamp.stamp.at);
                }
            }
            if read < Incoming::MOST {
                return;
            }
        }
    }

    fn stamped(
        &mut self,
        stamp: TransmitStamp,
        sessions: &mut [SenderSession],
        stats: &SenderStats,
    ) {
        for note in self.awaited.stamped(stamp.id) {
            let after_t1 = (stamp.stamp.at - note.origin).max(Nanos::ZERO);
            stats.lateness.count(note.lateness + after_t1);
            if let Some(queued_at) = note.queued_at {
                stats.local_queueing.count(stamp.stamp.at - queued_at);
            }
            sessions[note.session as usize].transmitted(note.token, stamp.stamp);
        }
    }

    /// Looks what the kernel has dropped at this socket since the last look.
    pub(super) fn look_at_drops(&mut self, stats: &SenderStats) {
        // A kernel that does not tell has dropped nothing that we know of.
        let Ok(dropped) = self.socket.dropped() else {
            return;
        };
        let more = u64::from(dropped.wrapping_sub(self.dropped));
        self.dropped = dropped;
        self.own_loss += more;
        stats.own_loss.fetch_add(more, Relaxed);
    }

    /// Datagrams that the kernel dropped at this socket, as of the last look.
    pub(super) fn own_loss(&self) -> u64 {
        self.own_loss
    }

    /// Reads datagrams, without waiting: how many.
    pub(super) fn receive(&self, incoming: &mut Incoming) -> usize {
        // An error here is one the network made (an ICMP message); the next datagram is not its fault.
        self.socket.receive_many(incoming).unwrap_or(0)
    }
}

/// A transmit stamp that will not come any more.
fn given_up(note: &Note, stats: &SenderStats) {
    stats.lateness.count(note.lateness);
    stats.unstamped.fetch_add(1, Relaxed);
}
