//! Remote write 1.0: series are sent to whoever keeps them, each with its own time.
//!
//! At every turn the live table is told as a scrape would read it. Verdicts are
//! told at the end of their windows, in the order in which they were judged, so
//! a late report changes the past where the receiver lets it. The store is
//! their queue: up to where a receiver has them stands there, so neither an
//! outage of the receiver nor one of the collector leaves one out while the
//! store keeps it. Counters grow on meanwhile and are told as they are then.
//! All of it reads; nothing that comes in waits for it.

mod gather;
mod message;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use owl_measure::time::{Nanos, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use self::gather::{Alive, PATHS_A_REQUEST, Told};
use self::message::{TimeSeries, packed};
pub use self::settings::Receiver;
pub(crate) use self::settings::ReceiverFile;
use crate::judgement::Judgement;
use crate::live::{Judging, Live};
use crate::metrics::{Own, Part};
use crate::now::now;
use crate::post::{Outcome, Post};
use crate::store::{Sent, Store, StoreError, Work};

/// Verdicts in one request.
const VERDICTS_A_REQUEST: usize = 64;
/// After the first failure; it doubles with each further one.
const WAIT_LEAST: Duration = Duration::from_secs(1);
/// Between two attempts at most, unless the receiver asks for more.
const WAIT_MOST: Duration = Duration::from_secs(60);

/// One receiver, and what it was told.
pub(crate) struct RemoteWrite {
    receiver: Receiver,
    name: String,
    post: Post,
    headers: HeaderMap,
    store: Store,
    live: Arc<Live>,
    own: Arc<Own>,
    grace: Nanos,
    alive: Vec<Alive>,
    told: Told,
    failures: u32,
    /// A refusal is said once; the counter tells of the others.
    refusal_said: bool,
}

/// It cannot go on at this moment, and for how long.
#[derive(Debug, PartialEq, Eq)]
struct Halt(Duration);

impl RemoteWrite {
    pub(crate) fn new(
        receiver: Receiver,
        store: Store,
        live: Arc<Live>,
        own: Arc<Own>,
        grace: Nanos,
    ) -> Self {
        Self {
            name: receiver.name(),
            post: Post::to(receiver.destination.clone()),
            headers: headers(),
            receiver,
            store,
            live,
            own,
            grace,
            alive: Vec::new(),
            told: Told::default(),
            failures: 0,
            refusal_said: false,
        }
    }

    /// Sends until `stopped`; what is under way then is sent again by the next collector.
    pub(crate) async fn run(mut self, mut stopped: watch::Receiver<()>) {
        tokio::select! {
            _ = stopped.changed() => {}
            () = self.turns() => {}
        }
    }

    async fn turns(&mut self) {
        let interval = Duration::from_nanos(self.receiver.interval.0.unsigned_abs());
        loop {
            let next = Instant::now() + interval;
            match self.turn(next).await {
                Ok(()) => sleep_until(next).await,
                Err(Halt(wait)) => sleep(wait).await,
            }
        }
    }

    async fn turn(&mut self, until: Instant) -> Result<(), Halt> {
        self.present().await?;
        if self.store.lease().epoch().is_none() {
            // The collector that judges sends them.
            return Ok(());
        }
        self.verdicts(until).await
    }

    /// What stands in the live table, some paths a request.
    async fn present(&mut self) -> Result<(), Halt> {
        let (part, moment) = (self.receiver.part, (now(), self.grace));
        let paths = match self.live.read().judging {
            Judging::Here => self.live.read().paths.len(),
            Judging::Elsewhere => 0,
        };
        self.alive.resize(paths, Alive::default());
        for first in (0..paths).step_by(PATHS_A_REQUEST) {
            let (series, alive) =
                gather::paths(&self.live.read(), part, first, &self.alive, moment);
            if !series.is_empty() {
                self.send(series).await?;
            }
            self.alive[first..first + alive.len()].copy_from_slice(&alive);
        }
        if matches!(part, Part::Whole | Part::Shard { which: 0, .. }) {
            let series = gather::rest(
                &self.live.read(),
                &self.own,
                &self.receiver.instance,
                moment.0,
            );
            self.send(series).await?;
        }
        Ok(())
    }

    /// The verdicts that it has not, until there is none or the next turn is due.
    async fn verdicts(&mut self, until: Instant) -> Result<(), Halt> {
        let mut sent = self.position().await?;
        while Instant::now() < until {
            let (after, store) = (sent.clone(), self.store.clone());
            let next = move || store.reader()?.judged_after(&after, VERDICTS_A_REQUEST);
            let next = self.read(next).await?;
            let Some((last, _)) = next.last() else {
                return Ok(());
            };
            sent = last.clone();
            // A damaged verdict is passed over; the log has said so where it was read first.
            let verdicts = next.into_iter().filter_map(|(_, verdict)| verdict);
            self.send_verdicts(verdicts.collect()).await?;
            self.remember(sent.clone()).await?;
        }
        Ok(())
    }

    /// Up to where the receiver has them; from now on for one that is new.
    async fn position(&mut self) -> Result<Sent, Halt> {
        let (name, store) = (self.name.clone(), self.store.clone());
        let known = self.read(move || store.reader()?.sent_to(&name)).await?;
        if let Some(sent) = known {
            return Ok(sent);
        }
        let sent = Sent::before(now());
        self.remember(sent.clone()).await?;
        Ok(sent)
    }

    /// Asks the store on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &mut self,
        question: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Halt> {
        match spawn_blocking(question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failed(&error.to_string(), None)),
            Err(error) => Err(self.failed(&error.to_string(), None)),
        }
    }

    async fn remember(&mut self, sent: Sent) -> Result<(), Halt> {
        let receiver = self.name.clone();
        let written = self.store.write(Work::Sent { receiver, sent }).await;
        written
            .map(|_| ())
            .map_err(|refused| self.failed(&refused.to_string(), None))
    }

    /// Sends verdicts; those of a request that is refused as wrong (400) are tried by halves, so that one which the receiver
    /// holds too old takes no other with it: at most two requests a verdict.
    async fn send_verdicts(&mut self, verdicts: Vec<Judgement>) -> Result<(), Halt> {
        let mut waiting = vec![verdicts];
        while let Some(mut verdicts) = waiting.pop() {
            let series = self.series_of(&verdicts);
            if series.is_empty() {
                continue;
            }
            let count = series.len();
            match self.post(series).await? {
                Some(StatusCode::BAD_REQUEST) if verdicts.len() > 1 => {
                    let later = verdicts.split_off(verdicts.len() / 2);
                    waiting.extend([later, verdicts]);
                }
                Some(_) => self.count("refused", count),
                None => {
                    self.count("taken", count);
                    verdicts
                        .into_iter()
                        .for_each(|verdict| self.told.learn(verdict));
                }
            }
        }
        Ok(())
    }

    fn series_of(&self, verdicts: &[Judgement]) -> Vec<TimeSeries> {
        let table = self.live.read();
        let mut series = Vec::new();
        for verdict in verdicts {
            let live = table.path(&verdict.path);
            let wanted = live.filter(|live| {
                self.receiver.part.holds(live) && live.path.profile.id == verdict.profile
            });
            if let Some(live) = wanted {
                series.extend(self.told.series(live, verdict));
            }
        }
        series
    }

    async fn send(&mut self, series: Vec<TimeSeries>) -> Result<(), Halt> {
        let count = series.len();
        let refused = self.post(series).await?;
        self.count(
            if refused.is_some() {
                "refused"
            } else {
                "taken"
            },
            count,
        );
        Ok(())
    }

    fn count(&self, result: &str, series: usize) {
        let samples = &self.own.remote_samples;
        samples
            .with_label_values(&[self.name.as_str(), result])
            .inc_by(series as u64);
    }

    /// Sends one request; `Some` when it was refused for good.
    async fn post(&mut self, series: Vec<TimeSeries>) -> Result<Option<StatusCode>, Halt> {
        match self.post.send(&self.headers, packed(series)).await {
            Outcome::Taken => {
                if self.failures > 0 {
                    info!(receiver = self.name, "remote write goes on");
                }
                self.failures = 0;
                let at = (now() - Timestamp(0)).as_secs_f64();
                let sent_at = &self.own.remote_sent_at;
                sent_at.with_label_values(&[self.name.as_str()]).set(at);
                Ok(None)
            }
            Outcome::Refused { status, said } => {
                self.failures = 0;
                if !self.refusal_said {
                    warn!(receiver = self.name, %status, said, "a receiver of remote write refuses samples; they are counted and dropped");
                }
                self.refusal_said = true;
                Ok(Some(status))
            }
            Outcome::Later { why, after } => Err(self.failed(&why, after)),
        }
    }

    /// Says once that it fails, and how long to wait.
    fn failed(&mut self, why: &str, after: Option<Duration>) -> Halt {
        if self.failures == 0 {
            warn!(
                receiver = self.name,
                why, "remote write fails; verdicts wait in the store"
            );
        }
        let wait = WAIT_LEAST
            .saturating_mul(1 << self.failures.min(6))
            .min(WAIT_MOST);
        self.failures = self.failures.saturating_add(1);
        Halt(after.unwrap_or(wait))
    }
}

/// Those that remote write 1.0 asks for.
fn headers() -> HeaderMap {
    let fixed = HeaderValue::from_static;
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, fixed("application/x-protobuf")),
        (header::CONTENT_ENCODING, fixed("snappy")),
        (
            HeaderName::from_static("x-prometheus-remote-write-version"),
            fixed("0.1.0"),
        ),
    ])
}

#[cfg(test)]
mod tests;
