//! Brings a receiver up to what is so.
//!
//! What a receiver believes to go on stands in the store; what is told is the
//! difference to the alerts that do. So an alert is not told twice and an end
//! is not forgotten, whenever the collector stops in between, and a receiver
//! that was dead is told what is so when it is back. A request that was taken
//! and not remembered, because the collector died just then, is sent again:
//! receivers tell alerts by their labels and their begin.
//!
//! An Alertmanager is told everything once a minute: it takes an alert for over
//! of which it hears nothing for five.

mod alertmanager;
mod settings;
mod told;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use owl_measure::time::Timestamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

pub use self::settings::AlertReceiver;
use self::settings::Speech;
pub(crate) use self::settings::{AlertmanagerFile, WebhookFile};
pub(crate) use self::told::PagesAt;
use super::{Alert, Key, Kind, Map};
use crate::live::Live;
use crate::metrics::Own;
use crate::now::now;
use crate::post::{Outcome, Post, read_secret};
use crate::store::{AlertChange, Store, Work};

/// How often an Alertmanager is told everything, and a webhook's state is looked at again.
const AGAIN: Duration = Duration::from_secs(60);
/// After the first failure; it doubles with each further one.
const WAIT_LEAST: Duration = Duration::from_secs(1);
/// Between two attempts at most, unless the receiver asks for more.
const WAIT_MOST: Duration = Duration::from_secs(60);
/// Alerts in one request; the others go into further ones.
const ALERTS_A_REQUEST: usize = 200;

/// One receiver.
pub(crate) struct Delivery {
    receiver: AlertReceiver,
    name: String,
    post: Post,
    pages: PagesAt,
    store: Store,
    live: Arc<Live>,
    own: Arc<Own>,
    /// What the receiver takes for going on, and the lease under which that was read.
    believed: Option<(i64, BTreeMap<Key, Timestamp>)>,
    /// What of that is not in the store yet; at most one entry an alert.
    unwritten: BTreeMap<Key, Option<Timestamp>>,
    failures: u32,
}

/// Something that a receiver is told: an alert that goes on, or since when one did that is over.
enum News {
    Fires(Alert),
    Ended(Key, Timestamp),
}

impl News {
    fn key(&self) -> Key {
        match self {
            Self::Fires(alert) => alert.key(),
            Self::Ended(key, _) => key.clone(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Fires(alert) => alert.kind,
            Self::Ended((kind, _), _) => *kind,
        }
    }

    /// What the receiver takes for going on once it was told.
    fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Fires(alert) => Some(alert.since),
            Self::Ended(..) => None,
        }
    }
}

/// It cannot go on at this moment, and for how long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Halt(Duration);

impl Delivery {
    /// To a receiver; `pages` is where people look.
    pub(crate) fn new(
        receiver: AlertReceiver,
        pages: PagesAt,
        store: Store,
        live: Arc<Live>,
        own: Arc<Own>,
    ) -> Self {
        Self {
            name: receiver.name(),
            post: Post::to(receiver.destination.clone()),
            receiver,
            pages,
            store,
            live,
            own,
            believed: None,
            unwritten: BTreeMap::new(),
            failures: 0,
        }
    }

    /// Tells until `stopped`; what is not told then is told by the next collector.
    pub(crate) async fn run(
        mut self,
        changed: watch::Receiver<u64>,
        mut stopped: watch::Receiver<()>,
    ) {
        tokio::select! {
            _ = stopped.changed() => {}
            () = self.turns(changed) => {}
        }
    }

    async fn turns(&mut self, mut changed: watch::Receiver<u64>) {
        loop {
            changed.mark_unchanged();
            match self.turn(now()).await {
                Ok(()) => {
                    let again = Instant::now() + AGAIN;
                    tokio::select! {
                        () = sleep_until(again) => {}
                        alive = changed.changed() => if alive.is_err() { return },
                    }
                }
                // A change does not shorten the wait for a receiver that is dead.
                Err(Halt(wait)) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Tells what is to be told now.
    pub(super) async fn turn(&mut self, now: Timestamp) -> Result<(), Halt> {
        let Some(epoch) = self.store.lease().epoch() else {
            self.believed = None;
            return Ok(());
        };
        let believed = self.belief(epoch).await?;
        let news = {
            let table = self.live.read();
            // Before the first look nothing is known to be over.
            if table.board.at.is_none() {
                return Ok(());
            }
            self.news(&table.board.alerts, &believed)
        };
        let map = self.live.map();
        for (kind, news) in batches(news, &self.receiver.speech) {
            let body = self.body(&map, kind, &news, now);
            self.send(body).await?;
            self.own
                .alerts_told
                .with_label_values(&[self.name.as_str(), "taken"])
                .inc_by(news.len() as u64);
            for one in &news {
                self.believe(one);
            }
        }
        self.write(epoch).await;
        Ok(())
    }

    /// What the receiver is to be told.
    fn news(&self, alerts: &[Alert], believed: &BTreeMap<Key, Timestamp>) -> Vec<News> {
        let known: BTreeMap<Key, &Alert> =
            alerts.iter().map(|alert| (alert.key(), alert)).collect();
        let over = believed.iter().filter(|(key, _)| !known.contains_key(key));
        let mut news: Vec<News> = over
            .map(|(key, since)| News::Ended(key.clone(), *since))
            .collect();
        for (key, alert) in known {
            let told = believed.get(&key);
            let wanted = match self.receiver.speech {
                // What it was told before work began goes on.
                Speech::Alertmanager => told.is_some() || alert.quiet.is_none(),
                Speech::Webhook { .. } => match told {
                    Some(since) => *since != alert.since && alert.quiet.is_none(),
                    None => alert.quiet.is_none(),
                },
            };
            if wanted {
                news.push(News::Fires(alert.clone()));
            }
        }
        news
    }

    fn body(&self, map: &Map, kind: Option<Kind>, news: &[News], now: Timestamp) -> Vec<u8> {
        let pages = &self.pages;
        let text = match kind {
            None => {
                let alerts = news.iter().map(|one| match one {
                    News::Fires(alert) => alertmanager::firing(map, alert, now, pages),
                    News::Ended(key, since) => {
                        alertmanager::resolved(map, (key, *since), now, pages)
                    }
                });
                serde_json::to_vec(&alerts.collect::<Vec<_>>())
            }
            Some(kind) => {
                let alerts = news.iter().map(|one| match one {
                    News::Fires(alert) => webhook::firing(map, alert, pages),
                    News::Ended(key, since) => webhook::resolved(map, (key, *since), now, pages),
                });
                serde_json::to_vec(&webhook::message(kind, alerts.collect(), pages))
            }
        };
        text.expect("our own structs have string keys and no numbers that JSON has not")
    }

    async fn belief(&mut self, epoch: i64) -> Result<BTreeMap<Key, Timestamp>, Halt> {
        if let Some((of, believed)) = &self.believed
            && *of == epoch
        {
            return Ok(believed.clone());
        }
        let (name, store) = (self.name.clone(), self.store.clone());
        let asked = spawn_blocking(move || store.reader()?.believed_by(&name)).await;
        let believed = match asked {
            Ok(Ok(believed)) => believed,
            Ok(Err(error)) => return Err(self.failed(&error.to_string(), None)),
            Err(error) => return Err(self.failed(&error.to_string(), None)),
        };
        self.unwritten.clear();
        self.believed = Some((epoch, believed.clone()));
        Ok(believed)
    }

    fn believe(&mut self, news: &News) {
        let (key, since) = (news.key(), news.since());
        let Some((_, believed)) = &mut self.believed else {
            return;
        };
        let before = match since {
            Some(since) => believed.insert(key.clone(), since),
            None => believed.remove(&key),
        };
        if before != since {
            self.unwritten.insert(key, since);
        }
    }

    /// Remembers what was told. While the store refuses, that waits for the next turn.
    async fn write(&mut self, epoch: i64) {
        if self.unwritten.is_empty() {
            return;
        }
        let told = self.unwritten.clone().into_iter().collect();
        let receiver = self.name.clone();
        let change = Box::new(AlertChange::Believed { receiver, told });
        let written = self.store.write_as_judge(Work::Alerts(change), epoch).await;
        if written.is_ok() {
            self.unwritten.clear();
        }
    }

    async fn send(&mut self, body: Vec<u8>) -> Result<(), Halt> {
        let json = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, json)]);
        if let Speech::Webhook { key: Some(file) } = &self.receiver.speech {
            // Read for each request, so that a new key needs no restart.
            match read_secret(file) {
                Ok(key) => headers.insert(webhook::SIGNATURE, webhook::signed(&key, &body)),
                Err(error) => {
                    let why = format!("cannot read {}: {error}", file.display());
                    return Err(self.failed(&why, None));
                }
            };
        }
        match self.post.send(&headers, body).await {
            Outcome::Taken => {
                if self.failures > 0 {
                    info!(receiver = self.name, "alerts are told again");
                }
                self.failures = 0;
                Ok(())
            }
            Outcome::Refused { status, said } => {
                Err(self.failed(&format!("{status}: {said}"), Some(WAIT_MOST)))
            }
            Outcome::Later { why, after } => Err(self.failed(&why, after)),
        }
    }

    /// Says once that it fails, and how long to wait.
    fn failed(&mut self, why: &str, after: Option<Duration>) -> Halt {
        if self.failures == 0 {
            warn!(
                receiver = self.name,
                why, "alerts cannot be told; the receiver is told what is so when it can be"
            );
        }
        self.own
            .alerts_told
            .with_label_values(&[self.name.as_str(), "failed"])
            .inc();
        let wait = WAIT_LEAST
            .saturating_mul(1 << self.failures.min(6))
            .min(WAIT_MOST);
        self.failures = self.failures.saturating_add(1);
        Halt(after.unwrap_or(wait))
    }
}

/// Requests of bounded size: for a webhook kind by kind, as one group each.
fn batches(news: Vec<News>, speech: &Speech) -> Vec<(Option<Kind>, Vec<News>)> {
    let mut groups: BTreeMap<Option<Kind>, Vec<News>> = BTreeMap::new();
    for one in news {
        let kind = match speech {
            Speech::Alertmanager => None,
            Speech::Webhook { .. } => Some(one.kind()),
        };
        groups.entry(kind).or_default().push(one);
    }
    let mut batches = Vec::new();
    for (kind, news) in groups {
        let mut rest = news.into_iter().peekable();
        while rest.peek().is_some() {
            batches.push((kind, rest.by_ref().take(ALERTS_A_REQUEST).collect()));
        }
    }
    batches
}

#[cfg(test)]
mod tests;
