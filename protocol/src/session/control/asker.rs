//! What every Control-Client does: it asks, waits for the answer so long, and
//! tells what has come of it.

use std::collections::VecDeque;

use owl_measure::time::{Monotonic, Nanos};

use super::{ClientSetUp, Connected, ControlError, ControlStream, OutOfTurn, Protection};
use crate::wire::owamp::{Accept, AcceptSession, StartAck, StartSessions};

/// What a Control-Client is to do, whose sessions are asked for by `Request`s.
#[derive(Debug, Clone)]
pub struct ClientConfig<Request> {
    /// How the connection is protected.
    pub protection: Protection,
    /// The sessions to ask for, in this order; none for who asks for none.
    pub sessions: Vec<Request>,
    /// How long the server may take for each answer.
    pub answer_timeout: Nanos,
}

/// The asking side of a connection, whose events are `Event`s.
#[derive(Debug)]
pub(crate) struct Asker<Request, Event> {
    pub(crate) stream: ControlStream,
    set_up: ClientSetUp,
    sessions: Vec<Request>,
    /// How many of them have been answered.
    sessions_answered: usize,
    answer_timeout: Nanos,
    deadline: Option<Monotonic>,
    /// At most one for each message in the octets of one call.
    events: VecDeque<Event>,
}

impl<Request, Event> Asker<Request, Event> {
    /// The server speaks first.
    pub(crate) fn new(config: ClientConfig<Request>, now: Monotonic) -> Self {
        Self {
            stream: ControlStream::default(),
            set_up: ClientSetUp::new(config.protection),
            sessions: config.sessions,
            sessions_answered: 0,
            answer_timeout: config.answer_timeout,
            deadline: Some(now + config.answer_timeout),
            events: VecDeque::new(),
        }
    }

    /// Goes on setting the connection up; what was agreed on once it is.
    pub(crate) fn set_up(&mut self) -> Result<Option<Connected>, ControlError> {
        self.set_up.progress(&mut self.stream)
    }

    /// The session that is to be asked for, or whose answer is awaited; `None` once all have been answered.
    pub(crate) fn session(&self) -> Option<&Request> {
        self.sessions.get(self.sessions_answered)
    }

    /// That session has been answered: which one it was, counted from 0.
    pub(crate) fn session_answered(&mut self) -> usize {
        self.sessions_answered += 1;
        self.sessions_answered - 1
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// By when the server must have answered.
    pub(crate) fn deadline(&self) -> Option<Monotonic> {
        self.deadline
    }

    /// An error when the server should have answered by now.
    pub(crate) fn look_at(&self, now: Monotonic) -> Result<(), ControlError> {
        match self.deadline {
            Some(deadline) if now >= deadline => Err(ControlError::Silent),
            _ => Ok(()),
        }
    }

    pub(crate) fn await_answer(&mut self, now: Monotonic) {
        self.deadline = Some(now + self.answer_timeout);
    }

    /// Part of a long answer has come: the rest may take as long again.
    pub(crate) fn heard(&mut self, now: Monotonic) {
        if self.deadline.is_some() {
            self.await_answer(now);
        }
    }

    /// Nothing is awaited any more.
    pub(crate) fn answered(&mut self) {
        self.deadline = None;
    }

    /// Sends a message to be answered.
    pub(crate) fn ask(&mut self, now: Monotonic, message: &[u8]) -> Result<(), ControlError> {
        self.stream.write_message(message)?;
        self.await_answer(now);
        Ok(())
    }

    /// Sends Start-Sessions (section 3.7 of both).
    pub(crate) fn start(&mut self, now: Monotonic) -> Result<(), OutOfTurn> {
        self.ask(now, &StartSessions.encode())
            .map_err(|_| OutOfTurn)
    }

    /// The answer to a request for a session (section 3.5 of both).
    pub(crate) fn read_answer(&mut self) -> Result<Option<AcceptSession>, ControlError> {
        let Some(message) = self.stream.read_message(AcceptSession::OCTETS)? else {
            return Ok(None);
        };
        Ok(Some(AcceptSession::decode(&message)?))
    }

    /// The answer to Start-Sessions.
    pub(crate) fn read_start_ack(&mut self) -> Result<Option<Accept>, ControlError> {
        let Some(message) = self.stream.read_message(StartAck::OCTETS)? else {
            return Ok(None);
        };
        self.answered();
        Ok(Some(StartAck::decode(&message)?.accept))
    }

    /// Whoever has nothing to say now says nothing.
    pub(crate) fn expect_silence(&mut self) -> Result<(), ControlError> {
        match self.stream.peek(1)? {
            None => Ok(()),
            Some(octets) => Err(ControlError::Unexpected { command: octets[0] }),
        }
    }
}
