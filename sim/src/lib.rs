//! Seeded virtual clocks, links and counters, on plain integers.
//!
//! Every run with one seed is the same run. Times are nanoseconds, and the time
//! line is the truth: a [`Clock`] tells how wrong it reads, a [`Link`] tells
//! what really happened to a packet. [`mesh`] puts many of both together, with
//! one kind of trouble, for those who must find it. [`counter`] does so for a
//! link's octet counter.
#![forbid(unsafe_code)]

pub mod clock;
pub mod counter;
pub mod link;
pub mod mesh;
mod random;

pub use clock::Clock;
pub use link::{Crossing, Link, SeededLink};
