//! One direction of an own interface: mean, peaks, and how the counter comes by its values.

use super::increase::octets_at;
use super::percentile95::IntervalRate;
use super::{MeanRate, Moment, PeakKeeper, Profile, Rate, Refresh, RefreshWatch};
use crate::time::Nanos;

/// The windows whose peaks are kept.
pub const PEAK_WINDOWS: [Nanos; 3] = [
    Nanos::from_millis(1),
    Nanos::from_millis(10),
    Nanos::from_millis(100),
];

/// What one direction carried in an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Carried {
    /// Octets that were seen to pass, exactly.
    pub octets: u64,
    /// Frames that were seen to pass.
    pub frames: u64,
    /// The time between the first reading and the last, as far as the counter counted through.
    pub known: Nanos,
    /// The mean rate; `None` without two readings that can be compared.
    pub mean: Option<Rate>,
    /// The highest rate over any window of [`PEAK_WINDOWS`]; `None` where the counter's own pace hides it.
    pub peaks: [Option<IntervalRate>; 3],
    /// How the counter comes by its values.
    pub refresh: Refresh,
    /// How often the counter began anew; nothing is known of the time across.
    pub breaks: u32,
    /// Readings.
    pub readings: u64,
}

/// A stretch in which the counter counted through.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: Moment,
    first_frames: u64,
    last: Moment,
    last_frames: u64,
}

/// Follows one direction of an interface.
#[derive(Debug, Clone)]
pub struct PortWatch {
    profile: Profile,
    refresh: RefreshWatch,
    peaks: [PeakKeeper; 3],
    stretch: Option<Stretch>,
    /// Of the stretches of this interval that have ended.
    ended: Stretches,
    breaks: u32,
    readings: u64,
}

/// What ended stretches add up to.
#[derive(Debug, Clone, Copy, Default)]
struct Stretches {
    octets: u64,
    frames: u64,
    middle: Nanos,
    shortest: Nanos,
    longest: Nanos,
}

impl Stretches {
    fn and(mut self, stretch: &Stretch, age: Nanos) -> Self {
        let (first, last) = (stretch.first, stretch.last);
        if last == first {
            return self;
        }
        self.octets = self.octets.saturating_add(last.octets - first.octets);
        let frames = stretch.last_frames.saturating_sub(stretch.first_frames);
        self.frames = self.frames.saturating_add(frames);
        self.middle += last.middle() - first.middle();
        self.shortest += (last.earliest - first.latest - age).max(Nanos::ZERO);
        self.longest += last.latest - first.earliest + age;
        self
    }

    fn mean(&self, profile: &Profile) -> Option<Rate> {
        (self.middle > Nanos::ZERO).then(|| {
            let rate = |over: Nanos| {
                let octets = self.octets;
                MeanRate { octets, over }.bps()
            };
            let line = profile.ceiling_bps();
            let fits = octets_at(line, self.shortest) >= self.octets && self.shortest > Nanos::ZERO;
            let fastest = if self.octets == 0 {
                0.0
            } else if fits {
                rate(self.shortest)
            } else {
                line as f64
            };
            Rate::within(rate(self.middle), rate(self.longest), fastest)
        })
    }
}

impl PortWatch {
    /// For an interface of this profile, read this often.
    pub fn new(profile: Profile, interval: Nanos) -> Self {
        Self {
            peaks: PEAK_WINDOWS.map(|window| PeakKeeper::new(window, &profile)),
            refresh: RefreshWatch::new(interval),
            profile,
            stretch: None,
            ended: Stretches::default(),
            breaks: 0,
            readings: 0,
        }
    }

    /// Takes the next reading, and the frames that were counted beside its octets.
    pub fn push(&mut self, reading: Moment, frames: u64) {
        self.readings += 1;
        if self
            .stretch
            .is_some_and(|stretch| reading.octets < stretch.last.octets)
        {
            self.begin_anew();
        }
        let before = self.age();
        self.refresh.push(reading, frames);
        let age = self.age();
        if age > before {
            // What looked like bursts so far were copies.
            self.peaks.iter_mut().for_each(PeakKeeper::forget_all);
        }
        for keeper in &mut self.peaks {
            keeper.push(reading, age);
        }
        let stretch = self.stretch.get_or_insert(Stretch {
            first: reading,
            first_frames: frames,
            last: reading,
            last_frames: frames,
        });
        (stretch.last, stretch.last_frames) = (reading, frames);
    }

    /// The counter began anew: the interface was made again, or its driver was.
    fn begin_anew(&mut self) {
        self.breaks = self.breaks.saturating_add(1);
        if let Some(stretch) = self.stretch.take() {
            self.ended = self.ended.and(&stretch, self.age());
        }
        self.refresh.forget_reading();
        self.peaks.iter_mut().for_each(PeakKeeper::forget_readings);
    }

    fn age(&self) -> Nanos {
        match self.refresh.told() {
            Refresh::Copied(age) => age,
            Refresh::Live | Refresh::Untold => Nanos::ZERO,
        }
    }

    /// What was carried so far in this interval.
    pub fn carried(&self) -> Carried {
        let age = self.age();
        let all = match &self.stretch {
            Some(stretch) => self.ended.and(stretch, age),
            None => self.ended,
        };
        let refresh = self.refresh.told();
        let seen = |keeper: &PeakKeeper| match refresh {
            Refresh::Untold => None,
            Refresh::Live => keeper.peak(),
            Refresh::Copied(age) => keeper.peak().filter(|_| age < keeper.window()),
        };
        Carried {
            octets: all.octets,
            frames: all.frames,
            known: all.middle,
            mean: all.mean(&self.profile),
            peaks: self.peaks.each_ref().map(seen),
            refresh,
            breaks: self.breaks,
            readings: self.readings,
        }
    }

    /// The same, and begins the next interval where this one ends: octets of intervals that adjoin add up exactly.
    pub fn take(&mut self) -> Carried {
        let carried = self.carried();
        if let Some(stretch) = &mut self.stretch {
            (stretch.first, stretch.first_frames) = (stretch.last, stretch.last_frames);
        }
        (self.ended, self.breaks, self.readings) = (Stretches::default(), 0, 0);
        for keeper in &mut self.peaks {
            let _ = keeper.take();
        }
        carried
    }
}

#[cfg(test)]
mod tests {
    use owl_sim::counter::Traffic;

    use super::*;
    use crate::counter::Width;
    use crate::time::Monotonic;

    const SPEED: u64 = 10_000_000_000;
    const MS: i64 = 1_000_000;

    fn watch() -> PortWatch {
        let profile = Profile::new(Width::Bits64, Some(SPEED));
        PortWatch::new(profile, Nanos::from_millis(1))
    }

    /// Reads bursts for two seconds, about once a millisecond, from copies that are made so often.
    fn read(seed: u64, copied_each_ns: i64) -> (PortWatch, Traffic, [i64; 2]) {
        let traffic = Traffic::bursts(seed, SPEED, 3_000 * MS);
        let mut watch = watch();
        let mut ends = [i64::MAX, 0];
        for k in 0..2_000_i64 {
            // Requests of 2 to 40 µs, some of them late, as a busy host has them.
            let scatter = (k * 7_919 + seed as i64 * 104_729) % 38_000;
            let late = if k % 97 == 0 { 700_000 } else { 0 };
            let asked = 500 * MS + k * MS + scatter + late;
            let answered = asked + 2_000 + scatter;
            let read = asked + (answered - asked) * (k % 3) / 2;
            let copied = match copied_each_ns {
                0 => read,
                each => read - read % each,
            };
            let octets = traffic.octets_until(copied);
            let reading = Moment {
                earliest: Monotonic(asked),
                latest: Monotonic(answered),
                octets,
            };
            watch.push(reading, octets / 1_000);
            ends = [ends[0].min(answered), asked];
        }
        (watch, traffic, ends)
    }

    #[test]
    fn the_true_peak_of_every_window_is_within_its_bounds() {
        let mut widths = Vec::new();
        for seed in 0..100 {
            let (watch, traffic, [from, until]) = read(seed, 0);
            let carried = watch.carried();
            assert_eq!(carried.refresh, Refresh::Live, "seed {seed}");
            for (window, peak) in PEAK_WINDOWS.into_iter().zip(carried.peaks) {
                let peak = peak.unwrap();
                // Windows that nobody can have seen the end of are left out: the last tenth of a second.
                let until = until - 10 * MS - window.0;
                let octets = traffic.largest_window(window.0, from, until);
                let truth = octets as f64 * 8e9 / window.0 as f64;
                assert!(
                    peak.at_least <= peak.bps && peak.bps <= peak.at_most,
                    "seed {seed} {window}: {peak:?}"
                );
                assert!(
                    truth <= peak.at_most,
                    "seed {seed} {window}: {truth} {peak:?}"
                );
                // The largest window of all may be one of those at the end.
                let all = traffic.largest_window(window.0, from, until + 20 * MS + window.0);
                let all = all as f64 * 8e9 / window.0 as f64;
                assert!(
                    peak.at_least <= all + 1.0,
                    "seed {seed} {window}: {all} {peak:?}"
                );
                widths.push((window, (peak.at_most - peak.at_least) / SPEED as f64));
            }
            let mean = carried.mean.unwrap();
            assert!(mean.u_bps < mean.bps * 1e-3, "seed {seed}: {mean:?}");
            assert!(
                carried.peaks[0].unwrap().bps > mean.bps * 2.0,
                "bursts stand out"
            );
        }
        let mean_width = |window: Nanos| {
            let of: Vec<f64> = widths
                .iter()
                .filter(|w| w.0 == window)
                .map(|w| w.1)
                .collect();
            of.iter().sum::<f64>() / of.len() as f64
        };
        assert!(
            mean_width(PEAK_WINDOWS[1]) < 0.15,
            "{}",
            mean_width(PEAK_WINDOWS[1])
        );
        assert!(
            mean_width(PEAK_WINDOWS[2]) < 0.05,
            "{}",
            mean_width(PEAK_WINDOWS[2])
        );
    }

    #[test]
    fn a_counter_that_is_refreshed_now_and_then_shows_no_false_burst() {
        for seed in 0..10 {
            for each in [20, 100, 250] {
                let (watch, traffic, [from, until]) = read(seed, each * MS);
                let carried = watch.carried();
                let Refresh::Copied(age) = carried.refresh else {
                    panic!("seed {seed}, {each} ms: {carried:?}");
                };
                assert!(age >= Nanos(each * MS), "seed {seed}, {each} ms: {age}");
                assert_eq!(carried.peaks[..2], [None, None], "seed {seed}, {each} ms");
                if let Some(peak) = carried.peaks[2] {
                    let all = traffic.largest_window(100 * MS, from - each * MS, until);
                    assert!(
                        peak.at_least <= all as f64 * 80.0 + 1.0,
                        "seed {seed}: {peak:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_idle_interface_has_a_mean_of_nothing_and_no_peak_is_made_up() {
        let mut watch = watch();
        for k in 0..100 {
            let at = Monotonic(k * MS);
            let reading = Moment {
                earliest: at,
                latest: at,
                octets: 7,
            };
            watch.push(reading, 1);
        }
        let carried = watch.take();
        assert_eq!((carried.octets, carried.refresh), (0, Refresh::Untold));
        assert_eq!(carried.peaks, [None; 3]);
        assert_eq!(carried.mean.unwrap().bps, 0.0);
        // The next interval begins with the last reading of this one.
        let at = Monotonic(200 * MS);
        let reading = Moment {
            earliest: at,
            latest: at,
            octets: 1_007,
        };
        watch.push(reading, 2);
        assert_eq!(watch.carried().octets, 1_000);
        // And a counter that falls has begun anew.
        let reading = Moment {
            octets: 5,
            ..reading
        };
        watch.push(reading, 0);
        let carried = watch.carried();
        assert_eq!((carried.octets, carried.breaks), (1_000, 1));
    }
}
