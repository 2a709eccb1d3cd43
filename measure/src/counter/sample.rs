//! One reading of a counter, with all that was read beside it.

use super::Ticks;
use crate::time::{Nanos, Timestamp};

/// What came of reading the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The counter's value.
    Octets(u64),
    /// Nobody answered, or the answer had no such row.
    Missing,
    /// A number that no counter of 64 bits can show.
    TooLarge,
}

impl Reading {
    /// The value, where there is one.
    pub fn octets(self) -> Option<u64> {
        match self {
            Self::Octets(octets) => Some(octets),
            Self::Missing | Self::TooLarge => None,
        }
    }
}

/// What says that a counter still counts from where it did: each stays the same as long as it does.
///
/// `None` is "not told here".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// snmpEngineBoots (RFC 3414, section 2.2): counts the agent's starts.
    pub boots: Option<u32>,
    /// ifCounterDiscontinuityTime (RFC 2863): sysUpTime when this row's counters last began anew.
    pub discontinuity: Option<Ticks>,
    /// last-clear of OpenConfig's interface counters: when they were cleared, in nanoseconds since 1970.
    pub last_clear_ns: Option<u64>,
    /// The number of the 15-minute bin that counts (`bbf-interfaces-performance-management`, TR-385): each begins at zero.
    pub bin: Option<u64>,
}

/// One reading of an octet counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterSample {
    /// The middle of the request on the collector's monotonic clock; `None` when that is not known.
    pub at: Option<Timestamp>,
    /// How far from `at` the agent may have read the counter: half of the round trip.
    pub within: Nanos,
    /// sysUpTime in the same answer.
    pub up: Option<Ticks>,
    /// What tells of a new beginning.
    pub marks: Marks,
    /// Which port this row belongs to, as ifName tells; after a renumbering the same row is another port.
    pub port: Option<u64>,
    /// The counter.
    pub reading: Reading,
}

impl CounterSample {
    /// How far from its middle a request of unknown round trip may have been answered: no poller waits longer.
    pub const WITHIN_UNKNOWN: Nanos = Nanos::from_secs(5);

    /// A reading at an instant, with nothing beside it.
    pub fn new(at: Timestamp, within: Nanos, octets: u64) -> Self {
        Self {
            at: Some(at),
            within,
            up: None,
            marks: Marks::default(),
            port: None,
            reading: Reading::Octets(octets),
        }
    }
}
