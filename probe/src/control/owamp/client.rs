//! The Control-Client with a session-sender, a session-receiver, or both: a
//! measurement with an OWAMP server.
//!
//! Forward goes from here to the server, which records what arrives; the records
//! are fetched at the end, and the kernel's T1 then takes the place of the one
//! that the packets carried. Backward comes from the server and is recorded
//! here. The two are sessions of their own: nothing comes back, so there is no
//! round trip.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use owl_measure::sample::Direction;
use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::session::control::{Connected, ControlError, Protection};
use owl_protocol::session::owamp::{ClientConfig, ClientEvent, ControlClient, last_send_time};
use owl_protocol::wire::ErrorEstimate;
use owl_protocol::wire::owamp::{
    Accept, Agent, FetchSession, Modes, PacketRecord, RequestSession, SentSession,
};
use owl_protocol::wire::twamp::TestMode;

use super::STOP_MARGIN;
use super::error::OwampError;
use super::measurement::{ClientSettings, Measured, OneWay, Progress};
use super::receiving::Receiving;
use super::sending::Sending;
use crate::clock::Clock;
use crate::control::connection::{Connection, Heard};
use crate::control::{BUFFER_OCTETS, LOOK_AROUND, Ports, WRITE_AGAIN, random};
use crate::net::{Readiness, StampedSocket, set_timer_slack, wait};

/// How long a server may take to be connected to, and for each answer.
const PATIENCE: Nanos = Nanos::from_secs(10);
/// Test packets are to begin this long after the sessions are asked for: twenty times what connecting took, within these
/// bounds. A server that starts later, or whose clock is ahead, begins at once.
const LEAD_LEAST: Nanos = Nanos::from_millis(500);
const LEAD_MOST: Nanos = Nanos::from_secs(5);
/// Records that a server may give beyond one for each packet; more are no copies but nonsense.
const COPIES_MAX: u64 = 100_000;

/// How far the conversation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Until the server has started the sessions.
    Agreeing,
    /// Test packets go. Whether we, and whether the server, have said Stop-Sessions.
    Testing { told: bool, heard: bool },
    /// What the server received is on its way.
    Fetching,
    /// All is known.
    Done,
}

/// This host's part in a session.
#[derive(Debug)]
enum End {
    /// Nothing before Start-Sessions.
    Waiting(StampedSocket),
    Sending(Box<Sending>),
    Receiving(Box<Receiving>),
    Over(OneWay),
}

#[derive(Debug)]
struct Session {
    direction: Direction,
    request: RequestSession,
    end: End,
}

/// A measurement that can begin: the server is connected, the sockets are bound.
#[derive(Debug)]
pub struct Client {
    clock: Clock,
    server: SocketAddr,
    connection: Connection,
    control: ControlClient,
    sessions: Vec<Session>,
    connected: Option<Connected>,
    phase: Phase,
    /// When the server should have stopped at the latest.
    end: Timestamp,
    estimate: ErrorEstimate,
    /// What the server received of the session that was sent to it.
    fetched: Vec<PacketRecord>,
}

impl Client {
    /// Connects to the server and binds a socket for each session.
    ///
    /// # Errors
    /// When nobody listens there, or a socket cannot be had.
    pub fn connect(settings: &ClientSettings, clock: Clock) -> Result<Self, OwampError> {
        let server = settings.server;
        let began = clock.monotonic();
        let connection = TcpStream::connect_timeout(&server, PATIENCE.to_std())
            .and_then(Connection::new)
            .map_err(|source| OwampError::Connect { server, source })?;
        let took = clock.monotonic() - began;
        let local = connection
            .local()
            .map_err(|source| OwampError::Broken { server, source })?
            .ip();
        let start_at = clock.now() + took.times(20).max(LEAD_LEAST).min(LEAD_MOST);
        let mut sessions = Vec::new();
        for &direction in settings.directions.list() {
            let socket = Ports::any().bind(local, clock)?;
            if settings.dscp != 0 {
                socket.set_traffic_class(settings.dscp << 2)?;
            }
            let sid = random::sid(local, clock)?;
            sessions.push(Session {
                direction,
                request: settings.request(direction, socket.local(), sid, start_at),
                end: End::Waiting(socket),
            });
        }
        let protection = match &settings.user {
            None => Protection::None,
            Some(user) => Protection::SharedSecret {
                modes: Modes::AUTHENTICATED.and(Modes::ENCRYPTED),
                identity: user.clone(),
                keys: random::session_keys()?,
                initial_vector: random::octets()?,
            },
        };
        let config = ClientConfig {
            protection,
            sessions: sessions.iter().map(|it| it.request.clone()).collect(),
            answer_timeout: PATIENCE,
        };
        Ok(Self {
            control: ControlClient::new(config, clock.monotonic()),
            clock,
            server,
            connection,
            sessions,
            connected: None,
            phase: Phase::Agreeing,
            end: start_at,
            estimate: ErrorEstimate::NO_CLAIM,
            fetched: Vec::new(),
        })
    }

    /// Measures until all is done; when `stop` is set, as far as it has come. `claim` is asked now and then for the bound
    /// that Error Estimates tell.
    ///
    /// # Errors
    /// When the server refuses something, errs, or goes away.
    pub fn run(
        mut self,
        stop: &AtomicBool,
        progress: &Progress,
        claim: impl Fn() -> Option<Nanos>,
    ) -> Result<Measured, OwampError> {
        set_timer_slack();
        let mut ready = Vec::<Readiness>::new();
        let mut buffer = vec![0; BUFFER_OCTETS];
        let mut look_around = self.clock.monotonic();
        while self.phase != Phase::Done {
            let now = self.clock.monotonic();
            if now >= look_around {
                self.estimate = ErrorEstimate::claim(claim());
                look_around = now + LOOK_AROUND;
            }
            self.flush()?;
            wait(&self.descriptors(), &mut ready, self.rest()).map_err(OwampError::Wait)?;
            self.test(progress);
            if ready.first().is_some_and(|it| it.data || it.errors) {
                self.hear(&mut buffer)?;
            }
            while let Some(event) = self.control.poll_event() {
                self.advance(event)?;
            }
            let now = self.clock.monotonic();
            self.control
                .handle_timeout(now)
                .map_err(|source| self.control_error(source))?;
            self.stop_when_over(stop)?;
        }
        Ok(self.measured())
    }

    fn control_error(&self, source: ControlError) -> OwampError {
        OwampError::Control {
            server: self.server,
            source,
        }
    }

    fn flush(&mut self) -> Result<(), OwampError> {
        let (server, control) = (self.server, &mut self.control);
        self.connection
            .write(|| control.poll_transmit())
            .map_err(|source| OwampError::Broken { server, source })
    }

    fn descriptors(&self) -> Vec<RawFd> {
        let tests = self.sessions.iter().map(|session| match &session.end {
            End::Waiting(_) | End::Over(_) => -1, // which ppoll passes over
            End::Sending(sending) => sending.as_raw_fd(),
            End::Receiving(receiving) => receiving.as_raw_fd(),
        });
        std::iter::once(self.connection.as_raw_fd())
            .chain(tests)
            .collect()
    }

    /// How long there is nothing to do, unless something comes.
    fn rest(&self) -> Nanos {
        let now = self.clock.now();
        let sends = self
            .sending()
            .filter_map(|sending| Some(sending.next_deadline()? - now));
        let again = self.connection.is_blocked().then_some(WRITE_AGAIN);
        sends.chain(again).fold(LOOK_AROUND, Nanos::min)
    }

    fn sending(&self) -> impl Iterator<Item = &Sending> {
        self.sessions
            .iter()
            .filter_map(|session| match &session.end {
                End::Sending(sending) => Some(sending.as_ref()),
                End::Waiting(_) | End::Receiving(_) | End::Over(_) => None,
            })
    }

    fn test(&mut self, progress: &Progress) {
        let may_send = matches!(self.phase, Phase::Testing { told: false, .. });
        for session in &mut self.sessions {
            match &mut session.end {
                End::Sending(sending) => {
                    if may_send {
                        sending.transmit(self.clock, self.estimate);
                    }
                    sending.collect_stamps();
                    progress.sent.store(sending.sent(), Relaxed);
                }
                End::Receiving(receiving) => {
                    receiving.collect(self.estimate);
                    progress
                        .received
                        .store(receiving.recorded() as u64, Relaxed);
                }
                End::Waiting(_) | End::Over(_) => {}
            }
        }
    }

    fn hear(&mut self, buffer: &mut [u8]) -> Result<(), OwampError> {
        let server = self.server;
        let heard = self
            .connection
            .read(buffer)
            .map_err(|source| OwampError::Broken { server, source })?;
        match heard {
            Heard::Octets(octets) => self
                .control
                .handle_bytes(self.clock.monotonic(), &buffer[..octets])
                .map_err(|source| self.control_error(source)),
            Heard::Nothing => Ok(()),
            Heard::Closed => Err(OwampError::Closed { server }),
        }
    }

    /// What an event leads to.
    fn advance(&mut self, event: ClientEvent) -> Result<(), OwampError> {
        let server = self.server;
        match event {
            ClientEvent::Connected(connected) => self.connected = Some(connected),
            ClientEvent::SessionAccepted { session, port, sid } => {
                let preamble = &mut self.sessions[session].request.preamble;
                preamble.sid = sid;
                match preamble.conf_sender {
                    Agent::Server => preamble.sender_port = port,
                    Agent::Requester => preamble.receiver_port = port,
                }
            }
            ClientEvent::SessionRefused { session, accept } => {
                let direction = self.sessions[session].direction;
                return Err(OwampError::Session {
                    server,
                    direction,
                    accept,
                });
            }
            // One that was refused has ended all, so there are sessions to start.
            ClientEvent::Negotiated { .. } => {
                let _ = self.control.start(self.clock.monotonic());
            }
            ClientEvent::StartRefused { accept } => {
                return Err(OwampError::Start { server, accept });
            }
            ClientEvent::Started => self.start()?,
            ClientEvent::Stopped { accept, sent } => {
                if accept != Accept::Ok {
                    return Err(OwampError::Stopped { server, accept });
                }
                self.close_received(&sent);
                if let Phase::Testing { told, .. } = self.phase {
                    self.phase = Phase::Testing { told, heard: true };
                    self.fetch_when_stopped()?;
                }
            }
            ClientEvent::FetchRefused { accept } => {
                return Err(OwampError::Fetch { server, accept });
            }
            ClientEvent::FetchBegun { ack, request, .. } => {
                if u64::from(ack.records) > u64::from(request.preamble.packets) + COPIES_MAX {
                    return Err(self.control_error(ControlError::Contradiction));
                }
            }
            ClientEvent::Records(records) => self.fetched.extend(records),
            ClientEvent::FetchEnded => self.phase = Phase::Done,
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), OwampError> {
        let now = self.clock.now();
        for mut session in std::mem::take(&mut self.sessions) {
            let request = &session.request;
            let preamble = &request.preamble;
            let mut server = self.server;
            let mode = match &self.connected {
                Some(connected) => connected.test_mode(preamble.sid),
                None => TestMode::Unauthenticated,
            };
            session.end = match (session.end, session.direction) {
                (End::Waiting(socket), Direction::Forward) => {
                    server.set_port(preamble.receiver_port);
                    let mut sending = Sending::start(request, mode, socket, server, now)?;
                    sending.keep_departures(preamble.packets);
                    End::Sending(Box::new(sending))
                }
                (End::Waiting(socket), Direction::Backward) => {
                    server.set_port(preamble.sender_port);
                    let last = last_send_time(request, preamble.sid, now);
                    // A clock that is behind begins later; were it behind by more than the loss threshold, all would be lost.
                    self.end = last + preamble.timeout.to_nanos().times(2) + STOP_MARGIN.times(3);
                    let receiving = Receiving::start(request, mode, socket, server, now);
                    End::Receiving(Box::new(receiving))
                }
                (end, _) => end,
            };
            self.sessions.push(session);
        }
        self.phase = Phase::Testing {
            told: false,
            heard: false,
        };
        Ok(())
    }

    /// Says Stop-Sessions when all is over, or is to be.
    fn stop_when_over(&mut self, stop: &AtomicBool) -> Result<(), OwampError> {
        let asked = stop.load(Relaxed);
        match self.phase {
            Phase::Agreeing if asked => Err(OwampError::TooSoon),
            Phase::Testing { told: false, heard } if asked || self.is_over() => {
                let told: Vec<SentSession> = self.sending().map(Sending::told).collect();
                // Out of turn is only what has been said already.
                let _ = self.control.stop(self.clock.monotonic(), Accept::Ok, &told);
                self.phase = Phase::Testing { told: true, heard };
                self.fetch_when_stopped()
            }
            _ => Ok(()),
        }
    }

    fn is_over(&self) -> bool {
        let now = self.clock.now();
        self.sessions.iter().all(|session| match &session.end {
            End::Sending(sending) => sending.over_at().is_some_and(|over| over <= now),
            // The server says when it is; the schedule says when it should have said so.
            End::Receiving(_) => now >= self.end,
            End::Waiting(_) | End::Over(_) => true,
        })
    }

    fn close_received(&mut self, sent: &[SentSession]) {
        let now = self.clock.now();
        for mut session in std::mem::take(&mut self.sessions) {
            session.end = match session.end {
                End::Receiving(receiving) => {
                    let sid = session.request.preamble.sid;
                    let received = match sent.iter().find(|told| told.sid == sid) {
                        Some(told) => receiving.finish(told, now, self.estimate),
                        None => receiving.cut(now, self.estimate),
                    };
                    End::Over(OneWay::received(sid, &received, now))
                }
                end => end,
            };
            self.sessions.push(session);
        }
    }

    /// Once both sides have stopped, asks for what the server has received, if anything was sent to it.
    fn fetch_when_stopped(&mut self) -> Result<(), OwampError> {
        let stopped = Phase::Testing {
            told: true,
            heard: true,
        };
        if self.phase != stopped {
            return Ok(());
        }
        let Some(sid) = self.sending().map(|sending| sending.told().sid).next() else {
            self.phase = Phase::Done;
            return Ok(());
        };
        let all = FetchSession {
            begin: 0,
            end: u32::MAX,
            sid,
        };
        self.control
            .fetch(self.clock.monotonic(), all)
            .map_err(|_| self.control_error(ControlError::GivenUp))?;
        self.phase = Phase::Fetching;
        Ok(())
    }

    fn measured(self) -> Measured {
        let now = self.clock.now();
        let mut measured = Measured {
            forward: None,
            backward: None,
        };
        for session in self.sessions {
            match session.end {
                End::Sending(sending) => {
                    measured.forward = Some(OneWay::fetched(*sending, &self.fetched, now));
                }
                End::Over(one_way) => measured.backward = Some(one_way),
                End::Waiting(_) | End::Receiving(_) => {}
            }
        }
        measured
    }
}
