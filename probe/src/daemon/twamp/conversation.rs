//! A control connection to one TWAMP server and the sessions that it reflects:
//! asked for, run, and asked for anew when they end.
//!
//! The connection has an untimed thread; while its sessions run they have a
//! timed one of their own, so that a far end that is away disturbs no other.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use owl_measure::hindrance::Hindrance;
use owl_measure::time::Nanos;
use owl_protocol::session::control::Identity;
use owl_protocol::session::sender::{Dialect, Question, Reflector};
use owl_protocol::wire::owamp::{Accept, KeyId};

use super::gap::Gaps;
use crate::clock::Clock;
use crate::control::LOOK_AROUND;
use crate::control::twamp::{Agreed, ClientSettings, TwampClient, TwampError, WantedSession};
use crate::control::users::read_users;
use crate::daemon::far_end::FarEnd;
use crate::daemon::keeper::Keeper;
use crate::daemon::settings;
use crate::flow::Flow;
use crate::sender::{Pace, SessionSenders};

/// The wait before a server is asked again doubles from the first to the last of these.
const RETRY_FIRST: Nanos = Nanos::from_secs(1);
const RETRY_LAST: Nanos = Nanos::from_secs(60);
/// Sessions for which the server has no room now (Accept 5) are asked for again after this, which begins those that run
/// anew. Those refused for another reason wait for the next connection.
const REFUSED_AGAIN: Nanos = Nanos::from_secs(300);

/// What a server is asked for, and by whom.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    pub(super) server: SocketAddr,
    /// Empty for nobody.
    pub(super) user: String,
    /// The file of users and their pass-phrases; read at each connection, so a new pass-phrase counts from the next one on.
    pub(super) users: Option<PathBuf>,
    pub(super) source: Option<IpAddr>,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    /// Its sessions.
    pub(super) keeper: Keeper,
    pub(super) stop: Arc<AtomicBool>,
}

/// Why a conversation has ended, when nobody stopped it.
struct Trouble {
    hindrance: Hindrance,
    said: String,
}

impl Trouble {
    fn here(said: impl Into<String>) -> Self {
        Self {
            hindrance: Hindrance::Unprepared,
            said: said.into(),
        }
    }
}

impl From<TwampError> for Trouble {
    fn from(error: TwampError) -> Self {
        Self {
            hindrance: error.hindrance(),
            said: in_full(&error),
        }
    }
}

/// What is known of the sessions that do not run.
struct Standing {
    gaps: Gaps,
    why: Vec<Option<Hindrance>>,
}

impl Conversation {
    /// Talks until it is told to stop.
    pub(super) fn run(self) {
        let mut standing = Standing {
            gaps: Gaps::of(&self.keeper, self.clock.now()),
            why: vec![None; self.keeper.planned.len()],
        };
        let (mut pause, mut last_said) = (RETRY_FIRST, String::new());
        while !self.stop.load(Relaxed) {
            let mut ran_since = None;
            let ended = self.converse(&mut standing, &mut ran_since);
            let now = self.clock.monotonic();
            // One that breaks again and again is not asked faster than one that never answers.
            if ran_since.is_some_and(|since| now - since >= RETRY_LAST) {
                pause = RETRY_FIRST;
            }
            let Err(trouble) = ended else { continue };
            if self.stop.load(Relaxed) {
                break;
            }
            let vitals = &self.keeper.vitals;
            vitals.asked_failures.fetch_add(1, Relaxed);
            // Said when it changes, not at every try.
            if ran_since.is_some() || trouble.said != last_said {
                tracing::warn!(server = %self.server, "{}; tried again and again", trouble.said);
                last_said = trouble.said;
            }
            let why = &mut standing.why;
            for why in why.iter_mut().filter(|why| !is_refusal(**why)) {
                *why = Some(trouble.hindrance);
            }
            self.wait(pause, &mut standing);
            pause = pause.times(2).min(RETRY_LAST);
        }
    }

    /// Waits for the next try, and reports what ends meanwhile.
    fn wait(&self, pause: Nanos, standing: &mut Standing) {
        let until = self.clock.monotonic() + pause;
        while !self.stop.load(Relaxed) {
            self.tell(standing);
            let rest = until - self.clock.monotonic();
            if rest <= Nanos::ZERO {
                return;
            }
            thread::sleep(rest.min(LOOK_AROUND).to_std());
        }
    }

    fn tell(&self, standing: &mut Standing) {
        let Standing { gaps, why } = standing;
        gaps.tell(&self.keeper, self.clock.now(), why);
    }

    /// One connection, from the first word to its end.
    fn converse(
        &self,
        standing: &mut Standing,
        ran_since: &mut Option<owl_measure::time::Monotonic>,
    ) -> Result<(), Trouble> {
        let settings = ClientSettings {
            server: self.server,
            source: self.source,
            user: self.identity()?,
            sessions: self.wanted(),
        };
        let stop = &*self.stop;
        let mut client = TwampClient::connect(&settings, self.clock, stop)?;
        let answers = client.agree(stop)?;
        standing.why.fill(None);
        let (mut accepted, mut is_temporary) = (Vec::new(), false);
        for (session, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(agreed) => accepted.push((session, agreed)),
                Err(accept) => {
                    is_temporary |= accept == Accept::TemporaryLimit;
                    self.refused(session, accept, standing);
                }
            }
        }
        if accepted.is_empty() {
            return Err(Trouble {
                hindrance: standing
                    .why
                    .iter()
                    .flatten()
                    .copied()
                    .next_back()
                    .unwrap_or(Hindrance::Silent),
                said: format!("{} refuses every session", self.server),
            });
        }
        let (numbers, senders) = self.open(accepted, standing);
        client.start(stop)?;
        let sending = self.send(senders, &numbers)?;
        let began = self.clock.monotonic();
        *ran_since = Some(began);
        tracing::info!(server = %self.server, sessions = numbers.len(), "a TWAMP server reflects");
        self.tell(standing);
        for &session in &numbers {
            standing.gaps.end(session);
        }
        let vitals = &self.keeper.vitals;
        vitals
            .asked_running
            .fetch_add(numbers.len() as u64, Relaxed);
        let attended = client.attend(|| {
            self.tell(standing);
            let again = is_temporary && self.clock.monotonic() - began >= REFUSED_AGAIN;
            again || stop.load(Relaxed)
        });
        sending.stop();
        vitals
            .asked_running
            .fetch_sub(numbers.len() as u64, Relaxed);
        for &session in &numbers {
            standing.gaps.begin(&self.keeper, session, self.clock.now());
        }
        if attended.is_ok() {
            client.stop();
        }
        attended.map_err(|error| Trouble {
            hindrance: Hindrance::Ended,
            said: in_full(&error),
        })
    }

    fn refused(&self, session: usize, accept: Accept, standing: &mut Standing) {
        let why = Some(Hindrance::Refused {
            accept: accept.to_octet(),
        });
        standing.why[session] = why;
        let (planned, flow) = &self.keeper.planned[session];
        tracing::debug!(path = planned.path, flow, %accept, "a TWAMP server refuses a session");
    }

    /// Who asks; nobody when the plan names nobody.
    fn identity(&self) -> Result<Option<Identity>, Trouble> {
        if self.user.is_empty() {
            return Ok(None);
        }
        let user = &self.user;
        let Some(file) = &self.users else {
            return Err(Trouble::here(format!(
                "the plan asks {} as {user}, and [sender] twamp_users names no file",
                self.server
            )));
        };
        let users = read_users(file).map_err(|error| Trouble::here(in_full(&error)))?;
        let wanted = KeyId::new(user);
        let known = users.iter().find(|known| Some(known.key_id) == wanted);
        let file = file.display();
        let known = known.ok_or_else(|| Trouble::here(format!("{file} has no user {user}")))?;
        Ok(Some(known.clone()))
    }

    fn wanted(&self) -> Vec<WantedSession> {
        let planned = self.keeper.planned.iter();
        let wanted = planned.map(|(session, _)| WantedSession {
            packet_octets: Some(u16::try_from(session.packet_octets).unwrap_or(u16::MAX)),
            timeout: settings::ns(session.timeout_ns),
            dscp: u8::try_from(session.dscp).unwrap_or(0),
        });
        wanted.collect()
    }

    /// Binds the ports that were agreed upon: which sessions have theirs, and their session-senders.
    fn open(
        &self,
        accepted: Vec<(usize, Agreed)>,
        standing: &mut Standing,
    ) -> (Vec<usize>, SessionSenders) {
        let stats = self.keeper.vitals.sender.clone();
        let mut senders = SessionSenders::new(self.clock, stats).at_pace(self.pace);
        let mut numbers = Vec::new();
        for (session, agreed) in accepted {
            let (planned, number) = &self.keeper.planned[session];
            let flow = Flow {
                session: planned,
                number: *number,
                ssid: 0, // TWAMP-Test has none
            };
            let far_end = FarEnd {
                dialect: Dialect::Twamp(agreed.test_mode.clone()),
                known: Reflector::Stranger,
                question: Question::default(),
            };
            let (peer, octets) = (agreed.reflector, agreed.packet_octets);
            let source = agreed.release();
            let mut settings = settings::of(&flow, peer, Some(source.ip()), far_end, self.clock);
            settings.sender.packet_octets = octets;
            match senders.open_from(source.port(), settings) {
                Ok(_) => numbers.push(session),
                Err(error) => {
                    standing.why[session] = Some(Hindrance::Unprepared);
                    let path = &planned.path;
                    tracing::error!(path, flow = number, %error, "a session cannot be opened");
                }
            }
        }
        (numbers, senders)
    }

    fn send(&self, mut senders: SessionSenders, numbers: &[usize]) -> Result<Sending, Trouble> {
        let planned = numbers
            .iter()
            .map(|&session| self.keeper.planned[session].clone());
        let mut keeper = Keeper {
            planned: planned.collect(),
            ..self.keeper.clone()
        };
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new()
            .name("twamp-sender".to_owned())
            .spawn({
                let stop = Arc::clone(&stop);
                move || {
                    let vitals = Arc::clone(&keeper.vitals);
                    if let Err(error) = senders.run(&stop, || vitals.claim(), &mut keeper) {
                        tracing::error!(%error, "the session-senders of a TWAMP server stopped");
                    }
                }
            });
        let thread = thread.map_err(|error| Trouble::here(format!("no thread: {error}")))?;
        Ok(Sending { stop, thread })
    }
}

/// The timed thread of sessions that run.
struct Sending {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Sending {
    fn stop(self) {
        self.stop.store(true, Relaxed);
        if self.thread.join().is_err() {
            tracing::error!("a sender thread panicked");
        }
    }
}

/// What the server has said of this session alone.
fn is_refusal(why: Option<Hindrance>) -> bool {
    matches!(why, Some(Hindrance::Refused { .. }))
}

/// An error with its causes, in one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(&format!(": {error}"));
        cause = error.source();
    }
    said
}
