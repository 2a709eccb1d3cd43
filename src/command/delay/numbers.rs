//! Numbers of every protocol's findings, as a program reads them.

use owl_measure::delay::OneWayDelay;
use owl_measure::distribution::Bounds;
use owl_measure::sample::{PeerClock, StampSource};
use owl_measure::summary::StampCounts;
use owl_measure::time::Nanos;
use serde_json::{Value, json};

/// A span without end is `null`.
fn ns(span: Nanos) -> Option<Nanos> {
    (span != Nanos::MAX).then_some(span)
}

pub(super) fn bounds(bounds: Option<Bounds>) -> Value {
    json!(
        bounds
            .map(|bounds| json!({ "at_least_ns": bounds.at_least, "at_most_ns": bounds.at_most }))
    )
}

pub(super) fn one_way(delay: &OneWayDelay) -> Value {
    json!({ "lo_ns": ns(delay.lo), "hi_ns": ns(delay.hi), "basis": delay.basis })
}

pub(super) fn stamps(counts: StampCounts) -> Value {
    json!({ "hardware": counts.hardware, "kernel": counts.kernel, "user": counts.user })
}

pub(super) fn source(source: StampSource) -> &'static str {
    match source {
        StampSource::Hardware => "hardware",
        StampSource::Kernel => "kernel",
        StampSource::User => "user",
    }
}

/// What a clock claims; `None` without a claim.
pub(super) fn claim(clock: PeerClock) -> Option<Nanos> {
    match clock {
        PeerClock::Within(bound) => Some(bound),
        PeerClock::NoClaim => None,
    }
}
