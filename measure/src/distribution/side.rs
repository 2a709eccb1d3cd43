//! One side of the cells of a distribution: their edges in order.
//!
//! A judge holds the windows of all paths at once, so the edges of histograms are
//! kept as they would be sent: each as its distance from the one before it, with
//! how many spans it is the edge of, two or three octets in all. Asking for a
//! rank walks over 64 of them at most. Whoever puts edges together to ask at once keeps them
//! open, in room that is used again.

use crate::time::Nanos;

/// Edges between two places from which a walk may begin.
const STRIDE: usize = 64;

/// A place from which a walk over packed edges may begin, and what is known there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stile {
    /// Octets in front of it.
    at: usize,
    /// The edge before it; zero in front of the first.
    edge: i64,
    /// The spans that have their edge before it.
    total: u64,
}

/// Edges in order, each with how many spans have theirs up to and with it.
#[derive(Debug, Clone)]
pub(super) enum Side {
    /// As they are.
    Open(Vec<(Nanos, u64)>),
    /// Distances and counts as varints, the first distance from zero.
    Packed {
        /// What is walked over.
        octets: Box<[u8]>,
        /// The first is the beginning.
        stiles: Box<[Stile]>,
        /// Of all of them.
        total: u64,
    },
}

impl Default for Side {
    fn default() -> Self {
        Self::Open(Vec::new())
    }
}

impl Side {
    /// Of edges that are in order, each with how many spans it is the edge of.
    pub(super) fn pack(edges: &[(Nanos, u64)]) -> Self {
        let mut octets = Vec::with_capacity(3 * edges.len());
        let mut stiles = Vec::with_capacity(edges.len() / STRIDE + 1);
        let (mut last, mut total) = (0_i64, 0_u64);
        for (k, &(edge, count)) in edges.iter().enumerate() {
            if k % STRIDE == 0 {
                stiles.push(Stile {
                    at: octets.len(),
                    edge: last,
                    total,
                });
            }
            // Only the first may be below the one before it; wrapped around it comes back to itself.
            put(edge.0.wrapping_sub(last).cast_unsigned(), &mut octets);
            put(count, &mut octets);
            last = edge.0;
            total = total.saturating_add(count);
        }
        Self::Packed {
            octets: octets.into_boxed_slice(),
            stiles: stiles.into_boxed_slice(),
            total,
        }
    }

    /// The edges as they are, to be changed; nothing where they were packed.
    pub(super) fn open(&mut self) -> &mut Vec<(Nanos, u64)> {
        if let Self::Packed { .. } = self {
            *self = Self::default();
        }
        match self {
            Self::Open(edges) => edges,
            Self::Packed { .. } => unreachable!("they were opened above"),
        }
    }

    /// How many spans there are.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Open(edges) => edges.last().map_or(0, |&(_, total)| total),
            Self::Packed { total, .. } => *total,
        }
    }

    /// Each edge, and how many spans have theirs up to and with it.
    pub(super) fn totals(&self) -> Totals<'_> {
        match self {
            Self::Open(edges) => Totals::Open(edges.iter()),
            Self::Packed { octets, .. } => Totals::Packed {
                octets,
                edge: 0,
                total: 0,
            },
        }
    }

    /// The first edge whose total is at least a rank.
    pub(super) fn at_rank(&self, rank: u64) -> Option<Nanos> {
        match self {
            Self::Open(edges) => {
                let place = edges.partition_point(|&(_, total)| total < rank);
                edges.get(place).map(|&(edge, _)| edge)
            }
            Self::Packed { octets, stiles, .. } => {
                let place = stiles.partition_point(|stile| stile.total < rank);
                Totals::from(octets, stiles, place)
                    .find(|&(_, total)| total >= rank)
                    .map(|(edge, _)| edge)
            }
        }
    }

    /// The total of the edges from the first on that are `in_front`.
    pub(super) fn up_to(&self, in_front: impl Fn(Nanos) -> bool) -> u64 {
        match self {
            Self::Open(edges) => {
                let place = edges.partition_point(|&(edge, _)| in_front(edge));
                place.checked_sub(1).map_or(0, |last| edges[last].1)
            }
            Self::Packed { octets, stiles, .. } => {
                // Before the first there is no edge that could be in front.
                let known = stiles.get(1..).unwrap_or_default();
                let place = 1 + known.partition_point(|stile| in_front(Nanos(stile.edge)));
                let walk = Totals::from(octets, stiles, place);
                let so_far = walk.total();
                let walked = walk.take_while(|&(edge, _)| in_front(edge));
                walked.last().map_or(so_far, |(_, total)| total)
            }
        }
    }
}

/// See [`Side::totals`].
pub(super) enum Totals<'a> {
    Open(std::slice::Iter<'a, (Nanos, u64)>),
    Packed {
        octets: &'a [u8],
        edge: i64,
        total: u64,
    },
}

impl<'a> Totals<'a> {
    /// From the last of the first `place` stiles on.
    fn from(octets: &'a [u8], stiles: &[Stile], place: usize) -> Self {
        let stile = place.checked_sub(1).and_then(|last| stiles.get(last));
        let (at, edge, total) = stile.map_or((0, 0, 0), |it| (it.at, it.edge, it.total));
        Self::Packed {
            octets: octets.get(at..).unwrap_or_default(),
            edge,
            total,
        }
    }

    /// Of what was walked over.
    fn total(&self) -> u64 {
        match self {
            Self::Open(_) => 0,
            Self::Packed { total, .. } => *total,
        }
    }
}

impl Iterator for Totals<'_> {
    type Item = (Nanos, u64);

    #[inline]
    fn next(&mut self) -> Option<(Nanos, u64)> {
        match self {
            Self::Open(edges) => edges.next().copied(),
            Self::Packed {
                octets,
                edge,
                total,
            } => {
                *edge = edge.wrapping_add(take(octets)?.cast_signed());
                *total = total.saturating_add(take(octets)?);
                Some((Nanos(*edge), *total))
            }
        }
    }
}

fn put(mut number: u64, octets: &mut Vec<u8>) {
    while number >= 0x80 {
        octets.push(number as u8 | 0x80);
        number >>= 7;
    }
    octets.push(number as u8);
}

/// What [`put`] wrote; `None` at the end.
#[inline]
fn take(octets: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&octet, rest) = octets.split_first()?;
        *octets = rest;
        number |= u64::from(octet & 0x7F) << shift;
        if octet < 0x80 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_edges_tell_what_open_ones_tell() {
        let counts = [
            (i64::MIN, 1),
            (-5, 300),
            (0, 2),
            (0, 1),
            (7_000_000_000, 1 << 40),
            (i64::MAX, 3),
        ];
        for from in 0..counts.len() {
            let counts: Vec<_> = counts[from..].iter().map(|&(e, n)| (Nanos(e), n)).collect();
            let mut open = counts.clone();
            let mut total = 0;
            for (_, count) in &mut open {
                total += *count;
                *count = total;
            }
            let (open, packed) = (Side::Open(open), Side::pack(&counts));
            assert!(open.totals().eq(packed.totals()), "{packed:?}");
            assert_eq!(open.count(), packed.count());
            for rank in [1, 2, 301, 304, 1 << 40, total, total + 1] {
                assert_eq!(open.at_rank(rank), packed.at_rank(rank), "{rank}");
            }
            for edge in [i64::MIN, -6, -5, 0, 1, i64::MAX] {
                let in_front = |it: Nanos| it <= Nanos(edge);
                assert_eq!(open.up_to(in_front), packed.up_to(in_front), "{edge}");
            }
        }
    }

    #[test]
    fn a_walk_from_the_middle_tells_what_one_from_the_beginning_tells() {
        for length in [0, 1, STRIDE - 1, STRIDE, STRIDE + 1, 5 * STRIDE + 7] {
            let counts: Vec<_> = (0..length as i64)
                .map(|k| (Nanos(k * 100 - 9_000), 1 + k as u64 % 3))
                .collect();
            let packed = Side::pack(&counts);
            let mut open = counts.clone();
            let mut total = 0;
            for (_, count) in &mut open {
                total += *count;
                *count = total;
            }
            let open = Side::Open(open);
            for rank in 1..=total + 1 {
                assert_eq!(open.at_rank(rank), packed.at_rank(rank), "{rank}");
            }
            for edge in (-9_200..40_000).step_by(50) {
                let in_front = |it: Nanos| it <= Nanos(edge);
                assert_eq!(open.up_to(in_front), packed.up_to(in_front), "{edge}");
            }
        }
    }

    #[test]
    fn an_edge_takes_three_octets_at_most_where_packets_queue_for_microseconds() {
        let edges: Vec<_> = (0..600).map(|k| (Nanos(700_000 + 900 * k), 1)).collect();
        let Side::Packed { octets, .. } = Side::pack(&edges) else {
            panic!("it is packed");
        };
        assert!(octets.len() < 3 * edges.len() + 3, "{}", octets.len());
    }
}
