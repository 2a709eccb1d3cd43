//! A scrape of a mesh that is not there, for who measures what one costs.

use std::sync::Arc;

use owl_measure::delay::{Basis, OneWayDelay};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{EvidenceClass, Quantile, State, Verdict};
use owl_topology::{Path, Topology};

use super::links::Detail;
use super::{Body, Form, Own, Part, Scrape};
use crate::delays::{Delays, Spans};
use crate::judgement::{Judgement, Percentile, Span};
use crate::live::Live;
use crate::way::{Variation, Way, WayName};

const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);
/// The length of every window.
const WINDOW: Nanos = Nanos::from_secs(60);
const PERCENTILES: [Quantile; 3] = [Quantile::P50, Quantile::P95, Quantile::P99];

/// A live table in which every path has reported and was judged.
#[derive(Debug)]
pub struct Rehearsal {
    live: Arc<Live>,
    own: Arc<Own>,
}

impl Rehearsal {
    /// With so many paths, all of them like those of Yancheng.
    pub fn new(paths: usize) -> Self {
        let topology = Topology::yancheng();
        let like = topology.paths();
        let paths = like.iter().cycle().take(paths).enumerate();
        let paths = paths.map(|(k, path)| {
            let mut path = path.clone();
            path.id = format!("{}~{}-{k}", path.from, path.to);
            path
        });
        let live = Live::of(paths.collect(), &topology);
        for (k, path) in live.write().paths.iter_mut().enumerate() {
            let k = k as u64;
            let totals = &mut path.totals;
            totals.sent = 86_400_000 + k;
            totals.received = 86_399_000 + k;
            totals.lost = [500, 400, 100];
            totals
                .within
                .insert(path.path.target.0, [86_000_000 + k; 3]);
            let spans = Spans {
                sum: Nanos(86_399_000 * 700_000),
                positive: (-680..-580).map(|cell| (cell, 863_990 + k)).collect(),
                ..Spans::default()
            };
            totals.delays = Arc::new(Delays {
                ways: [spans.clone(), spans.clone(), spans],
            });
            path.reported_at = Some(NOW);
            path.latest = Some(judged(&path.path, NOW - WINDOW, k));
        }
        Self {
            live: Arc::new(live),
            own: Arc::new(Own::new()),
        }
    }

    fn scrape(&self, form: Form) -> Scrape {
        let (live, own) = (Arc::clone(&self.live), Arc::clone(&self.own));
        Scrape::new(
            live,
            own,
            (Part::Whole, Detail::Sums),
            form,
            (NOW, Nanos::ZERO),
        )
    }

    /// Makes a whole answer in the text format, lets go of each piece, and tells how many octets it had.
    pub fn text(&self) -> usize {
        self.scrape(Form::Text).map(|piece| piece.len()).sum()
    }

    /// The same as messages with native histograms.
    pub fn protobuf(&self) -> usize {
        self.scrape(Form::Protobuf).map(|piece| piece.len()).sum()
    }

    /// The text, compressed as for a scraper that takes gzip.
    pub fn packed(&self) -> usize {
        let body = Body::packed(self.scrape(Form::Text));
        body.into_pieces().map(|piece| piece.len()).sum()
    }

    /// Makes the answer for schedulers (`/api/v1/latency`) of all paths, and tells how many octets it has.
    pub fn feed(&self) -> usize {
        crate::http::latency::feed(&self.live, NOW).len()
    }

    /// The whole text at once, to be read.
    pub fn page(&self) -> String {
        let octets: Vec<u8> = self.scrape(Form::Text).flatten().collect();
        String::from_utf8(octets).expect("labels and numbers are text")
    }
}

#[cfg(test)]
impl Rehearsal {
    /// The octets of the whole text and of its largest piece.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let pieces = self.scrape(Form::Text).map(|piece| piece.len());
        pieces.fold((0, 0), |(all, largest), octets| {
            (all + octets, largest.max(octets))
        })
    }

    /// The text after it was compressed and unpacked again.
    pub(super) fn unpacked(&self) -> String {
        let packed = Body::packed(self.scrape(Form::Text))
            .into_pieces()
            .flatten();
        let packed: Vec<u8> = packed.collect();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*packed), &mut text)
            .unwrap();
        text
    }
}

/// A window of one path that nothing happened in; `k` makes its delays its own.
pub(crate) fn judged(path: &Path, window_start: Timestamp, k: u64) -> Judgement {
    let lo = Nanos(700_123 + k.cast_signed() % 1_000);
    let span = Span {
        lo,
        hi: lo + Nanos(3_210),
    };
    let delay = Some(OneWayDelay {
        lo: span.lo,
        hi: span.hi,
        basis: Basis::Claimed,
    });
    let way = |direction| Way {
        direction,
        variations: PERCENTILES
            .map(|quantile| Variation {
                quantile,
                pdv: Some(span),
                ipdv: Some(span),
            })
            .to_vec(),
        loss_periods: 0,
        longest_loss_period: 1,
        reordered: 0,
        largest_extent: 0,
        late_offset_max: Nanos::ZERO,
        three_reordered: 0,
        duplicated: 0,
        hops: Some((5, 6)),
        remarked: 0,
        congestion: 0,
    };
    let percentile = |quantile| Percentile {
        quantile,
        one_way: delay,
        round_trip: span,
        raw: span,
    };
    Judgement {
        path: path.id.clone(),
        profile: path.profile.id.clone(),
        quantile: Quantile::P95,
        window_start,
        window: WINDOW,
        judged_at: window_start + WINDOW,
        verdict: Verdict {
            state: State::Met,
            reason: None,
            class: Some(EvidenceClass::C),
            delay,
            ..Verdict::no_data(path.target, 600)
        },
        why: None,
        percentiles: PERCENTILES.map(percentile).to_vec(),
        ways: vec![way(WayName::Forward), way(WayName::Backward)],
        flows: Vec::new(),
        clock_error_bound: Some(Nanos(20_000)),
        clock_random: None,
        seat: None,
        implied: None,
        lost: 0,
        lost_unknown: 0,
        own_loss: 0,
        late: 0,
        statistics: None,
        rule: None,
        inputs: None,
    }
}
