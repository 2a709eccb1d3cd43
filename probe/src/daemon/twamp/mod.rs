//! The far ends of a plan that have to be asked first: TWAMP servers (RFC 5357,
//! section 3).

mod conversation;
mod gap;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use owl_measure::time::Nanos;
use owl_topology::PlannedSession;

use self::conversation::Conversation;
use super::keeper::Keeper;
use crate::config::Config;
use crate::sender::Pace;

/// Control connections at once; sessions beyond are not measured, and said. Each has two threads at most.
const CONVERSATIONS_MAX: usize = 64;
/// Sessions that are asked for over one connection; a server with more of them is talked to over several.
const SESSIONS_EACH: usize = 16;

/// Sessions that one server is asked for as one user.
#[derive(Debug)]
struct Wanted {
    server: SocketAddr,
    user: String,
    planned: Vec<(PlannedSession, u32)>,
}

/// The sessions that TWAMP servers are to be asked for, by connection.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    wanted: Vec<Wanted>,
    sessions: u64,
}

impl Wishes {
    /// One more flow of a session; whether there is room for it.
    pub(super) fn add(&mut self, server: SocketAddr, session: &PlannedSession, flow: u32) -> bool {
        let user = &session.twamp_user;
        let place = self.wanted.iter().position(|wanted| {
            let fits = wanted.server == server && wanted.user == *user;
            fits && wanted.planned.len() < SESSIONS_EACH
        });
        let place = match place {
            Some(place) => place,
            None if self.wanted.len() == CONVERSATIONS_MAX => return false,
            None => {
                self.wanted.push(Wanted {
                    server,
                    user: user.clone(),
                    planned: Vec::new(),
                });
                self.wanted.len() - 1
            }
        };
        self.wanted[place].planned.push((session.clone(), flow));
        self.sessions += 1;
        true
    }

    /// The flows, in the order of the connections.
    pub(super) fn planned(&self) -> Vec<(PlannedSession, u32)> {
        let wanted = self.wanted.iter();
        wanted.flat_map(|wanted| wanted.planned.clone()).collect()
    }

    /// How many sessions they are.
    pub(super) fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Asks for them from now on. `keeper` reports what comes of it.
    pub(super) fn ask(
        self,
        config: &Config,
        source: Option<IpAddr>,
        keeper: &Keeper,
    ) -> Conversations {
        let stop = Arc::new(AtomicBool::new(false));
        keeper.vitals.asked.store(self.sessions, Relaxed);
        let threads = self.wanted.into_iter().filter_map(|wanted| {
            let conversation = Conversation {
                server: wanted.server,
                user: wanted.user,
                users: config.sender.twamp_users.clone(),
                source: source
                    .filter(|source| source.is_ipv4() == wanted.server.is_ipv4()),
                clock: config.shown_clock(),
                // Many threads share the processor of one, so none keeps it from the others by looking at the clock.
                pace: Pace {
                    spin: Nanos::ZERO,
                    ..config.sender_pace()
                },
                keeper: Keeper {
                    planned: wanted.planned,
                    ..keeper.clone()
                },
                stop: Arc::clone(&stop),
            };
            let named = thread::Builder::new().name("twamp".to_owned());
            let spawned = named.spawn(move || conversation.run());
            spawned
                .inspect_err(|error| {
                    tracing::error!(server = %wanted.server, %error, "no thread for a TWAMP server");
                })
                .ok()
        });
        Conversations {
            threads: threads.collect(),
            stop,
        }
    }
}

/// Control connections that are kept.
#[derive(Debug)]
pub(super) struct Conversations {
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Conversations {
    /// Stops the sessions, and ends the connections; that takes about a second at most.
    pub(super) fn stop(self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("the thread of a TWAMP server panicked");
            }
        }
    }
}
