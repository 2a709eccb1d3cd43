//! What this host's own interfaces carry, read from the kernel up to a thousand times a second.
//!
//! A mean over ten seconds hides the burst that fills a queue for a
//! millisecond. The kernel tells one interface's counters in a few microseconds
//! (RTM_GETSTATS), so their peaks over 1, 10 and 100 ms can be had beside the
//! mean, where the driver keeps its counters up to date.

mod sampler;
mod statistics;

pub use sampler::{Interval, RATE_HZ_MAX, Sampled, Sampler};
pub use statistics::{Counters, InterfaceError, Statistics};
