//! The Server of OWAMP: lets clients in, decides which sessions it takes part
//! in, starts and stops them, and gives out their records.
//!
//! What it allows is data; where a session is sent or received is asked of
//! whoever owns the sockets, as an argument of [`ControlServer::handle_bytes`].

use std::collections::VecDeque;
use std::net::IpAddr;

use owl_measure::time::{Monotonic, Nanos};

use super::fetch::{FetchAnswer, FetchWriter};
use super::request::{self, SLOTS_MAX};
use super::stop::{self, Expected};
use crate::session::control::{
    Connected, ControlError, ControlStream, Offer, OutOfTurn, Placed, ServerRandom, ServerSetUp,
    feed,
};
use crate::wire::owamp::{
    Accept, AcceptSession, Agent, FetchAck, FetchSession, RequestSession, SentSession, Slot,
    StartAck, StartSessions, TestPacket, command,
};

/// What a server allows each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Sessions between one Start-Sessions and the next. More are refused for now; the other limits refuse for ever.
    pub sessions_max: usize,
    /// Packets of one session.
    pub packets_max: u32,
    /// Octets of the longest test packet, without the headers of UDP and IP.
    pub packet_octets_max: u32,
    /// Slots of the longest schedule; never more than 1000.
    pub slots_max: usize,
    /// The shortest mean gap between packets; in a session that this host sends, the shortest of any slot, so that no
    /// schedule makes it send a burst.
    pub mean_gap_min: Nanos,
    /// The longest loss threshold.
    pub timeout_max: Nanos,
    /// Sessions that are not stopped so long after Start-Sessions are given up with their connection.
    pub duration_max: Nanos,
    /// A connection without running sessions is closed after this silence (RFC 4656, section 3).
    pub silence_max: Nanos,
}

impl Default for Policy {
    /// 16 sessions of 100 000 packets that fit an Ethernet frame with 9000 octets, a thousand a second at most, for a day;
    /// 30 minutes of silence as the RFC suggests.
    fn default() -> Self {
        Self {
            sessions_max: 16,
            packets_max: 100_000,
            packet_octets_max: 8_952,
            slots_max: 100,
            mean_gap_min: Nanos::from_millis(1),
            timeout_max: Nanos::from_secs(60),
            duration_max: Nanos::from_secs(86_400),
            silence_max: Nanos::from_secs(1_800),
        }
    }
}

/// What this host does in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends, to the receiver's address and port of the request.
    Sender,
    /// Receives.
    Receiver,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerEvent {
    /// A client was let in.
    Connected(Connected),
    /// A session was accepted; it begins when it is started.
    SessionAccepted {
        /// What this host does in it.
        role: Role,
        /// What was asked for, with the identifier that holds.
        request: RequestSession,
        /// The UDP port.
        port: u16,
    },
    /// A session was refused.
    SessionRefused {
        /// Why.
        accept: Accept,
    },
    /// All sessions that were accepted begin.
    Started,
    /// The client has stopped; [`ControlServer::stop`] answers it, if that was not called before.
    Stopped {
        /// Anything but `Ok` says that the results are worth nothing.
        accept: Accept,
        /// What the client has sent.
        sent: Vec<SentSession>,
    },
    /// Records are asked for; [`ControlServer::answer_fetch`] is to be called.
    FetchAsked(FetchSession),
}

#[derive(Debug)]
enum State {
    SettingUp(ServerSetUp),
    Ready,
    /// Until when at the latest, and whether we, and whether the client, have said Stop-Sessions.
    Testing {
        until: Monotonic,
        told: bool,
        heard: bool,
    },
    FetchAsked,
    Fetching(FetchWriter),
    Closed,
}

/// One connection of an OWAMP Server.
#[derive(Debug)]
pub struct ControlServer {
    policy: Policy,
    peer: IpAddr,
    stream: ControlStream,
    state: State,
    /// Accepted sessions of which we have to tell, and of which the client has to.
    ours: Vec<Expected>,
    theirs: Vec<Expected>,
    /// When its last whole message came: a client that trickles octets is as silent as one that sends none.
    heard_at: Monotonic,
    /// At most one for each message in the octets of one call.
    events: VecDeque<ServerEvent>,
}

impl ControlServer {
    /// Once a client has connected from `peer`: it greets.
    pub fn new(
        policy: Policy,
        offer: Offer,
        random: ServerRandom,
        peer: IpAddr,
        now: Monotonic,
    ) -> Self {
        let mut stream = ControlStream::default();
        let state =
            ServerSetUp::new(offer, random, &mut stream).map_or(State::Closed, State::SettingUp);
        Self {
            policy,
            peer: peer.to_canonical(),
            stream,
            state,
            ours: Vec::new(),
            theirs: Vec::new(),
            heard_at: now,
            events: VecDeque::new(),
        }
    }

    /// What TCP has delivered. `place` binds a port for a session that the policy allows, or says why not.
    ///
    /// # Errors
    /// When the connection cannot go on, and its sessions with it.
    pub fn handle_bytes(
        &mut self,
        now: Monotonic,
        octets: &[u8],
        place: &mut dyn FnMut(&RequestSession) -> Result<Placed, Accept>,
    ) -> Result<(), ControlError> {
        feed(
            self,
            octets,
            |server| &mut server.stream,
            |server| {
                let whole = server.step(now, place)?;
                if whole {
                    server.heard_at = now;
                }
                Ok(whole)
            },
        )
        .inspect_err(|_| self.state = State::Closed)
    }

    /// What is to be sent over TCP. Ask again when it has been: a long answer comes in pieces.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        if let State::Fetching(writer) = &mut self.state {
            match writer.pump(&mut self.stream) {
                Ok(false) => {}
                Ok(true) => self.state = State::Ready,
                Err(_) => self.state = State::Closed,
            }
        }
        self.stream.poll_transmit()
    }

    /// What has happened, in order.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; `None` once all is over.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        match self.state {
            State::Testing { until, .. } => Some(until),
            State::Closed => None,
            _ => Some(self.heard_at + self.policy.silence_max),
        }
    }

    /// Gives up a client that has been silent for too long.
    ///
    /// # Errors
    /// When it has.
    pub fn handle_timeout(&mut self, now: Monotonic) -> Result<(), ControlError> {
        if self.next_deadline().is_some_and(|deadline| now >= deadline) {
            self.state = State::Closed;
            return Err(ControlError::Silent);
        }
        Ok(())
    }

    /// Stops the sessions (section 3.8), and tells what was sent of those that this host sends.
    ///
    /// # Errors
    /// When none is running, or `sent` is not of exactly those.
    pub fn stop(&mut self, accept: Accept, sent: &[SentSession]) -> Result<(), OutOfTurn> {
        let State::Testing {
            told: false,
            heard,
            until,
        } = self.state
        else {
            return Err(OutOfTurn);
        };
        if !stop::tells_all(sent, &self.ours) {
            return Err(OutOfTurn);
        }
        stop::write(&mut self.stream, accept, sent).map_err(|_| OutOfTurn)?;
        self.test(until, true, heard);
        Ok(())
    }

    /// Answers [`ServerEvent::FetchAsked`], or says why not.
    ///
    /// # Errors
    /// When nothing was asked for, or the answer before it has not been read.
    pub fn answer_fetch(&mut self, answer: Result<FetchAnswer, Accept>) -> Result<(), OutOfTurn> {
        if !matches!(self.state, State::FetchAsked) {
            return Err(OutOfTurn);
        }
        self.state = match answer {
            Ok(answer) => {
                State::Fetching(FetchWriter::new(&mut self.stream, answer).map_err(|_| OutOfTurn)?)
            }
            Err(accept) => {
                let refusal = FetchAck::refuse(accept).encode();
                self.stream.write_message(&refusal).map_err(|_| OutOfTurn)?;
                State::Ready
            }
        };
        Ok(())
    }

    /// Reads one message, if one has come.
    fn step(
        &mut self,
        now: Monotonic,
        place: &mut dyn FnMut(&RequestSession) -> Result<Placed, Accept>,
    ) -> Result<bool, ControlError> {
        if let State::SettingUp(set_up) = &mut self.state {
            let Some(connected) = set_up.progress(&mut self.stream)? else {
                return Ok(false);
            };
            self.events.push_back(ServerEvent::Connected(connected));
            self.state = State::Ready;
            return Ok(true);
        }
        if let State::Closed = self.state {
            return Err(ControlError::GivenUp);
        }
        let Some(&[command]) = self
            .stream
            .peek(1)?
            .map(|octets| octets.first_chunk().unwrap_or(&[0]))
        else {
            return Ok(false);
        };
        match (&self.state, command) {
            (State::Ready, command::REQUEST_SESSION) => {
                let Some(request) = request::read(&mut self.stream)? else {
                    return Ok(false);
                };
                self.request(request, place)?;
            }
            (State::Ready, command::START_SESSIONS) => {
                if self.stream.read_message(StartSessions::OCTETS)?.is_none() {
                    return Ok(false);
                }
                self.start(now)?;
            }
            (State::Ready, command::FETCH_SESSION) => {
                let Some(message) = self.stream.read_message(FetchSession::OCTETS)? else {
                    return Ok(false);
                };
                let fetch = FetchSession::decode(&message)?;
                self.state = State::FetchAsked;
                self.events.push_back(ServerEvent::FetchAsked(fetch));
            }
            (
                &State::Testing {
                    until,
                    told,
                    heard: false,
                },
                command::STOP_SESSIONS,
            ) => {
                let Some(stop) = stop::read(&mut self.stream, &self.theirs)? else {
                    return Ok(false);
                };
                self.test(until, told, true);
                let (accept, sent) = (stop.accept, stop.sent);
                self.events.push_back(ServerEvent::Stopped { accept, sent });
            }
            _ => return Err(ControlError::Unexpected { command }),
        }
        Ok(true)
    }

    fn request(
        &mut self,
        request: Result<RequestSession, Accept>,
        place: &mut dyn FnMut(&RequestSession) -> Result<Placed, Accept>,
    ) -> Result<(), ControlError> {
        let accepted = request.and_then(|request| {
            let role = self.allow(&request)?;
            let placed = place(&request)?;
            Ok((request, role, placed))
        });
        let (answer, event) = match accepted {
            Ok((mut request, role, placed)) => {
                let packets = request.preamble.packets;
                if role == Role::Receiver {
                    request.preamble.sid = placed.sid;
                }
                let (sid, port) = (request.preamble.sid, placed.port);
                match role {
                    Role::Sender => self.ours.push(Expected { sid, packets }),
                    Role::Receiver => self.theirs.push(Expected { sid, packets }),
                }
                let accept = Accept::Ok;
                (
                    AcceptSession { accept, port, sid },
                    ServerEvent::SessionAccepted {
                        role,
                        request,
                        port,
                    },
                )
            }
            Err(accept) => (
                AcceptSession::refuse(accept),
                ServerEvent::SessionRefused { accept },
            ),
        };
        self.events.push_back(event);
        self.stream.write_message(&answer.encode())
    }

    fn allow(&self, request: &RequestSession) -> Result<Role, Accept> {
        let preamble = &request.preamble;
        let role = match (preamble.conf_sender, preamble.conf_receiver) {
            (Agent::Server, Agent::Requester) => Role::Sender,
            (Agent::Requester, Agent::Server) => Role::Receiver,
            // Nothing to do here, or all of it: a host need not measure the way to itself.
            _ => return Err(Accept::NotSupported),
        };
        let family = if self.peer.is_ipv4() { 4 } else { 6 };
        if preamble.addresses.ip_version != family || preamble.type_p.dscp().is_none() {
            return Err(Accept::NotSupported);
        }
        // Nobody is sent packets that he has not asked for.
        let target = preamble
            .addresses
            .receiver()
            .map(|address| address.to_canonical());
        if role == Role::Sender && target.is_some_and(|target| target != self.peer) {
            return Err(Accept::Failure);
        }
        let (policy, slots) = (&self.policy, request.schedule.len());
        let parameters: i64 = request.schedule.iter().fold(0, |sum: i64, slot| {
            let (Slot::Exponential(parameter) | Slot::Fixed(parameter)) = slot;
            sum.saturating_add(parameter.to_nanos().0)
        });
        let hasty = role == Role::Sender
            && request.schedule.iter().any(|slot| {
                let (Slot::Exponential(parameter) | Slot::Fixed(parameter)) = slot;
                parameter.to_nanos() < policy.mean_gap_min
            });
        let packet_octets = preamble
            .padding_octets
            .saturating_add(TestPacket::OCTETS as u32);
        if slots == 0
            || slots > policy.slots_max.min(SLOTS_MAX)
            || parameters < policy.mean_gap_min.times(slots as i64).0
            || hasty
            || preamble.packets == 0
            || preamble.packets > policy.packets_max
            || packet_octets > policy.packet_octets_max
            || preamble.timeout.to_nanos() > policy.timeout_max
        {
            return Err(Accept::PermanentLimit);
        }
        if self.ours.len() + self.theirs.len() >= policy.sessions_max {
            return Err(Accept::TemporaryLimit);
        }
        let known = self.ours.iter().any(|session| session.sid == preamble.sid);
        if role == Role::Sender && known {
            return Err(Accept::Failure);
        }
        Ok(role)
    }

    fn start(&mut self, now: Monotonic) -> Result<(), ControlError> {
        let accept = if self.ours.is_empty() && self.theirs.is_empty() {
            Accept::Failure
        } else {
            self.test(now + self.policy.duration_max, false, false);
            self.events.push_back(ServerEvent::Started);
            Accept::Ok
        };
        self.stream.write_message(&StartAck { accept }.encode())
    }

    /// Testing goes on until both sides have stopped; then there are no sessions any more.
    fn test(&mut self, until: Monotonic, told: bool, heard: bool) {
        self.state = if told && heard {
            self.ours.clear();
            self.theirs.clear();
            State::Ready
        } else {
            State::Testing { until, told, heard }
        };
    }
}
