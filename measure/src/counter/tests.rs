//! Histories with a known truth.

use owl_sim::counter::{History, Kind, Seen};

use super::series::{Step, judge};
use super::{CounterSample, Marks, Profile, Reading, Ticks, Width};
use crate::time::{Nanos, Timestamp};

fn sample(seen: &Seen) -> CounterSample {
    CounterSample {
        at: Some(Timestamp(seen.t_ns)),
        within: seen
            .rtt_ns
            .map_or(CounterSample::WITHIN_UNKNOWN, |rtt| Nanos(rtt / 2 + 1)),
        up: seen.up.map(Ticks),
        marks: Marks {
            discontinuity: seen.discontinuity.map(Ticks),
            ..Marks::default()
        },
        port: None,
        reading: seen.value.map_or(Reading::Missing, Reading::Octets),
    }
}

fn judged(history: &History) -> Vec<Step> {
    let width = if history.bits == 32 {
        Width::Bits32
    } else {
        Width::Bits64
    };
    let samples: Vec<_> = history.seen.iter().map(sample).collect();
    judge(&samples, &Profile::new(width, Some(history.speed_bps)))
}

/// What came of all histories of a kind.
#[derive(Debug, Default)]
struct Tally {
    pairs: u32,
    known: u32,
    wrong: u32,
    uncovered: u32,
    unknown_untouched: u32,
    /// Half-widths as shares of their rates.
    widths: Vec<f64>,
    first_wrong: Option<String>,
}

impl Tally {
    fn add(&mut self, seed: u64, history: &History) {
        for step in judged(history) {
            self.pairs += 1;
            let truth = history.truth.pair(step.from, step.to);
            let increase = match step.outcome {
                Ok(increase) => increase,
                Err(_) => {
                    self.unknown_untouched += u32::from(!truth.touched);
                    continue;
                }
            };
            self.known += 1;
            let rate = increase.rate();
            if rate.bps > 0.0 {
                self.widths.push(rate.u_bps / rate.bps);
            }
            let told = || format!("seed {seed}: {step:?} {rate:?} {truth:?}");
            if !truth.whole || increase.octets != truth.octets {
                self.wrong += 1;
                self.first_wrong.get_or_insert_with(told);
            }
            let covers = |octets: u64, over_ns: i64| {
                let bps = 8e9 * octets as f64 / over_ns as f64;
                // The truth is whole octets at each end, too.
                let whole = 8e9 / over_ns as f64;
                (rate.bps - bps).abs() <= rate.u_bps + whole + 1e-9 * bps
            };
            let read = truth.elapsed_ns == 0 || covers(truth.octets, truth.elapsed_ns);
            let answered = covers(truth.octets_between_answers, truth.between_answers_ns);
            if !(read && answered) {
                self.uncovered += 1;
                self.first_wrong.get_or_insert_with(told);
            }
        }
    }
}

fn tally(kind: Kind, seeds: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..seeds {
        tally.add(seed, &History::generate(kind, seed));
    }
    tally
}

/// How many histories of each kind; `OWL_COUNTER_SEEDS`-sized runs are for docs/links.md.
const SEEDS: u64 = 100;

#[test]
fn no_rate_is_wrong_and_each_covers_the_truth() {
    println!("kind              pairs known% wrong uncovered unknown-untouched median-u%");
    let mut all = Tally::default();
    for kind in Kind::ALL {
        let mut of_kind = tally(kind, SEEDS);
        of_kind.widths.sort_by(f64::total_cmp);
        let median = of_kind.widths.get(of_kind.widths.len() / 2).copied();
        println!(
            "{:16} {:6} {:6.2} {:5} {:9} {:17} {:.3}",
            kind.name(),
            of_kind.pairs,
            100.0 * f64::from(of_kind.known) / f64::from(of_kind.pairs),
            of_kind.wrong,
            of_kind.uncovered,
            of_kind.unknown_untouched,
            100.0 * median.unwrap_or(0.0),
        );
        all.wrong += of_kind.wrong;
        all.uncovered += of_kind.uncovered;
        if let Some(wrong) = of_kind.first_wrong {
            println!("  {wrong}");
        }
    }
    assert_eq!((all.wrong, all.uncovered), (0, 0));
}
