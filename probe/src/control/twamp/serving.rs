//! One conversation of the server, with its test sessions.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use owl_measure::time::Nanos;
use owl_protocol::session::TwampReflector;
use owl_protocol::session::control::{Connected, ControlError, Placed, ServerRandom};
use owl_protocol::session::reflector::ReflectorClock;
use owl_protocol::session::twamp_control::{ControlServer, ServerEvent};
use owl_protocol::wire::owamp::{Accept, Sid};
use owl_protocol::wire::tlv::{SyncSource, TimestampInformation, TimestampMethod};
use owl_protocol::wire::twamp::RequestTwSession;
use owl_protocol::wire::{ErrorEstimate, TaiOffset};

use super::server::{Shared, TwampStats};
use super::session::Session;
use crate::control::connection::{Connection, Heard};
use crate::control::listener::Admission;
use crate::control::{BUFFER_OCTETS, LOOK_AROUND, WRITE_AGAIN, random};
use crate::net::{Exchange, Readiness, wait};

/// Whether a conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    On,
    Over,
}

/// One conversation.
pub(super) struct Serving<'a> {
    shared: &'a Shared,
    stats: &'a TwampStats,
    peer: SocketAddr,
    local: IpAddr,
    /// `None` once it is closed; sessions that were stopped before reflect on.
    connection: Option<Connection>,
    connected: Option<Connected>,
    control: ControlServer,
    /// As many as the policy allows.
    sessions: Vec<Session>,
}

impl<'a> Serving<'a> {
    /// Greets.
    pub(super) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        random: ServerRandom,
        shared: &'a Shared,
        stats: &'a TwampStats,
    ) -> io::Result<Self> {
        let connection = Connection::new(stream)?;
        let now = shared.clock.monotonic();
        Ok(Self {
            peer,
            local: connection.local()?.ip(),
            connection: Some(connection),
            connected: None,
            control: ControlServer::new(shared.policy, shared.offer.clone(), random, now),
            sessions: Vec::new(),
            shared,
            stats,
        })
    }

    /// Talks until the client goes, errs, or falls silent, or all is to stop; and reflects until the last session has
    /// ended.
    pub(super) fn run(
        mut self,
        admission: Admission<'_>,
        stop: &AtomicBool,
        claim: &(impl Fn() -> Option<Nanos> + Sync),
    ) {
        let clock = self.shared.clock;
        let mut buffer = vec![0; BUFFER_OCTETS];
        let mut room = Exchange::new();
        let mut ready = Vec::<Readiness>::new();
        let mut told = clock_told(None);
        let mut look_around = clock.monotonic();
        while !stop.load(Relaxed) {
            if clock.monotonic() >= look_around {
                told = clock_told(claim());
                look_around = clock.monotonic() + LOOK_AROUND;
            }
            let turned = self.turn(&told, &mut buffer, &mut room, &mut ready);
            if !matches!(turned, Ok(Goes::On)) {
                break;
            }
        }
        drop(admission);
    }

    /// Waits for something, and does it.
    fn turn(
        &mut self,
        told: &ReflectorClock,
        buffer: &mut [u8],
        room: &mut Exchange<()>,
        ready: &mut Vec<Readiness>,
    ) -> io::Result<Goes> {
        let clock = self.shared.clock;
        // ppoll passes over what is no descriptor.
        let control = self.connection.as_ref().map_or(-1, |it| it.as_raw_fd());
        let mut descriptors: Vec<RawFd> = Vec::with_capacity(self.sessions.len() + 1);
        descriptors.push(control);
        descriptors.extend(self.sessions.iter().map(|session| session.as_raw_fd()));
        wait(&descriptors, ready, self.rest())?;
        for (session, readiness) in self.sessions.iter_mut().zip(&ready[1..]) {
            if readiness.data {
                if let Some(last) = session.reflect(clock, told, room) {
                    self.control.handle_test_packets(session.sid(), last);
                }
                let news = session.news();
                self.stats.reflected.fetch_add(news.reflected, Relaxed);
                self.stats.unanswered.fetch_add(news.unanswered, Relaxed);
            } else if readiness.errors {
                session.forget_stamps(room);
            }
        }
        if ready[0].data || ready[0].errors {
            self.hear(buffer);
        }
        if self.control.handle_timeout(clock.monotonic()).is_err() {
            self.hang_up();
        }
        self.settle();
        self.speak();
        let over = self.connection.is_none() && self.control.next_deadline().is_none();
        Ok(if over { Goes::Over } else { Goes::On })
    }

    /// How long there is nothing to do, unless something comes.
    fn rest(&self) -> Nanos {
        let now = self.shared.clock.monotonic();
        let deadline = self.control.next_deadline().map(|at| at - now);
        let blocked = self.connection.as_ref().is_some_and(Connection::is_blocked);
        let again = blocked.then_some(WRITE_AGAIN);
        let waits = [deadline, again].into_iter().flatten();
        waits.fold(LOOK_AROUND, Nanos::min)
    }

    /// What the client says.
    fn hear(&mut self, buffer: &mut [u8]) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let octets = match connection.read(buffer) {
            Ok(Heard::Octets(octets)) => octets,
            Ok(Heard::Nothing) => return,
            Ok(Heard::Closed) | Err(_) => return self.hang_up(),
        };
        let (shared, peer, local) = (self.shared, self.peer.ip(), self.local);
        let sessions = &mut self.sessions;
        let mut place = |request: &RequestTwSession| {
            let (placed, session) = placed(request, shared, peer, local)?;
            sessions.push(session);
            Ok(placed)
        };
        let now = shared.clock.monotonic();
        let heard = self
            .control
            .handle_bytes(now, &buffer[..octets], &mut place);
        self.settle();
        if let Err(error) = heard {
            let stranger = error == ControlError::SecretUnknown;
            self.stats
                .callers
                .strangers
                .fetch_add(u64::from(stranger), Relaxed);
            // Such as the refusal of a secret; who does not read it at once sees a closed connection.
            self.speak();
            self.hang_up();
        }
    }

    /// Says what there is to say, as far as TCP takes it.
    fn speak(&mut self) {
        if let Some(connection) = &mut self.connection {
            let control = &mut self.control;
            if connection.write(|| control.poll_transmit()).is_err() {
                self.hang_up();
            }
        }
    }

    /// The connection is over: sessions that have been stopped reflect until their timeouts.
    fn hang_up(&mut self) {
        self.connection = None;
        self.control.handle_closed();
        self.settle();
    }

    /// Does to the sessions what the conversation says.
    fn settle(&mut self) {
        while let Some(event) = self.control.poll_event() {
            match event {
                ServerEvent::Connected(connected) => self.connected = Some(connected),
                ServerEvent::SessionAccepted { request, placed } => {
                    self.stats.callers.sessions.fetch_add(1, Relaxed);
                    self.accept(&request, placed.sid);
                }
                ServerEvent::SessionRefused { .. } => {
                    self.stats.callers.refused.fetch_add(1, Relaxed);
                }
                ServerEvent::Started => self.sessions.iter_mut().for_each(Session::start),
                ServerEvent::Stopping { .. } => {}
                ServerEvent::SessionEnded { sid, .. } => {
                    self.sessions.retain(|session| session.sid() != sid);
                    self.stats.ended.fetch_add(1, Relaxed);
                }
            }
        }
    }

    fn accept(&mut self, request: &RequestTwSession, sid: Sid) {
        let sender = request.addresses.sender().unwrap_or(self.peer.ip());
        let session = self.sessions.iter_mut().find(|it| it.sid() == sid);
        if let (Some(connected), Some(session)) = (&self.connected, session) {
            session.accept(TwampReflector::new(connected.test_mode(sid), sender));
        }
    }
}

/// Finds a port for a session that the policy allows, or says why not. Nobody but the client itself is answered.
fn placed(
    request: &RequestTwSession,
    shared: &Shared,
    peer: IpAddr,
    local: IpAddr,
) -> Result<(Placed, Session), Accept> {
    let addresses = &request.addresses;
    let sender = addresses.sender().unwrap_or(peer);
    let own = addresses.receiver().unwrap_or(local);
    let family = if peer.is_ipv4() { 4 } else { 6 };
    if addresses.ip_version != family || sender != peer {
        return Err(Accept::NotSupported);
    }
    // An address that is not ours is refused for ever, ports that are all taken for now.
    let socket = shared
        .ports
        .bind_preferring(request.receiver_port, own, shared.clock)
        .map_err(|_| {
            if own == local {
                Accept::TemporaryLimit
            } else {
                Accept::Failure
            }
        })?;
    if let Some(dscp) = request.type_p.dscp() {
        socket
            .set_traffic_class(dscp << 2)
            .map_err(|_| Accept::NotSupported)?;
    }
    let sid = random::sid(own, shared.clock).map_err(|_| Accept::InternalError)?;
    let port = socket.local().port();
    Ok((Placed { port, sid }, Session::new(sid, socket)))
}

/// What replies tell of the clock; TWAMP has no room for how T2 and T3 come about.
fn clock_told(claim: Option<Nanos>) -> ReflectorClock {
    ReflectorClock {
        error_estimate: ErrorEstimate::claim(claim),
        tai_offset: TaiOffset::SINCE_2017,
        information: TimestampInformation {
            source_in: SyncSource::UNKNOWN,
            method_in: TimestampMethod::SOFTWARE,
            source_out: SyncSource::UNKNOWN,
            method_out: TimestampMethod::SOFTWARE,
        },
    }
}
