//! What the delay of a path is at this moment, for a program that chooses between paths.
//!
//! It comes from the latest verdict in memory. What is too old is no delay at all:
//! whoever chooses by it would not see that the path has long been another.

use owl_measure::delay::OneWayDelay;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{Quantile, Reason, State};
use owl_measure::words::Lang;

use crate::judgement::Judgement;
use crate::live::LivePath;

/// What is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The latest verdict is young enough, and packets were measured.
    Judged(State),
    /// The latest window is young enough, and nothing was measured in it; or no window was ever judged.
    NoData,
    /// The latest verdict is too old to choose by.
    Stale,
}

impl Standing {
    /// The code, as in JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Judged(state) => state.code(),
            Self::NoData => "no-data",
            Self::Stale => "stale",
        }
    }
}

/// How a delay is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Which percentile; the one that each path is judged by without one.
    pub(crate) stat: Option<Quantile>,
    /// Since the end of its window; three windows and the judge's patience without one.
    pub(crate) max_age: Option<Nanos>,
    /// The judge's patience.
    pub(crate) grace: Nanos,
    /// This moment.
    pub(crate) now: Timestamp,
}

/// The delay of a path, and how far it goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) standing: Standing,
    /// Which percentile it speaks of; `None` before the first verdict unless one was asked for.
    pub(crate) stat: Option<Quantile>,
    /// Between which it lies; `None` when nothing can be said, and always when it is stale.
    pub(crate) delay: Option<OneWayDelay>,
    /// The end of its window.
    pub(crate) measured_at: Option<Timestamp>,
    /// How long ago that was.
    pub(crate) age: Option<Nanos>,
    judgement: Option<&'a Judgement>,
}

impl<'a> Reading<'a> {
    /// Of one path.
    pub(crate) fn of(live: &'a LivePath, wanted: Wanted) -> Self {
        let Some(judgement) = &live.latest else {
            return Self {
                standing: Standing::NoData,
                stat: wanted.stat,
                delay: None,
                measured_at: None,
                age: None,
                judgement: None,
            };
        };
        let age = wanted.now - judgement.window_end();
        let fresh = match wanted.max_age {
            Some(most) => age <= most,
            None => judgement.is_current(wanted.now, wanted.grace),
        };
        let stat = wanted.stat.unwrap_or(judgement.quantile);
        let verdict = &judgement.verdict;
        let standing = match verdict.reason {
            _ if !fresh => Standing::Stale,
            Some(Reason::NoData) => Standing::NoData,
            _ => Standing::Judged(verdict.state),
        };
        let told = || match judgement.percentile(stat) {
            Some(percentile) => percentile.one_way,
            None => verdict.delay.filter(|_| stat == judgement.quantile),
        };
        Self {
            standing,
            stat: Some(stat),
            delay: match standing {
                Standing::Judged(_) => told(),
                Standing::NoData | Standing::Stale => None,
            },
            measured_at: Some(judgement.window_end()),
            age: Some(age),
            judgement: Some(judgement),
        }
    }

    /// No more than this, as far as the basis holds; `None` when nothing is known, or when there is no bound because
    /// packets were lost.
    pub(crate) fn at_most(&self) -> Option<Nanos> {
        self.delay
            .map(|delay| delay.hi)
            .filter(|&hi| hi < Nanos::MAX)
    }

    /// The verdict it comes from, unless that is too old.
    pub(crate) fn judgement(&self) -> Option<&'a Judgement> {
        self.judgement
            .filter(|_| !matches!(self.standing, Standing::Stale))
    }

    /// Why there is no decided verdict, as one sentence; `time` writes an instant.
    pub(crate) fn detail(&self, lang: Lang, time: impl Fn(Timestamp) -> String) -> Option<String> {
        match (self.standing, self.measured_at, self.judgement) {
            (Standing::Stale, Some(at), _) => {
                let at = time(at);
                Some(lang.pick(
                    format!("the latest window ended at {at}, longer ago than was asked for"),
                    format!("最近的窗口结束于 {at}\u{ff0c}早于所要求的时限"),
                ))
            }
            (_, _, None) => Some(
                lang.pick("no window was judged yet", "尚无已判定的窗口")
                    .to_owned(),
            ),
            (_, _, Some(judgement)) => judgement.detail(lang, time),
        }
    }
}

#[cfg(test)]
mod tests {
    use owl_measure::verdict::Profile;
    use owl_topology::Topology;

    use super::*;
    use crate::live::Live;

    const JUDGED: &str = r#"{"path":"a~b","profile":"lab","quantile":0.95,"window_start_ns":0,"window_ns":10000000000,
        "judged_at_ns":13000000000,"state":"met","class":"B","target_ns":1000000,"sent":100,"received":100,
        "delay":{"lo_ns":1,"hi_ns":20,"basis":"proved"},"percentiles":[
        {"quantile":0.5,"one_way":{"lo_ns":1,"hi_ns":10,"basis":"proved"},"round_trip":{"lo_ns":20,"hi_ns":20},
        "raw":{"lo_ns":10,"hi_ns":10}}],"lost":0,"late":0}"#;
    const UNMEASURED: &str = r#"{"path":"a~b","profile":"lab","quantile":0.95,"window_start_ns":0,"window_ns":10000000000,
        "judged_at_ns":13000000000,"state":"undecided","reason":"no-data","target_ns":1000000,"sent":0,"received":0,
        "percentiles":[],"lost":0,"late":0}"#;

    fn live(judgement: Option<&str>) -> LivePath {
        let live = Live::new(&Topology::yancheng(), Some(&Profile::lab()));
        let mut path = live.write().paths.remove(0);
        path.latest = judgement.map(|text| serde_json::from_str(text).unwrap());
        path
    }

    #[track_caller]
    fn check(
        judgement: Option<&str>,
        (stat, max_age_s, now_s): (Option<Quantile>, Option<i64>, i64),
        (code, at_most, age_s): (&str, Option<i64>, Option<i64>),
    ) {
        let live = live(judgement);
        let wanted = Wanted {
            stat,
            max_age: max_age_s.map(Nanos::from_secs),
            grace: Nanos::from_secs(3),
            now: Timestamp(0) + Nanos::from_secs(now_s),
        };
        let reading = Reading::of(&live, wanted);
        assert_eq!(reading.standing.code(), code);
        assert_eq!(reading.at_most(), at_most.map(Nanos));
        assert_eq!(reading.age, age_s.map(Nanos::from_secs));
        let says_why = reading.detail(Lang::En, |at| at.0.to_string()).is_some();
        assert_eq!(says_why, !["met", "missed"].contains(&code), "{code}");
    }

    #[test]
    fn what_is_older_than_asked_for_has_no_value() {
        let p50 = Some(Quantile::P50);
        check(
            Some(JUDGED),
            (None, Some(30), 40),
            ("met", Some(20), Some(30)),
        );
        check(
            Some(JUDGED),
            (None, Some(30), 41),
            ("stale", None, Some(31)),
        );
        check(
            Some(JUDGED),
            (p50, Some(30), 40),
            ("met", Some(10), Some(30)),
        );
        check(Some(JUDGED), (p50, Some(30), 41), ("stale", None, Some(31)));
        check(
            Some(UNMEASURED),
            (None, Some(30), 41),
            ("stale", None, Some(31)),
        );
    }

    #[test]
    fn without_a_limit_three_windows_and_the_grace_are_young_enough() {
        check(Some(JUDGED), (None, None, 43), ("met", Some(20), Some(33)));
        check(Some(JUDGED), (None, None, 44), ("stale", None, Some(34)));
    }

    #[test]
    fn what_was_not_measured_is_told_as_that() {
        check(
            Some(UNMEASURED),
            (None, None, 13),
            ("no-data", None, Some(3)),
        );
        check(None, (None, None, 13), ("no-data", None, None));
        // A percentile that the verdict does not hold.
        let p99 = Some(Quantile::P99);
        check(Some(JUDGED), (p99, None, 13), ("met", None, Some(3)));
    }
}
