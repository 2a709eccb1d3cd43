//! The last second of a running session.

use std::collections::VecDeque;

use owl_measure::delay::Floors;
use owl_measure::distribution::Bounds;
use owl_measure::sample::Sample;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use serde_json::{Value, json};

use super::findings::Findings;
use super::session::{gathered, report};
use crate::command::own_clock::OwnClock;

/// Follows a session second by second.
#[derive(Debug)]
pub(super) struct Live {
    own_clock: OwnClock,
    interval: Nanos,
    timeout: Nanos,
    floors: Floors,
    /// What came back since the last second; of one second, or of as long as printing took.
    second: Vec<Sample>,
    /// The next sequence number that the coming second may hold.
    next: u32,
    /// Packets younger than the loss threshold, whose fellows may still come back.
    young: VecDeque<(Timestamp, u32)>,
    received: u64,
    /// Packets older than the loss threshold: those that came back, and how many there were.
    settled: (u64, u64),
}

/// One second.
#[derive(Debug)]
pub(super) struct Second {
    elapsed_s: u64,
    received: u64,
    unanswered: u64,
    settled: u64,
    found: Option<Findings>,
}

impl Live {
    pub(super) fn new(
        own_clock: OwnClock,
        interval: Nanos,
        timeout: Nanos,
        floors: Floors,
    ) -> Self {
        Self {
            own_clock,
            interval,
            timeout,
            floors,
            second: Vec::new(),
            next: 0,
            young: VecDeque::new(),
            received: 0,
            settled: (0, 0),
        }
    }

    /// A packet came back.
    pub(super) fn push(&mut self, sample: Sample) {
        self.received += 1;
        self.second.push(sample);
        self.young.push_back((sample.origin, sample.sequence));
        while let Some(&(origin, sequence)) = self.young.front()
            && sample.origin - origin > self.timeout
        {
            self.young.pop_front();
            let (answered, sent) = self.settled;
            self.settled = (answered + 1, sent.max(u64::from(sequence) + 1));
        }
    }

    /// The second that ends now.
    pub(super) fn second(&mut self, elapsed_s: u64) -> Second {
        let mut samples = std::mem::take(&mut self.second);
        let summary = gathered(&mut samples, self.next);
        if let Some(last) = samples.last() {
            self.next = self.next.max(last.sequence.saturating_add(1));
        }
        let reports =
            summary.map(|summary| [report(summary, self.own_clock.state(), self.interval)]);
        let (answered, settled) = self.settled;
        Second {
            elapsed_s,
            received: self.received,
            unanswered: settled.saturating_sub(answered),
            settled,
            found: reports.and_then(|reports| Findings::of(&reports, self.floors)),
        }
    }
}

impl Second {
    /// One line for a person.
    pub(super) fn text(&self, lang: Lang) -> String {
        let Some(found) = &self.found else {
            return lang.pick(
                format!(
                    "{} s: no reply in the last second; {} received so far",
                    self.elapsed_s, self.received
                ),
                format!(
                    "{} 秒：最近一秒无应答；累计收到 {}",
                    self.elapsed_s, self.received
                ),
            );
        };
        let p50 = |quantiles: &[Option<_>; 3]| -> Nanos {
            quantiles[0].map_or(Nanos::MAX, |bounds: Bounds| bounds.at_most)
        };
        let [forward, backward] = found.ways.each_ref().map(|way| p50(&way.raw.quantiles));
        let round_trip = p50(&found.round_trip.quantiles);
        let one_way = found.ways[0].one_way[0];
        let half = Nanos((one_way.hi - one_way.lo).0 / 2);
        let (unanswered, settled) = (self.unanswered, self.settled);
        lang.pick(
            format!(
                "{} s p50: raw → {forward} ← {backward}, round trip {round_trip}, one-way ± {half}, lost {unanswered}/{settled}",
                self.elapsed_s
            ),
            format!(
                "{} 秒 p50：原始差 → {forward} ← {backward}，往返 {round_trip}，单向 ± {half}，丢失 {unanswered}/{settled}",
                self.elapsed_s
            ),
        )
    }

    /// The same for a program.
    pub(super) fn json(&self) -> Value {
        let p50 = |quantiles: [Option<Bounds>; 3]| quantiles[0].map(|bounds| bounds.at_most);
        let found = self.found.as_ref();
        let raw = |k: usize| found.and_then(|found| p50(found.ways[k].raw.quantiles));
        json!({
            "kind": "second",
            "elapsed_s": self.elapsed_s,
            "received": self.received,
            "unanswered": self.unanswered,
            "settled": self.settled,
            "forward_raw_p50_ns": raw(0),
            "backward_raw_p50_ns": raw(1),
            "round_trip_p50_ns": found.and_then(|found| p50(found.round_trip.quantiles)),
            "forward_one_way_p50": found.map(|found| json!(found.ways[0].one_way[0])),
            "backward_one_way_p50": found.map(|found| json!(found.ways[1].one_way[0])),
        })
    }
}
