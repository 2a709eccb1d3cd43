//! What other collectors of the same store do, and this one's lease.
//!
//! Once a second the lease is renewed or asked for, and the live table is told
//! what others stored: who reported to them, and, while another one judges, its
//! verdicts and findings. What paths have counted is read anew every ten
//! seconds, of probes that reported to others, by the one that shows it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use owl_measure::time::{Nanos, Timestamp};
use tracing::{error, info, warn};

use super::counting::counted_by;
use super::database::{Begin, values};
use super::lease::{Lease, Standing};
use super::reader::epoch_of;
use super::{FindingsQuery, Reader, Store, StoreError, verdicts};
use crate::judgement::Judgement;
use crate::live::{Judging, Live};
use crate::now::now;
use crate::totals::Totals;

/// How often others are looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// How often what they counted is read.
const COUNTED: Duration = Duration::from_secs(10);
/// A probe that reported to another collector within this is connected there.
const ELSEWHERE: Nanos = Nanos::from_secs(60);
/// Findings that are shown.
const FINDINGS_MAX: usize = 1_000;

/// Keeps the lease and follows the others.
pub(crate) struct Follower {
    lease: Arc<Lease>,
    reader: Reader,
    live: Arc<Live>,
    seen: Option<Standing>,
    /// The begin of the newest window whose verdicts were read.
    newest: Timestamp,
    /// Probes that reported to others since their paths' counters were read, and when that was.
    stale: BTreeSet<String>,
    counted_at: Instant,
    failing: bool,
}

impl Follower {
    pub(crate) fn new(store: &Store, live: Arc<Live>) -> Result<Self, StoreError> {
        let newest = {
            let table = live.read();
            let latest = table.paths.iter().filter_map(|live| live.latest.as_ref());
            latest.map(|latest| latest.window_start).max()
        };
        Ok(Self {
            lease: Arc::clone(store.lease()),
            reader: store.reader()?,
            live,
            seen: None,
            newest: newest.unwrap_or(Timestamp(i64::MIN)),
            stale: BTreeSet::new(),
            counted_at: Instant::now(),
            failing: false,
        })
    }

    /// Follows until `stop` is dropped, and gives the lease back then.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        loop {
            match self.round(now()) {
                Ok(()) if self.failing => {
                    self.failing = false;
                    info!("the other collectors of the store are followed again");
                }
                Err(error) if !self.failing => {
                    self.failing = true;
                    warn!(%error, "cannot ask the store who judges");
                }
                Ok(()) | Err(_) => {}
            }
            if stop.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        if let Err(error) = self.lease.release(&self.reader.database) {
            error!(%error, "cannot give the lease back; it lapses by itself");
        }
    }

    fn round(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let kept = self.lease.keep(&self.reader.database);
        let standing = kept.map_err(|source| self.reader.fault(source))?;
        let mine = standing.holder == self.lease.holder();
        let before = self.seen.replace(standing.clone());
        if before.as_ref().map(|before| before.epoch) != Some(standing.epoch) {
            let Standing { holder, epoch, .. } = &standing;
            info!(%holder, epoch, here = mine, "the lease to judge has a new holder");
            self.live.write().judging = if mine {
                Judging::Here
            } else {
                Judging::Elsewhere
            };
        }
        self.probes(now)?;
        if mine {
            self.counters()?;
        } else if before.is_none_or(|before| before.round != standing.round) {
            self.verdicts()?;
        }
        Ok(())
    }

    fn probes(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let acks = self.reader.rows(
            "SELECT probe, epoch, stored, received_at_ns FROM ack ORDER BY received_at_ns",
            &[],
            |row| {
                let epoch = epoch_of(row.get(1)?);
                let stored = u64::try_from(row.get::<i64>(2)?).unwrap_or(0);
                Ok((row.get::<String>(0)?, epoch, stored, Timestamp(row.get(3)?)))
            },
        )?;
        let callers = self.reader.callers()?;
        let mut table = self.live.write();
        for (probe, caller) in callers {
            if let Some(live) = table.probes.get_mut(&probe) {
                live.caller = Some(caller);
            }
        }
        for (probe, epoch, stored, at) in acks {
            let Some(live) = table.probes.get_mut(&probe) else {
                continue;
            };
            if live.reported_at.is_none_or(|known| known < at) {
                live.reported_at = Some(at);
                live.reported_elsewhere_at = Some(at);
                // Its last report is not here.
                live.clock = None;
                self.stale.insert(probe);
            }
            if live
                .caller
                .as_ref()
                .is_some_and(|caller| caller.epoch == epoch)
            {
                live.stored = stored;
            }
        }
        for live in table.probes.values_mut() {
            live.elsewhere = live
                .reported_elsewhere_at
                .is_some_and(|at| at > now - ELSEWHERE);
        }
        Ok(())
    }

    fn counters(&mut self) -> Result<(), StoreError> {
        if self.counted_at.elapsed() < COUNTED {
            return Ok(());
        }
        self.counted_at = Instant::now();
        let targets = self.live.read().targets();
        for probe in std::mem::take(&mut self.stale) {
            let counted = self.reader.counted_by(&probe, &targets)?;
            let mut table = self.live.write();
            for (path, totals) in counted {
                if let Some(live) = table.path_mut(&path) {
                    // What was counted here since the question is there already.
                    if live.totals.sent <= totals.sent {
                        live.totals = totals;
                    }
                    let at = table.probes.get(&probe).and_then(|live| live.reported_at);
                    if let Some(live) = table.path_mut(&path) {
                        live.reported_at = live.reported_at.max(at);
                    }
                }
            }
        }
        Ok(())
    }

    /// What another judge said since the last time.
    fn verdicts(&mut self) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT {} FROM verdict WHERE window_start_ns >= $1 ORDER BY window_start_ns",
            verdicts::COLUMNS
        );
        let from = values![self.newest.0];
        let bodies = self.reader.rows(&sql, &from, verdicts::only)?;
        let judgements = bodies
            .iter()
            .map(|body| self.reader.judgement(body))
            .collect::<Result<Vec<Judgement>, _>>()?;
        let findings = self.reader.findings(FindingsQuery {
            open: Some(true),
            since: Timestamp(i64::MIN),
            limit: FINDINGS_MAX,
        })?;
        let mut table = self.live.write();
        table.findings = findings;
        for judgement in judgements {
            self.newest = self.newest.max(judgement.window_start);
            if let Some(live) = table.path_mut(&judgement.path) {
                live.take(&judgement);
            }
        }
        Ok(())
    }
}

impl Reader {
    /// What the paths have counted that a probe sends on.
    fn counted_by(
        &self,
        probe: &str,
        targets: &HashMap<String, Nanos>,
    ) -> Result<HashMap<String, Totals>, StoreError> {
        self.database
            .begin(Begin::Snapshot)
            .and_then(|transaction| counted_by(&transaction, probe, targets))
            .map_err(|source| self.fault(source))
    }
}
