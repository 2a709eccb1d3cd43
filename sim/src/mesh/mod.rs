//! A mesh of probes with one kind of trouble, and the truth about it.
//!
//! What an audit may see ([`Seen`]) and what is true ([`Truth`]) are two values:
//! the packets' four timestamps, the clocks' claims, the shortest possible
//! routes and the targets on the one side; clock errors, delays and who claims
//! falsely on the other. Every run with one kind and one seed is the same run.

mod clock;
mod generate;
mod kind;
mod path;
mod site;
mod trouble;
mod truth;

pub use clock::TrueClock;
pub use kind::Kind;
pub use path::TruePath;
pub use site::Site;
pub use truth::{PathTruth, Truth};

/// One test packet as a log would hold it; a stamp that never came to be is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The session-sender's probe, an index of [`Seen::probes`].
    pub from: usize,
    /// The session-reflector's.
    pub to: usize,
    /// Counted from 0 for each session.
    pub sequence: u32,
    /// T1, on the sender's clock.
    pub t1_ns: i64,
    /// T2, on the reflector's clock; `None` when the packet was lost on its way there.
    pub t2_ns: Option<i64>,
    /// T3, on the reflector's clock.
    pub t3_ns: Option<i64>,
    /// T4, on the sender's clock; `None` when the packet was lost on either way.
    pub t4_ns: Option<i64>,
}

/// What a probe says of its clock at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Whose clock, an index of [`Seen::probes`].
    pub probe: usize,
    /// When, on that clock.
    pub at_ns: i64,
    /// How far from UTC it says it is at most; `None` is no claim.
    pub bound_ns: Option<i64>,
}

/// Where the stamps of a mesh are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamps {
    /// By interfaces: tens of nanoseconds.
    Hardware,
    /// By kernels: early on transmit, late on receipt, by microseconds and sometimes by many.
    Software,
}

/// What an audit may see.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The probes.
    pub probes: Vec<Site>,
    /// Every packet, session by session, in the order of sending.
    pub exchanges: Vec<Exchange>,
    /// Every claim, probe by probe, in the order of time.
    pub claims: Vec<Claim>,
    /// The shortest possible route from → to in kilometres.
    pub min_km: Vec<Vec<f64>>,
    /// The target of from → to; near the truth for many pairs, so that it is hard to judge.
    pub targets_ns: Vec<Vec<Option<i64>>>,
    /// The target that the plan sets for from → to: 1, 4 or 6 ms.
    pub plan_targets_ns: Vec<Vec<Option<i64>>>,
    /// Where the stamps are taken.
    pub stamps: Stamps,
}

/// One run: what may be seen, and what is true.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What an audit may see.
    pub seen: Seen,
    /// What it must not.
    pub truth: Truth,
}

impl Scenario {
    /// The run of this kind and seed: eight probes, six minutes, a packet every two seconds in each of 28 sessions.
    pub fn of(kind: Kind, seed: u64) -> Self {
        generate::scenario(kind, seed)
    }
}
