//! What is said between a probe that is let in and the collector, whichever way the messages go.

use std::sync::Arc;

use owl_measure::report::{
    Abilities, FromCollector, FromProbe, Hello, Numbers, ReportBatch, ReportError,
};
use owl_measure::sequences::Sequences;
use owl_measure::time::Timestamp;
use tokio::time::sleep;
use tracing::{debug, error};

use super::{CallError, Desk, SOFTWARE_MAX, STORE_AGAIN};
use crate::live::{Caller, LiveProbe};
use crate::now::now;
use crate::plan::Standing;
use crate::store::{Arrival, Work};

/// One caller's conversation.
pub(super) struct Conversation<'a> {
    desk: &'a Desk,
    probe: &'a str,
    epoch: u64,
    /// Whether the probe knows of ranges of numbers.
    ranges: bool,
    /// Whether it wants to know the highest number that came.
    highest: bool,
    /// Asked for in this conversation already.
    asked: Sequences,
    /// Whether the probe wants its plan signed, and at any time.
    plans: bool,
    /// The generation that it was sent last.
    ordered: u64,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(desk: &'a Desk, probe: &'a str, hello: &Hello) -> Self {
        Self {
            desk,
            probe,
            epoch: hello.epoch,
            ranges: hello.abilities.include(Abilities::RANGES),
            highest: hello.abilities.include(Abilities::HIGHEST),
            asked: Sequences::default(),
            plans: hello.abilities.include(Abilities::PLANS),
            ordered: 0,
        }
    }

    /// The first words: what the collector can do, for who says what he can, and the plan.
    pub(super) fn greeting(&mut self) -> Vec<FromCollector> {
        let mut said = Vec::new();
        if self.ranges {
            said.push(FromCollector::Welcome(Abilities::OURS));
        }
        if self.plans {
            said.extend(self.news());
        } else {
            said.push(FromCollector::Plan(self.desk.plans.unsigned(self.probe)));
        }
        said
    }

    /// The plan that the probe is to follow, if it is another one than it was sent and it takes one at any time.
    pub(super) fn news(&mut self) -> Option<FromCollector> {
        let edition = self.desk.plans.edition();
        let generation = edition.wanted(self.probe).row.generation;
        if !self.plans || generation == self.ordered {
            return None;
        }
        match self.desk.plans.signed(self.probe, now()) {
            Ok(order) => {
                self.ordered = generation;
                Some(FromCollector::Order(order))
            }
            Err(cause) => {
                let cause = &cause as &dyn std::error::Error;
                error!(
                    error = cause,
                    "plans cannot be signed; probes keep what they have"
                );
                None
            }
        }
    }

    /// Keeps how the probe stands to plans, if that has changed.
    async fn stand(&self, change: impl FnOnce(&mut Standing)) {
        if let Some(standing) = self.desk.plans.stand(self.probe, change) {
            self.write(|| Work::Standing {
                probe: self.probe.to_owned(),
                standing: standing.clone(),
            })
            .await;
        }
    }

    /// Notes who called; tells what came of his spool, and what is asked of him from before.
    pub(super) async fn called(&mut self, hello: &Hello) -> Vec<FromCollector> {
        let software = hello.software.chars().filter(|c| !c.is_control());
        let caller = Caller {
            epoch: hello.epoch,
            software: software.take(SOFTWARE_MAX).collect(),
            simulated: hello.simulated,
            called_at: now(),
        };
        let highest = self
            .write(|| Work::Call {
                probe: self.probe.to_owned(),
                caller: caller.clone(),
            })
            .await;
        let told = self.highest.then_some(FromCollector::Highest(highest));
        told.into_iter().chain(self.questions()).collect()
    }

    /// Takes a message in, and answers after the commit.
    pub(super) async fn hear(&mut self, octets: Vec<u8>) -> Result<Vec<FromCollector>, CallError> {
        let refused = |error: ReportError| CallError::Refused(error.to_string());
        let message = FromProbe::decode(&octets).map_err(refused)?;
        drop(octets);
        match message {
            FromProbe::Hello(_) => Err(CallError::Refused("a hello is said once".into())),
            FromProbe::Batch(batch) => self.batch(batch).await,
            // Of another spool nothing is asked, and who knows of no ranges is asked nothing.
            FromProbe::Gone(numbers, loss) if self.ranges && numbers.epoch == self.epoch => {
                let at = now();
                self.write(|| Work::Gone {
                    probe: self.probe.to_owned(),
                    numbers,
                    loss,
                    at,
                })
                .await;
                Ok(self.questions())
            }
            FromProbe::Gone(..) => Ok(Vec::new()),
            FromProbe::Plan(said) => {
                self.stand(|standing| standing.say(&said)).await;
                Ok(Vec::new())
            }
        }
    }

    async fn batch(&mut self, batch: ReportBatch) -> Result<Vec<FromCollector>, CallError> {
        let end = batch
            .first_sequence
            .saturating_add(batch.reports.len() as u64);
        if i64::try_from(end).is_err() {
            return Err(CallError::Refused(
                "a sequence number that nobody can have reached".into(),
            ));
        }
        if batch.epoch != self.epoch {
            return Err(CallError::Refused(
                "a batch of another epoch than the hello's".into(),
            ));
        }
        let numbers = batch.numbers();
        self.fills(batch.spool_filled_ppm);
        let arrival = Arc::new(self.examine(batch, now()));
        let stored = self.write(|| Work::Arrival(Arc::clone(&arrival))).await;
        let under = arrival.reports.iter().flatten();
        let under = under.filter_map(|admitted| admitted.report.generation.parse().ok());
        if let Some(highest) = under.max() {
            self.stand(|standing| standing.reports = standing.reports.max(highest))
                .await;
        }
        if !self.ranges {
            return Ok(vec![FromCollector::Stored(stored)]);
        }
        let mut said: Vec<_> = numbers.map(FromCollector::Taken).into_iter().collect();
        said.extend(self.questions());
        Ok(said)
    }

    /// Notes how full its spool is; nobody's is more than full.
    fn fills(&self, filled_ppm: Option<u32>) {
        let filled = filled_ppm.map(|filled| filled.min(1_000_000));
        // Mostly it is as it was, and nobody need wait for that.
        let known = |probe: &LiveProbe| probe.spool_filled_ppm == filled;
        if self
            .desk
            .live
            .read()
            .probes
            .get(self.probe)
            .is_some_and(known)
        {
            return;
        }
        if let Some(probe) = self.desk.live.write().probes.get_mut(self.probe) {
            probe.spool_filled_ppm = filled;
        }
    }

    /// Sorts out what may not be stored.
    fn examine(&self, batch: ReportBatch, received_at: Timestamp) -> Arrival {
        let reports = batch.reports.into_iter();
        Arrival {
            probe: self.probe.to_owned(),
            epoch: batch.epoch,
            first_sequence: batch.first_sequence,
            received_at,
            can_be_asked: self.ranges,
            reports: reports
                .map(|body| self.desk.examine(self.probe, body, received_at))
                .collect(),
        }
    }

    /// What is missing now and was not asked for yet in this conversation.
    fn questions(&mut self) -> Vec<FromCollector> {
        if !self.ranges {
            return Vec::new();
        }
        let awaited = {
            let live = self.desk.live.read();
            let probe = live.probes.get(self.probe);
            let of_it = probe.filter(|probe| {
                let caller = probe.caller.as_ref();
                caller.is_some_and(|caller| caller.epoch == self.epoch)
            });
            of_it.map(|probe| probe.awaited.clone()).unwrap_or_default()
        };
        let mut new = awaited.clone();
        for asked in self.asked.ranges() {
            new.remove(asked);
        }
        // Both sets have few ranges: the store bounds those that are missing.
        self.asked = awaited;
        let epoch = self.epoch;
        new.ranges()
            .map(|range| FromCollector::Again(Numbers::of(epoch, &range)))
            .collect()
    }

    /// Writes until it is written. While the store refuses, the probe hears nothing and keeps its reports.
    async fn write(&self, work: impl Fn() -> Work) -> u64 {
        loop {
            match self.desk.store.write(work()).await {
                Ok(answer) => return answer,
                Err(refused) => debug!(%refused, "trying again"),
            }
            sleep(STORE_AGAIN).await;
        }
    }
}
