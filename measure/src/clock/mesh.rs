//! What a mesh of probes saw and claims: the input of the audit.
//!
//! Probes are numbered from 0 in the order in which they stand in [`Mesh::probes`];
//! names are the business of whoever asks.

use crate::time::{Nanos, Timestamp};

/// One test packet as a log holds it. T1 and T4 are on the session-sender's clock, T2 and T3 on the session-reflector's;
/// a stamp that never came to be is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// T1.
    pub t1: Timestamp,
    /// T2; `None` when nobody knows that the packet arrived.
    pub t2: Option<Timestamp>,
    /// T3; `None` when nobody knows that it was answered.
    pub t3: Option<Timestamp>,
    /// T4; `None` when the answer did not arrive.
    pub t4: Option<Timestamp>,
}

impl Exchange {
    /// (T4 − T1) − (T3 − T2), which needs no clock agreement; `None` unless it came back.
    pub fn round_trip(&self) -> Option<Nanos> {
        Some((self.t4? - self.t1) - (self.t3? - self.t2?))
    }
}

/// The test packets that one probe sent to another, in the order of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The probe with the session-sender.
    pub from: usize,
    /// The probe with the session-reflector.
    pub to: usize,
    /// Every packet, also those that were lost.
    pub exchanges: Vec<Exchange>,
}

/// What a clock claimed at one moment of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimAt {
    /// When, on that clock; it holds until the next claim.
    pub at: Timestamp,
    /// It is within this of UTC; `None` is no claim.
    pub bound: Option<Nanos>,
}

/// A probe's clock as it presents itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeshProbe {
    /// Its claims in the order of time; none at all is no claim.
    pub claims: Vec<ClaimAt>,
    /// Which time source it follows: probes with the same number fail together. `None` is one of its own.
    pub source: Option<usize>,
}

/// How far stamps may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StampErrors {
    /// How early a transmit stamp and how late a receipt stamp may be together.
    pub both: Nanos,
    /// Whether that holds for every packet. If not, nothing that is called proved uses it.
    pub hard: bool,
}

impl StampErrors {
    /// Stamps of interfaces: 100 ns each.
    pub const HARDWARE: Self = Self {
        both: Nanos(200),
        hard: true,
    };
    /// Stamps of kernels: 25 µs each in 99 of 100 packets, so they claim and do not prove.
    pub const SOFTWARE: Self = Self {
        both: Nanos(50_000),
        hard: false,
    };
}

/// A mesh of probes that measured each other.
#[derive(Debug, Clone)]
pub struct Mesh {
    /// The probes.
    pub probes: Vec<MeshProbe>,
    /// Who measured whom; pairs that did not are simply missing.
    pub sessions: Vec<Session>,
    /// `floors[from][to]`: no packet is faster than this, whatever the clocks say.
    pub floors: Vec<Vec<Nanos>>,
    /// How far the stamps may be off.
    pub stamps: StampErrors,
}

impl Mesh {
    /// The largest bound that a probe claims in a span of its own time; `None` when it claims none at some moment of it.
    pub fn bound_within(&self, probe: usize, from: Timestamp, to: Timestamp) -> Option<Nanos> {
        let claims = &self.probes[probe].claims;
        let first = claims.partition_point(|claim| claim.at <= from);
        let last = claims.partition_point(|claim| claim.at < to);
        // The claim before the span holds into it; a span before every claim is covered by the first.
        let within = claims.get(first.saturating_sub(1)..last.max(1))?;
        let mut largest = None;
        for claim in within {
            largest = Some(claim.bound?.abs().max(largest.unwrap_or(Nanos::ZERO)));
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: i64, to: i64, bound: Option<i64>) {
        let claim = |at, bound: Option<i64>| ClaimAt {
            at: Timestamp(at),
            bound: bound.map(Nanos),
        };
        let mesh = Mesh {
            probes: vec![MeshProbe {
                claims: vec![
                    claim(10, Some(5)),
                    claim(20, Some(9)),
                    claim(30, Some(4)),
                    claim(40, None),
                ],
                source: None,
            }],
            sessions: vec![],
            floors: vec![],
            stamps: StampErrors::HARDWARE,
        };
        assert_eq!(
            mesh.bound_within(0, Timestamp(from), Timestamp(to)),
            bound.map(Nanos),
            "{from}..{to}"
        );
    }

    #[test]
    fn the_worst_claim_that_holds_in_a_span_counts_and_one_gap_is_none() {
        check(12, 18, Some(5));
        check(12, 21, Some(9));
        check(31, 39, Some(4));
        check(25, 35, Some(9));
        check(25, 45, None);
        check(50, 60, None);
    }

    #[test]
    fn a_span_before_the_first_claim_is_covered_by_it() {
        check(0, 5, Some(5));
        check(0, 25, Some(9));
    }

    #[test]
    fn a_probe_that_never_spoke_claims_nothing() {
        let mesh = Mesh {
            probes: vec![MeshProbe::default()],
            sessions: vec![],
            floors: vec![],
            stamps: StampErrors::SOFTWARE,
        };
        assert_eq!(mesh.bound_within(0, Timestamp(0), Timestamp(9)), None);
    }
}
