//! What the numbers of the command line may be.

use owl_measure::time::Nanos;
use owl_probe::sender::SPIN_MAX;
use owl_topology::geodesy::EARTH_RADIUS_KM;

use crate::command::duration::written;

/// A longer measurement is a probe's.
pub(super) const DURATION_MAX: Nanos = Nanos::from_secs(86_400);
/// 100,000 packets a second; a stream without a schedule would measure itself.
const INTERVAL_MIN: Nanos = Nanos::from_micros(10);
const TIMEOUT_MIN: Nanos = Nanos::from_millis(1);
const TIMEOUT_MAX: Nanos = Nanos::from_secs(60);

fn between(text: &str, least: Nanos, most: Nanos) -> Result<Nanos, String> {
    let span: Nanos = text
        .parse()
        .map_err(|error: owl_measure::time::ParseNanosError| error.to_string())?;
    if (least..=most).contains(&span) {
        Ok(span)
    } else {
        Err(format!(
            "{} to {} is possible",
            written(least),
            written(most)
        ))
    }
}

/// Time between test packets.
pub(super) fn interval(text: &str) -> Result<Nanos, String> {
    between(text, INTERVAL_MIN, DURATION_MAX)
}

/// How long to measure.
pub(super) fn duration(text: &str) -> Result<Nanos, String> {
    between(text, Nanos::ZERO, DURATION_MAX)
}

/// How long to wait busily before a send time.
pub(super) fn spin(text: &str) -> Result<Nanos, String> {
    between(text, Nanos::ZERO, SPIN_MAX)
}

/// A loss threshold.
pub(super) fn timeout(text: &str) -> Result<Nanos, String> {
    between(text, TIMEOUT_MIN, TIMEOUT_MAX)
}

/// Half around the Earth, no two places are further apart.
const DISTANCE_MAX_KM: f64 = std::f64::consts::PI * EARTH_RADIUS_KM;

/// Kilometres between two places on Earth.
pub(super) fn distance(text: &str) -> Result<f64, String> {
    let km: f64 = text
        .parse()
        .map_err(|_| "a number of kilometres, such as 148.5".to_owned())?;
    if (0.0..=DISTANCE_MAX_KM).contains(&km) {
        Ok(km)
    } else {
        Err(format!("0 to {DISTANCE_MAX_KM:.0} km is possible"))
    }
}
