//! What a probe says to its collector and how it understands the answers, whichever way they go.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use owl_measure::report::{
    Abilities, FromCollector, FromProbe, Hello, MESSAGE_OCTETS_MAX, PlanStanding, ReportBatch,
    VERSION,
};
use tokio::sync::{Notify, watch};

use super::flight::Flight;
use super::pace::Pace;
use super::{Offer, Shared, UplinkError};
use crate::config::Config;
use crate::spool::{SpoolError, Spooled};

/// Reports in one batch, and octets of them, at most.
const BATCH_REPORTS: u64 = 256;
const BATCH_OCTETS: usize = MESSAGE_OCTETS_MAX / 2;

/// One connection's conversation.
pub(super) struct Talk<'a> {
    config: &'a Config,
    shared: &'a Arc<Shared>,
    offers: &'a watch::Sender<Option<Offer>>,
    /// Which plan the collector knows is followed.
    told: Mutex<Option<PlanStanding>>,
    flight: Mutex<Flight>,
    /// Told when an answer may have made room.
    answered: Notify,
}

impl<'a> Talk<'a> {
    pub(super) fn new(
        config: &'a Config,
        shared: &'a Arc<Shared>,
        offers: &'a watch::Sender<Option<Offer>>,
    ) -> Self {
        let pace = Pace::of(config.uplink.drain_octets_per_second, Instant::now());
        let mut spool = shared.spool();
        // What was lost before this connection, the collector misses and asks for.
        spool.losses();
        let flight = Flight::new(spool.epoch(), spool.made(), pace);
        drop(spool);
        Self {
            config,
            shared,
            offers,
            told: Mutex::default(),
            flight: Mutex::new(flight),
            answered: Notify::new(),
        }
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        // Every change is one insertion or assignment, so it is whole whoever panicked.
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first word.
    pub(super) fn hello(&self) -> FromProbe {
        FromProbe::Hello(Hello {
            version: VERSION,
            probe: self.config.id.clone(),
            epoch: self.flight().epoch(),
            software: env!("CARGO_PKG_VERSION").into(),
            simulated: self.config.lab.is_some(),
            abilities: Abilities::OURS,
        })
    }

    /// Which plan is followed, if the collector wants to know and does not.
    fn news(&self) -> Option<FromProbe> {
        if !self.flight().plans() {
            return None;
        }
        let standing = self.shared.standing();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() == Some(&standing) {
            return None;
        }
        *told = Some(standing.clone());
        Some(FromProbe::Plan(standing))
    }

    /// The collector lets this probe in, and says what to measure.
    fn greeted(&self, offer: Offer) {
        self.shared.connected.store(true, Relaxed);
        self.shared.greetings.fetch_add(1, Relaxed);
        if self.shared.failure_said.swap(false, Relaxed) {
            tracing::info!(probe = self.config.id, "connected to the collector again");
        }
        self.offers.send_replace(Some(offer));
    }

    /// What is to be said now; nothing when there is nothing, or it has to wait.
    pub(super) async fn next(&self) -> Result<Vec<FromProbe>, SpoolError> {
        let (now, news) = (Instant::now(), self.news());
        let (sent, lanes) = self.flight().lanes(now);
        let shared = self.shared.clone();
        let tried = lanes.clone();
        let read = move || {
            let mut spool = shared.spool();
            let mut found = None;
            for (lane, of) in tried.iter().enumerate() {
                let reports_max = of.reports_max.min(BATCH_REPORTS);
                let spooled = spool.unsent(of.numbers.clone(), &sent, reports_max, BATCH_OCTETS)?;
                if !spooled.is_empty() {
                    found = Some((lane, spooled));
                    break;
                }
            }
            let filled = spool.filled_ppm();
            Ok((found, spool.losses(), filled))
        };
        let (found, losses, filled) = blocking(read).await?;
        let mut flight = self.flight();
        flight.lose(losses);
        let gone = flight.take_gone().into_iter();
        let gone = gone.map(|(numbers, loss)| FromProbe::Gone(numbers, loss));
        let mut said: Vec<FromProbe> = news.into_iter().chain(gone).collect();
        if let Some((lane, spooled)) = found {
            for batch in batches(spooled, flight.epoch(), filled) {
                let octets = batch.reports.iter().map(Vec::len).sum();
                if let Some(numbers) = batch.numbers() {
                    flight.send(&lanes[lane], &numbers, octets, now);
                }
                said.push(FromProbe::Batch(batch));
            }
        }
        Ok(said)
    }

    /// Waits until there may be something to say again.
    pub(super) async fn wait(&self) {
        let due = self.flight().due(Instant::now());
        let due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.shared.spooled.notified() => {}
            () = self.answered.notified() => {}
            () = due => {}
        }
    }

    /// Takes in what the collector says.
    pub(super) async fn hear(&self, message: FromCollector) -> Result<(), UplinkError> {
        let epoch = self.flight().epoch();
        match message {
            FromCollector::Welcome(abilities) => self.flight().agree(abilities),
            FromCollector::Plan(_) => {
                // Who speaks first of its plan is of the version before.
                self.flight().agree(Abilities::NONE);
                self.greeted(Offer::Unsigned);
            }
            FromCollector::Order(octets) => self.greeted(Offer::Signed(octets)),
            FromCollector::Stored(sequence) => {
                let shared = self.shared.clone();
                blocking(move || shared.spool().acknowledge(1..=sequence)).await?;
                self.shared.progress.acknowledged(1..=sequence);
                self.flight().answered(1..=sequence);
            }
            FromCollector::Taken(numbers) if numbers.epoch == epoch => {
                let shared = self.shared.clone();
                blocking(move || shared.spool().acknowledge(numbers.range())).await?;
                self.shared.progress.acknowledged(numbers.range());
                self.flight().answered(numbers.range());
            }
            FromCollector::Again(numbers) if numbers.epoch == epoch => {
                let shared = self.shared.clone();
                let absent = blocking(move || shared.spool().again(numbers.range())).await?;
                self.flight().lose(absent);
            }
            FromCollector::Highest(highest) => {
                let shared = self.shared.clone();
                let made = blocking(move || shared.spool().go_beyond(highest)).await?;
                self.flight().go_on(made);
            }
            // Of another spool, which is not here any more.
            FromCollector::Taken(_) | FromCollector::Again(_) => {}
            FromCollector::Refusal(why) => return Err(UplinkError::Refused(why)),
        }
        self.answered.notify_one();
        Ok(())
    }
}

/// Runs a database call off the runtime's threads.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    tokio::task::spawn_blocking(call)
        .await
        .expect("a spool call neither panics nor is cancelled")
}

/// Batches without a gap in their numbers.
fn batches(spooled: Vec<Spooled>, epoch: u64, filled_ppm: u32) -> Vec<ReportBatch> {
    let mut batches: Vec<ReportBatch> = Vec::new();
    for Spooled { sequence, octets } in spooled {
        match batches.last_mut() {
            Some(batch) if batch.first_sequence + batch.reports.len() as u64 == sequence => {
                batch.reports.push(octets)
            }
            _ => batches.push(ReportBatch {
                epoch,
                first_sequence: sequence,
                reports: vec![octets],
                spool_filled_ppm: Some(filled_ppm),
            }),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_in_the_numbers_begins_a_new_batch() {
        let spooled = [1, 2, 5, 6, 7].map(|sequence| Spooled {
            sequence,
            octets: vec![1],
        });
        let got: Vec<(u64, usize)> = batches(spooled.to_vec(), 9, 0)
            .iter()
            .map(|b| (b.first_sequence, b.reports.len()))
            .collect();
        assert_eq!(got, [(1, 2), (5, 3)]);
    }
}
