//! The highest rate over a short window, from readings of a counter that are about as far apart.
//!
//! What is sought is the largest number of octets in *any* window of this
//! length, wherever it begins. Each reading says only that its value was the
//! counter's at some instant of an interval, so the peak is an interval, too:
//!
//! * No window holds more than the readings around it: the last one that was
//!   certainly before it, the first that is certainly behind it.
//! * Some window holds what two readings within it differ by; and what two
//!   readings that are a little further apart differ by, less what the line can
//!   carry in the rest.

use std::collections::VecDeque;

use super::increase::octets_at;
use super::percentile95::IntervalRate;
use super::{MeanRate, Profile};
use crate::time::{Monotonic, Nanos};

/// Readings that are remembered at most: four seconds of a thousand a second. At the bound a new stretch begins, and the windows
/// that were open are not judged.
const READINGS_MAX: usize = 4_096;

/// One reading of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// It was read no earlier.
    pub earliest: Monotonic,
    /// And no later.
    pub latest: Monotonic,
    /// The counter, of 64 bits.
    pub octets: u64,
}

impl Moment {
    /// Half-way between the two bounds.
    pub fn middle(&self) -> Monotonic {
        self.earliest + Nanos((self.latest - self.earliest).0 / 2)
    }
}

/// Octets in a window: seen, and within which bounds.
#[derive(Debug, Clone, Copy, Default)]
struct Largest {
    /// Between two readings that are at least the window apart, brought to the window's length.
    seen: u64,
    at_least: u64,
    at_most: u64,
}

/// Keeps the peak of one window length.
#[derive(Debug, Clone)]
pub struct PeakKeeper {
    window: Nanos,
    line_bps: Option<u64>,
    /// From the last reading that may be before a window that is still open.
    readings: VecDeque<Moment>,
    largest: Option<Largest>,
}

impl PeakKeeper {
    /// For windows of this length, above zero, on a line of this profile's speed.
    pub fn new(window: Nanos, profile: &Profile) -> Self {
        Self {
            window,
            line_bps: profile.line_rate_bps(),
            readings: VecDeque::new(),
            largest: None,
        }
    }

    /// The length of its windows.
    pub fn window(&self) -> Nanos {
        self.window
    }

    /// Takes the next reading, whose value and those before it may be up to `age` old.
    pub fn push(&mut self, reading: Moment, age: Nanos) {
        if self.readings.len() >= READINGS_MAX {
            self.forget_readings();
        }
        self.readings.push_back(reading);
        let window = self.window;
        // Windows that end before this reading for certain. Their start is behind the first reading, and not behind the second.
        while let Some((first, second)) = self.readings.front().zip(self.readings.get(1))
            && reading.earliest - second.latest >= window + age
        {
            let within = reading.octets.saturating_sub(first.octets);
            let largest = self.largest.get_or_insert_default();
            largest.at_most = largest.at_most.max(within);
            self.readings.pop_front();
        }
        let longest = |from: &Moment| reading.latest - from.earliest + age;
        let apart = |from: &Moment| reading.middle() - from.middle();
        let inside = self.readings.iter().find(|from| longest(from) <= window);
        let inside = inside.map_or(0, |from| reading.octets.saturating_sub(from.octets));
        let around = self
            .readings
            .iter()
            .take_while(|from| apart(from) >= window);
        let Some(around) = around.last() else {
            return;
        };
        let passed = reading.octets.saturating_sub(around.octets);
        let brought = u128::from(passed) * u128::from(window.0.unsigned_abs())
            / u128::from(apart(around).0.max(1).unsigned_abs());
        let rest = self
            .line_bps
            .map(|bps| octets_at(bps, longest(around) - window) + 1);
        let without_rest = rest.map_or(0, |rest| passed.saturating_sub(rest));
        let largest = self.largest.get_or_insert_default();
        largest.seen = largest.seen.max(brought.try_into().unwrap_or(u64::MAX));
        largest.at_least = largest.at_least.max(inside).max(without_rest);
    }

    /// Windows across this point are not judged: the counter began anew here.
    pub fn forget_readings(&mut self) {
        self.readings.clear();
    }

    /// Begins anew, when what was thought of the readings so far proved wrong.
    pub fn forget_all(&mut self) {
        self.readings.clear();
        self.largest = None;
    }

    /// The highest rate so far, in b/s; `None` before the first window was judged. What is still open counts as far as it is
    /// seen: the upper bound is that of the windows that have ended.
    pub fn peak(&self) -> Option<IntervalRate> {
        let largest = self.largest?;
        let line = self.line_bps.map(|bps| octets_at(bps, self.window) + 1);
        let at_least = largest.at_least;
        let at_most = largest.at_most.max(at_least);
        let at_most = line.map_or(at_most, |line| at_most.min(line).max(at_least));
        let bps = |octets| {
            let over = self.window;
            MeanRate { octets, over }.bps()
        };
        (largest.at_most > 0 || largest.seen == 0).then(|| IntervalRate {
            bps: bps(largest.seen.clamp(at_least, at_most)),
            at_least: bps(at_least),
            at_most: bps(at_most),
        })
    }

    /// The same, and begins anew with the readings that are there.
    pub fn take(&mut self) -> Option<IntervalRate> {
        let peak = self.peak();
        self.largest = None;
        peak
    }
}
