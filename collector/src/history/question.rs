//! What is asked of the past of a path, and the answer from the store.

use owl_measure::delay::Floors;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Quantile;

use super::answer::HistoryAnswer;
use super::series::{POINTS_MAX, SeriesOf, series};
use crate::config::Config;
use crate::explain::At;
use crate::now::now;
use crate::store::{Reader, StoreError};

/// Steps that are chosen from when none is asked for: the shortest that makes no more than [`POINTS`] of them.
const STEPS: [Nanos; 9] = [
    Nanos::from_secs(10),
    Nanos::from_secs(60),
    Nanos::from_secs(300),
    Nanos::from_secs(900),
    Nanos::from_secs(3_600),
    Nanos::from_secs(3 * 3_600),
    Nanos::from_secs(6 * 3_600),
    Nanos::from_secs(86_400),
    Nanos::from_secs(7 * 86_400),
];
/// Steps of an answer unless another length is asked for, at most.
const POINTS: i64 = 60;

/// A question of the past of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuestion {
    /// The path, `FROM~TO`.
    pub path: String,
    /// From then on.
    pub from: At,
    /// And before this.
    pub to: At,
    /// How long each step is; one that makes 60 steps at most when it is not given.
    pub step: Option<Nanos>,
    /// The percentiles.
    pub quantiles: Vec<Quantile>,
}

/// A past that is not told.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The topology has no such path.
    #[error("cannot tell of the path \"{path}\": the topology has no such path")]
    NoPath {
        /// As it was asked for.
        path: String,
        /// Some that there are, of the same probes where possible.
        known: Vec<String>,
    },
    /// It ends before it begins.
    #[error("cannot tell of a time that ends before it begins")]
    Backwards,
    /// There would be more steps than anybody reads.
    #[error(
        "cannot tell of so many steps at once: {POINTS_MAX} at most, so of {least} or longer each"
    )]
    TooMany {
        /// The shortest step that there may be.
        least: Nanos,
    },
}

/// Answers from the store of a collector's configuration, also while that collector runs.
///
/// # Errors
/// When the store cannot be read, or the question has no answer.
pub fn read_history(
    config: &Config,
    question: &HistoryQuestion,
) -> Result<HistoryAnswer, HistoryError> {
    let reader = Reader::beside(&config.store)?;
    let topology = &config.topology;
    let paths = topology.paths();
    let Some(path) = paths.iter().find(|path| path.id == question.path) else {
        let from = question.path.split('~').next().unwrap_or_default();
        let (alike, others): (Vec<_>, Vec<_>) = paths
            .into_iter()
            .map(|path| path.id)
            .partition(|id| id.split('~').any(|end| end == from));
        return Err(HistoryError::NoPath {
            path: question.path.clone(),
            known: alike.into_iter().chain(others).take(3).collect(),
        });
    };
    let now = now();
    let at = |at: At| at.in_zone(&topology.timezone, now);
    let floors = Floors {
        forward: path.floor_forward,
        backward: path.floor_backward,
    };
    answer(
        &reader,
        question,
        (at(question.from), at(question.to)),
        floors,
        &topology.timezone,
    )
}

/// The answer for a span of time.
pub(crate) fn answer(
    reader: &Reader,
    question: &HistoryQuestion,
    (from, to): (Timestamp, Timestamp),
    floors: Floors,
    timezone: &str,
) -> Result<HistoryAnswer, HistoryError> {
    if from >= to {
        return Err(HistoryError::Backwards);
    }
    let length = to - from;
    let step = question.step.unwrap_or_else(|| {
        let short_enough = |step: &&Nanos| length.0 / step.0 < POINTS;
        *STEPS
            .iter()
            .find(short_enough)
            .unwrap_or(&STEPS[STEPS.len() - 1])
    });
    let least = Nanos(length.0 / POINTS_MAX + 1);
    if step < least {
        return Err(HistoryError::TooMany { least });
    }
    let start = from.period_start(step, Timestamp(0));
    let mut points = Vec::new();
    let wanted = SeriesOf {
        path: &question.path,
        floors,
        span: (start, to),
        step,
        quantiles: &question.quantiles,
    };
    reader.at_once(|reader| series(reader, &wanted, |point| points.push(point)))?;
    Ok(HistoryAnswer {
        path: question.path.clone(),
        timezone: timezone.to_owned(),
        start,
        end: to,
        step,
        points,
    })
}
