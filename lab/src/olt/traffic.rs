//! What each port carries: a rate of its own that never changes, so the truth is known at every instant.

use owl_measure::time::Nanos;

/// The name of a port, which stays the same whatever its number is.
pub fn name(port: u32) -> String {
    format!("xgpon-{}/{}", port / 16, port % 16)
}

/// What a port receives all the time, in b/s; it sends twice as much, up to 8 Gb/s.
pub fn bps(port: u32) -> u64 {
    1_000_000 * (1 + u64::from(port) * 7_919 % 4_000)
}

/// Octets that passed at a rate in a time.
pub(super) fn octets(bps: u64, passed: Nanos) -> u64 {
    let bits = u128::from(bps) * u128::from(passed.0.max(0).unsigned_abs());
    (bits / 8_000_000_000) as u64
}
