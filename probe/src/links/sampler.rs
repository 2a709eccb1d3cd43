//! Reads an interface's counters at absolute deadlines.

use std::thread;

use owl_measure::counter::{Carried, Moment, PortWatch, Profile, Width};
use owl_measure::time::{Monotonic, Nanos};

use super::{Counters, InterfaceError, Statistics};
use crate::net::{monotonic_clock, set_timer_slack};

/// Readings a second at most: faster, and reading costs more than a hundredth of a processor.
pub const RATE_HZ_MAX: u32 = 1_000;

/// What an interface carried so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampled {
    /// By the last reading.
    pub at: Monotonic,
    /// Received and sent.
    pub carried: [Carried; 2],
    /// Frames in error since the first reading, received and sent.
    pub errors: [u64; 2],
    /// Frames dropped since the first reading, received and to be sent.
    pub dropped: [u64; 2],
    /// Deadlines that were slept through: this process did not get a processor in time.
    pub skipped: u64,
}

/// What an interface carried between two readings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The reading at its beginning.
    pub first: Counters,
    /// The reading at its end.
    pub last: Counters,
    /// Received and sent.
    pub carried: [Carried; 2],
}

/// Reads one interface again and again.
#[derive(Debug)]
pub struct Sampler {
    statistics: Statistics,
    interval: Nanos,
    next: Monotonic,
    watches: [PortWatch; 2],
    first: Counters,
    last: Counters,
    skipped: u64,
}

impl Sampler {
    /// Of the interface with this name, so many times a second: between 1 and [`RATE_HZ_MAX`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn start(interface: &str, rate_hz: u32) -> Result<Self, InterfaceError> {
        let mut statistics = Statistics::of(interface)?;
        let interval = Nanos(1_000_000_000 / i64::from(rate_hz.clamp(1, RATE_HZ_MAX)));
        let profile = Profile::new(Width::Bits64, statistics.speed_bps());
        let first = statistics.read()?;
        let mut sampler = Self {
            statistics,
            interval,
            next: first.latest + interval,
            watches: [0, 1].map(|_| PortWatch::new(profile, interval)),
            first,
            last: first,
            skipped: 0,
        };
        sampler.take_in(first);
        Ok(sampler)
    }

    /// Its speed in b/s, where the driver tells it.
    pub fn speed_bps(&self) -> Option<u64> {
        self.statistics.speed_bps()
    }

    /// Reads until so much time has passed, and tells what was carried since the start. On the calling thread, which is
    /// woken for every reading.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn sample_for(&mut self, span: Nanos) -> Result<Sampled, InterfaceError> {
        self.read_for(span)?;
        Ok(self.so_far())
    }

    /// Reads until so much time has passed. On the calling thread, which is woken for every reading.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn read_for(&mut self, span: Nanos) -> Result<(), InterfaceError> {
        set_timer_slack();
        let end = self.now()? + span;
        while self.next < end {
            let now = self.now()?;
            if now < self.next {
                thread::sleep((self.next - now).to_std());
            }
            let counters = self.statistics.read()?;
            self.take_in(counters);
            // A deadline that has passed already is not caught up with: two readings at once tell no more than one.
            let behind = (counters.latest - self.next).0.max(0) / self.interval.0;
            self.skipped += behind.unsigned_abs();
            self.next = self.next + self.interval.times(behind + 1);
        }
        Ok(())
    }

    /// What was carried since the start or the last call, and the readings at both ends: the last one of an interval is the first
    /// of the next.
    pub fn take(&mut self) -> Interval {
        let (first, last) = (self.first, self.last);
        self.first = last;
        let [received, sent] = &mut self.watches;
        Interval {
            first,
            last,
            carried: [received.take(), sent.take()],
        }
    }

    /// Whether the kernel says that the interface is up; `None` where it does not know, as of the loopback.
    pub fn is_up(&self) -> Option<bool> {
        self.statistics.is_up()
    }

    fn now(&self) -> Result<Monotonic, InterfaceError> {
        monotonic_clock().map_err(|source| InterfaceError::Read {
            interface: self.statistics.interface().to_owned(),
            source,
        })
    }

    fn take_in(&mut self, counters: Counters) {
        for (way, watch) in self.watches.iter_mut().enumerate() {
            let moment = Moment {
                earliest: counters.earliest,
                latest: counters.latest,
                octets: counters.octets[way],
            };
            watch.push(moment, counters.frames[way]);
        }
        self.last = counters;
    }

    fn so_far(&self) -> Sampled {
        let since = |before: [u64; 2], after: [u64; 2]| {
            [0, 1].map(|way| after[way].saturating_sub(before[way]))
        };
        Sampled {
            at: self.last.latest,
            carried: self.watches.each_ref().map(PortWatch::carried),
            errors: since(self.first.errors, self.last.errors),
            dropped: since(self.first.dropped, self.last.dropped),
            skipped: self.skipped,
        }
    }
}
