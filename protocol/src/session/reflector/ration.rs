//! How many replies a session-reflector gives: to one source, and to all.
//!
//! Token buckets. Sources share a fixed number of them, chosen by a seeded hash
//! of the address (of its first 64 bits in IPv6, which one host has for
//! itself), so nobody can aim at the bucket of another; sources that share one
//! share its ration.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use owl_measure::time::{Monotonic, Nanos};

/// Buckets that all sources share: 64 KiB.
const BUCKETS: usize = 4_096;
const SECOND_NS: i64 = 1_000_000_000;

/// So many replies a second, and so many at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Replies a second, one at least.
    pub per_second: u32,
    /// Replies at once, one at least.
    pub burst: u32,
}

impl Rate {
    fn cost(self) -> Nanos {
        Nanos(SECOND_NS / i64::from(self.per_second.max(1)))
    }

    /// One of so many equal parts, one reply a second at least.
    fn share_of(self, parts: u32) -> Self {
        Self {
            per_second: (self.per_second / parts).max(1),
            burst: (self.burst / parts).max(1),
        }
    }

    fn capacity(self) -> Nanos {
        self.cost().times(i64::from(self.burst.max(1)))
    }
}

/// The rations of a session-reflector. A datagram beyond one is dropped and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rations {
    /// Of one source.
    pub source: Rate,
    /// Of all sources together.
    pub total: Rate,
    /// Of replies longer than their requests, all sources together.
    pub short: Rate,
}

impl Rations {
    /// What one of so many reflectors gives that share the rations of all. The ration of one source stays, but half of
    /// the part is left for the others.
    pub(super) fn share_of(self, parts: usize) -> Self {
        let parts = u32::try_from(parts).unwrap_or(u32::MAX).max(1);
        let total = self.total.share_of(parts);
        Self {
            source: Rate {
                per_second: self.source.per_second.min(total.per_second / 2).max(1),
                burst: self.source.burst.min(total.burst / 2).max(1),
            },
            total,
            short: self.short.share_of(parts),
        }
    }
}

impl Default for Rations {
    /// A source gets more than any schedule of ours asks for, all together less than what fills a 10 Gbit/s link with
    /// base packets, and who sends 14 octets to get 44 a thousand a second.
    fn default() -> Self {
        let rate = |per_second, burst| Rate { per_second, burst };
        Self {
            source: rate(500_000, 100_000),
            total: rate(1_000_000, 200_000),
            short: rate(1_000, 1_000),
        }
    }
}

/// A bucket: how much time's worth of replies is left, and when that was so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    left: Nanos,
    since: Monotonic,
}

impl Bucket {
    pub(crate) fn full(rate: Rate) -> Self {
        Self {
            left: rate.capacity(),
            since: Monotonic(0),
        }
    }

    pub(crate) fn take(&mut self, now: Monotonic, rate: Rate, replies: u32) -> bool {
        let rest = (now - self.since).max(Nanos::ZERO);
        self.left = (self.left + rest).min(rate.capacity());
        self.since = now;
        let cost = rate.cost().times(i64::from(replies));
        let enough = self.left >= cost;
        if enough {
            self.left = self.left - cost;
        }
        enough
    }
}

/// What is left of each ration.
#[derive(Debug)]
pub(super) struct Buckets {
    rations: Rations,
    seed: u64,
    sources: Box<[Bucket]>,
    total: Bucket,
    short: Bucket,
}

impl Buckets {
    pub(super) fn new(rations: Rations, seed: u64) -> Self {
        Self {
            rations,
            seed,
            sources: vec![Bucket::full(rations.source); BUCKETS].into_boxed_slice(),
            total: Bucket::full(rations.total),
            short: Bucket::full(rations.short),
        }
    }

    /// Takes so many replies from the ration of a source.
    pub(super) fn take_source(&mut self, now: Monotonic, source: IpAddr, replies: u32) -> bool {
        let mut hasher = DefaultHasher::new();
        let prefix = match source.to_canonical() {
            IpAddr::V4(v4) => u64::from(u32::from(v4)),
            IpAddr::V6(v6) => (u128::from(v6) >> 64) as u64,
        };
        (self.seed, source.is_ipv4(), prefix).hash(&mut hasher);
        let index = hasher.finish() as usize % BUCKETS;
        self.sources[index].take(now, self.rations.source, replies)
    }

    /// Takes so many replies from the ration of all.
    pub(super) fn take_total(&mut self, now: Monotonic, replies: u32) -> bool {
        self.total.take(now, self.rations.total, replies)
    }

    /// Takes one reply that is longer than its request.
    pub(super) fn take_short(&mut self, now: Monotonic) -> bool {
        self.short.take(now, self.rations.short, 1)
    }
}
