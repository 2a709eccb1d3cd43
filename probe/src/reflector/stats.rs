//! What a session-reflector has done so far.

use std::sync::{Mutex, PoisonError};

use owl_measure::time::Nanos;
use owl_protocol::session::reflector::ReflectorCounts;

use super::THREADS_MAX;

/// What a reflector has done so far: a block for each of its threads, written by that one only and read by anyone.
#[derive(Debug)]
pub struct ReflectorStats {
    blocks: Box<[Block]>,
}

/// What one thread has done. No two share a cache line, nor a pair of lines that a processor fetches together.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Block(Mutex<ReflectorReading>);

/// A reading of [`ReflectorStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReflectorReading {
    /// Fates of the datagrams.
    pub counts: ReflectorCounts,
    /// Those of the answered that a program in a driver answered, before any thread.
    pub reflected_in_driver: u64,
    /// Replies that the kernel did not take, and further replies to one request for which there was no room.
    pub unsent: u64,
    /// Datagrams that the kernel dropped at the reflector's own sockets, for lack of room above all: own loss, not the
    /// network's.
    pub dropped: u64,
    /// Replies that left with others in one send, under one transmit stamp.
    pub bundled: u64,
    /// Sockets whose kernel refused such a send; their replies leave one by one.
    pub bundles_refused: u64,
    /// Replies whose kernel transmit stamp was delivered.
    pub t3_stamped: u64,
    /// By how much T3 was early, summed over those.
    pub t3_early_total: Nanos,
    /// By how much it was early at most.
    pub t3_early_max: Nanos,
}

impl Default for ReflectorStats {
    fn default() -> Self {
        Self {
            blocks: (0..THREADS_MAX).map(|_| Block::default()).collect(),
        }
    }
}

impl ReflectorStats {
    /// What all threads together stand at.
    pub fn read(&self) -> ReflectorReading {
        let mut all = ReflectorReading::default();
        for block in &self.blocks {
            all.add(&block.read());
        }
        all
    }

    /// What each of the first so many threads stands at.
    pub fn read_each(&self, threads: usize) -> Vec<ReflectorReading> {
        self.blocks.iter().take(threads).map(Block::read).collect()
    }

    pub(super) fn block(&self, thread: usize) -> &Block {
        &self.blocks[thread % THREADS_MAX]
    }
}

impl Block {
    /// Tells what the thread stands at. Who reads at this moment is not waited for; the next telling is soon.
    pub(super) fn tell(&self, reading: &ReflectorReading) {
        if let Ok(mut told) = self.0.try_lock() {
            *told = *reading;
        }
    }

    /// Tells what the thread stands at when it ends.
    pub(super) fn tell_last(&self, reading: &ReflectorReading) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = *reading;
    }

    fn read(&self) -> ReflectorReading {
        // Plain numbers, written in one piece: a panic elsewhere leaves them whole.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReflectorReading {
    fn add(&mut self, other: &Self) {
        let Self {
            counts,
            reflected_in_driver,
            unsent,
            dropped,
            bundled,
            bundles_refused,
            t3_stamped,
            t3_early_total,
            t3_early_max,
        } = other;
        self.counts += *counts;
        self.reflected_in_driver += reflected_in_driver;
        self.unsent += unsent;
        self.dropped += dropped;
        self.bundled += bundled;
        self.bundles_refused += bundles_refused;
        self.t3_stamped += t3_stamped;
        self.t3_early_total += *t3_early_total;
        self.t3_early_max = self.t3_early_max.max(*t3_early_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up_and_the_worst_of_them_is_the_worst_of_all() {
        let reading = |n: u64| ReflectorReading {
            counts: ReflectorCounts {
                reflected: n,
                replayed: 2 * n,
                ..ReflectorCounts::default()
            },
            reflected_in_driver: 8 * n,
            unsent: 3 * n,
            dropped: 4 * n,
            bundled: 9 * n,
            bundles_refused: 10 * n,
            t3_stamped: 5 * n,
            t3_early_total: Nanos(6 * n.cast_signed()),
            t3_early_max: Nanos(7 * n.cast_signed()),
        };
        let stats = ReflectorStats::default();
        stats.block(0).tell(&reading(10));
        stats.block(1).tell(&reading(7));
        stats.block(1).tell(&reading(1));
        stats.block(THREADS_MAX - 1).tell_last(&reading(0));
        let all = ReflectorReading {
            t3_early_max: Nanos(70),
            ..reading(11)
        };
        assert_eq!(stats.read(), all);
        assert_eq!(stats.read_each(2), [reading(10), reading(1)]);
    }
}
