//! Histories with a known truth.

use owl_sim::counter::{History, Kind, Seen};

use super::series::{Step, judge};
use super::{CounterSample, Marks, Profile, Reading, Share, Ticks, Track, Width, total};
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

fn samples(history: &History) -> Vec<CounterSample> {
    history.seen.iter().map(sample).collect()
}

fn profile(history: &History) -> Profile {
    let width = if history.bits == 32 {
        Width::Bits32
    } else {
        Width::Bits64
    };
    Profile::new(width, Some(history.speed_bps))
}

fn judged(history: &History) -> Vec<Step> {
    judge(&samples(history), &profile(history)).steps
}

/// What came of all histories of a kind.
#[derive(Debug, Default)]
struct Tally {
    pairs: u32,
    known: u32,
    /// Known pairs with other octets than the true ones, or across a new beginning.
    wrong: u32,
    /// Known pairs whose true mean rate lies outside of the told interval.
    uncovered: u32,
    /// Unknown pairs that nothing was planted in.
    needless: u32,
    /// Histories with a pair that is wrong or not covered.
    spoilt: u32,
    first_wrong: Option<String>,
}

impl Tally {
    fn of(kind: Kind, seeds: u64) -> Self {
        let mut tally = Self::default();
        for seed in 0..seeds {
            let before = (tally.wrong, tally.uncovered);
            tally.add(seed, &History::generate(kind, seed));
            tally.spoilt += u32::from((tally.wrong, tally.uncovered) != before);
        }
        tally
    }

    fn add(&mut self, seed: u64, history: &History) {
        for step in judged(history) {
            self.pairs += 1;
            let truth = history.truth.pair(step.from, step.to);
            let Ok(increase) = step.outcome else {
                self.needless += u32::from(!truth.touched);
                continue;
            };
            self.known += 1;
            let rate = increase.rate();
            let covers = |octets: u64, over_ns: i64| {
                // The truth is whole octets at both ends, too.
                let octet = 8e9 / over_ns as f64;
                let bps = octet * octets as f64;
                (rate.bps - bps).abs() <= rate.u_bps + octet
            };
            let wrong = !truth.whole || increase.octets != truth.octets;
            // Between the readings and, where copies are answered, between the answers: either may be asked for.
            let covered = covers(truth.octets_between_answers, truth.between_answers_ns)
                && (truth.elapsed_ns == 0 || covers(truth.octets, truth.elapsed_ns));
            self.wrong += u32::from(wrong);
            self.uncovered += u32::from(!covered);
            if wrong || !covered {
                self.first_wrong
                    .get_or_insert_with(|| format!("seed {seed}: {step:?} {rate:?} {truth:?}"));
            }
        }
    }
}

/// How many histories of each kind.
const SEEDS: u64 = 100;

/// The kinds, with how many pairs their histories have, how many of them are known, and how many are unknown although nothing
/// was planted in them. docs/links.md shows the same table.
const EXPECTED: [(Kind, [u32; 3]); 20] = [
    (Kind::Clean, [3_900, 3_900, 0]),
    (Kind::Wraps32, [3_900, 3_900, 0]),
    (Kind::FastWraps32, [3_900, 1_137, 2_763]),
    (Kind::Wrap64, [3_900, 3_900, 0]),
    (Kind::Restarts, [3_900, 3_562, 1]),
    (Kind::RestartsKept, [3_900, 3_548, 0]),
    (Kind::RestartsUntold, [3_900, 3_196, 0]),
    (Kind::Clears, [3_900, 3_593, 0]),
    (Kind::ClearsUntold, [3_900, 3_260, 0]),
    (Kind::UpWraps, [3_900, 3_900, 0]),
    (Kind::Loss, [3_900, 2_840, 0]),
    (Kind::Disorder, [4_509, 3_900, 0]),
    (Kind::Copies, [3_900, 3_900, 0]),
    (Kind::BadClock, [3_900, 3_900, 0]),
    (Kind::SlowAnswers, [3_900, 3_882, 18]),
    (Kind::NoUp, [3_900, 3_241, 0]),
    (Kind::NoRtt, [3_900, 3_900, 0]),
    (Kind::Full, [3_900, 3_900, 0]),
    (Kind::Idle, [3_900, 3_900, 0]),
    (Kind::Everything, [4_101, 3_281, 0]),
];

#[test]
fn no_rate_is_wrong_each_covers_the_truth_and_few_are_unknown_for_nothing() {
    let mut found = Vec::new();
    for kind in Kind::ALL {
        let tally = Tally::of(kind, SEEDS);
        assert_eq!(
            (tally.wrong, tally.uncovered),
            (0, 0),
            "{}: {}",
            kind.name(),
            tally.first_wrong.unwrap_or_default()
        );
        found.push((kind, [tally.pairs, tally.known, tally.needless]));
    }
    assert_eq!(found, EXPECTED);
}

#[test]
fn of_ten_thousand_histories_so_many_rates_are_wrong() {
    let (mut all, mut bad) = ([0; 3], [0; 3]);
    for kind in Kind::ALL {
        let tally = Tally::of(kind, 500);
        // Where several wraps are possible, or the order of two answers is open, nothing can be known.
        let needless = match kind {
            Kind::FastWraps32 | Kind::SlowAnswers => 0,
            _ => tally.needless,
        };
        let of_kind = [tally.pairs, tally.known, needless];
        all.iter_mut()
            .zip(of_kind)
            .for_each(|(all, of_kind)| *all += of_kind);
        let of_kind = [tally.wrong, tally.uncovered, tally.spoilt];
        bad.iter_mut()
            .zip(of_kind)
            .for_each(|(bad, of_kind)| *bad += of_kind);
    }
    // Pairs, known ones and those unknown for nothing; wrong octets, rates outside of their bounds, and in how many histories.
    assert_eq!((all, bad), ([393_920, 351_507, 81], [1, 24, 3]));
}

#[test]
fn adjoining_windows_telescope_and_their_bounds_hold_the_truth() {
    for kind in Kind::ALL {
        for seed in 0..20 {
            let history = History::generate(kind, seed);
            let (samples, profile) = (samples(&history), profile(&history));
            let track = Track::of(&samples, &judge(&samples, &profile), &profile);
            let ends = samples.iter().flat_map(|sample| sample.at);
            let (first, last) = (ends.clone().min().unwrap(), ends.max().unwrap());
            let edge = |k: i64| Timestamp(first.0 + (last.0 - first.0) / 7 * k);
            let whole = track.volume(edge(0), edge(7));
            let mut octets = 0;
            for k in 0..7 {
                let volume = track.volume(edge(k), edge(k + 1));
                let truth = history.truth.octets_between(edge(k).0, edge(k + 1).0);
                assert!(
                    volume.at_least <= u128::from(truth) + 1
                        && u128::from(truth) <= volume.at_most + 1,
                    "{} seed {seed} window {k}: {truth} {volume:?}",
                    kind.name()
                );
                assert!(volume.at_least <= volume.octets && volume.octets <= volume.at_most);
                octets += volume.octets;
            }
            assert_eq!(octets, whole.octets, "{} seed {seed}", kind.name());
        }
    }
}

/// 43 lines of 400 Gb/s, each asked every 10 s at a moment of its own; at 605 s half of them move to the other half.
#[test]
fn a_city_of_43_links_is_summed_exactly_enough_through_a_new_routing() {
    const LINKS: i64 = 43;
    const SECOND: i64 = 1_000_000_000;
    const MOVED_AT: i64 = 605 * SECOND;
    let octets = |link: i64, at: i64| -> u64 {
        let per_second = |link: i64| (8 + link % 5) * 1_000_000_000;
        let before = at.min(MOVED_AT);
        let after = (at - MOVED_AT).max(0);
        // What an even link loses, the odd one after it carries.
        let then = match link % 2 {
            0 => per_second(link) / 5,
            _ => per_second(link) + per_second(link - 1) * 4 / 5,
        };
        let sum = i128::from(per_second(link)) * i128::from(before)
            + i128::from(then) * i128::from(after);
        u64::try_from(sum / i128::from(SECOND)).unwrap()
    };
    let profile = Profile::new(Width::Bits64, Some(400_000_000_000));
    let tracks: Vec<Track> = (0..LINKS)
        .map(|link| {
            let phase = link * 7_919 % 10_000 * 1_000_000;
            let samples: Vec<CounterSample> = (0..140)
                .map(|k| {
                    let at = k * 10 * SECOND + phase;
                    let rtt = (link * 131 + k * 37) % 20 * 1_000_000;
                    let read = at + rtt * ((link + k) % 3 - 1) / 2;
                    let value = octets(link, read.max(0));
                    let mut sample = CounterSample::new(Timestamp(at), Nanos(rtt / 2), value);
                    sample.up = Some(Ticks((100_000 + read / 10_000_000) as u32));
                    sample
                })
                .collect();
            Track::of(&samples, &judge(&samples, &profile), &profile)
        })
        .collect();
    let city = |from: i64, to: i64| {
        let window = Nanos((to - from) * SECOND);
        let volume = |track: &Track| track.volume(Timestamp(from * SECOND), Timestamp(to * SECOND));
        let share = |track| Share {
            speed_bps: 400_000_000_000,
            volume: Some(volume(track)),
        };
        total(&tracks.iter().map(share).collect::<Vec<_>>(), window)
    };
    let truth = |from: i64, to: i64| -> u64 {
        let of = |link| octets(link, to * SECOND) - octets(link, from * SECOND);
        (0..LINKS).map(of).sum()
    };
    let mut sum = 0;
    for minute in 1..22 {
        let (from, to) = (minute * 60, minute * 60 + 60);
        let (told, truth) = (city(from, to), truth(from, to));
        let error = (told.octets as f64 / truth as f64 - 1.0).abs();
        assert!(error < 0.001, "minute {minute}: {error}");
        assert!(told.at_least <= u128::from(truth) && u128::from(truth) <= told.at_most);
        assert_eq!(told.coverage, 1.0);
        sum += told.octets;
    }
    assert_eq!(sum, city(60, 1_320).octets);
}
