//! One conversation of the server, with its test sessions.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::session::control::{Connected, ControlError, Placed};
use owl_protocol::session::owamp::{ControlServer, Owner, Results, ServerEvent, Share};
use owl_protocol::wire::ErrorEstimate;
use owl_protocol::wire::owamp::{Accept, Agent, Finished, KeyId, RequestSession, SentSession};

use super::receiving::Receiving;
use super::sending::Sending;
use super::server::{OwampStats, Shared};
use crate::control::connection::{Connection, Heard};
use crate::control::listener::Admission;
use crate::control::{BUFFER_OCTETS, LOOK_AROUND, WRITE_AGAIN, random};
use crate::net::{Readiness, StampedSocket, wait};

/// Copies of packets that a session-receiver records besides the first of each; they take room, too.
const COPIES: usize = 1_000;

/// What this host does in a session.
#[derive(Debug)]
enum End {
    /// Nothing before Start-Sessions.
    Waiting(StampedSocket),
    Sending(Box<Sending>),
    Receiving(Box<Receiving>),
}

/// What a session has taken of what all share.
#[derive(Debug)]
enum Taken {
    /// Of the ration for sending.
    Share(Share),
    /// Room for records.
    Records(usize),
}

/// A session that was accepted.
#[derive(Debug)]
struct Session {
    request: RequestSession,
    taken: Taken,
    end: End,
}

/// One conversation.
pub(super) struct Serving<'a> {
    shared: &'a Shared,
    stats: &'a OwampStats,
    peer: SocketAddr,
    local: IpAddr,
    owner: Owner,
    connected: Option<Connected>,
    connection: Connection,
    control: ControlServer,
    /// As many as the policy allows.
    sessions: Vec<Session>,
    estimate: ErrorEstimate,
}

impl<'a> Serving<'a> {
    /// Greets; `None` when the connection is of no use.
    pub(super) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        shared: &'a Shared,
        stats: &'a OwampStats,
    ) -> Option<Self> {
        let connection = Connection::new(stream).ok()?;
        Some(Self {
            peer,
            local: connection.local().ok()?.ip(),
            owner: Owner {
                peer: peer.ip(),
                key_id: KeyId::NONE,
            },
            control: ControlServer::new(
                shared.policy,
                shared.offer.clone(),
                random::of_server().ok()?,
                peer.ip(),
                shared.clock.monotonic(),
            ),
            connected: None,
            connection,
            sessions: Vec::new(),
            estimate: ErrorEstimate::NO_CLAIM,
            shared,
            stats,
        })
    }

    /// Talks until the client goes, errs, or falls silent, or all is to stop. The place of the conversation is given back
    /// before the connection closes, so who sees it closed may come again at once.
    pub(super) fn run(
        mut self,
        admission: Admission<'_>,
        stop: &AtomicBool,
        claim: &(impl Fn() -> Option<Nanos> + Sync),
    ) {
        let mut buffer = vec![0; BUFFER_OCTETS];
        let mut ready = Vec::<Readiness>::new();
        let mut look_around = self.shared.clock.monotonic();
        while !stop.load(Relaxed) {
            let now = self.shared.clock.monotonic();
            if now >= look_around {
                self.estimate = ErrorEstimate::claim(claim());
                look_around = now + LOOK_AROUND;
            }
            if self.turn(&mut buffer, &mut ready).is_none() {
                break;
            }
        }
        self.give_up();
        drop(admission);
    }

    /// Waits for something, and does it; `None` when the conversation is over.
    fn turn(&mut self, buffer: &mut [u8], ready: &mut Vec<Readiness>) -> Option<()> {
        let mut descriptors: Vec<RawFd> = vec![self.connection.as_raw_fd()];
        descriptors.extend(self.sessions.iter().map(|session| match &session.end {
            End::Waiting(_) => -1, // which ppoll passes over
            End::Sending(sending) => sending.as_raw_fd(),
            End::Receiving(receiving) => receiving.as_raw_fd(),
        }));
        wait(&descriptors, ready, self.rest()).ok()?;
        for session in &mut self.sessions {
            match &mut session.end {
                End::Waiting(_) => {}
                End::Sending(sending) => {
                    sending.transmit(self.shared.clock, self.estimate);
                    sending.collect_stamps();
                }
                End::Receiving(receiving) => receiving.collect(self.estimate),
            }
        }
        if ready.first().is_some_and(|it| it.data || it.errors) {
            match self.connection.read(buffer).ok()? {
                Heard::Octets(octets) => self.hear(&buffer[..octets])?,
                Heard::Nothing => {}
                Heard::Closed => return None,
            }
        }
        self.stop_when_sent();
        let now = self.shared.clock.monotonic();
        let silent = self.control.handle_timeout(now).is_err();
        let control = &mut self.control;
        self.connection.write(|| control.poll_transmit()).ok()?;
        (!silent).then_some(())
    }

    /// How long there is nothing to do, unless something comes.
    fn rest(&self) -> Nanos {
        let clock = self.shared.clock;
        let now = clock.now();
        let sends = self
            .sessions
            .iter()
            .filter_map(|session| match &session.end {
                End::Sending(sending) => sending.next_deadline().map(|due| due - now),
                End::Waiting(_) | End::Receiving(_) => None,
            });
        let again = self.connection.is_blocked().then_some(WRITE_AGAIN);
        sends.chain(again).fold(LOOK_AROUND, Nanos::min)
    }

    /// What the client says; `None` when it must not be talked to any more.
    fn hear(&mut self, octets: &[u8]) -> Option<()> {
        let (shared, peer, local) = (self.shared, self.peer, self.local);
        let sessions = &mut self.sessions;
        let mut place = |request: &RequestSession| {
            let session = placed(request, shared, peer, local)?;
            let sid = session.request.preamble.sid;
            let End::Waiting(socket) = &session.end else {
                return Err(Accept::InternalError);
            };
            let port = socket.local().port();
            sessions.push(session);
            Ok(Placed { port, sid })
        };
        let now = shared.clock.monotonic();
        let heard = self.control.handle_bytes(now, octets, &mut place);
        while let Some(event) = self.control.poll_event() {
            match event {
                ServerEvent::Connected(connected) => {
                    self.owner.key_id = connected.key_id;
                    self.connected = Some(connected);
                }
                ServerEvent::SessionAccepted { .. } => {
                    self.stats.callers.sessions.fetch_add(1, Relaxed);
                }
                ServerEvent::SessionRefused { .. } => {
                    self.stats.callers.refused.fetch_add(1, Relaxed);
                }
                ServerEvent::Started => self.start()?,
                ServerEvent::Stopped { accept, sent } => self.stop(accept, &sent),
                ServerEvent::FetchAsked(fetch) => {
                    let answer = shared.archive().fetch(self.owner, fetch);
                    self.stats
                        .fetched
                        .fetch_add(u64::from(answer.is_ok()), Relaxed);
                    self.control.answer_fetch(answer).ok()?;
                }
            }
        }
        if let Err(error) = &heard {
            let stranger = matches!(error, ControlError::SecretUnknown);
            self.stats
                .callers
                .strangers
                .fetch_add(stranger.into(), Relaxed);
            // Such as the refusal of a secret.
            let control = &mut self.control;
            self.connection.write(|| control.poll_transmit()).ok()?;
        }
        heard.ok()
    }

    fn start(&mut self) -> Option<()> {
        let now = self.shared.clock.now();
        let sessions = std::mem::take(&mut self.sessions);
        for mut session in sessions {
            let End::Waiting(socket) = session.end else {
                continue;
            };
            let preamble = &session.request.preamble;
            let mode = self.connected?.test_mode(preamble.sid);
            session.end = match session.taken {
                Taken::Share(_) => {
                    let mut to = self.peer;
                    to.set_port(preamble.receiver_port);
                    let sending = Sending::start(&session.request, mode, socket, to, now).ok()?;
                    End::Sending(Box::new(sending))
                }
                Taken::Records(_) => {
                    let from = preamble.addresses.sender().unwrap_or(self.peer.ip());
                    let from = SocketAddr::new(from, preamble.sender_port);
                    let receiving = Receiving::start(&session.request, mode, socket, from, now);
                    End::Receiving(Box::new(receiving))
                }
            };
            self.sessions.push(session);
        }
        Some(())
    }

    /// Says Stop-Sessions once nothing that this host has sent can be under way any more.
    fn stop_when_sent(&mut self) {
        let now = self.shared.clock.now();
        let mut sends = self
            .sessions
            .iter()
            .filter_map(|session| match &session.end {
                End::Sending(sending) => Some(sending.over_at().is_some_and(|over| over <= now)),
                End::Waiting(_) | End::Receiving(_) => None,
            });
        let (any, all) = (sends.next(), sends.all(|over| over));
        if any == Some(true) && all {
            // Out of turn is only what has been said already.
            let _ = self.control.stop(Accept::Ok, &self.told());
        }
    }

    fn told(&self) -> Vec<SentSession> {
        self.sessions
            .iter()
            .filter_map(|session| match &session.end {
                End::Sending(sending) => Some(sending.told()),
                End::Waiting(_) | End::Receiving(_) => None,
            })
            .collect()
    }

    /// The client has stopped: all sessions end, and what was received in them is kept.
    fn stop(&mut self, accept: Accept, sent: &[SentSession]) {
        let _ = self.control.stop(Accept::Ok, &self.told());
        self.end(|receiving, session, stopped_at, estimate| {
            let told = sent.iter().find(|it| it.sid == session.preamble.sid)?;
            // Anything but "ok" says that the results are worth nothing (RFC 4656, section 3.8).
            (accept == Accept::Ok).then(|| {
                let finished = Finished::Normally(told.next_sequence);
                let received = receiving.finish(told, stopped_at, estimate);
                (finished, received.results)
            })
        });
    }

    /// The conversation is over, whatever state it was in.
    fn give_up(&mut self) {
        self.end(|receiving, _, stopped_at, estimate| {
            let received = receiving.cut(stopped_at, estimate);
            let finished = Finished::Otherwise(received.results.next_sequence);
            Some((finished, received.results))
        });
    }

    /// Ends all sessions, gives back what they have taken, and keeps what `outcome` makes of those that were received.
    fn end(
        &mut self,
        outcome: impl Fn(
            Receiving,
            &RequestSession,
            Timestamp,
            ErrorEstimate,
        ) -> Option<(Finished, Results)>,
    ) {
        let now = self.shared.clock.now();
        for session in std::mem::take(&mut self.sessions) {
            if let End::Sending(sending) = &session.end {
                self.stats.sent.fetch_add(sending.sent(), Relaxed);
            }
            match (session.taken, session.end) {
                (Taken::Share(share), _) => self.shared.ration().give_back(share),
                (Taken::Records(records), End::Receiving(receiving)) => {
                    let recorded = receiving.recorded() as u64;
                    self.stats.recorded.fetch_add(recorded, Relaxed);
                    let kept = outcome(*receiving, &session.request, now, self.estimate);
                    let mut archive = self.shared.archive();
                    match kept {
                        Some((finished, results)) => {
                            let request = session.request;
                            archive.keep(records, self.owner, request, finished, results);
                        }
                        None => archive.release(records),
                    }
                }
                (Taken::Records(records), _) => self.shared.archive().release(records),
            }
        }
    }
}

/// Finds a place for a session that the policy allows: what it takes of what all share, and a port.
fn placed(
    request: &RequestSession,
    shared: &Shared,
    peer: SocketAddr,
    local: IpAddr,
) -> Result<Session, Accept> {
    let mut request = request.clone();
    let preamble = &mut request.preamble;
    let sends = preamble.conf_sender == Agent::Server;
    let own = if sends {
        preamble.addresses.sender()
    } else {
        preamble.addresses.receiver()
    };
    let own = own.unwrap_or(local);
    let nowhere = sends && preamble.receiver_port == 0;
    if nowhere || own.is_ipv4() != peer.is_ipv4() || own.is_multicast() {
        return Err(Accept::Failure);
    }
    if !sends {
        preamble.sid = random::sid(own, shared.clock).map_err(|_| Accept::InternalError)?;
    }
    // An address that is not ours is refused for ever, ports that are all taken for now.
    let socket = shared.ports.bind(own, shared.clock).map_err(|_| {
        if own == local {
            Accept::TemporaryLimit
        } else {
            Accept::Failure
        }
    })?;
    if sends && let Some(dscp) = preamble.type_p.dscp() {
        socket
            .set_traffic_class(dscp << 2)
            .map_err(|_| Accept::NotSupported)?;
    }
    let taken = if sends {
        Taken::Share(shared.ration().promise(&request)?)
    } else {
        let records = preamble.packets as usize + COPIES;
        shared.archive().reserve(records)?;
        Taken::Records(records)
    };
    Ok(Session {
        request,
        taken,
        end: End::Waiting(socket),
    })
}
