//! Distance over ground, and the time light needs for it.
//!
//! Two claims, kept apart: [`proof_floor`] is a lower bound that no signal can
//! break, from light in vacuum and everything the coordinates may be wrong by;
//! [`light`] is what a declared length of a declared medium costs. Queues,
//! equipment and the shape of the route are no business of this file.

use owl_measure::time::Nanos;

/// The mean radius of the Earth (IUGG, R1) in kilometres.
pub const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// Light in vacuum in microseconds for a kilometre: 1 / 299 792.458 km/s (SI). No rounding up: this feeds a proof.
pub const VACUUM_US_PER_KM: f64 = 1e6 / 299_792.458;

/// The share of the great circle that is surely there: a sphere is longer than the WGS-84 ellipsoid by up to
/// 0.5 % along a meridian, everywhere above 14° of latitude. (Nearer to the equator it is up to 0.56 %, which the
/// accuracies must cover.)
const ELLIPSOID_SHARE: f64 = 0.995;

/// A point on the ground (WGS-84) and how far it may be off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// The true point lies within this many kilometres.
    pub accuracy_km: f64,
}

/// The great circle between two points in kilometres, by the haversine formula.
pub fn great_circle_km(a: Point, b: Point) -> f64 {
    let (lat_a, lat_b) = (a.lat.to_radians(), b.lat.to_radians());
    let half_lat = ((lat_b - lat_a) / 2.0).sin();
    let half_lon = ((b.lon - a.lon).to_radians() / 2.0).sin();
    let haversine = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lon * half_lon;
    2.0 * EARTH_RADIUS_KM * haversine.clamp(0.0, 1.0).sqrt().asin()
}

/// The least one-way delay between two points that physics allows, rounded down to a nanosecond.
///
/// Light in vacuum over the great circle, less the error of the sphere and the accuracy of both points.
pub fn proof_floor(a: Point, b: Point) -> Nanos {
    let surely_km = ELLIPSOID_SHARE * great_circle_km(a, b) - a.accuracy_km - b.accuracy_km;
    light(surely_km.max(0.0), VACUUM_US_PER_KM)
}

/// The time light needs for `length_km` of a medium that takes `us_per_km`, rounded down to a nanosecond.
pub fn light(length_km: f64, us_per_km: f64) -> Nanos {
    Nanos((length_km * us_per_km * 1e3).floor() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINHAIGANG: Point = Point {
        lat: 34.28,
        lon: 120.28,
        accuracy_km: 8.0,
    };
    const YANNAN: Point = Point {
        lat: 33.33987,
        lon: 120.14594,
        accuracy_km: 5.0,
    };
    const URBAN: Point = Point {
        lat: 33.3575,
        lon: 120.1573,
        accuracy_km: 3.0,
    };
    const SHANGHAI: Point = Point {
        lat: 31.22222,
        lon: 121.45806,
        accuracy_km: 3.0,
    };
    const WENZHOU: Point = Point {
        lat: 27.99942,
        lon: 120.66682,
        accuracy_km: 3.0,
    };
    const JIANGGANG: Point = Point {
        lat: 32.74031,
        lon: 120.84569,
        accuracy_km: 2.0,
    };
    const CHENJIAGANG: Point = Point {
        lat: 34.37861,
        lon: 119.80306,
        accuracy_km: 2.0,
    };

    #[track_caller]
    fn distance(a: Point, b: Point, km: f64) {
        assert!(
            (great_circle_km(a, b) - km).abs() <= 0.05,
            "{} km, not {km}",
            great_circle_km(a, b)
        );
        assert_eq!(great_circle_km(a, b), great_circle_km(b, a));
    }

    /// Distances of the site list that yancheng.toml is made from (GeoNames points, haversine).
    #[test]
    fn distances_agree_with_the_site_list() {
        distance(YANNAN, BINHAIGANG, 105.3);
        distance(URBAN, YANNAN, 2.2);
        distance(URBAN, SHANGHAI, 267.1);
        distance(BINHAIGANG, SHANGHAI, 357.4);
        distance(URBAN, WENZHOU, 597.8);
        distance(BINHAIGANG, WENZHOU, 699.3);
        distance(YANNAN, YANNAN, 0.0);
    }

    #[test]
    fn half_the_globe_is_no_nan() {
        let south = Point {
            lat: -90.0,
            lon: 0.0,
            accuracy_km: 0.0,
        };
        let north = Point {
            lat: 90.0,
            lon: 180.0,
            accuracy_km: 0.0,
        };
        distance(north, south, std::f64::consts::PI * EARTH_RADIUS_KM);
    }

    #[test]
    fn the_proof_floor_takes_every_doubt_off_and_rounds_down() {
        let surely_km = 0.995 * great_circle_km(YANNAN, BINHAIGANG) - 13.0;
        let ns = surely_km / 299_792.458 * 1e9;
        let floor = proof_floor(YANNAN, BINHAIGANG).0 as f64;
        assert!(floor <= ns && ns - floor < 1.0, "{floor} {ns}");
        assert_eq!(
            proof_floor(URBAN, YANNAN),
            Nanos::ZERO,
            "2.2 km of 8 km accuracy prove nothing"
        );
    }

    /// Jianggang–Chenjiagang, the two ends of the city: 1.01 ms of light in fibre at the least.
    #[test]
    fn light_in_fibre_is_slower_than_the_proof() {
        let km = great_circle_km(JIANGGANG, CHENJIAGANG);
        assert!((light(km, 4.9).as_millis_f64() - 1.01).abs() < 0.005);
        assert!(proof_floor(JIANGGANG, CHENJIAGANG) < light(km, VACUUM_US_PER_KM));
    }

    /// The length of a degree of the WGS-84 meridian (radius of curvature) is never below the share that the proof takes.
    #[test]
    fn the_sphere_is_not_longer_than_the_ellipsoid_by_more_than_the_share() {
        let (semi_major_km, e2): (f64, f64) = (6_378.137, 0.006_694_38);
        for lat in 14..=90 {
            let sin = f64::from(lat).to_radians().sin();
            let meridian = semi_major_km * (1.0 - e2) / (1.0 - e2 * sin * sin).powf(1.5);
            assert!(ELLIPSOID_SHARE * EARTH_RADIUS_KM <= meridian, "{lat}°");
        }
    }
}
