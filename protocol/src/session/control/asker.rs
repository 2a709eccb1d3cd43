//! What every Control-Client does: it asks, waits for the answer so long, and
//! tells what has come of it.

use std::collections::VecDeque;

use owl_measure::time::{Monotonic, Nanos};

use super::{ControlError, ControlStream, OutOfTurn};
use crate::wire::owamp::{Accept, AcceptSession, StartAck, StartSessions};

/// The asking side of a connection, whose events are `Event`s.
#[derive(Debug)]
pub(crate) struct Asker<Event> {
    pub(crate) stream: ControlStream,
    answer_timeout: Nanos,
    deadline: Option<Monotonic>,
    /// At most one for each message in the octets of one call.
    events: VecDeque<Event>,
}

impl<Event> Asker<Event> {
    /// The server, which speaks first, may take so long for each answer.
    pub(crate) fn new(answer_timeout: Nanos, now: Monotonic) -> Self {
        Self {
            stream: ControlStream::default(),
            answer_timeout,
            deadline: Some(now + answer_timeout),
            events: VecDeque::new(),
        }
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

    pub(crate) fn is_late(&self, now: Monotonic) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
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
