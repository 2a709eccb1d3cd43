//! The packer: batches become blocks, a probe at a time.
//!
//! Each probe has its turn once in ten minutes, at an instant of its own, so that
//! the work is spread. Until then its batches are read as they came. What cannot
//! be packed, because the store refuses, waits for the next turn.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use owl_measure::time::{Nanos, Timestamp};
use tracing::{error, info};

use crate::now::now;
use crate::store::{Reader, Refused, Store, StoreError, Work};

/// Between two turns of a probe: 60 reports of ten seconds on each of its paths.
const SPAN: Nanos = Nanos::from_secs(600);
/// How often the packer looks whose turn it is.
const PERIOD: Duration = Duration::from_secs(1);

/// The thread's state.
pub(crate) struct Packer {
    store: Store,
    reader: Reader,
    /// When each probe had its last turn; a probe that is seen for the first time waits for its next one.
    turns: HashMap<String, Timestamp>,
    failing: bool,
}

/// A turn that did not come to its end.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error(transparent)]
    Read(#[from] StoreError),
    #[error("cannot write blocks")]
    Write(#[from] Refused),
}

/// The beginning of the turn that an instant belongs to.
fn turn(probe: &str, at: Timestamp) -> Timestamp {
    let mut hasher = DefaultHasher::new();
    probe.hash(&mut hasher);
    let phase = hasher.finish() % (SPAN.0 as u64);
    at.period_start(SPAN, Timestamp(phase as i64))
}

impl Packer {
    pub(crate) fn new(store: Store) -> Result<Self, StoreError> {
        Ok(Self {
            reader: store.reader()?,
            store,
            turns: HashMap::new(),
            failing: false,
        })
    }

    /// Packs until `stop` is dropped.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        while stop.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
            let outcome = self.round(now());
            match &outcome {
                Ok(()) if self.failing => info!("batches are packed again"),
                // The writer has said why.
                Err(TurnError::Write(_)) => {}
                Err(error) if !self.failing => {
                    error!(%error, "cannot pack; batches wait as they came");
                }
                _ => {}
            }
            self.failing = outcome.is_err();
        }
    }

    /// Packs the batches of those whose turn has come.
    fn round(&mut self, now: Timestamp) -> Result<(), TurnError> {
        for probe in self.reader.reporting_probes()? {
            let turn = turn(&probe, now);
            let last = *self.turns.entry(probe.clone()).or_insert(turn);
            if last == turn {
                continue;
            }
            self.pack(&probe)?;
            self.turns.insert(probe, turn);
        }
        Ok(())
    }

    /// Packs all batches of a probe.
    fn pack(&self, probe: &str) -> Result<(), TurnError> {
        let mut after = 0;
        while let Some(pack) = self.reader.pack(probe, after)? {
            after = pack.last();
            self.store.write_blocking(Work::Pack(Box::new(pack)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_probe_has_one_turn_in_ten_minutes_and_they_are_spread() {
        let span = SPAN.0;
        let phases: std::collections::BTreeSet<i64> = (0..200)
            .map(|k| {
                let probe = format!("probe-{k}");
                let first = turn(&probe, Timestamp(1_000 * span));
                assert!(first.0 > 999 * span && first.0 <= 1_000 * span);
                assert_eq!(turn(&probe, Timestamp(first.0 + span - 1)), first);
                assert_eq!(turn(&probe, Timestamp(first.0 + span)).0, first.0 + span);
                first.0 / 60_000_000_000
            })
            .collect();
        assert!(phases.len() >= 10, "of eleven minutes: {phases:?}");
    }
}
