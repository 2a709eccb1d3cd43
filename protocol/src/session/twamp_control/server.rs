//! The Server: lets clients in, decides which sessions are reflected, and for
//! how long.
//!
//! What it allows is data; where a session is reflected is asked of whoever
//! owns the sockets, as an argument of [`ControlServer::handle_bytes`].

use std::collections::VecDeque;

use owl_measure::time::{Monotonic, Nanos};

use crate::session::control::{
    Connected, ControlError, ControlStream, Offer, Placed, ServerRandom, ServerSetUp, feed,
};
use crate::wire::owamp::{Accept, AcceptSession, Sid, StartAck, StartSessions, command};
use crate::wire::twamp::{RequestTwSession, StopTwSessions};

/// What a server allows each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Sessions at once, those included that still reflect after Stop-Sessions. More are refused for now.
    pub sessions_max: usize,
    /// Octets of the longest test packet, without the headers of UDP and IP. Longer ones are refused for ever.
    pub packet_octets_max: u32,
    /// The longest time that packets may be reflected after Stop-Sessions. A longer one is refused for ever.
    pub timeout_max: Nanos,
    /// SERVWAIT: a connection without running sessions is closed after this silence (section 3.1).
    pub servwait: Nanos,
    /// REFWAIT: a session is ended when no test packet has come for so long (section 4.2).
    pub refwait: Nanos,
}

impl Default for Policy {
    /// 16 sessions of packets that fit an Ethernet frame with 9000 octets; both waits 900 s as the RFC has them.
    fn default() -> Self {
        Self {
            sessions_max: 16,
            packet_octets_max: 8_952,
            timeout_max: Nanos::from_secs(60),
            servwait: Nanos::from_secs(900),
            refwait: Nanos::from_secs(900),
        }
    }
}

/// Why a session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// It was stopped, and its timeout has passed since.
    Stopped,
    /// No test packet has come for REFWAIT.
    Quiet,
    /// The connection was closed before it was stopped.
    Closed,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerEvent {
    /// A client was let in.
    Connected(Connected),
    /// A session was accepted; reflect no packet before it is started.
    SessionAccepted {
        /// What was asked for.
        request: RequestTwSession,
        /// Where it is reflected.
        placed: Placed,
    },
    /// A session was refused.
    SessionRefused {
        /// Why.
        accept: Accept,
    },
    /// All sessions that were accepted reflect from now on.
    Started,
    /// They have been stopped; each reflects until its own timeout ends it.
    Stopping {
        /// Anything but `Ok` says that the client's results are worth nothing.
        accept: Accept,
    },
    /// A session has ended: its port is free.
    SessionEnded {
        /// Which one.
        sid: Sid,
        /// Why.
        end: SessionEnd,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Accepted,
    /// Since the last test packet.
    Running(Monotonic),
    /// Until then.
    Lingering(Monotonic),
}

#[derive(Debug, Clone, Copy)]
struct Session {
    sid: Sid,
    timeout: Nanos,
    phase: Phase,
}

#[derive(Debug)]
enum State {
    SettingUp(ServerSetUp),
    /// Between the sessions.
    Ready,
    /// Between Start-Sessions and Stop-Sessions, with so many sessions started.
    Testing(u32),
    Closed,
}

/// One connection of a TWAMP Server.
#[derive(Debug)]
pub struct ControlServer {
    policy: Policy,
    stream: ControlStream,
    state: State,
    sessions: Vec<Session>,
    /// Octets of requests and of replies before their padding, as the mode of the connection has them.
    test_octets: (u32, u32),
    /// When its last whole message came: a client that trickles octets is as silent as one that sends none.
    heard_at: Monotonic,
    /// At most one for each message in the octets of one call, and one for each session.
    events: VecDeque<ServerEvent>,
}

impl ControlServer {
    /// Once a client has connected: it greets.
    pub fn new(policy: Policy, offer: Offer, random: ServerRandom, now: Monotonic) -> Self {
        let mut stream = ControlStream::default();
        let state =
            ServerSetUp::new(offer, random, &mut stream).map_or(State::Closed, State::SettingUp);
        Self {
            policy,
            stream,
            state,
            sessions: Vec::new(),
            test_octets: (0, 0),
            heard_at: now,
            events: VecDeque::new(),
        }
    }

    /// What TCP has delivered. `place` binds a port for a session that the policy allows, or says why not.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn handle_bytes(
        &mut self,
        now: Monotonic,
        octets: &[u8],
        place: &mut dyn FnMut(&RequestTwSession) -> Result<Placed, Accept>,
    ) -> Result<(), ControlError> {
        feed(
            self,
            octets,
            |server| &mut server.stream,
            |server| server.step(now, place),
        )
        .inspect_err(|_| self.handle_closed())
    }

    /// What is to be sent over TCP.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.stream.poll_transmit()
    }

    /// What has happened, in order.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// TCP was closed. Sessions that have been stopped reflect until their timeouts, the others end.
    pub fn handle_closed(&mut self) {
        self.state = State::Closed;
        self.end_sessions(|session| match session.phase {
            Phase::Lingering(_) => None,
            Phase::Accepted | Phase::Running(_) => Some(SessionEnd::Closed),
        });
    }

    /// Tells when the last test packet of a session came; more often than REFWAIT is enough.
    pub fn handle_test_packets(&mut self, sid: Sid, last: Monotonic) {
        for session in &mut self.sessions {
            if let Phase::Running(heard_at) = &mut session.phase
                && session.sid == sid
            {
                *heard_at = last.max(*heard_at);
            }
        }
    }

    /// When to call [`Self::handle_timeout`]; `None` once all is over.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let sessions = self
            .sessions
            .iter()
            .filter_map(|session| match session.phase {
                Phase::Accepted => None,
                Phase::Running(heard_at) => Some(heard_at + self.policy.refwait),
                Phase::Lingering(until) => Some(until),
            });
        sessions.chain(self.silence_deadline()).min()
    }

    /// Ends what has been quiet for too long.
    ///
    /// # Errors
    /// When that is the connection itself.
    pub fn handle_timeout(&mut self, now: Monotonic) -> Result<(), ControlError> {
        let refwait = self.policy.refwait;
        self.end_sessions(|session| match session.phase {
            Phase::Lingering(until) if now >= until => Some(SessionEnd::Stopped),
            Phase::Running(heard_at) if now - heard_at >= refwait => Some(SessionEnd::Quiet),
            _ => None,
        });
        if self
            .silence_deadline()
            .is_some_and(|deadline| now >= deadline)
        {
            self.handle_closed();
            return Err(ControlError::Silent);
        }
        Ok(())
    }

    /// Running sessions keep the connection from being closed for silence (section 3.1).
    fn silence_deadline(&self) -> Option<Monotonic> {
        let running = self
            .sessions
            .iter()
            .any(|session| matches!(session.phase, Phase::Running(_)));
        let open = !matches!(self.state, State::Closed);
        (open && !running).then(|| self.heard_at + self.policy.servwait)
    }

    /// Reads one message, if one has come.
    fn step(
        &mut self,
        now: Monotonic,
        place: &mut dyn FnMut(&RequestTwSession) -> Result<Placed, Accept>,
    ) -> Result<bool, ControlError> {
        let command = match &mut self.state {
            State::SettingUp(set_up) => {
                let Some(connected) = set_up.progress(&mut self.stream)? else {
                    return Ok(false);
                };
                let mode = connected.test_mode(Sid::default());
                self.test_octets = (mode.request_octets() as u32, mode.reply_octets() as u32);
                self.heard_at = now;
                self.events.push_back(ServerEvent::Connected(connected));
                self.state = State::Ready;
                return Ok(true);
            }
            State::Closed => return Err(ControlError::GivenUp),
            State::Ready | State::Testing(_) => match self.stream.peek(1)? {
                Some(octets) => octets[0],
                None => return Ok(false),
            },
        };
        let length = match (&self.state, command) {
            (State::Ready, command::REQUEST_TW_SESSION) => RequestTwSession::OCTETS,
            (State::Ready, command::START_SESSIONS) => StartSessions::OCTETS,
            (State::Testing(_), command::STOP_SESSIONS) => StopTwSessions::OCTETS,
            _ => return Err(ControlError::Unexpected { command }),
        };
        let Some(message) = self.stream.read_message(length)? else {
            return Ok(false);
        };
        self.heard_at = now;
        match command {
            command::REQUEST_TW_SESSION => {
                self.request(RequestTwSession::decode(&message)?, place)?
            }
            command::START_SESSIONS => self.start(now)?,
            _ => self.stop(now, StopTwSessions::decode(&message)?)?,
        }
        Ok(true)
    }

    fn request(
        &mut self,
        request: Option<RequestTwSession>,
        place: &mut dyn FnMut(&RequestTwSession) -> Result<Placed, Accept>,
    ) -> Result<(), ControlError> {
        let placed = self
            .allow(request)
            .and_then(|request| place(&request).map(|placed| (request, placed)));
        let (answer, event) = match placed {
            Ok((request, placed)) => {
                self.sessions.push(Session {
                    sid: placed.sid,
                    timeout: request.timeout.to_nanos(),
                    phase: Phase::Accepted,
                });
                let answer = AcceptSession {
                    accept: Accept::Ok,
                    port: placed.port,
                    sid: placed.sid,
                };
                (answer, ServerEvent::SessionAccepted { request, placed })
            }
            Err(accept) => (
                AcceptSession::refuse(accept),
                ServerEvent::SessionRefused { accept },
            ),
        };
        self.events.push_back(event);
        self.stream.write_message(&answer.encode())
    }

    fn allow(&self, request: Option<RequestTwSession>) -> Result<RequestTwSession, Accept> {
        let request = request.ok_or(Accept::NotSupported)?;
        if !request.addresses.version_is_known() || request.type_p.dscp().is_none() {
            return Err(Accept::NotSupported);
        }
        let (request_octets, reply_octets) = self.test_octets;
        let packet_octets = request
            .padding_octets
            .saturating_add(request_octets)
            .max(reply_octets);
        if packet_octets > self.policy.packet_octets_max
            || request.timeout.to_nanos() > self.policy.timeout_max
        {
            return Err(Accept::PermanentLimit);
        }
        if self.sessions.len() >= self.policy.sessions_max {
            return Err(Accept::TemporaryLimit);
        }
        Ok(request)
    }

    fn start(&mut self, now: Monotonic) -> Result<(), ControlError> {
        let mut started = 0;
        for session in &mut self.sessions {
            if session.phase == Phase::Accepted {
                session.phase = Phase::Running(now);
                started += 1;
            }
        }
        let accept = if started == 0 {
            Accept::Failure
        } else {
            self.state = State::Testing(started);
            self.events.push_back(ServerEvent::Started);
            Accept::Ok
        };
        self.stream.write_message(&StartAck { accept }.encode())
    }

    fn stop(&mut self, now: Monotonic, stop: StopTwSessions) -> Result<(), ControlError> {
        if let State::Testing(running) = self.state
            && stop.0.sessions != running
        {
            return Err(ControlError::SessionCount {
                told: stop.0.sessions,
                running,
            });
        }
        for session in &mut self.sessions {
            if let Phase::Running(_) = session.phase {
                session.phase = Phase::Lingering(now + session.timeout);
            }
        }
        self.state = State::Ready;
        self.events.push_back(ServerEvent::Stopping {
            accept: stop.0.accept,
        });
        Ok(())
    }

    fn end_sessions(&mut self, mut end: impl FnMut(&Session) -> Option<SessionEnd>) {
        let events = &mut self.events;
        self.sessions.retain(|session| {
            let ended = end(session);
            if let Some(end) = ended {
                let sid = session.sid;
                events.push_back(ServerEvent::SessionEnded { sid, end });
            }
            ended.is_none()
        });
    }
}
