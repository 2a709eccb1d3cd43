//! How often which delay was seen, since the store was made: raw one-way
//! differences and round trips in Prometheus' exponential cells.
//!
//! A cell's upper edge is 2^(1/64) times its lower one: 1.1 %, the narrowest
//! of that family which is no narrower than the cells of a report (0.8 %). A
//! report's cell is counted where its upper edge lies, so the count up to an
//! edge is never too large.

use owl_measure::histogram::Histogram;
use owl_measure::report::Report;
use owl_measure::time::Nanos;
use prost::Message as _;

/// Prometheus' name for cells of 2^(2^-6).
pub(crate) const SCHEMA: i32 = 6;
/// 2^SCHEMA: cells an octave.
const PER_OCTAVE: f64 = 64.0;
/// Spans of up to 2^-20 s, about a microsecond, count as zero; the cells begin there.
const ZERO_OCTAVE: i16 = -20;
/// The last cell ends at 2^28 s: nine years.
const LAST: i16 = 28 * 64;
/// Different cells on each side of zero. A day of a quiet path has about a hundred, and four octaves have 256; what has no
/// cell when they are used up is counted in the next larger one, or the largest.
const CELLS_MAX: usize = 512;

/// The largest magnitude that counts as zero, in seconds.
pub(crate) fn zero_threshold() -> f64 {
    f64::from(ZERO_OCTAVE).exp2()
}

/// The upper edge of a cell, in seconds.
pub(crate) fn upper_edge(cell: i16) -> f64 {
    (f64::from(cell) / PER_OCTAVE).exp2()
}

/// The cell of a magnitude, `None` when it counts as zero.
fn cell_of(span: Nanos) -> Option<i16> {
    let seconds = span.as_secs_f64();
    (seconds > zero_threshold())
        .then(|| ((seconds.log2() * PER_OCTAVE).ceil() as i16).clamp(ZERO_OCTAVE * 64 + 1, LAST))
}

/// The last cell that lies below a span or ends with it; `None` when they all lie above.
pub(crate) fn last_cell_up_to(span: Nanos) -> Option<i16> {
    let cell = cell_of(span)?;
    Some(if upper_edge(cell) <= span.as_secs_f64() {
        cell
    } else {
        cell - 1
    })
}

/// Cells that are not empty, in order.
type Cells = Vec<(i16, u64)>;

fn count_in(cells: &mut Cells, cell: i16, by: u64) {
    let place = match cells.binary_search_by_key(&cell, |&(cell, _)| cell) {
        Ok(place) => place,
        Err(place) if cells.len() < CELLS_MAX => {
            cells.insert(place, (cell, 0));
            place
        }
        Err(place) => place.min(CELLS_MAX - 1),
    };
    cells[place].1 = cells[place].1.saturating_add(by);
}

/// Spans of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Spans {
    pub(crate) sum: Nanos,
    pub(crate) zero: u64,
    /// By magnitude.
    pub(crate) negative: Cells,
    pub(crate) positive: Cells,
    /// How many are at most the target, exactly from the first report with that target on.
    pub(crate) counted: Option<(Nanos, u64)>,
}

impl Spans {
    /// Adds the spans of a report, of which `within` are at most `target`, when they were counted.
    fn add(&mut self, histogram: &Histogram, target: Nanos, within: Option<u64>) {
        let before = self.within(target).unwrap_or_else(|| self.up_to(target));
        self.add_cells(histogram);
        let surely = || {
            let spans = histogram.spans().filter(|(_, high, _)| *high <= target);
            spans.fold(0_u64, |sum, (_, _, count)| sum.saturating_add(count))
        };
        let more = within.unwrap_or_else(surely).min(histogram.count());
        self.counted = Some((target, before.saturating_add(more)));
    }

    /// How many are at most `target`, when that is the target that is counted.
    pub(crate) fn within(&self, target: Nanos) -> Option<u64> {
        self.counted
            .filter(|(counted, _)| *counted == target)
            .map(|(_, count)| count)
    }

    /// How many are at most `edge`, a positive span, as far as the cells tell: never too many.
    pub(crate) fn up_to(&self, edge: Nanos) -> u64 {
        let last = last_cell_up_to(edge);
        let positive = self.positive.iter();
        let positive = positive.take_while(|(cell, _)| last.is_some_and(|last| *cell <= last));
        let cells = self.negative.iter().chain(positive);
        cells.fold(self.zero, |sum, &(_, count)| sum.saturating_add(count))
    }

    fn add_cells(&mut self, histogram: &Histogram) {
        // Saturates, as the sum of a report does.
        self.sum += histogram.sum();
        for (_, high, count) in histogram.spans() {
            // Of a negative cell the upper edge has the smaller magnitude.
            match (cell_of(high), cell_of(Nanos::ZERO - high)) {
                (Some(cell), _) => count_in(&mut self.positive, cell, count),
                (None, Some(cell)) => count_in(&mut self.negative, cell, count),
                (None, None) => self.zero = self.zero.saturating_add(count),
            }
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        let cells = self.negative.iter().chain(&self.positive);
        cells.fold(self.zero, |sum, &(_, count)| sum.saturating_add(count))
    }
}

/// The delays of a path's packets that came back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Delays {
    /// Forward, backward, round trip: as `crate::totals::WITHIN` names them.
    pub(crate) ways: [Spans; 3],
}

impl Delays {
    /// Adds one report; `within` are those of it within the target, each way, as far as they were counted.
    pub(crate) fn add(&mut self, report: &Report, target: Nanos, within: [Option<u64>; 3]) {
        let summary = &report.summary;
        let histograms = [
            &summary.forward.raw,
            &summary.backward.raw,
            &summary.round_trip,
        ];
        for ((spans, histogram), within) in self.ways.iter_mut().zip(histograms).zip(within) {
            spans.add(histogram, target, within);
        }
    }
}

/// As they are kept: a body of the table `delay`.
#[derive(Clone, PartialEq, prost::Message)]
struct DelaysBody {
    #[prost(message, repeated, tag = "1")]
    ways: Vec<SpansBody>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SpansBody {
    #[prost(sint64, tag = "1")]
    sum_ns: i64,
    #[prost(uint64, tag = "2")]
    zero: u64,
    /// Each cell's number less the one before it.
    #[prost(sint32, repeated, tag = "3")]
    negative: Vec<i32>,
    #[prost(uint64, repeated, tag = "4")]
    negative_counts: Vec<u64>,
    #[prost(sint32, repeated, tag = "5")]
    positive: Vec<i32>,
    #[prost(uint64, repeated, tag = "6")]
    positive_counts: Vec<u64>,
    #[prost(sint64, optional, tag = "7")]
    target_ns: Option<i64>,
    #[prost(uint64, tag = "8")]
    within: u64,
}

fn apart(cells: &Cells) -> (Vec<i32>, Vec<u64>) {
    let mut before = 0;
    let step = |&(cell, _): &(i16, u64)| {
        let cell = i32::from(cell);
        cell - std::mem::replace(&mut before, cell)
    };
    let steps = cells.iter().map(step).collect();
    (steps, cells.iter().map(|&(_, count)| count).collect())
}

fn together(steps: &[i32], counts: &[u64]) -> Option<Cells> {
    let mut cells = Cells::with_capacity(counts.len().min(CELLS_MAX));
    let mut cell = 0_i32;
    for (place, (step, &count)) in steps.iter().zip(counts).enumerate() {
        cell = cell.checked_add(*step)?;
        let number = i16::try_from(cell).ok().filter(|cell| *cell <= LAST)?;
        if place >= CELLS_MAX || (place > 0 && *step <= 0) {
            return None;
        }
        cells.push((number, count));
    }
    (steps.len() == counts.len()).then_some(cells)
}

impl Delays {
    /// As the store keeps them.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let ways = self.ways.iter().map(|spans| {
            let (negative, negative_counts) = apart(&spans.negative);
            let (positive, positive_counts) = apart(&spans.positive);
            SpansBody {
                sum_ns: spans.sum.0,
                zero: spans.zero,
                negative,
                negative_counts,
                positive,
                positive_counts,
                target_ns: spans.counted.map(|(target, _)| target.0),
                within: spans.counted.map_or(0, |(_, count)| count),
            }
        });
        let ways = ways.collect();
        DelaysBody { ways }.encode_to_vec()
    }

    /// From the store; `None` when this is nothing that it was given.
    pub(crate) fn decode(octets: &[u8]) -> Option<Self> {
        let ways = DelaysBody::decode(octets).ok()?.ways;
        let ways = ways.iter().map(|body| {
            Some(Spans {
                sum: Nanos(body.sum_ns),
                zero: body.zero,
                negative: together(&body.negative, &body.negative_counts)?,
                positive: together(&body.positive, &body.positive_counts)?,
                counted: body.target_ns.map(|target| (Nanos(target), body.within)),
            })
        });
        let ways: Option<Vec<Spans>> = ways.collect();
        Some(Self {
            ways: ways?.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::histogram::HistogramRecorder;

    fn of(spans: &[i64]) -> Spans {
        let mut recorder = HistogramRecorder::default();
        spans.iter().for_each(|&ns| recorder.record(Nanos(ns)));
        let mut counted = Spans::default();
        counted.add_cells(&recorder.finish());
        counted
    }

    #[test]
    fn a_span_lies_in_its_cell() {
        for ns in [1_000_i64, 1_000_000, 4_000_000, 999_999_999, 60_000_000_000] {
            let cell = cell_of(Nanos(ns)).unwrap();
            let seconds = ns as f64 / 1e9;
            assert!(
                seconds <= upper_edge(cell) && seconds > upper_edge(cell - 1),
                "{ns}"
            );
        }
        assert_eq!(cell_of(Nanos(900)), None);
        assert_eq!(cell_of(Nanos::MAX), Some(LAST));
        assert_eq!(
            cell_of(Nanos(1_000_000_000)),
            Some(0),
            "one second is the edge of cell 0"
        );
    }

    #[test]
    fn every_span_is_counted_once_on_its_side_of_zero() {
        let counted = of(&[0, -5_000_000, -3, 3, 1_000_000, 1_000_001, 2_000_000]);
        assert_eq!((counted.count(), counted.zero), (7, 3));
        assert_eq!(counted.sum, Nanos(-999_999));
        let total = |cells: &Cells| cells.iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!((total(&counted.negative), total(&counted.positive)), (1, 3));
    }

    #[test]
    fn the_count_within_the_target_is_exact_from_the_first_report_with_that_target_on() {
        let mut recorder = HistogramRecorder::default();
        // The last one shares its cell with what is above four milliseconds.
        for ns in [1_000_000, 3_000_000, 3_999_000] {
            recorder.record(Nanos(ns));
        }
        let histogram = recorder.finish();
        let target = Nanos::from_millis(4);
        let mut spans = Spans::default();
        spans.add(&histogram, target, Some(3));
        assert_eq!((spans.within(target), spans.up_to(target)), (Some(3), 2));
        let other = Nanos::from_millis(2);
        spans.add(&histogram, other, Some(1));
        assert_eq!(spans.within(target), None);
        assert_eq!(spans.within(other), Some(2), "one by its cell, one exactly");
        spans.add(&histogram, other, None);
        assert_eq!(spans.within(other), Some(3));
    }

    #[test]
    fn when_all_cells_are_used_up_a_span_is_counted_in_a_larger_one() {
        let mut cells = Cells::new();
        (0..CELLS_MAX as i16).for_each(|cell| count_in(&mut cells, 2 * cell, 1));
        count_in(&mut cells, 3, 1);
        count_in(&mut cells, i16::MAX, 1);
        assert_eq!(cells.len(), CELLS_MAX);
        assert_eq!(cells[2], (4, 2));
        assert_eq!(cells[CELLS_MAX - 1], (2 * (CELLS_MAX as i16 - 1), 2));
    }

    #[test]
    fn what_is_kept_is_read_back_and_nothing_else_is_read() {
        let mut delays = Delays::default();
        delays.ways[0] = of(&[0, -5_000_000, -3, 3, 1_000_000, 2_000_000]);
        delays.ways[2] = of(&[4_000_000]);
        delays.ways[2].counted = Some((Nanos::from_millis(4), 1));
        let octets = delays.encode();
        assert_eq!(Delays::decode(&octets), Some(delays.clone()));
        for length in 1..octets.len() {
            assert_ne!(Delays::decode(&octets[..length]), Some(delays.clone()));
        }
        for damaged in [
            &[][..],
            &[0x0a, 0, 0x0a, 0][..],
            &[0x0a, 2, 0x18, 4, 0x0a, 0, 0x0a, 0],
        ] {
            assert_eq!(Delays::decode(damaged), None, "{damaged:?}");
        }
    }
}
