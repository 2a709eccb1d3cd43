//! What is known of a report before it is read, and how far from that it is.
//!
//! Each number is kept as its distance from a forecast: the one of the report
//! before it, or what another field of the same report implies. Both ways take
//! the fields in one order, and each forecast uses only what has its value by then.

use super::cells::{self, Symbol, Told};
use super::column::{RowView, Rows};
use super::schema::{LAYOUT, Role, Row};

/// A signed number as an unsigned one, small where it is near zero.
pub(super) fn fold(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

/// And back.
pub(super) fn unfold(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// The distance of a number from its forecast.
pub(super) fn distance(number: u64, forecast: u64) -> u64 {
    fold(number.wrapping_sub(forecast) as i64)
}

/// And back.
pub(super) fn at_distance(distance: u64, forecast: u64) -> u64 {
    (unfold(distance) as u64).wrapping_add(forecast)
}

/// What goes from report to report.
#[derive(Debug)]
pub(super) struct Forecast {
    /// The report before; all zero before the first.
    last: Row,
    /// Where in the packet interval packets are sent, by and large.
    phase: u64,
}

/// What stands in for a packet interval that is not told: no offset reaches it.
const NO_INTERVAL: u64 = 1 << 62;
/// By how much of its distance the phase follows a packet.
const PHASE_FOLLOWS: i64 = 4;

/// A signed field of the row.
fn signed(row: &Row, place: usize) -> i64 {
    unfold(row.numbers[place])
}

/// Histograms of a report; the last one is that of round trips.
const HISTOGRAMS: usize = 5;
const ROUND_TRIP: usize = HISTOGRAMS - 1;
/// Points of an envelope at most; probes keep ten.
const POINTS_MAX: usize = 64;
/// How many [`instants`] there are.
const INSTANTS: usize = 4;

/// The places whose forecast is not the same number of the report before.
fn instants(row: &Row, last: &Row) -> [(usize, i64); INSTANTS] {
    let layout = &*LAYOUT;
    let length = last.numbers[layout.length] as i64;
    let [start, as_of] = [layout.start, layout.as_of].map(|place| signed(row, place));
    let since = |place: usize, other: usize| signed(last, place).wrapping_sub(signed(last, other));
    let (told, void_after) = layout.void_after;
    let void = match row.numbers[told] {
        0 => 0,
        _ => as_of.wrapping_add(since(void_after, layout.as_of)),
    };
    [
        (
            layout.start,
            signed(last, layout.start).wrapping_add(length),
        ),
        (
            layout.as_of,
            start.wrapping_add(since(layout.as_of, layout.start)),
        ),
        (
            layout.as_of_monotonic,
            as_of.wrapping_add(since(layout.as_of_monotonic, layout.as_of)),
        ),
        (void_after, void),
    ]
}

/// Base and sum of a histogram, each a forecast.
struct Bases {
    base: i64,
    sum: Option<i64>,
}

impl Forecast {
    pub(super) fn new() -> Self {
        Self {
            last: Row::empty(),
            phase: 0,
        }
    }

    /// Appends how far a report is from its forecast; `false`, and nothing, when it is not one that a probe can have made.
    pub(super) fn distances(&mut self, row: &Row, out: &mut Rows) -> bool {
        let before = out.mark();
        let done = self.append(row, out).is_some();
        if !done {
            out.back_to(before);
        }
        done
    }

    fn append(&mut self, row: &Row, out: &mut Rows) -> Option<()> {
        let layout = &*LAYOUT;
        let first = out.numbers.len();
        let numbers = row.numbers.iter().zip(&self.last.numbers);
        out.numbers
            .extend(numbers.map(|(&number, &last)| distance(number, last)));
        let numbers = &mut out.numbers[first..];
        for (place, forecast) in instants(row, &self.last) {
            numbers[place] = distance(signed(row, place) as u64, forecast as u64);
        }
        let mut told = [Told::NOTHING; HISTOGRAMS];
        for (k, places) in layout.histograms.iter().enumerate() {
            let [above, above_counts, below, below_counts] =
                places.cells.map(|list| row.lists.list(list));
            if above.len() != above_counts.len() || below.len() != below_counts.len() {
                return None;
            }
            told[k] = cells::told(
                cells::symbols(above, above_counts),
                cells::symbols(below, below_counts),
            )?;
            let Bases { base, sum } = self.bases(k, row, &told);
            let now = |place| signed(row, place);
            let sum = sum.unwrap_or_else(|| told[k].sum(now(places.base)));
            numbers[places.base] = distance(now(places.base) as u64, base as u64);
            numbers[places.sum] = distance(now(places.sum) as u64, sum as u64);
            numbers[places.min] = within(now(places.min), told[k].min)?;
            numbers[places.max] = within(now(places.max), told[k].max)?;
        }
        let mut phase = self.phase;
        for (list, role) in layout.roles.iter().enumerate() {
            let lists = &mut out.lists;
            match *role {
                Role::Plain => {
                    let last = self.last.lists.list(list);
                    let numbers = row.lists.list(list).iter().enumerate();
                    let last = |k: usize| last.get(k).copied().unwrap_or(0);
                    let distances = numbers.map(|(k, &number)| distance(number, last(k)));
                    lists.numbers.extend(distances);
                }
                Role::Above(_) | Role::Below(_) => {
                    let symbols = cells::symbols(row.lists.list(list), row.lists.list(list + 1));
                    lists.numbers.extend(symbols.map(Symbol::pack));
                }
                Role::Nothing => {}
                Role::At(k) => envelope(k, row, &mut phase, &mut lists.numbers)?,
                Role::Raw(k) => {
                    let min = signed(row, layout.histograms[k].min);
                    for &number in row.lists.list(list) {
                        let above = unfold(number).checked_sub(min)?;
                        lists.numbers.push(u64::try_from(above).ok()?);
                    }
                }
            }
            lists.close();
        }
        self.phase = phase;
        self.last.clone_from(row);
        Some(())
    }

    /// The report of these distances; `None` when they are damaged.
    pub(super) fn report(&mut self, distances: RowView<'_>, row: &mut Row) -> Option<()> {
        let layout = &*LAYOUT;
        let numbers = distances.numbers.iter().zip(&self.last.numbers);
        row.numbers.clear();
        row.numbers
            .extend(numbers.map(|(&number, &last)| at_distance(number, last)));
        for k in 0..INSTANTS {
            // Each uses the ones before it.
            let (place, forecast) = instants(row, &self.last)[k];
            let number = at_distance(distances.numbers[place], forecast as u64);
            row.numbers[place] = fold(number as i64);
        }
        let mut told = [Told::NOTHING; HISTOGRAMS];
        for (k, places) in layout.histograms.iter().enumerate() {
            let symbols = |list| distances.list(list).iter().copied().map(Symbol::unpack);
            told[k] = cells::told(symbols(places.cells[0]), symbols(places.cells[2]))?;
            let Bases { base, sum } = self.bases(k, row, &told);
            let read = |place: usize, forecast: i64| {
                at_distance(distances.numbers[place], forecast as u64) as i64
            };
            let base = read(places.base, base);
            let sum = read(places.sum, sum.unwrap_or_else(|| told[k].sum(base)));
            let min = (distances.numbers[places.min] as i64).wrapping_add(told[k].min.0);
            let max = (distances.numbers[places.max] as i64).wrapping_add(told[k].max.0);
            for (place, number) in [
                (places.base, base),
                (places.sum, sum),
                (places.min, min),
                (places.max, max),
            ] {
                row.numbers[place] = fold(number);
            }
        }
        row.lists.clear();
        let mut phase = self.phase;
        for (list, role) in layout.roles.iter().enumerate() {
            let numbers = distances.list(list);
            match *role {
                Role::Plain => {
                    let last = self.last.lists.list(list);
                    let last = |k: usize| last.get(k).copied().unwrap_or(0);
                    let numbers = numbers.iter().enumerate();
                    let numbers = numbers.map(|(k, &number)| at_distance(number, last(k)));
                    row.lists.numbers.extend(numbers);
                }
                Role::Above(_) | Role::Below(_) => {
                    cells::gaps(numbers, &mut row.lists.numbers);
                    row.lists.close();
                    cells::counts(numbers, &mut row.lists.numbers);
                }
                // Written with the gaps.
                Role::Nothing => continue,
                Role::At(k) => points(k, distances, &mut phase, row)?,
                Role::Raw(k) => {
                    let min = signed(row, layout.histograms[k].min);
                    let above = numbers.iter();
                    let raw = above.map(|&above| fold((above as i64).wrapping_add(min)));
                    row.lists.numbers.extend(raw);
                }
            }
            row.lists.close();
        }
        self.phase = phase;
        self.last.clone_from(row);
        Some(())
    }

    /// The forecasts of a histogram's base and sum. Each round trip is the sum of a packet's two ways, so theirs are
    /// the sums of both ways' where the same packets are in all three.
    fn bases(&self, k: usize, row: &Row, told: &[Told; HISTOGRAMS]) -> Bases {
        let [forward, backward, ..] = &LAYOUT.histograms;
        let hits = told[k].hits;
        if k == ROUND_TRIP && hits > 0 && told[0].hits == hits && told[1].hits == hits {
            let both = |forward: usize, backward: usize| {
                signed(row, forward).wrapping_add(signed(row, backward))
            };
            return Bases {
                base: both(forward.base, backward.base),
                sum: Some(both(forward.sum, backward.sum)),
            };
        }
        Bases {
            base: signed(&self.last, LAYOUT.histograms[k].base),
            sum: None,
        }
    }
}

/// Appends when the packets of a lower envelope were sent: first which packet each point is, a zero for the one that is
/// in the forward envelope too, then for the others when in its packet interval it was sent.
fn envelope(k: usize, row: &Row, phase: &mut u64, out: &mut Vec<u64>) -> Option<()> {
    let places = &LAYOUT.envelopes[k];
    let (interval, tenth) = spacing(row);
    let (at, raw) = (row.lists.list(places.at), row.lists.list(places.raw));
    if at.len() != raw.len() {
        return None;
    }
    let ahead = ahead(k, row);
    let mut from_phase = [0_u64; POINTS_MAX];
    let mut sent = 0;
    for (k, &number) in at.iter().enumerate() {
        if ahead.get(k) == Some(&number) {
            out.push(0);
            continue;
        }
        let offset = u64::try_from(unfold(number)).ok()?;
        let packet = (offset / interval) as i64;
        out.push(fold(packet.wrapping_sub(tenth.wrapping_mul(k as i64))).checked_add(1)?);
        let way = around(offset % interval, *phase, interval);
        *from_phase.get_mut(sent)? = fold(way);
        sent += 1;
        *phase = follow(*phase, way, interval);
    }
    out.extend(&from_phase[..sent]);
    Some(())
}

/// The same read back; the points' offsets are appended to the row's lists.
fn points(k: usize, distances: RowView<'_>, phase: &mut u64, row: &mut Row) -> Option<()> {
    let places = &LAYOUT.envelopes[k];
    let (interval, tenth) = spacing(row);
    let (at, raw) = (distances.list(places.at), distances.list(places.raw));
    let (packets, sent) = at.split_at_checked(raw.len())?;
    let mut sent = sent.iter();
    for (point, &packet) in packets.iter().enumerate() {
        let Some(packet) = packet.checked_sub(1) else {
            let same = *ahead(k, row).get(point)?;
            row.lists.numbers.push(same);
            continue;
        };
        let packet = unfold(packet).wrapping_add(tenth.wrapping_mul(point as i64));
        let way = unfold(*sent.next()?);
        let place = step(*phase, way, interval);
        *phase = follow(*phase, way, interval);
        let offset = (packet as u64).wrapping_mul(interval).wrapping_add(place);
        row.lists.numbers.push(fold(offset as i64));
    }
    sent.next().is_none().then_some(())
}

/// The envelope of which another one may hold the same packets.
fn ahead(k: usize, row: &Row) -> &[u64] {
    match k {
        0 => &[],
        _ => row.lists.list(LAYOUT.envelopes[0].at),
    }
}

/// How far a number is above the lower end of where it must lie; `None` when it lies elsewhere.
fn within(number: i64, (low, high): (i64, i64)) -> Option<u64> {
    (low..=high)
        .contains(&number)
        .then(|| number.wrapping_sub(low) as u64)
}

/// The packet interval, and how many packets a tenth of the report has.
fn spacing(row: &Row) -> (u64, i64) {
    let interval = row.numbers[LAYOUT.packet_interval];
    let interval = if (1..NO_INTERVAL).contains(&interval) {
        interval
    } else {
        NO_INTERVAL
    };
    (
        interval,
        (row.numbers[LAYOUT.length] / interval / 10) as i64,
    )
}

/// The way from one place in an interval to another, the shorter way round.
fn around(place: u64, from: u64, interval: u64) -> i64 {
    let from = from % interval;
    let ahead = (place + interval - from) % interval;
    if ahead > interval / 2 {
        ahead as i64 - interval as i64
    } else {
        ahead as i64
    }
}

/// That way taken.
fn step(from: u64, way: i64, interval: u64) -> u64 {
    let sum = (from % interval) as i128 + i128::from(way);
    sum.rem_euclid(i128::from(interval)) as u64
}

fn follow(phase: u64, way: i64, interval: u64) -> u64 {
    step(phase, way / PHASE_FOLLOWS, interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_place_leads_there() {
        for interval in [1, 2, 3, 100_000_000, NO_INTERVAL] {
            for place in [0, 1, interval / 2, interval / 2 + 1, interval - 1] {
                for from in [0, 7, interval / 3, interval - 1, interval, u64::MAX] {
                    let place = place % interval;
                    let way = around(place, from, interval);
                    assert!(way.unsigned_abs() <= interval / 2 + 1);
                    assert_eq!(step(from, way, interval), place, "{from} {way} {interval}");
                }
            }
        }
    }
}
