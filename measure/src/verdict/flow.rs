//! The flows of a path beside each other: which of them take another route.
//!
//! Routers that balance load over equal-cost paths (ECMP, RFC 2991) choose by
//! addresses and ports, so flows with different source ports may take different
//! routes between the same two hosts. All flows of a path are stamped by the same
//! two clocks, so what one flow takes longer than another needs no clock claim:
//! the difference of the clocks cancels.

use crate::distribution::{Bounds, Distribution};
use crate::report::Report;
use crate::sample::Direction;
use crate::summary::{DirectionSummary, Headers};
use crate::time::Nanos;
use crate::verdict::Quantile;

/// Packets of both flows that a comparison wants. When two flows of ten packets each take one route, the fastest of
/// one is slower than the slowest of the other once in C(20, 10) = 184,756 windows.
const COMPARED_MIN: u64 = 10;

/// One direction of one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowWay {
    /// By how much its fastest packet took longer than the fastest one of the fastest flow; `None` when either has none.
    pub excess_min: Option<Nanos>,
    /// The same of its median, between bounds.
    pub excess_median: Option<Bounds>,
    /// Its fastest packet was slower than 95 % of the packets of the fastest flow, and both have ten or more: that is
    /// another route, or a queue that only this flow waits in.
    pub longer: bool,
    /// All its packets took as many hops, all of the fastest flow did too, and the two numbers differ.
    pub other_hops: bool,
    /// How its packets arrived.
    pub headers: Headers,
}

impl FlowWay {
    /// Whether it takes another route than the fastest flow, by its delay or by its hops.
    pub fn takes_other_route(&self) -> bool {
        self.longer || self.other_hops
    }
}

/// One flow in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowWindow {
    /// Which one, from 0.
    pub flow: u32,
    /// Packets sent.
    pub sent: u64,
    /// Packets that came back within the loss threshold.
    pub received: u64,
    /// Packets that never came back.
    pub lost: u64,
    /// Packets that came back after the loss threshold.
    pub late: u64,
    /// Forward, backward.
    pub ways: [FlowWay; 2],
}

impl FlowWindow {
    /// One of its directions.
    pub fn way(&self, direction: Direction) -> &FlowWay {
        &self.ways[direction as usize]
    }
}

/// The flows of one path in one window, by their numbers; none when all reports are of one flow.
pub(super) fn flows(reports: &[&Report]) -> Vec<FlowWindow> {
    let mut numbers: Vec<u32> = reports.iter().map(|report| report.flow).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() < 2 {
        return Vec::new();
    }
    let of = |flow: u32| reports.iter().filter(move |report| report.flow == flow);
    let mut windows: Vec<FlowWindow> = numbers
        .iter()
        .map(|&flow| {
            let total = |count: fn(&crate::summary::Summary) -> u64| {
                of(flow).fold(0_u64, |sum, report| {
                    sum.saturating_add(count(&report.summary))
                })
            };
            FlowWindow {
                flow,
                sent: total(|s| s.sent),
                received: total(|s| s.received),
                lost: total(|s| s.lost),
                late: total(|s| s.late),
                ways: Default::default(),
            }
        })
        .collect();
    for direction in [Direction::Forward, Direction::Backward] {
        let summaries = |flow| of(flow).map(|report| report.summary.direction(direction));
        let raw: Vec<Distribution> = numbers
            .iter()
            .map(|&flow| Distribution::of(summaries(flow).map(|summary| &summary.raw)))
            .collect();
        let headers: Vec<Headers> = numbers
            .iter()
            .map(|&flow| merged(summaries(flow)))
            .collect();
        let fastest = fastest(&raw);
        let usual = fastest.and_then(|fastest| hops(&headers[fastest]));
        let compared = compared(&raw, fastest).into_iter().zip(headers);
        for (window, (way, headers)) in windows.iter_mut().zip(compared) {
            let own = hops(&headers);
            window.ways[direction as usize] = FlowWay {
                other_hops: own.is_some() && usual.is_some() && own != usual,
                headers,
                ..way
            };
        }
    }
    windows
}

fn merged<'a>(summaries: impl Iterator<Item = &'a DirectionSummary>) -> Headers {
    summaries.fold(Headers::default(), |mut merged, summary| {
        merged.merge(&summary.headers);
        merged
    })
}

/// The TTL with which all packets arrived.
fn hops(headers: &Headers) -> Option<u8> {
    let (low, high) = headers.ttl?;
    (low == high).then_some(low)
}

fn median(raw: &Distribution) -> Option<Bounds> {
    raw.at_rank(Quantile::P50.rank(raw.count()))
}

/// The flow with the smallest median, of those with packets enough if there are any.
fn fastest(raw: &[Distribution]) -> Option<usize> {
    let medians = raw.iter().enumerate();
    medians
        .filter_map(|(k, raw)| Some((k, raw.count() < COMPARED_MIN, median(raw)?.at_most)))
        .min_by_key(|&(_, few, median)| (few, median))
        .map(|(k, ..)| k)
}

/// Each flow against the fastest one.
fn compared(raw: &[Distribution], fastest: Option<usize>) -> Vec<FlowWay> {
    let Some(fastest) = fastest.map(|fastest| &raw[fastest]) else {
        return vec![FlowWay::default(); raw.len()];
    };
    let slow = fastest.at_rank(Quantile::P95.rank(fastest.count()));
    raw.iter()
        .map(|own| {
            let enough = own.count().min(fastest.count()) >= COMPARED_MIN;
            let is_slower = || Some(own.min()? > slow?.at_most);
            let excess_median = || {
                let (own, fastest) = (median(own)?, median(fastest)?);
                Some(Bounds {
                    at_least: own.at_least - fastest.at_most,
                    at_most: own.at_most - fastest.at_least,
                })
            };
            FlowWay {
                excess_min: own.min().zip(fastest.min()).map(|(own, least)| own - least),
                excess_median: excess_median(),
                longer: enough && is_slower() == Some(true),
                other_hops: false,
                headers: Headers::default(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::HistogramRecorder;

    /// A flow of so many packets: this much for the route, and up to 100 µs of queueing.
    fn flow(route_us: i64, packets: u64, seed: u64) -> Distribution {
        let mut recorder = HistogramRecorder::default();
        for k in 0..packets {
            let hash = (k + seed * 7_919).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            let queueing = Nanos((hash % 100_000) as i64);
            recorder.record(Nanos::from_micros(route_us) + queueing);
        }
        Distribution::of(&[recorder.finish()])
    }

    fn elsewhere(flows: &[Distribution]) -> Vec<usize> {
        let ways = compared(flows, fastest(flows));
        let told = ways.iter().enumerate().filter(|(_, way)| way.longer);
        told.map(|(k, _)| k).collect()
    }

    #[test]
    fn a_longer_route_is_seen_whatever_the_clocks_and_half_of_the_flows_may_take_it() {
        for offset in [-5_000_000, 0, 200_000] {
            for seed in 0..50 {
                let flows: Vec<Distribution> = (0..16)
                    .map(|k| {
                        let longer = if k % 2 == 1 { 1_200 } else { 0 };
                        flow(offset + 700 + longer, 37, seed * 16 + k)
                    })
                    .collect();
                assert_eq!(
                    elsewhere(&flows),
                    [1, 3, 5, 7, 9, 11, 13, 15],
                    "seed {seed}"
                );
                let excess = compared(&flows, fastest(&flows))[3];
                let within = |span: Nanos| (span - Nanos::from_micros(1_200)).abs();
                assert!(within(excess.excess_min.unwrap()) < Nanos::from_micros(40));
                let median = excess.excess_median.unwrap();
                assert!(
                    within(median.at_least) < Nanos::from_micros(80),
                    "{median:?}"
                );
            }
        }
    }

    #[test]
    fn flows_of_one_route_are_not_told_apart() {
        for seed in 0..500 {
            let flows: Vec<Distribution> = (0..16).map(|k| flow(700, 12, seed * 16 + k)).collect();
            assert_eq!(elsewhere(&flows), Vec::<usize>::new(), "seed {seed}");
        }
    }

    #[test]
    fn too_few_packets_tell_nothing_of_a_route() {
        assert_eq!(
            elsewhere(&[flow(700, 9, 1), flow(9_000, 9, 2)]),
            Vec::<usize>::new()
        );
        assert_eq!(
            elsewhere(&[flow(700, 0, 1), flow(9_000, 20, 2)]),
            Vec::<usize>::new()
        );
        // The fastest flow that has enough of them is what the others are held against.
        let flows = [flow(500, 2, 1), flow(700, 20, 2), flow(9_000, 20, 3)];
        assert_eq!(elsewhere(&flows), [2]);
        let nothing = [flow(1, 0, 1), flow(1, 0, 2)];
        assert_eq!(fastest(&nothing), None);
        assert_eq!(compared(&nothing, None), [FlowWay::default(); 2]);
    }
}
