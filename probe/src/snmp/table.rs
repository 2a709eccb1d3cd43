//! What one round brought: a value for each row and column, and when each row was read.

use std::ops::Range;

use owl_measure::counter::{CounterSample, Marks, Reading, Ticks};
use owl_measure::time::{Monotonic, Nanos, Timestamp};

use super::column::{Column, Lane};

/// When a row was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When its request left.
    pub sent_at: Monotonic,
    /// When the answer came.
    pub received_at: Monotonic,
    /// sysUpTime in the answer.
    pub up: Ticks,
    /// snmpEngineBoots of the message, where it has one.
    pub boots: Option<u32>,
}

impl Stamp {
    /// The middle of the request, on the monotonic clock.
    pub fn at(&self) -> Timestamp {
        Timestamp(self.sent_at.0 + (self.received_at - self.sent_at).0 / 2)
    }

    /// How far from that the agent may have read its counters.
    pub fn within(&self) -> Nanos {
        Nanos(((self.received_at - self.sent_at).0 + 1) / 2)
    }
}

/// The values of one round.
#[derive(Debug)]
pub struct Table {
    lane: Lane,
    cells: Vec<Option<u64>>,
    stamps: Vec<Option<Stamp>>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            lane: Lane::Octets,
            cells: Vec::new(),
            stamps: Vec::new(),
        }
    }

    /// Forgets the last round, and has room for the next.
    pub(super) fn begin(&mut self, lane: Lane, rows: usize) {
        self.lane = lane;
        self.cells.clear();
        self.cells.resize(rows * lane.columns().len(), None);
        self.stamps.clear();
        self.stamps.resize(rows, None);
    }

    pub(super) fn put(&mut self, row: usize, column: usize, value: u64) {
        let width = self.lane.columns().len();
        self.cells[row * width + column] = Some(value);
    }

    pub(super) fn stamp(&mut self, rows: Range<usize>, stamp: Stamp) {
        self.stamps[rows].fill(Some(stamp));
    }

    /// What was asked for.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// How many rows were answered.
    pub fn answered(&self) -> usize {
        self.stamps.iter().flatten().count()
    }

    /// When a row was read; `None` when nobody answered.
    pub fn read_at(&self, row: usize) -> Option<Stamp> {
        self.stamps.get(row).copied().flatten()
    }

    /// A value; `None` when it was not asked for, or the row has none, or nobody answered.
    pub fn value(&self, row: usize, column: Column) -> Option<u64> {
        self.read_at(row)?;
        let columns = self.lane.columns();
        let k = columns.iter().position(|&known| known == column)?;
        self.cells[row * columns.len() + k]
    }

    /// A counter as a sample; one that was not answered has neither a time nor a value. `port` says whose it is.
    pub fn sample(&self, row: usize, column: Column, port: u64) -> CounterSample {
        let Some(stamp) = self.read_at(row) else {
            return CounterSample {
                at: None,
                within: CounterSample::WITHIN_UNKNOWN,
                up: None,
                marks: Marks::default(),
                port: Some(port),
                reading: Reading::Missing,
            };
        };
        let discontinuity = self.value(row, Column::Discontinuity);
        CounterSample {
            at: Some(stamp.at()),
            within: stamp.within(),
            up: Some(stamp.up),
            marks: Marks {
                boots: stamp.boots,
                discontinuity: discontinuity
                    .and_then(|ticks| u32::try_from(ticks).ok())
                    .map(Ticks),
                ..Marks::default()
            },
            port: Some(port),
            reading: self
                .value(row, column)
                .map_or(Reading::Missing, Reading::Octets),
        }
    }
}
