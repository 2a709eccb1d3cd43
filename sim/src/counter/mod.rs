//! An agent with an octet counter, asked again and again, and the truth about the traffic.
//!
//! What a collector gets to see ([`Seen`]) and what is true ([`Truth`]) are two
//! values. The traffic is a stream of octets whose rate changes at random; the
//! agent reads it, or a copy of it, into a counter that wraps, restarts and is
//! cleared; answers take their time and get lost.

mod agent;
mod generate;
mod kind;
mod traffic;

pub use agent::{Seen, TruePair, Truth};
pub use kind::Kind;
pub use traffic::Traffic;

/// A history of one kind, and the truth about it.
#[derive(Debug, Clone)]
pub struct History {
    /// Of the link, in b/s.
    pub speed_bps: u64,
    /// Of the counter: 32 or 64.
    pub bits: u32,
    /// What the collector got, in the order in which it was asked.
    pub seen: Vec<Seen>,
    /// What happened.
    pub truth: Truth,
}

impl History {
    /// The history of this kind and seed; the same every time.
    pub fn generate(kind: Kind, seed: u64) -> Self {
        generate::history(kind, seed)
    }
}
