//! The length of route that the fastest packets imply.
//!
//! What is left of the smallest one-way delay when declared equipment is taken
//! off is light in the medium, so many microseconds a kilometre. That is how a
//! detour below the IP layer is seen: one hop, and yet far more kilometres than
//! the declared route has. A delay is an interval, and so is the length; its
//! upper end also holds what the fastest packet waited, and every equipment
//! that nobody declared.

use serde::{Deserialize, Serialize};

use crate::delay::OneWayDelay;
use crate::time::Nanos;

/// Solid fibre (G.652). Hollow-core fibre is about 30 % faster, so a length in it is implied too short by as much.
pub const FIBRE_US_PER_KM: f64 = 4.9;
/// A route implied to be this many times as long as the declared one, and [`DETOUR_KM`] longer, is a detour. Both by the
/// lower end: it is certain as far as the delay is.
pub const DETOUR_FACTOR: f64 = 1.3;
/// Kilometres that undeclared equipment on the way may look like: 25 km are 123 µs, some ten routers without load.
pub const DETOUR_KM: f64 = 25.0;

/// What is declared of a route.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// The great circle between its ends, in kilometres; 0 when their places are not known, or are one.
    pub great_circle_km: f64,
    /// The length of the route in kilometres; `None` when none is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_km: Option<f64>,
    /// What its equipment takes, one way.
    #[serde(rename = "equipment_ns")]
    pub equipment: Nanos,
    /// What light takes for a kilometre of its medium, in microseconds.
    pub us_per_km: f64,
}

/// The length of route that the fastest packets of a window imply.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ImpliedRoute {
    /// The smallest one-way delay.
    pub fastest: OneWayDelay,
    /// What was declared.
    pub declared: Declared,
    /// No shorter than this, in kilometres.
    pub at_least_km: f64,
    /// No longer than this; `None` when nothing bounds the delay from above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most_km: Option<f64>,
}

impl ImpliedRoute {
    /// Of the smallest one-way delay of a window.
    pub fn of(fastest: OneWayDelay, declared: Declared) -> Self {
        let km = |delay: Nanos| {
            let light = delay - declared.equipment;
            (light.0 as f64 / 1e3 / declared.us_per_km).max(0.0)
        };
        Self {
            fastest,
            declared,
            at_least_km: km(fastest.lo),
            at_most_km: (fastest.hi != Nanos::MAX).then(|| km(fastest.hi)),
        }
    }

    /// How many times the great circle that is, at least and at most; `None` between places that coincide or are not known.
    pub fn stretch(&self) -> Option<(f64, Option<f64>)> {
        let great_circle = self.declared.great_circle_km;
        (great_circle > 0.0).then(|| {
            (
                self.at_least_km / great_circle,
                self.at_most_km.map(|km| km / great_circle),
            )
        })
    }

    /// By how many kilometres at least the packets go further than the declared route, when that is no equipment any more:
    /// a detour. `None` when they do not, or no route is declared.
    pub fn detour_km(&self) -> Option<f64> {
        let declared = self.declared.route_km?;
        let excess = self.at_least_km - declared;
        (excess >= DETOUR_KM && self.at_least_km >= DETOUR_FACTOR * declared).then_some(excess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delay::Basis;

    fn implied(lo_us: i64, hi_us: Option<i64>, declared: Declared) -> ImpliedRoute {
        let fastest = OneWayDelay {
            lo: Nanos::from_micros(lo_us),
            hi: hi_us.map_or(Nanos::MAX, Nanos::from_micros),
            basis: Basis::Claimed,
        };
        ImpliedRoute::of(fastest, declared)
    }

    /// Binhai port to Yannan: 105.3 km by air, 148 km of declared fibre.
    const PORT: Declared = Declared {
        great_circle_km: 105.3,
        route_km: Some(148.0),
        equipment: Nanos::ZERO,
        us_per_km: FIBRE_US_PER_KM,
    };

    #[test]
    fn a_delay_is_as_many_kilometres_as_light_takes_for_it_less_the_equipment() {
        for (lo, hi, equipment_us, at_least, at_most) in [
            (735, Some(784), 0, 150.0, Some(160.0)),
            (735, Some(784), 49, 140.0, Some(150.0)),
            (735, None, 0, 150.0, None),
            (40, Some(98), 49, 0.0, Some(10.0)),
        ] {
            let declared = Declared {
                equipment: Nanos::from_micros(equipment_us),
                ..PORT
            };
            let implied = implied(lo, hi, declared);
            assert!((implied.at_least_km - at_least).abs() < 1e-9, "{implied:?}");
            let close = match (implied.at_most_km, at_most) {
                (Some(km), Some(expected)) => f64::abs(km - expected) < 1e-9,
                (found, expected) => found == expected,
            };
            assert!(close, "{implied:?}");
        }
    }

    #[test]
    fn stretch_is_held_against_the_great_circle_where_there_is_one() {
        let (least, most) = implied(735, Some(784), PORT).stretch().unwrap();
        assert!((least - 1.4245).abs() < 1e-3 && (most.unwrap() - 1.5195).abs() < 1e-3);
        let nowhere = Declared {
            great_circle_km: 0.0,
            ..PORT
        };
        assert_eq!(implied(735, Some(784), nowhere).stretch(), None);
    }

    #[test]
    fn a_detour_is_more_than_equipment_and_certain() {
        let unknown = Declared {
            route_km: None,
            ..PORT
        };
        let near = Declared {
            route_km: Some(20.0),
            ..PORT
        };
        for (lo, declared, detour) in [
            // 150 km, as declared; 180, within what equipment may be; 200 is 52 km more.
            (735, PORT, None),
            (882, PORT, None),
            (980, PORT, Some(52.0)),
            // The port by way of Nanjing.
            (3_500, PORT, Some(566.2857)),
            (3_500, unknown, None),
            // Twice as long, and no more than a few routers.
            (196, near, None),
            (343, near, Some(50.0)),
        ] {
            let found = implied(lo, None, declared).detour_km();
            let close = match (found, detour) {
                (Some(km), Some(expected)) => f64::abs(km - expected) < 1e-3,
                (found, expected) => found == expected,
            };
            assert!(close, "{lo} µs: {found:?}");
        }
    }
}
