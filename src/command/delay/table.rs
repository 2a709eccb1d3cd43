//! The table of a measurement: what its packets took, way by way.

use owl_measure::delay::OneWayDelay;
use owl_measure::distribution::Bounds;
use owl_measure::sample::Direction;
use owl_measure::time::Nanos;
use owl_measure::words::Lang;

use super::judged::Ends;
use crate::terminal::{Side, Table};

/// Cells of a line beside its name.
const CELLS: usize = 10;

/// What the table says of one way.
pub(super) struct WayRow {
    pub(super) direction: Direction,
    /// Least, the three quantiles, and most.
    pub(super) raw: [String; 5],
    /// PDV and IPDV, 95th percentile.
    pub(super) variation: [Option<Bounds>; 2],
    /// Lost, duplicated, and reordered.
    pub(super) counts: [u64; 3],
    /// At the three quantiles; `None` where no interval can be had.
    pub(super) one_way: Option<[OneWayDelay; 3]>,
}

/// The name of a direction.
pub(super) fn name(direction: Direction, lang: Lang) -> &'static str {
    match direction {
        Direction::Forward => lang.pick("forward", "前向"),
        Direction::Backward => lang.pick("backward", "反向"),
    }
}

pub(super) fn or_dash(span: Option<Nanos>) -> String {
    span.map_or_else(|| "-".to_owned(), |span| span.to_string())
}

/// The table, whose last line begins with `last` and says `spread` of all packets.
pub(super) fn table(
    ways: impl Iterator<Item = WayRow>,
    ends: Ends,
    (last, spread): (&str, [String; 5]),
    lang: Lang,
) -> String {
    let right = |name| (name, Side::Right);
    let mut table = Table::new(&[
        ("", Side::Left),
        right(lang.pick("min", "最小")),
        right("p50"),
        right("p95"),
        right("p99"),
        right(lang.pick("max", "最大")),
        right("PDV p95"),
        right("IPDV p95"),
        right(lang.pick("lost", "丢失")),
        right(lang.pick("dup", "重复")),
        right(lang.pick("reord", "乱序")),
    ]);
    let mut row = |name: String, from: usize, cells: &mut dyn Iterator<Item = String>| {
        let mut row = <[String; CELLS + 1]>::default();
        row[0] = name;
        for (cell, value) in row[from..].iter_mut().zip(cells) {
            *cell = value;
        }
        table.row(row);
    };
    for way in ways {
        let name = name(way.direction, lang);
        let raw = lang.pick("clock difference included", "含时钟差");
        let variation = way
            .variation
            .map(|bounds| or_dash(bounds.map(|bounds| bounds.at_most)));
        let counts = way.counts.map(|count| count.to_string());
        let mut cells = way.raw.into_iter().chain(variation).chain(counts);
        row(format!("{name} ({raw})"), 1, &mut cells);
        let Some(one_way) = way.one_way else { continue };
        let rests_on = one_way[1].basis.word(lang);
        let between = one_way.map(|delay| ends(&delay, lang));
        let labels = [
            lang.pick("one-way at least", "单向不小于"),
            lang.pick("one-way at most", "单向不大于"),
        ];
        for (end, label) in labels.into_iter().enumerate() {
            let mut cells = between.iter().map(|ends| ends[end].clone());
            row(format!("  {label} ({rests_on})"), 2, &mut cells);
        }
    }
    row(last.to_owned(), 1, &mut spread.into_iter());
    table.to_string()
}
