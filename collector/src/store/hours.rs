//! The windows of an hour of a path, in short: what a month is judged from.
//!
//! A verdict's JSON tells everything and takes a page; a month of minutes needs
//! forty octets of each. They are kept an hour a row, written in the transaction
//! that writes the verdicts; a window that is judged again takes its own place,
//! so nothing is counted twice. An hour that an older version wrote has no row
//! and is read from the verdicts themselves, also when its first new window
//! comes.

use std::collections::BTreeMap;

use owl_measure::distribution::Bounds;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::period::PeriodWindow;
use prost::Message as _;

use super::database::{DatabaseError, Transaction, values};
use super::verdicts;
use crate::judgement::Judgement;

/// The length of time in one row.
pub(super) const HOUR: Nanos = Nanos::from_secs(3_600);
/// Windows in one row at most: of a second each. Those behind them are not kept.
const WINDOWS_MAX: usize = 3_600;
/// How much longer rows live than the verdicts that they are made from.
pub(super) const LONGER: Nanos = Nanos::from_secs(365 * 86_400);

/// Where the hour begins that holds an instant, in UTC.
pub(super) fn hour_of(at: Timestamp) -> Timestamp {
    at.period_start(HOUR, Timestamp(0))
}

/// The windows of an hour, column by column: all columns are as long as the first.
///
/// Numbers that are nearly always what another one says are kept as the difference, which takes one octet then.
#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    /// Since the start of the window before, or of the hour.
    #[prost(uint64, repeated, tag = "1")]
    start_ns: Vec<u64>,
    #[prost(sint64, repeated, tag = "2")]
    target_ns: Vec<i64>,
    #[prost(sint64, repeated, tag = "3")]
    planned: Vec<i64>,
    #[prost(uint64, repeated, tag = "4")]
    sent: Vec<u64>,
    #[prost(sint64, repeated, tag = "5")]
    missing: Vec<i64>,
    #[prost(uint64, repeated, tag = "6")]
    lost: Vec<u64>,
    #[prost(bool, repeated, tag = "7")]
    sufficient: Vec<bool>,
    #[prost(sint64, repeated, tag = "8")]
    not_within: Vec<i64>,
    #[prost(uint64, repeated, tag = "9")]
    beyond: Vec<u64>,
    /// Four statistics, both ends of each.
    #[prost(uint64, repeated, tag = "10")]
    ends: Vec<u64>,
}

/// Numbers of an end: `None`, then [`Nanos::MAX`], then the delay in nanoseconds plus this.
const FIRST_NS: u64 = 2;
/// Ends a window.
const ENDS: usize = 8;

fn end_column(end: Option<Nanos>) -> u64 {
    match end {
        None => 0,
        Some(Nanos::MAX) => 1,
        // No delay is negative, so from below zero says as much.
        Some(end) => u64::try_from(end.0).unwrap_or(0) + FIRST_NS,
    }
}

fn end_of(column: u64) -> Option<Nanos> {
    match column {
        0 => None,
        1 => Some(Nanos::MAX),
        ns => Some(Nanos(i64::try_from(ns - FIRST_NS).unwrap_or(i64::MAX))),
    }
}

/// `a − b`, and back again with [`plus`].
fn less(a: u64, b: u64) -> i64 {
    a.wrapping_sub(b) as i64
}

fn plus(a: u64, b: i64) -> u64 {
    a.wrapping_add(b as u64)
}

impl Body {
    fn of(hour: Timestamp, windows: &BTreeMap<Timestamp, PeriodWindow>) -> Self {
        let mut body = Self::default();
        let (mut before, mut target) = (hour, Nanos::ZERO);
        for window in windows.values().take(WINDOWS_MAX) {
            body.start_ns
                .push(u64::try_from((window.start - before).0).unwrap_or(0));
            body.target_ns.push((window.target - target).0);
            body.planned.push(less(window.planned, window.sent));
            body.sent.push(window.sent);
            body.missing.push(less(window.sent, window.received));
            body.lost.push(window.lost);
            body.sufficient.push(window.sufficient);
            body.not_within.push(less(window.received, window.within));
            body.beyond.push(window.beyond);
            for bounds in [window.p95, window.p99, window.mean, window.min] {
                body.ends
                    .push(end_column(bounds.map(|bounds| bounds.at_least)));
                body.ends
                    .push(end_column(bounds.map(|bounds| bounds.at_most)));
            }
            (before, target) = (window.start, window.target);
        }
        body
    }

    /// The windows; `None` when the columns do not fit each other.
    fn windows(&self, hour: Timestamp) -> Option<Vec<PeriodWindow>> {
        let rows = self.start_ns.len();
        let lengths = [
            self.target_ns.len(),
            self.planned.len(),
            self.sent.len(),
            self.missing.len(),
            self.lost.len(),
            self.sufficient.len(),
            self.not_within.len(),
            self.beyond.len(),
        ];
        if lengths.iter().any(|length| *length != rows) || self.ends.len() != rows * ENDS {
            return None;
        }
        let (mut start, mut target) = (hour, Nanos::ZERO);
        let windows = self.ends.chunks_exact(ENDS).enumerate().map(|(k, ends)| {
            let bounds = |at: usize| {
                Some(Bounds {
                    at_least: end_of(ends[at])?,
                    at_most: end_of(ends[at + 1])?,
                })
            };
            start = start + Nanos(i64::try_from(self.start_ns[k]).unwrap_or(i64::MAX));
            target += Nanos(self.target_ns[k]);
            let sent = self.sent[k];
            let received = plus(sent, self.missing[k].wrapping_neg());
            PeriodWindow {
                start,
                target,
                planned: plus(sent, self.planned[k]),
                sent,
                received,
                lost: self.lost[k],
                sufficient: self.sufficient[k],
                p95: bounds(0),
                p99: bounds(2),
                mean: bounds(4),
                min: bounds(6),
                within: plus(received, self.not_within[k].wrapping_neg()),
                beyond: self.beyond[k],
            }
        });
        Some(windows.collect())
    }
}

/// The windows of a row; `None` when it is damaged.
pub(super) fn read(hour: Timestamp, body: &[u8]) -> Option<Vec<PeriodWindow>> {
    Body::decode(body).ok()?.windows(hour)
}

/// Puts judgements into their hours, each in the place of its window.
pub(super) fn put(
    transaction: &Transaction<'_>,
    judgements: &[Judgement],
) -> Result<(), DatabaseError> {
    for judgement in judgements {
        let (hour, length) = (hour_of(judgement.window_start), judgement.window.0);
        let (path, profile) = (&judgement.path, &judgement.profile);
        let kept: Option<Vec<u8>> = transaction.one(
            "SELECT body FROM hour WHERE path = $1 AND profile = $2 AND window_ns = $3 AND hour_start_ns = $4",
            &values![path, profile, length, hour.0],
        )?;
        let before: Vec<PeriodWindow> = match kept {
            // A row that cannot be read is made anew from the verdicts, as one that is not there.
            Some(body) if let Some(windows) = read(hour, &body) => windows,
            _ => transaction
                .rows(
                    &format!(
                        "SELECT {} FROM verdict WHERE path = $1 AND profile = $2
                             AND window_start_ns >= $3 AND window_start_ns < $4 AND window_ns = $5",
                        verdicts::COLUMNS
                    ),
                    &values![path, profile, hour.0, (hour + HOUR).0, length],
                    verdicts::only,
                )?
                .iter()
                .filter_map(|body| serde_json::from_str::<Judgement>(body).ok())
                .map(|judgement| judgement.in_short())
                .collect(),
        };
        let mut windows: BTreeMap<Timestamp, PeriodWindow> = before
            .into_iter()
            .map(|window| (window.start, window))
            .collect();
        windows.insert(judgement.window_start, judgement.in_short());
        let body = Body::of(hour, &windows).encode_to_vec();
        transaction.execute(
            "INSERT INTO hour (path, profile, window_ns, hour_start_ns, body) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (path, profile, window_ns, hour_start_ns) DO UPDATE SET body = excluded.body",
            &values![path, profile, length, hour.0, &body],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(lo: i64, hi: i64) -> Option<Bounds> {
        Some(Bounds {
            at_least: Nanos(lo),
            at_most: Nanos(hi),
        })
    }

    fn windows() -> BTreeMap<Timestamp, PeriodWindow> {
        let hour = Timestamp(7_200_000_000_000);
        (0..60)
            .map(|k| {
                let start = hour + Nanos::from_secs(60 * k);
                let window = PeriodWindow {
                    start,
                    target: Nanos(1_000_000 + k / 30),
                    planned: 600,
                    sent: if k == 7 { 0 } else { 600 },
                    received: if k == 7 { 0 } else { 598 },
                    lost: 2,
                    sufficient: k != 7,
                    p95: bounds(0, i64::MAX),
                    p99: bounds(i64::MAX, i64::MAX),
                    mean: (k % 2 == 0).then_some(bounds(800_000, 850_000)).flatten(),
                    min: bounds(0, 0),
                    within: 590,
                    beyond: 5,
                };
                (start, window)
            })
            .collect()
    }

    #[test]
    fn an_hour_is_read_as_it_was_written_and_takes_little_room() {
        let (hour, windows) = (Timestamp(7_200_000_000_000), windows());
        let body = Body::of(hour, &windows).encode_to_vec();
        let back = read(hour, &body).expect("whole");
        assert_eq!(back, windows.values().copied().collect::<Vec<_>>());
        assert!(body.len() < 60 * 60, "{} octets", body.len());
    }

    #[test]
    fn a_damaged_row_is_refused_and_never_taken_for_less() {
        let (hour, windows) = (Timestamp(7_200_000_000_000), windows());
        let body = Body::of(hour, &windows).encode_to_vec();
        for length in 1..body.len() {
            assert_eq!(read(hour, &body[..length]), None, "{length} octets");
        }
        let extreme = Body {
            start_ns: vec![u64::MAX, u64::MAX],
            target_ns: vec![i64::MIN, i64::MIN],
            planned: vec![i64::MIN, i64::MAX],
            sent: vec![u64::MAX, 0],
            missing: vec![i64::MIN, i64::MAX],
            lost: vec![u64::MAX, 0],
            sufficient: vec![true, false],
            not_within: vec![i64::MIN, i64::MAX],
            beyond: vec![0, u64::MAX],
            ends: vec![u64::MAX; 2 * ENDS],
        };
        assert!(read(hour, &extreme.encode_to_vec()).is_some());
    }
}
