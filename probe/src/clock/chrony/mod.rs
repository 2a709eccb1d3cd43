//! chronyd as the teller of the clock.
//!
//! It is asked over its Unix socket, which tells everything and which only
//! root and chrony's own user may use, or over UDP on loopback, which tells
//! what the bound needs.

mod judge;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use owl_measure::time::Timestamp;

use super::assessment::Assessment;
use super::datagram::{Datagrams, TellError};
use super::octets::AnswerError;
use super::settings::Trust;
use judge::{Answers, Judge};
use wire::{
    NOT_ALLOWED, NtpData, REFERENCE_CLOCK, Reply, Request, SELECTED, Source, SourceCount, Tracking,
};

/// chronyd's Unix socket unless its configuration says otherwise.
const SOCKET: &str = "/run/chrony/chronyd.sock";
/// chronyd's UDP port unless its configuration says otherwise.
const PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 323);
/// Sources that are looked through for the one that is followed; what is behind them is not found.
const SOURCES_MAX: u32 = 64;

/// Where chronyd is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Socket(PathBuf),
    Address(SocketAddr),
}

impl Place {
    /// Reads a socket's path or ADDRESS:PORT; `None` when it is neither.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            Some(Self::Socket(text.into()))
        } else {
            text.parse().ok().map(Self::Address)
        }
    }
}

/// A chronyd that is asked once a second.
#[derive(Debug)]
pub(super) struct Chrony {
    places: Vec<Place>,
    datagrams: Option<Datagrams>,
    sequence: u32,
    /// The number of the source that was followed last.
    followed: u32,
    judge: Judge,
}

impl Chrony {
    pub(super) fn new(place: Option<Place>) -> Self {
        let places = place.map_or_else(
            || {
                vec![
                    Place::Socket(Path::new(SOCKET).into()),
                    Place::Address(PORT),
                ]
            },
            |place| vec![place],
        );
        Self {
            places,
            datagrams: None,
            sequence: 0,
            followed: 0,
            judge: Judge::default(),
        }
    }

    /// Asks and judges.
    ///
    /// # Errors
    /// When chronyd cannot be asked or understood.
    pub(super) fn tell(
        &mut self,
        now: impl Fn() -> Timestamp,
        trust: &Trust,
    ) -> Result<Assessment, TellError> {
        let datagrams = match self.datagrams.take() {
            Some(datagrams) => datagrams,
            None => self.connect()?,
        };
        // A connection on which asking fails is dropped, and made anew the next time.
        let answers = self.ask(&datagrams, now)?;
        self.datagrams = Some(datagrams);
        Ok(self.judge.judge(&answers, trust))
    }

    fn connect(&self) -> Result<Datagrams, TellError> {
        let mut first_error = None;
        for place in &self.places {
            let opened = match place {
                // The name begins as chronyc's does, which is what confined chronyds may write to.
                Place::Socket(path) => Datagrams::unix(path, "chronyc"),
                Place::Address(address) => Datagrams::udp(*address),
            };
            match opened {
                Ok(datagrams) => return Ok(datagrams),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        Err(first_error.expect("there is always a place to ask at"))
    }

    fn ask(
        &mut self,
        datagrams: &Datagrams,
        now: impl Fn() -> Timestamp,
    ) -> Result<Answers, TellError> {
        let tracking: Tracking = self.request(datagrams, Request::Tracking)?;
        let now = now();
        let source = self.followed_source(datagrams)?;
        let stats = match source {
            Some(_) => optional(self.request(datagrams, Request::SourceStats(self.followed)))?,
            None => None,
        };
        let address = source
            .filter(|source| source.mode != REFERENCE_CLOCK && datagrams.is_unix())
            .and_then(|source| source.address);
        let ntp: Option<NtpData> = match address {
            Some(address) => optional(self.request(datagrams, Request::NtpData(address)))?,
            None => None,
        };
        Ok(Answers {
            now,
            tracking,
            source,
            stats,
            ntp,
        })
    }

    /// The source that chronyd follows; the one of the last time is looked at first.
    fn followed_source(&mut self, datagrams: &Datagrams) -> Result<Option<Source>, TellError> {
        let SourceCount(count) = self.request(datagrams, Request::SourceCount)?;
        let count = count.min(SOURCES_MAX);
        let first = self.followed;
        for index in std::iter::once(first).chain((0..count).filter(|&index| index != first)) {
            if index >= count {
                continue;
            }
            let source: Option<Source> = optional(self.request(datagrams, Request::Source(index)))?;
            if let Some(source) = source.filter(|source| source.state == SELECTED) {
                self.followed = index;
                return Ok(Some(source));
            }
        }
        Ok(None)
    }

    fn request<T: Reply>(
        &mut self,
        datagrams: &Datagrams,
        request: Request,
    ) -> Result<T, TellError> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        datagrams.ask(&request.encode(sequence), |datagram| {
            T::decode(request, sequence, datagram)
        })
    }
}

/// What chronyd refuses to tell is not known, and no error: a source that just went away, a command that only root may
/// send.
fn optional<T>(answer: Result<T, TellError>) -> Result<Option<T>, TellError> {
    /// STT_NOSUCHSOURCE.
    const NO_SUCH_SOURCE: u16 = 4;
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(TellError::Answer {
            source: AnswerError::Refused(NOT_ALLOWED | NO_SUCH_SOURCE),
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_an_address() {
        for (text, place) in [
            ("/run/c.sock", Some(Place::Socket("/run/c.sock".into()))),
            ("127.0.0.1:323", Some(Place::Address(PORT))),
            ("chrony", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(Place::read(text), place, "{text}");
        }
    }
}
