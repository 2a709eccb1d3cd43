//! A clock that is wrong by a known amount.

/// What a host believes the time to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// How far it is ahead of the truth at time zero.
    pub offset_ns: i64,
    /// How much faster it runs than the truth, in parts per billion.
    pub skew_ppb: i64,
}

impl Clock {
    /// What it reads at a true instant.
    pub fn read(&self, true_ns: i64) -> i64 {
        true_ns.saturating_add(self.error_ns(true_ns))
    }

    /// How far it is ahead of the truth at a true instant.
    pub fn error_ns(&self, true_ns: i64) -> i64 {
        let drift = i128::from(true_ns) * i128::from(self.skew_ppb) / 1_000_000_000;
        self.offset_ns
            .saturating_add(i64::try_from(drift).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_reads_truth_plus_offset_plus_drift() {
        let clock = Clock {
            offset_ns: -500,
            skew_ppb: 20_000,
        };
        assert_eq!(clock.read(0), -500);
        assert_eq!(clock.read(1_000_000_000), 1_000_000_000 - 500 + 20_000);
    }
}
