//! One direction between two probes: how long it truly takes.

use crate::random::Random;

/// One direction of a path, and what happens to it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TruePath {
    /// The delay that every packet has: fibre, equipment, access link.
    pub floor_ns: f64,
    /// From this moment on it is longer by so much.
    pub change: Option<(i64, f64)>,
    /// Packets of a million that meet a queue.
    pub(super) queued_ppm: u32,
    /// The mean of that queue (exponential).
    pub(super) queue_ns: u64,
    /// Packets of a million that are lost.
    pub(super) loss_ppm: u32,
}

impl TruePath {
    /// The least delay at a true moment.
    pub fn floor_at(&self, at_ns: i64) -> f64 {
        let change = self
            .change
            .map_or(0.0, |(from, by)| if at_ns >= from { by } else { 0.0 });
        self.floor_ns + change
    }

    /// The delay of a packet sent at a true moment; `None` when it is lost.
    pub(super) fn cross(&self, at_ns: i64, random: &mut Random) -> Option<i64> {
        let lost = random.happens(self.loss_ppm);
        let queued = random.happens(self.queued_ppm);
        let queue_ns = random.exponential_ns(self.queue_ns);
        let delay = self.floor_at(at_ns) + if queued { queue_ns as f64 } else { 0.0 };
        (!lost).then_some(delay.round() as i64)
    }
}
