//! The answer to a Prometheus scrape, piece by piece.
//!
//! The collector's own few counters come from the `prometheus` crate. The
//! series of paths and probes are written straight from the live table, so none
//! can outlive what it tells of. Nothing holds a whole answer: each piece is
//! written when the one before it has been taken, with the table locked for
//! that piece only, so neither a large mesh nor a slow reader costs memory.

mod body;
mod compliance;
mod counted;
mod edges;
pub(crate) mod families;
mod findings;
mod flows;
mod judged;
mod labels;
mod links;
mod own;
mod probes;
mod protobuf;
mod rehearsal;
mod scrape;
mod sink;
mod table;
mod text;
mod topology;

use owl_measure::time::{Nanos, Timestamp};

pub(crate) use body::Body;
pub(crate) use edges::DelayEdges;
pub(crate) use labels::{Labels, PathLabels};
pub(crate) use links::Detail;
pub(crate) use own::Own;
pub use rehearsal::Rehearsal;
#[cfg(test)]
pub(crate) use rehearsal::judged;
pub(crate) use scrape::{Form, Part, Scrape, ShardError};
pub(crate) use sink::{Observed, Sink, Value};
pub(crate) use table::Metric;
#[cfg(test)]
pub(crate) use table::STORE_UP;

/// Seconds; the delay of a lost packet is infinite.
fn seconds(span: Nanos) -> f64 {
    if span == Nanos::MAX {
        f64::INFINITY
    } else {
        span.as_secs_f64()
    }
}

fn instant(at: Timestamp) -> f64 {
    (at - Timestamp(0)).as_secs_f64()
}

#[cfg(test)]
mod tests;
