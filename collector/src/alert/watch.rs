//! Looks every two seconds, and keeps what is told in the store.
//!
//! The collector that judges does it. Others of the same store show what that
//! one wrote, and go on from there when they become the judge.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use owl_measure::time::{Nanos, Timestamp};
use tokio::sync::watch;
use tracing::{info, warn};

use super::book::{Alert, Book, Key};
use super::kind::LOSS_TOLD_FOR;
use super::look::Look;
use crate::live::Live;
use crate::now::now;
use crate::page::Zone;
use crate::store::{AlertChange, Store, StoreError, Work};

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(2);

/// Watches the live table.
pub(crate) struct Watch {
    store: Store,
    live: Arc<Live>,
    zone: Zone,
    grace: Nanos,
    book: Book,
    /// What the store has as going on.
    kept: BTreeMap<Key, Alert>,
    /// The lease under which it looks; `None` while another collector does, or before the first look.
    office: Option<i64>,
    changed: watch::Sender<u64>,
    failing: bool,
}

impl Watch {
    /// `changed` is told with every change of what is told.
    pub(crate) fn new(
        store: Store,
        live: Arc<Live>,
        zone: Zone,
        grace: Nanos,
        changed: watch::Sender<u64>,
    ) -> Self {
        Self {
            store,
            live,
            zone,
            grace,
            book: Book::default(),
            kept: BTreeMap::new(),
            office: None,
            changed,
            failing: false,
        }
    }

    /// Looks until `stop` is dropped.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        loop {
            match self.round(now()) {
                Ok(()) if self.failing => {
                    self.failing = false;
                    info!("alerts are looked for again");
                }
                Err(error) if !self.failing => {
                    self.failing = true;
                    warn!(%error, "the store cannot be asked about alerts; what is told stays as it is");
                }
                Ok(()) | Err(_) => {}
            }
            if stop.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// Looks once.
    pub(crate) fn round(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let reader = self.store.reader()?;
        let announced = reader.maintenance_after(now)?;
        if self.live.read().announced != announced {
            self.live.write().announce(announced);
        }
        let Some(epoch) = self.store.lease().epoch() else {
            self.office = None;
            let alerts = reader.open_alerts()?;
            self.show(alerts, now);
            return Ok(());
        };
        if self.office != Some(epoch) {
            let alerts = reader.open_alerts()?;
            self.book = Book::restored(&alerts);
            self.kept = alerts
                .into_iter()
                .map(|alert| (alert.key(), alert))
                .collect();
            self.office = Some(epoch);
        }
        let lost = reader.lost_since(now - LOSS_TOLD_FOR)?;
        drop(reader);
        let map = self.live.map();
        let sight = Look {
            table: &self.live.read(),
            lost: &lost,
            zone: &self.zone,
            network: &map.network,
            now,
            grace: self.grace,
        }
        .sight();
        let alerts = self.book.step(&map, &sight, now);
        self.keep(&alerts, epoch, now);
        self.show(alerts, now);
        Ok(())
    }

    /// Keeps what has changed. A store that refuses has it at the next look: receivers are told all the same.
    fn keep(&mut self, alerts: &[Alert], epoch: i64, at: Timestamp) {
        let changed = |alert: &&Alert| {
            let kept = self.kept.get(&alert.key());
            kept.is_none_or(|kept| !kept.is_as_good_as(alert))
        };
        let fresh: Vec<Alert> = alerts.iter().filter(changed).cloned().collect();
        let now: BTreeMap<Key, Timestamp> = alerts
            .iter()
            .map(|alert| (alert.key(), alert.since))
            .collect();
        let over: Vec<(Key, Timestamp)> = self
            .kept
            .values()
            .filter(|kept| now.get(&kept.key()) != Some(&kept.since))
            .map(|kept| (kept.key(), kept.since))
            .collect();
        if fresh.is_empty() && over.is_empty() {
            return;
        }
        let change = AlertChange::Told {
            now: fresh.clone(),
            over: over.clone(),
            at,
        };
        let written = self
            .store
            .write_judged(Work::Alerts(Box::new(change)), epoch);
        if written.is_ok() {
            over.iter().for_each(|(key, _)| {
                self.kept.remove(key);
            });
            let fresh = fresh.into_iter().map(|alert| (alert.key(), alert));
            self.kept.extend(fresh);
        }
    }

    fn show(&self, alerts: Vec<Alert>, now: Timestamp) {
        let mut table = self.live.write();
        let board = &mut table.board;
        let same = board.alerts.len() == alerts.len()
            && board
                .alerts
                .iter()
                .zip(&alerts)
                .all(|(was, is)| was.is_as_good_as(is));
        let first = board.at.is_none();
        board.alerts = alerts;
        board.at = Some(now);
        drop(table);
        if !same || first {
            self.changed.send_modify(|edition| *edition += 1);
        }
    }
}
