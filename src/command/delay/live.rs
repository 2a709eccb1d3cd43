//! The last second of a running session.

use std::collections::VecDeque;

use owl_measure::delay::Floors;
use owl_measure::distribution::Bounds;
use owl_measure::reordering::Reordered;
use owl_measure::sample::Sample;
use owl_measure::summary::{Recorder, Summary};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use serde_json::{Value, json};

use super::findings::Findings;
use super::session::report;
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
        let reports = summary.map(|summary| {
            let clock = self.own_clock.since(summary.start);
            [report(0, summary, clock, self.interval)]
        });
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

/// The summary of packets that came back, when no interval of them is complete; `None` without any.
///
/// Packets from `first` on that did not come back before the last that did were sent, and their fate is open.
fn gathered(samples: &mut [Sample], first: u32) -> Option<Summary> {
    // The sequence number counts on a circle, but not within the 24 hours that a session may last.
    samples.sort_by_key(|sample| sample.sequence);
    let earliest = samples.iter().map(|sample| sample.origin).min()?;
    let mut recorder = Recorder::new(Nanos::MAX, earliest, Vec::new());
    let mut next = first;
    for sample in samples {
        for _ in next..=sample.sequence {
            recorder.sent(sample.origin, Nanos::ZERO);
        }
        next = next.max(sample.sequence.saturating_add(1));
        recorder.received(sample, Reordered::default());
    }
    recorder.close(Timestamp(i64::MAX))
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
        let one_way = found.ways[0].one_way.map(|[p50, ..]| p50);
        let between = one_way.map_or_else(
            || lang.pick("not possible", "不成立").to_owned(),
            |p50| format!("{} … {}", p50.lo, p50.hi),
        );
        let (unanswered, settled) = (self.unanswered, self.settled);
        lang.pick(
            format!(
                "{} s p50: raw → {forward} ← {backward}, round trip {round_trip}, one-way → {between}, unanswered {unanswered} of {settled}",
                self.elapsed_s
            ),
            format!(
                "{} 秒 p50：原始差 → {forward} ← {backward}，往返 {round_trip}，单向 → {between}，未应答 {unanswered}/{settled}",
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
            "forward_one_way_p50": found.map(|found| json!(found.ways[0].one_way.map(|[p50, ..]| p50))),
            "backward_one_way_p50": found.map(|found| json!(found.ways[1].one_way.map(|[p50, ..]| p50))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use owl_measure::sample::{Header, PeerClock, Stamp, StampSource};

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        own_clock: OwnClock,
    }

    fn sample(sequence: u32) -> Sample {
        let at = Timestamp(i64::from(sequence) * 100_000_000);
        Sample {
            sequence,
            origin: at,
            sent_at: Stamp {
                at,
                source: StampSource::Kernel,
            },
            reflector_received_at: at + Nanos(400),
            reflector_sent_at: at + Nanos(400),
            t3: StampSource::Kernel,
            received_at: Stamp {
                at: at + Nanos(1_000),
                source: StampSource::Kernel,
            },
            forward_header: Header {
                ttl: 255,
                ..Header::default()
            },
            backward_header: Header {
                ttl: 255,
                ..Header::default()
            },
            peer_clock: PeerClock::NoClaim,
        }
    }

    #[test]
    fn a_packet_counts_as_lost_only_when_its_time_is_over() {
        let own_clock = Line::parse_from(["test"]).own_clock;
        let ms = Nanos::from_millis;
        let mut live = Live::new(own_clock, ms(100), ms(1_000), Floors::default());
        let seen = |live: &mut Live, sequences: std::ops::Range<u32>| {
            sequences
                .filter(|&sequence| sequence != 5)
                .for_each(|sequence| live.push(sample(sequence)));
            let json = live.second(1).json();
            ["received", "unanswered", "settled"].map(|name| json[name].as_u64().unwrap())
        };
        assert_eq!(seen(&mut live, 0..10), [9, 0, 0], "all are young");
        assert_eq!(seen(&mut live, 10..20), [19, 1, 9]);
        assert_eq!(
            seen(&mut live, 20..20),
            [19, 1, 9],
            "nothing came, nothing more is certain"
        );
        assert!(
            live.second(4)
                .text(Lang::En)
                .contains("no reply in the last second")
        );
    }

    #[test]
    fn a_second_is_shown_with_what_it_is_worth() {
        let own_clock = Line::parse_from(["test"]).own_clock;
        let mut live = Live::new(
            own_clock,
            Nanos::from_millis(100),
            Nanos::from_millis(1_000),
            Floors::default(),
        );
        (0..10).for_each(|sequence| live.push(sample(sequence)));
        let second = live.second(1);
        assert_eq!(
            second.text(Lang::En),
            "1 s p50: raw → 400 ns ← 600 ns, round trip 1.000 µs, one-way → 0 ns … 1.000 µs, unanswered 0 of 0"
        );
        assert_eq!(second.json()["forward_one_way_p50"]["basis"], "proved");
    }

    #[test]
    fn packets_that_are_still_on_the_way_count_as_sent_and_as_nothing_else() {
        let mut samples = [7, 5, 9].map(sample);
        let summary = gathered(&mut samples, 4).unwrap();
        assert_eq!((summary.sent, summary.received, summary.lost), (6, 3, 0));
        assert_eq!(gathered(&mut [], 4), None);
    }
}
