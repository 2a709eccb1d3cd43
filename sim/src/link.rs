//! One direction of a path, and what it does to packets.

use crate::random::Random;

/// What one direction of a path is made of. Rates are in packets of a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// Light in fibre and equipment: the same for every packet.
    pub propagation_ns: u64,
    /// Mean of the exponentially distributed queueing delay.
    pub queueing_mean_ns: u64,
    /// Packets that are lost.
    pub loss_ppm: u32,
    /// Packets with which a burst of losses begins.
    pub burst_ppm: u32,
    /// How many packets in a row are lost in a burst.
    pub burst_packets: u32,
    /// Packets of which a second copy arrives.
    pub duplicate_ppm: u32,
    /// Packets that are held back so that later ones overtake them.
    pub reorder_ppm: u32,
    /// How long those are held back.
    pub reorder_hold_ns: u64,
}

/// What happened to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// It never arrives.
    Lost,
    /// It arrives at this instant.
    Arrives {
        /// When.
        at_ns: i64,
    },
    /// It arrives, and so does a copy.
    Twice {
        /// When the first copy arrives.
        at_ns: i64,
        /// When the second one does.
        again_at_ns: i64,
    },
}

impl Link {
    /// The same link with its own randomness.
    pub fn seeded(self, seed: u64) -> SeededLink {
        SeededLink {
            link: self,
            random: Random::seeded(seed),
            last_arrival_ns: i64::MIN,
            burst_left: 0,
        }
    }
}

/// A link with its randomness. Packets leave it in the order they entered, unless one is held back.
#[derive(Debug, Clone)]
pub struct SeededLink {
    link: Link,
    random: Random,
    last_arrival_ns: i64,
    burst_left: u32,
}

impl SeededLink {
    /// Sends a packet into the link.
    pub fn cross(&mut self, at_ns: i64) -> Crossing {
        let lost = self.random.happens(self.link.loss_ppm);
        let twice = self.random.happens(self.link.duplicate_ppm);
        let held = self.random.happens(self.link.reorder_ppm);
        let queueing_ns = self.random.exponential_ns(self.link.queueing_mean_ns);
        if self.random.happens(self.link.burst_ppm) {
            self.burst_left = self.link.burst_packets;
        }
        let burst = self.burst_left > 0;
        self.burst_left = self.burst_left.saturating_sub(1);
        if lost || burst {
            return Crossing::Lost;
        }
        let delay_ns =
            i64::try_from(self.link.propagation_ns.saturating_add(queueing_ns)).unwrap_or(i64::MAX);
        let mut at_ns = at_ns.saturating_add(delay_ns).max(self.last_arrival_ns);
        if held {
            at_ns =
                at_ns.saturating_add(i64::try_from(self.link.reorder_hold_ns).unwrap_or(i64::MAX));
        } else {
            self.last_arrival_ns = at_ns;
        }
        if twice {
            Crossing::Twice {
                at_ns,
                again_at_ns: at_ns.saturating_add(1_000),
            }
        } else {
            Crossing::Arrives { at_ns }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOSSY: Link = Link {
        propagation_ns: 700_000,
        queueing_mean_ns: 50_000,
        loss_ppm: 20_000,
        burst_ppm: 0,
        burst_packets: 0,
        duplicate_ppm: 10_000,
        reorder_ppm: 10_000,
        reorder_hold_ns: 2_000_000,
    };

    fn cross_all(seed: u64) -> Vec<Crossing> {
        let mut link = LOSSY.seeded(seed);
        (0..100_000).map(|k| link.cross(k * 100_000)).collect()
    }

    #[test]
    fn one_seed_is_one_run() {
        assert_eq!(cross_all(7), cross_all(7));
        assert_ne!(cross_all(7), cross_all(8));
    }

    #[test]
    fn a_burst_takes_as_many_packets_as_it_is_long_and_a_new_one_begins_it_again() {
        let bursty = Link {
            loss_ppm: 0,
            burst_ppm: 1_000,
            burst_packets: 7,
            ..LOSSY
        };
        let mut link = bursty.seeded(3);
        let lost: Vec<bool> = (0..100_000)
            .map(|k| link.cross(k * 100_000) == Crossing::Lost)
            .collect();
        let runs: Vec<usize> = lost
            .split(|&lost| !lost)
            .map(<[bool]>::len)
            .filter(|&run| run > 0)
            .collect();
        assert!(
            runs.len() > 60 && runs.iter().all(|&run| run >= 7),
            "{runs:?}"
        );
        assert!(
            runs.iter().filter(|&&run| run == 7).count() > 60,
            "{runs:?}"
        );
    }

    #[test]
    fn rates_and_delays_are_what_was_asked_for() {
        let crossings = cross_all(1);
        let share =
            |pick: fn(&Crossing) -> bool| crossings.iter().filter(|c| pick(c)).count() as f64 / 1e5;
        assert!((share(|c| matches!(c, Crossing::Lost)) - 0.02).abs() < 0.002);
        assert!((share(|c| matches!(c, Crossing::Twice { .. })) - 0.01).abs() < 0.002);
        for (k, crossing) in crossings.iter().enumerate() {
            if let Crossing::Arrives { at_ns } = crossing {
                assert!(
                    at_ns - k as i64 * 100_000 >= 700_000,
                    "packet {k} was faster than the link"
                );
            }
        }
    }
}
