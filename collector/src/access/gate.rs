//! The gate: who is let in, who logs in, and that both are recorded.
//!
//! What it knows of users is in memory ([`Directory`]); a request waits for the
//! store only when something is to be written of it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use owl_measure::time::Nanos;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::act::{Act, Change};
use super::audit::{Deed, Record};
use super::caller::{Caller, Peer};
use super::directory::{Directory, Session, Use};
use super::lockout::{Lockout, Origin};
use super::password::Checker;
use super::ration::{Allowed, Exports, Ration};
use super::role::Right;
use super::secret::{Secret, SecretHash};
use super::viewer::{Standing, Viewer};
use crate::config::Pages;
use crate::metrics::Own;
use crate::now::now;
use crate::store::{Store, StoreError, Work};

/// How often the store is asked whether somebody else changed who there is.
const FOLLOW: Duration = Duration::from_secs(2);
/// Uses that wait at once for being written; further ones are not, and the store knows them a minute later.
const TELLING_MAX: usize = 8;
/// Letters of a name and of a password that are looked at; nobody's are longer.
const NAME_OCTETS_MAX: usize = 256;

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A login is needed.
    LogIn,
    /// There is no user yet who could log in.
    NoUsers,
    /// A token was shown that is none, or none any more.
    Token,
    /// The role has no such right.
    Forbidden(Right),
    /// Others could read what is said.
    InTheClear,
    /// Nothing can be recorded, so nothing is given out.
    StoreFails,
}

/// How a login ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LoggedIn {
    /// With a session, whose secret goes into a cookie.
    Yes(Secret),
    /// The name or the password is wrong.
    Wrong,
    /// Too many were wrong; nothing is tried for so long.
    Locked(Nanos),
    /// Too many log in at once.
    Crowded,
    /// The session cannot be written.
    StoreFails,
}

/// What the gate goes by, from the configuration.
#[derive(Debug, Clone)]
struct Rules {
    /// Only this host can call.
    loopback: bool,
    metrics_from: Vec<IpNet>,
    proxies: Vec<IpNet>,
}

pub(crate) struct Gate {
    rules: Rules,
    directory: RwLock<Directory>,
    lockout: Mutex<Lockout>,
    ration: Mutex<Ration>,
    exports: Mutex<Exports>,
    refusals: Mutex<Exports>,
    checker: Checker,
    telling: Arc<Semaphore>,
    store: Store,
    own: Arc<Own>,
}

/// What is behind these locks is whole after each statement, whoever panicked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    /// Reads who there is. `bound` is where the pages are served.
    pub(crate) fn open(
        pages: &Pages,
        bound: IpAddr,
        store: Store,
        own: Arc<Own>,
    ) -> Result<Self, StoreError> {
        let gate = Self {
            rules: Rules {
                loopback: bound.is_loopback(),
                metrics_from: pages.metrics_from.clone(),
                proxies: pages.proxies.clone(),
            },
            directory: RwLock::new(Directory::default()),
            lockout: Mutex::new(Lockout::new()),
            ration: Mutex::new(Ration::default()),
            exports: Mutex::new(Exports::default()),
            refusals: Mutex::new(Exports::default()),
            checker: Checker::new(),
            telling: Arc::new(Semaphore::new(TELLING_MAX)),
            store,
            own,
        };
        let directory = gate.store.reader()?.directory()?;
        gate.renew(directory);
        let open = gate.read().users.is_empty() && gate.rules.loopback;
        if open && gate.rules.proxies.is_empty() {
            info!(
                "there are no users: everybody on this host sees the pages; `owl collector user add NAME --role admin` ends that"
            );
        } else if gate.read().users.is_empty() {
            warn!(
                "there are no users: nobody sees the pages; `owl collector user add NAME --role admin` makes the first one"
            );
        }
        Ok(gate)
    }

    fn read(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn renew(&self, newer: Directory) {
        let mut lockout = locked(&self.lockout);
        lockout.keep(|name| newer.users.contains_key(name));
        for session in newer.sessions.values() {
            if let Some(origin) = session.origin {
                lockout.know(&session.user, origin);
            }
        }
        drop(lockout);
        self.write().renew(newer);
    }

    /// Records that the collector follows a plan, when the record before is of another one.
    pub(crate) async fn follows_plan(&self, topology: &str, generation: &str) {
        let plan = format!("{topology} {generation}");
        let store = self.store.clone();
        let last = spawn_blocking(move || store.reader()?.last_plan_record()).await;
        if let Ok(Ok(last)) = last
            && last.is_none_or(|last| !last.contains(generation))
        {
            let record = Record {
                at: now(),
                who: "-".to_owned(),
                from: "-".to_owned(),
                deed: Deed::PlanChanged,
                what: plan,
            };
            self.put_aside(Act::recorded(record)).await;
        }
    }

    /// Takes over what others change, until the collector ends.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut edition = None;
        let mut failing = false;
        let mut ticks = interval(FOLLOW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.look(edition).await {
                Ok(found) => (edition, failing) = (found, false),
                Err(error) if !failing => {
                    failing = true;
                    warn!(%error, "who may log in cannot be read; those who were known still may");
                }
                Err(_) => {}
            }
        }
    }

    /// Takes over who there is, unless that is the edition which is known; gives back the edition.
    pub(crate) async fn look(&self, known: Option<i64>) -> Result<Option<i64>, StoreError> {
        let store = self.store.clone();
        let looked = spawn_blocking(move || {
            let reader = store.reader()?;
            let found = reader.access_edition()?;
            let newer = (known != Some(found)).then(|| reader.directory());
            Ok((found, newer.transpose()?))
        });
        // Who panicked there has said so, and is asked again.
        let Ok(looked) = looked.await else {
            return Ok(known);
        };
        let (found, newer) = looked?;
        if let Some(newer) = newer {
            self.renew(newer);
        }
        Ok(Some(found))
    }

    pub(crate) fn caller(&self, peer: Peer, headers: &HeaderMap) -> Caller {
        Caller::of(peer, headers, &self.rules.proxies)
    }

    /// Whether a session's cookie can be kept from being sent in the clear: not where this host speaks HTTP to itself.
    pub(crate) fn secures_cookies(&self, peer: Peer) -> bool {
        peer.tls || !self.rules.proxies.is_empty()
    }

    /// Who asks, if that one has the right; `route` is what the address is called in the log.
    pub(crate) async fn let_in(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        right: Right,
        route: &'static str,
    ) -> Result<Viewer, Refusal> {
        let viewer = match self.identify(caller, headers, right) {
            Ok(viewer) => viewer,
            Err(refusal) => {
                self.own.refusals.with_label_values(&[refusal.code()]).inc();
                if refusal == Refusal::Token {
                    self.record_stranger(caller, Deed::Refused, &format!("a token, {route}"))
                        .await;
                }
                return Err(refusal);
            }
        };
        if viewer.has(right) {
            return Ok(viewer);
        }
        let refusal = Refusal::Forbidden(right);
        self.own.refusals.with_label_values(&[refusal.code()]).inc();
        // Who asks again and again is recorded once an hour.
        if locked(&self.refusals).is_new(&viewer.who(), route, now()) {
            let record = record(&viewer.who(), caller, Deed::Refused, route);
            self.put_aside(Act::recorded(record)).await;
        }
        Err(refusal)
    }

    fn identify(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        right: Right,
    ) -> Result<Viewer, Refusal> {
        let scrapes = right == Right::Network
            && caller.direct
            && self
                .rules
                .metrics_from
                .iter()
                .any(|network| network.contains(&caller.address));
        let now = now();
        if let Some(shown) = bearer(headers) {
            if !caller.confidential {
                return Err(Refusal::InTheClear);
            }
            let found = self.write().by_token(shown, now);
            let (viewer, used) = found.ok_or(Refusal::Token)?;
            if let (Use::ToTell, Standing::Token { name, .. }) = (used, &viewer.standing) {
                let name = name.clone();
                self.tell(Change::TokenUsed { name, at: now });
            }
            return Ok(viewer);
        }
        if let Some(shown) = cookie(headers).filter(|_| caller.confidential) {
            let found = self.write().by_session(shown, now);
            if let Some((viewer, used)) = found {
                if used == Use::ToTell {
                    let hash = SecretHash::of(shown);
                    self.tell(Change::SessionUsed { hash, at: now });
                }
                return Ok(viewer);
            }
        }
        if right == Right::Public {
            return Ok(Viewer::new(Standing::Nobody));
        }
        if scrapes {
            return Ok(Viewer::new(Standing::Network));
        }
        let nobody = self.read().users.is_empty();
        if nobody && self.rules.loopback && self.rules.proxies.is_empty() && caller.local {
            return Ok(Viewer::new(Standing::Local));
        }
        Err(if !caller.confidential {
            Refusal::InTheClear
        } else if nobody {
            Refusal::NoUsers
        } else {
            Refusal::LogIn
        })
    }

    /// Records that somebody known is given what is stored; what cannot be recorded is not given.
    pub(crate) async fn exports(
        &self,
        caller: &Caller,
        viewer: &Viewer,
        route: &'static str,
        target: &str,
    ) -> Result<(), Refusal> {
        if !viewer.is_known() || !locked(&self.exports).is_new(&viewer.who(), route, now()) {
            return Ok(());
        }
        let record = record(&viewer.who(), caller, Deed::Export, target);
        let work = Work::Access(Box::new(Act::recorded(record)));
        self.store
            .write(work)
            .await
            .map(|_| ())
            .map_err(|_| Refusal::StoreFails)
    }

    /// Somebody says a name and a password.
    pub(crate) async fn log_in(&self, caller: &Caller, name: &str, password: String) -> LoggedIn {
        let logged_in = self.try_login(caller, name, password).await;
        let result = match &logged_in {
            LoggedIn::Yes(_) => "in",
            LoggedIn::Wrong => "wrong",
            LoggedIn::Locked(_) => "locked-out",
            LoggedIn::Crowded | LoggedIn::StoreFails => "turned-away",
        };
        self.own.logins.with_label_values(&[result]).inc();
        logged_in
    }

    async fn try_login(&self, caller: &Caller, name: &str, password: String) -> LoggedIn {
        if name.len() > NAME_OCTETS_MAX {
            return LoggedIn::Wrong;
        }
        let origin = Origin::of(caller.address);
        let attempt = locked(&self.lockout).attempt(name, origin, now());
        if let Err(left) = attempt {
            self.record_stranger(caller, Deed::LockedOut, name).await;
            return LoggedIn::Locked(left);
        }
        let user = self.read().users.get(name).cloned();
        let kept = user.as_ref().map(|user| user.password.clone());
        match self.checker.check(password, kept).await {
            Err(_) => return LoggedIn::Crowded,
            Ok(false) => {
                self.record_stranger(caller, Deed::LoginFailed, name).await;
                return LoggedIn::Wrong;
            }
            Ok(true) => {}
        }
        locked(&self.lockout).succeeded(name, origin);
        let (Some(user), Ok(secret)) = (user, Secret::session()) else {
            return LoggedIn::StoreFails;
        };
        let at = now();
        let session = Session {
            user: name.to_owned(),
            began: at,
            used: at,
            origin: Some(origin),
        };
        let act = Act {
            change: Some(Change::Begin {
                hash: secret.hash(),
                session: session.clone(),
                from: caller.address.to_string(),
            }),
            records: vec![record(name, caller, Deed::Login, &user.grant.words())],
        };
        if self.store.write(Work::Access(Box::new(act))).await.is_err() {
            return LoggedIn::StoreFails;
        }
        self.write().sessions.insert(secret.hash(), session);
        LoggedIn::Yes(secret)
    }

    /// As if somebody had guessed for hours.
    #[cfg(test)]
    pub(crate) fn guessed(&self, name: &str, from: IpAddr) {
        let mut lockout = locked(&self.lockout);
        for k in (1..=12).rev() {
            let at = now() - Nanos::from_secs(1_000 * k);
            assert_eq!(lockout.attempt(name, Origin::of(from), at), Ok(()));
        }
        let _ = lockout.attempt(name, Origin::of(from), now());
    }

    /// Ends the session of a request, if it has one.
    pub(crate) async fn log_out(&self, caller: &Caller, headers: &HeaderMap) {
        let Some(hash) = cookie(headers).map(SecretHash::of) else {
            return;
        };
        let ended = self.write().sessions.remove(&hash);
        if let Some(session) = ended {
            let act = Act {
                change: Some(Change::End { hash }),
                records: vec![record(&session.user, caller, Deed::Logout, "")],
            };
            self.put_aside(act).await;
        }
    }

    /// Writes that something was used, without anybody waiting for it.
    fn tell(&self, change: Change) {
        let Ok(place) = Arc::clone(&self.telling).try_acquire_owned() else {
            return;
        };
        let store = self.store.clone();
        tokio::spawn(async move {
            let _place = place;
            let act = Act {
                change: Some(change),
                records: Vec::new(),
            };
            // Told again in a minute.
            let _ = store.write(Work::Access(Box::new(act))).await;
        });
    }

    /// Records what a stranger caused, within the ration.
    async fn record_stranger(&self, caller: &Caller, deed: Deed, what: &str) {
        let allowed = locked(&self.ration).take(now());
        let mut records = Vec::new();
        match allowed {
            Allowed::No => return,
            Allowed::Yes => {}
            Allowed::After(count) => {
                let mut left_out = record("-", caller, Deed::LeftOut, &count.to_string());
                left_out.from = "-".to_owned();
                records.push(left_out);
            }
        }
        records.push(record("-", caller, deed, what));
        let change = None;
        self.put_aside(Act { change, records }).await;
    }

    /// Writes what changes no answer: a store that refuses has said so in the log.
    async fn put_aside(&self, act: Act) {
        let _ = self.store.write(Work::Access(Box::new(act))).await;
    }
}

fn record(who: &str, caller: &Caller, deed: Deed, what: &str) -> Record {
    Record {
        at: now(),
        who: who.to_owned(),
        from: caller.address.to_string(),
        deed,
        what: what.to_owned(),
    }
}

impl Refusal {
    /// Its label in the metrics.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::LogIn => "no-login",
            Self::NoUsers => "no-users",
            Self::Token => "token",
            Self::Forbidden(_) => "role",
            Self::InTheClear => "in-the-clear",
            Self::StoreFails => "store",
        }
    }

    /// Every label.
    pub(crate) const CODES: [&'static str; 6] = [
        "no-login",
        "no-users",
        "token",
        "role",
        "in-the-clear",
        "store",
    ];
}

/// The names of the cookie: where it can be kept to HTTPS, browsers let nobody else set it (RFC 6265bis, section 4.1.3).
pub(crate) const COOKIES: [&str; 2] = ["__Host-owl-session", "owl-session"];

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE);
    let mut pairs = lines
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(name, _)| COOKIES.contains(name))
        .map(|(_, value)| value)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, shown) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
}
