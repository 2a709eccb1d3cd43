//! What is answered to whoever asks for the past of a path.

use owl_measure::delay::{Floors, OneWayDelay};
use owl_measure::distribution::Bounds;
use owl_measure::sample::Direction;
use owl_measure::tier::TierSummary;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{Evidence, Quantile};
use serde::{Deserialize, Serialize};

use super::walk::Sources;
use crate::page::Zone;

/// The past of one path, step by step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryAnswer {
    /// The path, `FROM~TO`.
    pub path: String,
    /// IANA name of the time zone in which it is told; it changes no number.
    pub timezone: String,
    /// When the first step begins.
    #[serde(rename = "start_ns")]
    pub start: Timestamp,
    /// When the last one ends.
    #[serde(rename = "end_ns")]
    pub end: Timestamp,
    /// How long a step is; where less is kept of the past, one is longer.
    #[serde(rename = "step_ns")]
    pub step: Nanos,
    /// The steps in which something was reported, in the order of time.
    pub points: Vec<HistoryPoint>,
}

/// One step of the past of a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryPoint {
    /// When it begins.
    #[serde(rename = "start_ns")]
    pub start: Timestamp,
    /// When it ends.
    #[serde(rename = "end_ns")]
    pub end: Timestamp,
    /// From what it was put together.
    pub from: HistorySources,
    /// Measured by the session of the opposite path, because the own one did not report.
    pub opposite: bool,
    /// Intervals that were reported.
    pub intervals: u64,
    /// Intervals that the step would have.
    pub expected: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets that came back in time.
    pub received: u64,
    /// Packets that came back late.
    pub late: u64,
    /// Packets known to be lost on the path.
    pub lost: u64,
    /// Packets lost nobody knows which way.
    pub lost_somewhere: u64,
    /// Windows in which an audit did not use the claim of one of the two clocks; with one of them none is used here.
    pub withdrawn: u64,
    /// By how much the two clocks may differ from what they show, at most; absent when one of them claims nothing.
    #[serde(
        rename = "clock_error_bound_ns",
        skip_serializing_if = "Option::is_none"
    )]
    pub clock_error_bound: Option<Nanos>,
    /// The percentiles that were asked for, of the packets sent.
    pub percentiles: Vec<HistoryPercentile>,
}

/// How many of what a step was put together from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HistorySources {
    /// Reports.
    pub reports: u64,
    /// Summaries of five minutes.
    pub five_minutes: u64,
    /// Summaries of an hour.
    pub hours: u64,
}

/// One percentile over the packets sent; 9223372036854775807 ns (the largest `i64`) stands for a delay without bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryPercentile {
    /// Which one.
    pub quantile: Quantile,
    /// Between which the one-way delay lies; absent when a round trip was faster than light, so that the coordinates are
    /// wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_way: Option<OneWayDelay>,
    /// Between which the round-trip delay lies.
    pub round_trip: Ends,
    /// Between which the raw one-way difference lies: two uncorrected clocks, no delay.
    pub raw: Ends,
}

/// Two ends of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// No smaller than this.
    #[serde(rename = "lo_ns")]
    pub lo: Nanos,
    /// No larger than this.
    #[serde(rename = "hi_ns")]
    pub hi: Nanos,
}

impl HistoryAnswer {
    /// An instant of it, in its time zone.
    pub fn instant(&self, at: Timestamp) -> String {
        Zone::named(&self.timezone).instant(at)
    }
}

impl From<Option<Bounds>> for Ends {
    /// A rank that is not among the packets that came back is a lost packet.
    fn from(bounds: Option<Bounds>) -> Self {
        let (lo, hi) = bounds.map_or((Nanos::MAX, Nanos::MAX), |bounds| {
            (bounds.at_least, bounds.at_most)
        });
        Self { lo, hi }
    }
}

impl From<Sources> for HistorySources {
    fn from(sources: Sources) -> Self {
        let Sources {
            reports,
            five_minutes,
            hours,
        } = sources;
        Self {
            reports,
            five_minutes,
            hours,
        }
    }
}

/// The percentiles that evidence bears.
pub(crate) fn percentiles(
    evidence: &Evidence<'_>,
    quantiles: &[Quantile],
) -> Vec<HistoryPercentile> {
    let population = evidence
        .sent
        .max(evidence.raw.count().saturating_add(evidence.lost));
    let percentile = |&quantile: &Quantile| {
        let rank = quantile.rank(population);
        HistoryPercentile {
            quantile,
            one_way: evidence.known(quantile),
            round_trip: evidence.round_trip.at_rank(rank).into(),
            raw: evidence.raw.at_rank(rank).into(),
        }
    };
    if evidence.raw.count() == 0 && evidence.lost == 0 {
        return Vec::new();
    }
    quantiles.iter().map(percentile).collect()
}

impl HistoryPoint {
    /// Of a summary; `floors` are seen along the path, which is the direction of the session.
    pub(super) fn of(
        (start, end): (Timestamp, Timestamp),
        (summary, sources): (&TierSummary, Sources),
        (direction, floors): (Direction, Floors),
        quantiles: &[Quantile],
    ) -> Self {
        let told = summary.told(direction);
        let evidence = summary.evidence(direction, end - start, floors, &told);
        Self {
            start,
            end,
            from: sources.into(),
            opposite: direction == Direction::Backward,
            intervals: summary.intervals,
            expected: summary.expected(end - start),
            sent: summary.sent,
            received: summary.received,
            late: summary.late,
            lost: evidence.lost,
            lost_somewhere: summary.lost_somewhere,
            withdrawn: summary.believed.withdrawn,
            clock_error_bound: summary.clocks().map(|clocks| clocks.uncertainty()),
            percentiles: percentiles(&evidence, quantiles),
        }
    }
}
