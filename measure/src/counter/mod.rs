//! Octet counters of links: what two readings say of the traffic between them.
//!
//! [`increase`] is the core: a sample, the next one, what is known of counter
//! and agent ([`Profile`]) and of the time between ([`Evidence`]) make either
//! an [`Increase`] or the reason why nothing can be said ([`Unknown`]).
//! [`series::judge`] does that for a whole history, where the neighbours of a
//! pair tell what the pair leaves out. Everything is whole octets and
//! nanoseconds; a rate becomes a float when it is shown.
//!
//! `docs/links.md` explains the method with its formulas.

pub mod bit_errors;
mod cache;
mod convention;
mod counted_once;
mod delta;
mod elapsed;
pub mod ethernet;
mod evidence;
mod increase;
mod indicator;
mod peaks;
pub mod percentile95;
pub mod pon;
mod port;
mod profile;
mod rate;
mod refresh;
mod sample;
pub mod series;
mod ticks;
mod total;
mod unknown;
mod volume;

pub use cache::{CACHE_AGE_MAX, CacheAge};
pub use convention::{Convention, SentFrames, convention};
pub use counted_once::{Interface, counted_once};
pub use elapsed::{AGENT_CLOCK_BROKEN_PPM, AGENT_CLOCK_PPM, COLLECTOR_CLOCK_PPM, Elapsed};
pub use evidence::{Doubt, Evidence};
pub use increase::{Increase, increase};
pub use indicator::{GroupLink, Indicator, indicator};
pub use peaks::{Moment, PeakKeeper};
pub use port::{Carried, PEAK_WINDOWS, PortWatch};
pub use profile::{FASTEST_LINK_BPS, LINE_RATE_TOLERANCE_PPM, Profile, Width};
pub use rate::{MeanRate, Rate};
pub use refresh::{Refresh, RefreshWatch};
pub use sample::{CounterSample, Marks, Reading};
pub use ticks::Ticks;
pub use total::{Share, Total, total};
pub use unknown::Unknown;
pub use volume::{Track, Volume};

#[cfg(test)]
mod tests;
