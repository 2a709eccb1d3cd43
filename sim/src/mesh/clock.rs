//! A clock's true error over time.

/// How far a clock is ahead of the truth, at any moment of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrueClock {
    /// At the start.
    pub(super) offset_ns: f64,
    /// How much faster it runs, in parts per billion.
    pub(super) skew_ppb: f64,
    /// A slow wave about that: amplitude, period and phase (in turns).
    pub(super) wave_ns: f64,
    pub(super) wave_period_s: f64,
    pub(super) wave_phase: f64,
    /// From this moment on it runs faster still, by so many parts per billion.
    pub(super) drift: Option<(i64, f64)>,
    /// At this moment it steps by so much.
    pub(super) step: Option<(i64, f64)>,
}

impl TrueClock {
    /// Its error at a true moment, in nanoseconds since the start of the run.
    pub fn error_ns(&self, at_ns: i64) -> f64 {
        let seconds = at_ns as f64 / 1e9;
        let wave = if self.wave_ns == 0.0 {
            0.0
        } else {
            let turns = seconds / self.wave_period_s + self.wave_phase;
            self.wave_ns * (turns * std::f64::consts::TAU).sin()
        };
        let drift = self
            .drift
            .map_or(0.0, |(from, ppb)| (at_ns - from).max(0) as f64 / 1e9 * ppb);
        let step = self
            .step
            .map_or(0.0, |(at, by)| if at_ns >= at { by } else { 0.0 });
        self.offset_ns + self.skew_ppb * seconds + wave + drift + step
    }

    /// What it reads at a true moment.
    pub(super) fn read(&self, at_ns: i64) -> i64 {
        at_ns + self.error_ns(at_ns).round() as i64
    }
}
