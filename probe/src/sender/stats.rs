//! What a sender's thread counts beside measuring; written by it, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use owl_measure::time::Nanos;

/// Upper edges of the cells in which spans are counted; one more cell has what is longer.
const EDGES: [Nanos; 17] = [
    Nanos::from_micros(1),
    Nanos::from_micros(2),
    Nanos::from_micros(5),
    Nanos::from_micros(10),
    Nanos::from_micros(25),
    Nanos::from_micros(50),
    Nanos::from_micros(100),
    Nanos::from_micros(200),
    Nanos::from_micros(500),
    Nanos::from_millis(1),
    Nanos::from_millis(2),
    Nanos::from_millis(5),
    Nanos::from_millis(10),
    Nanos::from_millis(25),
    Nanos::from_millis(50),
    Nanos::from_millis(100),
    Nanos::from_secs(1),
];

/// Counts spans in fixed cells.
#[derive(Debug, Default)]
pub(super) struct SpanCounter {
    cells: [AtomicU64; EDGES.len() + 1],
    sum_ns: AtomicU64,
}

impl SpanCounter {
    /// Counts one; a negative span counts as none, since no packet leaves before its time and a clock may step.
    pub(super) fn count(&self, span: Nanos) {
        let cell = EDGES.partition_point(|&edge| edge < span);
        self.cells[cell].fetch_add(1, Relaxed);
        let ns = u64::try_from(span.0).unwrap_or(0);
        self.sum_ns.fetch_add(ns, Relaxed);
    }

    fn read(&self) -> SpanCounts {
        let mut total = 0;
        let mut at_most = self.cells.iter().map(|cell| {
            total += cell.load(Relaxed);
            total
        });
        SpanCounts {
            at_most: EDGES
                .map(|edge| (edge, at_most.next().expect("there is a cell for each edge"))),
            count: at_most.next().expect("and one more"),
            sum: Nanos(i64::try_from(self.sum_ns.load(Relaxed)).unwrap_or(i64::MAX)),
        }
    }
}

/// How many spans were how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanCounts {
    /// For each edge, how many spans were at most that.
    pub at_most: [(Nanos, u64); EDGES.len()],
    /// How many there were.
    pub count: u64,
    /// Their sum.
    pub sum: Nanos,
}

/// What a sender's thread has counted so far.
#[derive(Debug, Default)]
pub struct SenderStats {
    pub(super) lateness: SpanCounter,
    pub(super) local_queueing: SpanCounter,
    pub(super) own_loss: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) unstamped: AtomicU64,
    pub(super) bundled: AtomicU64,
    pub(super) bundles_refused: AtomicU64,
}

/// A reading of [`SenderStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReading {
    /// How long after their time packets left: by the kernel's transmit stamp, or where there is none by when they were
    /// handed to the kernel.
    pub lateness: SpanCounts,
    /// How long packets waited in the queueing discipline of this host, of a sample of them; its kernel tells.
    pub local_queueing: SpanCounts,
    /// Datagrams that the kernel dropped at the senders' own sockets, for lack of room above all.
    pub own_loss: u64,
    /// Packets that the kernel took.
    pub sent: u64,
    /// Packets that it refused.
    pub unsent: u64,
    /// Packets whose transmit stamp did not come.
    pub unstamped: u64,
    /// Packets that left with others in one send, under one transmit stamp.
    pub bundled: u64,
    /// Sockets whose kernel refused such a send; their packets leave one by one.
    pub bundles_refused: u64,
}

impl SenderStats {
    /// What it stands at.
    pub fn read(&self) -> SenderReading {
        SenderReading {
            lateness: self.lateness.read(),
            local_queueing: self.local_queueing.read(),
            own_loss: self.own_loss.load(Relaxed),
            sent: self.sent.load(Relaxed),
            unsent: self.unsent.load(Relaxed),
            unstamped: self.unstamped.load(Relaxed),
            bundled: self.bundled.load(Relaxed),
            bundles_refused: self.bundles_refused.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_counted_up_to_each_edge() {
        let counter = SpanCounter::default();
        for us in [-3, 0, 5, 6, 199, 200, 201, 5_000_000] {
            counter.count(Nanos::from_micros(us));
        }
        let read = counter.read();
        let at_most = |us| {
            let edge = Nanos::from_micros(us);
            read.at_most.iter().find(|(at, _)| *at == edge).unwrap().1
        };
        assert_eq!((at_most(5), at_most(10), at_most(100)), (3, 4, 4));
        assert_eq!((at_most(200), at_most(500), at_most(1_000_000)), (6, 7, 7));
        assert_eq!((read.count, read.sum), (8, Nanos::from_micros(5_000_611)));
    }
}
