//! ptp4l as the teller of the clock.
//!
//! It is asked by management messages over its Unix socket, which in releases
//! before linuxptp 4 only root may use. What it pushes by itself (every sync,
//! from linuxptp 4 on) is taken in when it is asked the next time.

mod judge;
mod wire;

use std::path::PathBuf;

use owl_measure::time::{Monotonic, Nanos, Timestamp};

use super::assessment::Assessment;
use super::datagram::{Datagrams, TellError};
use super::octets::AnswerError;
use super::settings::Trust;
use crate::net::kernel_clock;
use judge::{Answers, Judge};
use wire::{Answer, Id, PortProperties, TimeStatus};

/// ptp4l's socket unless its configuration says otherwise.
const SOCKET: &str = "/var/run/ptp4l";
/// For how long pushes are asked for, and when again.
const SUBSCRIBED_FOR_S: u16 = 180;
const SUBSCRIBE_EVERY: Nanos = Nanos::from_secs(60);
/// Pushes kept from one question to the next; at the bound the rest is passed over.
const PUSHES_MAX: usize = 256;

/// Reads how far the system's clock is from an interface's (system − interface, brought to UTC), and how exactly.
pub(super) type ReadInterfaceClock = fn(&str) -> Option<(Nanos, Nanos)>;

/// A ptp4l that is asked once a second.
#[derive(Debug)]
pub(super) struct Ptp4l {
    path: PathBuf,
    datagrams: Option<Datagrams>,
    sequence: u16,
    subscribed: Option<Monotonic>,
    pushed: Vec<TimeStatus>,
    judge: Judge,
    interface_clock: ReadInterfaceClock,
}

impl Ptp4l {
    pub(super) fn new(path: Option<PathBuf>, interface_clock: ReadInterfaceClock) -> Self {
        Self {
            path: path.unwrap_or_else(|| SOCKET.into()),
            datagrams: None,
            sequence: 0,
            subscribed: None,
            pushed: Vec::new(),
            judge: Judge::default(),
            interface_clock,
        }
    }

    /// Asks and judges.
    ///
    /// # Errors
    /// When ptp4l cannot be asked or understood.
    pub(super) fn tell(
        &mut self,
        now: impl Fn() -> (Timestamp, Monotonic),
        trust: &Trust,
    ) -> Result<Assessment, TellError> {
        let datagrams = match self.datagrams.take() {
            Some(datagrams) => datagrams,
            None => {
                self.subscribed = None;
                Datagrams::unix(&self.path, "owl")?
            }
        };
        // A connection on which asking fails is dropped, and made anew the next time.
        let answers = self.ask(&datagrams, &now)?;
        self.datagrams = Some(datagrams);
        for status in self.pushed.drain(..) {
            self.judge.pushed(status, answers.now.1);
        }
        Ok(self.judge.judge(&answers, trust))
    }

    fn ask(
        &mut self,
        datagrams: &Datagrams,
        now: &impl Fn() -> (Timestamp, Monotonic),
    ) -> Result<Answers, TellError> {
        let (_, started) = now();
        if self
            .subscribed
            .is_none_or(|at| started - at > SUBSCRIBE_EVERY)
        {
            let request = |sequence| wire::subscribe(SUBSCRIBED_FOR_S, sequence);
            let subscribed = self.request(datagrams, request, |answer| {
                matches!(answer, Answer::Subscribed).then_some(())
            });
            // A ptp4l that pushes nothing is asked all the same.
            refusal(subscribed)?;
            self.subscribed = Some(started);
        }
        let status = self.get(datagrams, Id::TimeStatus, |answer| match answer {
            Answer::TimeStatus(status) => Some(status),
            _ => None,
        })?;
        let current = self.get(datagrams, Id::CurrentDataSet, |answer| match answer {
            Answer::Current(current) => Some(current),
            _ => None,
        })?;
        let port = self.get(datagrams, Id::PortDataSet, |answer| match answer {
            Answer::Port(port) => Some(port),
            _ => None,
        })?;
        let now = now();
        let parent = self.get(datagrams, Id::ParentDataSet, |answer| match answer {
            Answer::Parent(parent) => Some(parent),
            _ => None,
        })?;
        let properties = self.get(
            datagrams,
            Id::TimePropertiesDataSet,
            |answer| match answer {
                Answer::TimeProperties(properties) => Some(properties),
                _ => None,
            },
        )?;
        let port_properties =
            refusal(
                self.get(datagrams, Id::PortProperties, |answer| match answer {
                    Answer::PortProperties(properties) => Some(properties),
                    _ => None,
                }),
            )?
            // Who does not say how it stamps may do it in hardware, of which nothing is assumed.
            .unwrap_or(PortProperties {
                software: false,
                interface: String::new(),
            });
        let stats = refusal(self.get(datagrams, Id::PortStats, |answer| match answer {
            Answer::PortStats(stats) => Some(stats),
            _ => None,
        }))?;
        let interface_to_system = if port_properties.software {
            None
        } else {
            (self.interface_clock)(&port_properties.interface)
        };
        let frequency_ppb = kernel_clock().ok().map(|kernel| kernel.frequency_ppb);
        Ok(Answers {
            frequency_ppb: frequency_ppb.filter(|_| port_properties.software),
            now,
            status,
            current,
            parent,
            properties,
            port,
            port_properties,
            stats,
            interface_to_system,
        })
    }

    fn get<T>(
        &mut self,
        datagrams: &Datagrams,
        id: Id,
        pick: impl FnMut(Answer) -> Option<T>,
    ) -> Result<T, TellError> {
        self.request(datagrams, |sequence| wire::get(id, sequence), pick)
    }

    fn request<T>(
        &mut self,
        datagrams: &Datagrams,
        request: impl Fn(u16) -> Vec<u8>,
        mut pick: impl FnMut(Answer) -> Option<T>,
    ) -> Result<T, TellError> {
        // Pushes have the number 0.
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let (sequence, pushed) = (self.sequence, &mut self.pushed);
        datagrams.ask(&request(sequence), |datagram| {
            Ok(match wire::decode(datagram)? {
                Some((of, answer)) if of == sequence => pick(answer),
                Some((_, Answer::TimeStatus(status))) if pushed.len() < PUSHES_MAX => {
                    pushed.push(status);
                    None
                }
                _ => None,
            })
        })
    }
}

/// What ptp4l refuses is not known, and no error: its release does not have it.
fn refusal<T>(answer: Result<T, TellError>) -> Result<Option<T>, TellError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(TellError::Answer {
            source: AnswerError::Refused(_),
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}
