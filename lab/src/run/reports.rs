//! Reports, held against each other on both sides of the uplink.

use std::collections::BTreeMap;
use std::path::PathBuf;

use owl_probe::spool::Spool;

use crate::api::StoredOf;

/// Reports, counted on both sides.
#[derive(Debug, Default)]
pub(super) struct Reports {
    pub(super) made: u64,
    pub(super) stored: u64,
    pub(super) missing: u64,
    pub(super) waiting: u64,
}

impl Reports {
    /// Every probe numbers its reports from 1 without a gap, so both sides can be held against each other.
    pub(super) fn count(spools: &BTreeMap<String, PathBuf>, stored: &[StoredOf]) -> Self {
        let mut all = Self::default();
        for (probe, directory) in spools {
            // A probe that never came as far as to make its directory made no report either.
            let spool = directory
                .is_dir()
                .then(|| Spool::open(directory).ok())
                .flatten();
            let counts = spool
                .as_ref()
                .and_then(|spool| spool.counts().ok())
                .unwrap_or_default();
            let epoch = spool.as_ref().map(Spool::epoch);
            let rows: u64 = stored
                .iter()
                .filter(|row| row.probe == *probe)
                .map(|row| row.rows)
                .sum();
            let here: u64 = stored
                .iter()
                .filter(|row| row.probe == *probe && Some(row.epoch) == epoch)
                .map(|row| row.rows)
                .sum();
            // What is not in the store must be on the probe's disk.
            let elsewhere = counts.made.saturating_sub(here);
            all.made += counts.made;
            all.stored += rows;
            all.waiting += elsewhere.min(counts.waiting);
            all.missing += elsewhere.saturating_sub(counts.waiting);
        }
        all
    }
}
