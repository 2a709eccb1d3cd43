//! The Control-Client and Fetch-Client of OWAMP: asks for its sessions one
//! after the other, starts those that were accepted, stops them, and fetches
//! what the server has received.

use owl_measure::time::Monotonic;

use super::fetch::{FetchReader, Piece};
use super::request;
use super::stop::{self, Expected};
use crate::session::control::{self, Asker, Connected, ControlError, OutOfTurn, feed};
use crate::wire::owamp::{
    Accept, AcceptSession, Agent, FetchAck, FetchSession, PacketRecord, RequestSession,
    SentSession, Sid, SkipRange, command,
};

/// What a Control-Client is to do; one without sessions only fetches.
pub type ClientConfig = control::ClientConfig<RequestSession>;

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The connection is set up; its sessions are being asked for.
    Connected(Connected),
    /// The server takes part in a session.
    SessionAccepted {
        /// Which of those asked for, counted from 0.
        session: usize,
        /// The server's UDP port.
        port: u16,
        /// The identifier of the session, whoever made it.
        sid: Sid,
    },
    /// It does not.
    SessionRefused {
        /// Which of those asked for, counted from 0.
        session: usize,
        /// Why.
        accept: Accept,
    },
    /// All sessions have been answered; [`ControlClient::start`] may be called if any was accepted.
    Negotiated {
        /// How many were accepted.
        accepted: usize,
    },
    /// Test packets go.
    Started,
    /// The server does not start after all; the sessions can be started again.
    StartRefused {
        /// Why.
        accept: Accept,
    },
    /// The server has stopped; [`ControlClient::stop`] answers it, if that was not called before.
    Stopped {
        /// Anything but `Ok` says that the results are worth nothing.
        accept: Accept,
        /// What it has sent.
        sent: Vec<SentSession>,
    },
    /// The server does not give a session's records.
    FetchRefused {
        /// Why.
        accept: Accept,
    },
    /// It does. Nothing of it is authentic before [`ClientEvent::FetchEnded`].
    FetchBegun {
        /// How far the session has come, and what follows.
        ack: FetchAck,
        /// What the session is.
        request: RequestSession,
        /// Packets that were never sent.
        skipped: Vec<SkipRange>,
    },
    /// Records, in the server's order; never more than the octets of one call hold.
    Records(Vec<PacketRecord>),
    /// All records have come.
    FetchEnded,
}

#[derive(Debug)]
enum State {
    SettingUp,
    Requesting,
    Ready,
    Starting,
    /// Whether we, and whether the server, have said Stop-Sessions.
    Running {
        told: bool,
        heard: bool,
    },
    Fetching(FetchReader),
    GivenUp,
}

/// An OWAMP Control-Client.
#[derive(Debug)]
pub struct ControlClient {
    asker: Asker<RequestSession, ClientEvent>,
    state: State,
    /// Accepted sessions of which we have to tell, and of which the server has to.
    ours: Vec<Expected>,
    theirs: Vec<Expected>,
}

impl ControlClient {
    /// Once TCP is connected. The server speaks first.
    pub fn new(config: ClientConfig, now: Monotonic) -> Self {
        Self {
            asker: Asker::new(config, now),
            state: State::SettingUp,
            ours: Vec::new(),
            theirs: Vec::new(),
        }
    }

    /// What TCP has delivered.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn handle_bytes(&mut self, now: Monotonic, octets: &[u8]) -> Result<(), ControlError> {
        self.asker.heard(now);
        feed(
            self,
            octets,
            |client| &mut client.asker.stream,
            |client| client.step(now),
        )
        .inspect_err(|_| self.give_up())
    }

    /// What is to be sent over TCP.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.asker.stream.poll_transmit()
    }

    /// What has happened, in order.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.asker.poll_event()
    }

    /// By when the server must have answered: call [`Self::handle_timeout`] then.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.asker.deadline()
    }

    /// Gives up a server that does not answer.
    ///
    /// # Errors
    /// When it is too late.
    pub fn handle_timeout(&mut self, now: Monotonic) -> Result<(), ControlError> {
        self.asker.look_at(now).inspect_err(|_| self.give_up())
    }

    /// Starts the sessions that were accepted (section 3.7).
    ///
    /// # Errors
    /// When there are none, or not yet.
    pub fn start(&mut self, now: Monotonic) -> Result<(), OutOfTurn> {
        let none = self.ours.is_empty() && self.theirs.is_empty();
        if none || !matches!(self.state, State::Ready) {
            return Err(OutOfTurn);
        }
        self.asker.start(now)?;
        self.state = State::Starting;
        Ok(())
    }

    /// Stops them (section 3.8), and tells what was sent of the sessions that we send.
    ///
    /// # Errors
    /// When none is running, or `sent` is not of exactly those.
    pub fn stop(
        &mut self,
        now: Monotonic,
        accept: Accept,
        sent: &[SentSession],
    ) -> Result<(), OutOfTurn> {
        let State::Running { told: false, heard } = self.state else {
            return Err(OutOfTurn);
        };
        if !stop::tells_all(sent, &self.ours) {
            return Err(OutOfTurn);
        }
        stop::write(&mut self.asker.stream, accept, sent).map_err(|_| OutOfTurn)?;
        self.run(true, heard);
        if !heard {
            self.asker.await_answer(now);
        }
        Ok(())
    }

    /// Asks for the records of a session (section 3.9).
    ///
    /// # Errors
    /// When sessions are running, or not everything has been answered.
    pub fn fetch(&mut self, now: Monotonic, fetch: FetchSession) -> Result<(), OutOfTurn> {
        if !matches!(self.state, State::Ready) {
            return Err(OutOfTurn);
        }
        self.asker
            .ask(now, &fetch.encode())
            .map_err(|_| OutOfTurn)?;
        self.state = State::Fetching(FetchReader::Ack);
        Ok(())
    }

    /// Reads one message, or one piece of a long one, if it has come.
    fn step(&mut self, now: Monotonic) -> Result<bool, ControlError> {
        match &mut self.state {
            State::SettingUp => {
                let Some(connected) = self.asker.set_up()? else {
                    return Ok(false);
                };
                self.asker.tell(ClientEvent::Connected(connected));
                self.request(now)?;
            }
            State::Requesting => {
                let Some(answer) = self.asker.read_answer()? else {
                    return Ok(false);
                };
                self.answer(&answer);
                self.request(now)?;
            }
            State::Starting => {
                let Some(accept) = self.asker.read_start_ack()? else {
                    return Ok(false);
                };
                let event = match accept {
                    Accept::Ok => {
                        self.run(false, false);
                        ClientEvent::Started
                    }
                    accept => {
                        self.state = State::Ready;
                        ClientEvent::StartRefused { accept }
                    }
                };
                self.asker.tell(event);
            }
            State::Running { told, heard: false } => {
                let told = *told;
                match self.asker.stream.peek(1)? {
                    None => return Ok(false),
                    Some([command::STOP_SESSIONS]) => {}
                    Some(octets) => return Err(ControlError::Unexpected { command: octets[0] }),
                }
                let Some(stop) = stop::read(&mut self.asker.stream, &self.theirs)? else {
                    return Ok(false);
                };
                self.asker.answered();
                self.run(told, true);
                let (accept, sent) = (stop.accept, stop.sent);
                self.asker.tell(ClientEvent::Stopped { accept, sent });
            }
            State::Fetching(reader) => {
                let Some(piece) = reader.progress(&mut self.asker.stream)? else {
                    return Ok(false);
                };
                if matches!(piece, Piece::Refused(_) | Piece::Ended) {
                    self.state = State::Ready;
                    self.asker.answered();
                }
                self.asker.tell(match piece {
                    Piece::Refused(accept) => ClientEvent::FetchRefused { accept },
                    Piece::Begun {
                        ack,
                        request,
                        skipped,
                    } => ClientEvent::FetchBegun {
                        ack,
                        request,
                        skipped,
                    },
                    Piece::Records(records) => ClientEvent::Records(records),
                    Piece::Ended => ClientEvent::FetchEnded,
                });
            }
            // The server has nothing to say now.
            State::Ready | State::Running { heard: true, .. } => {
                self.asker.expect_silence()?;
                return Ok(false);
            }
            State::GivenUp => return Err(ControlError::GivenUp),
        }
        Ok(true)
    }

    fn answer(&mut self, answer: &AcceptSession) {
        let asked = self.asker.session().map(|asked| asked.preamble);
        let session = self.asker.session_answered();
        self.asker.tell(match (answer.accept, asked) {
            (Accept::Ok, Some(preamble)) => {
                let sid = match preamble.conf_receiver {
                    Agent::Server => answer.sid,
                    Agent::Requester => preamble.sid,
                };
                let packets = preamble.packets;
                match preamble.conf_sender {
                    Agent::Server => self.theirs.push(Expected { sid, packets }),
                    Agent::Requester => self.ours.push(Expected { sid, packets }),
                }
                let port = answer.port;
                ClientEvent::SessionAccepted { session, port, sid }
            }
            (accept, _) => ClientEvent::SessionRefused { session, accept },
        });
    }

    /// Asks for the next session, or tells that all have been answered.
    fn request(&mut self, now: Monotonic) -> Result<(), ControlError> {
        if let Some(asked) = self.asker.session().cloned() {
            request::write(&mut self.asker.stream, &asked)?;
            self.state = State::Requesting;
            self.asker.await_answer(now);
        } else {
            let accepted = self.ours.len() + self.theirs.len();
            self.state = State::Ready;
            self.asker.answered();
            self.asker.tell(ClientEvent::Negotiated { accepted });
        }
        Ok(())
    }

    /// Running goes on until both sides have stopped; then there are no sessions any more.
    fn run(&mut self, told: bool, heard: bool) {
        self.state = if told && heard {
            self.ours.clear();
            self.theirs.clear();
            State::Ready
        } else {
            State::Running { told, heard }
        };
    }

    fn give_up(&mut self) {
        self.state = State::GivenUp;
        self.asker.answered();
    }
}
