//! Where the probes stand.

/// A probe and its place (WGS-84).
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The probe's name.
    pub name: &'static str,
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
}

/// The mean radius of the Earth (IUGG, R1) in kilometres.
const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// The eight places of every run: five in one city, three in the region.
pub(super) const SITES: [Site; 8] = [
    site("yannan", 33.35, 120.16),
    site("binhai-port", 34.29, 120.28),
    site("dafeng", 33.20, 120.46),
    site("dongtai", 32.85, 120.31),
    site("sheyang", 33.77, 120.26),
    site("sh-core", 31.23, 121.47),
    site("suzhou", 31.30, 120.62),
    site("nanjing", 32.06, 118.78),
];

const fn site(name: &'static str, lat: f64, lon: f64) -> Site {
    Site { name, lat, lon }
}

/// The great circle in kilometres (haversine).
pub(super) fn great_circle_km(a: &Site, b: &Site) -> f64 {
    let (lat_a, lat_b) = (a.lat.to_radians(), b.lat.to_radians());
    let half = |from: f64, to: f64| ((to - from) / 2.0).sin().powi(2);
    let h = half(lat_a, lat_b)
        + lat_a.cos() * lat_b.cos() * half(a.lon.to_radians(), b.lon.to_radians());
    2.0 * EARTH_RADIUS_KM * h.sqrt().min(1.0).asin()
}
