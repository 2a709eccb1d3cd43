//! The Control-Client: asks for its sessions one after the other, starts those
//! that were accepted, and stops them.

use owl_measure::time::Monotonic;

use crate::session::control::{self, Asker, Connected, ControlError, OutOfTurn, feed};
use crate::wire::owamp::{Accept, AcceptSession, Sid, StopSessions};
use crate::wire::twamp::{RequestTwSession, StopTwSessions};

/// What a Control-Client is to do.
pub type ClientConfig = control::ClientConfig<RequestTwSession>;

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The connection is set up; its sessions are being asked for.
    Connected(Connected),
    /// The server will reflect a session.
    SessionAccepted {
        /// Which of those asked for, counted from 0.
        session: usize,
        /// The UDP port to send to; not always the one asked for.
        port: u16,
        /// What the server calls it.
        sid: Sid,
    },
    /// It will not.
    SessionRefused {
        /// Which of those asked for, counted from 0.
        session: usize,
        /// Why.
        accept: Accept,
    },
    /// All sessions have been answered; [`ControlClient::start`] may be called if any was accepted.
    Negotiated {
        /// How many were accepted.
        accepted: u32,
    },
    /// Test packets may be sent.
    Started,
    /// The server does not start after all; the sessions can be started again.
    StartRefused {
        /// Why.
        accept: Accept,
    },
}

/// Where a Control-Client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientState {
    /// Before the server has let it in.
    SettingUp,
    /// A session is being asked for.
    Requesting,
    /// All have been answered.
    Negotiated,
    /// Start-Sessions is under way.
    Starting,
    /// Test packets may be sent.
    Running,
    /// Stop-Sessions has been sent; nothing more will come.
    Stopped,
    /// Something went wrong.
    GivenUp,
}

/// A TWAMP Control-Client.
#[derive(Debug)]
pub struct ControlClient {
    asker: Asker<RequestTwSession, ClientEvent>,
    state: ClientState,
    accepted: u32,
}

impl ControlClient {
    /// Once TCP is connected. The server speaks first.
    pub fn new(config: ClientConfig, now: Monotonic) -> Self {
        Self {
            asker: Asker::new(config, now),
            state: ClientState::SettingUp,
            accepted: 0,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> ClientState {
        self.state
    }

    /// What TCP has delivered.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn handle_bytes(&mut self, now: Monotonic, octets: &[u8]) -> Result<(), ControlError> {
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
        if self.state != ClientState::Negotiated || self.accepted == 0 {
            return Err(OutOfTurn);
        }
        self.asker.start(now)?;
        self.state = ClientState::Starting;
        Ok(())
    }

    /// Stops them (section 3.8); anything but `Ok` says that the results are worth nothing. There is no answer.
    ///
    /// # Errors
    /// When none is running.
    pub fn stop(&mut self, accept: Accept) -> Result<(), OutOfTurn> {
        if self.state != ClientState::Running {
            return Err(OutOfTurn);
        }
        let stop = StopTwSessions(StopSessions {
            accept,
            sessions: self.accepted,
        });
        self.asker
            .stream
            .write_message(&stop.encode())
            .map_err(|_| OutOfTurn)?;
        self.state = ClientState::Stopped;
        Ok(())
    }

    /// Reads one message, if one has come.
    fn step(&mut self, now: Monotonic) -> Result<bool, ControlError> {
        match self.state {
            ClientState::SettingUp => {
                let Some(connected) = self.asker.set_up()? else {
                    return Ok(false);
                };
                self.asker.tell(ClientEvent::Connected(connected));
                self.request(now)?;
            }
            ClientState::Requesting => {
                let Some(answer) = self.asker.read_answer()? else {
                    return Ok(false);
                };
                self.answer(&answer);
                self.request(now)?;
            }
            ClientState::Starting => {
                let Some(accept) = self.asker.read_start_ack()? else {
                    return Ok(false);
                };
                let (state, event) = match accept {
                    Accept::Ok => (ClientState::Running, ClientEvent::Started),
                    accept => (
                        ClientState::Negotiated,
                        ClientEvent::StartRefused { accept },
                    ),
                };
                self.state = state;
                self.asker.tell(event);
            }
            // The server has nothing to say now.
            ClientState::Negotiated | ClientState::Running | ClientState::Stopped => {
                self.asker.expect_silence()?;
                return Ok(false);
            }
            ClientState::GivenUp => return Err(ControlError::GivenUp),
        }
        Ok(true)
    }

    fn answer(&mut self, answer: &AcceptSession) {
        let session = self.asker.session_answered();
        self.asker.tell(match answer.accept {
            Accept::Ok => {
                self.accepted += 1;
                ClientEvent::SessionAccepted {
                    session,
                    port: answer.port,
                    sid: answer.sid,
                }
            }
            accept => ClientEvent::SessionRefused { session, accept },
        });
    }

    /// Asks for the next session, or tells that all have been answered.
    fn request(&mut self, now: Monotonic) -> Result<(), ControlError> {
        if let Some(request) = self.asker.session().map(RequestTwSession::encode) {
            self.asker.ask(now, &request)?;
            self.state = ClientState::Requesting;
        } else {
            let accepted = self.accepted;
            self.state = ClientState::Negotiated;
            self.asker.answered();
            self.asker.tell(ClientEvent::Negotiated { accepted });
        }
        Ok(())
    }

    fn give_up(&mut self) {
        self.state = ClientState::GivenUp;
        self.asker.answered();
    }
}
