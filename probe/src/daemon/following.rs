//! Follows the plan: has the senders do what it says, and the uplink call whom it names.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use owl_topology::Plan;
use tokio::sync::watch;

use super::Senders;
use crate::config::{Collectors, Config};
use crate::enrolment::now;
use crate::plan::PlanKeeper;
use crate::uplink::{Offer, Shared};

/// The plan, and who is told of it.
pub(super) struct Following {
    keeper: PlanKeeper,
    shared: Arc<Shared>,
    /// Of the configuration.
    collectors: Collectors,
    /// How often a collector had let the probe in when the plan began that has no session.
    greetings: u64,
}

impl Following {
    /// With the plan of the last run.
    pub(super) fn open(config: &Config, shared: Arc<Shared>) -> Self {
        Self {
            keeper: PlanKeeper::open(config, now(), Instant::now()),
            collectors: config.collector.clone(),
            greetings: 0,
            shared,
        }
    }

    /// Where to report.
    pub(super) fn collectors(&self) -> Collectors {
        let named = self.keeper.plan().and_then(named);
        named.unwrap_or_else(|| self.collectors.clone())
    }

    /// Begins to measure, before any collector answers.
    pub(super) fn begin(&mut self, senders: &mut Senders, collectors: &watch::Sender<Collectors>) {
        self.follow(senders, collectors);
        self.tell();
    }

    /// Takes what the collector wants measured, if it is to be believed.
    pub(super) fn take(
        &mut self,
        offer: &Offer,
        senders: &mut Senders,
        collectors: &watch::Sender<Collectors>,
    ) {
        let changed = match offer {
            Offer::Signed(octets) => self.keeper.offer(octets, now(), Instant::now()),
            Offer::Unsigned => {
                self.keeper.offer_unsigned();
                false
            }
        };
        if changed {
            self.follow(senders, collectors);
        }
        self.tell();
    }

    /// Sees whether the plan on trial has proved good, or its time is over.
    pub(super) fn look(&mut self, senders: &mut Senders, collectors: &watch::Sender<Collectors>) {
        if self.keeper.on_trial().is_none() {
            return;
        }
        let silent = self
            .keeper
            .plan()
            .is_some_and(|plan| plan.sessions.is_empty());
        // Who only reflects has nothing to report; that he is let in shows that he could.
        let greeted = silent && self.shared.greetings.load(Relaxed) > self.greetings;
        if greeted || self.shared.progress.is_acknowledged() {
            self.keeper.reported();
        } else if self.keeper.look(Instant::now()) {
            self.follow(senders, collectors);
        }
        self.tell();
    }

    fn follow(&mut self, senders: &mut Senders, collectors: &watch::Sender<Collectors>) {
        loop {
            if let Some(generation) = self.keeper.on_trial() {
                self.shared.progress.wait_for(generation);
            }
            let called = self.collectors();
            let moved = collectors.send_if_modified(|now| {
                let differs = *now != called;
                *now = called;
                differs
            });
            // An order that changes nothing of whom to call came over the connection that counts.
            let greetings = self.shared.greetings.load(Relaxed);
            self.greetings = greetings.saturating_sub(u64::from(!moved));
            let outcome = match self.keeper.plan() {
                Some(plan) => senders.follow(plan.clone()),
                None => return,
            };
            match outcome {
                Err(why) if self.keeper.unopened(&why) => {}
                _ => return,
            }
        }
    }

    fn tell(&self) {
        self.shared.stand(self.keeper.standing());
    }
}

/// The intakes that a plan names.
fn named(plan: &Plan) -> Option<Collectors> {
    let addresses = plan.reports_to.iter().map(|text| text.parse());
    let addresses: Vec<SocketAddr> = addresses.collect::<Result<_, _>>().ok()?;
    Collectors::of(addresses).ok()
}
