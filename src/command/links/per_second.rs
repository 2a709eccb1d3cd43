//! Rates in bits per second as a person reads them.

/// The unit that fits a rate: how many b/s it is, and its name.
pub(super) fn unit(bps: f64) -> (f64, &'static str) {
    match bps {
        ..1e3 => (1.0, "b/s"),
        ..1e6 => (1e3, "kb/s"),
        ..1e9 => (1e6, "Mb/s"),
        ..1e12 => (1e9, "Gb/s"),
        _ => (1e12, "Tb/s"),
    }
}

/// A rate in the unit that fits it, and how far it may be off in the same unit: two digits of that, and the rate as fine. The
/// error is rounded up and holds what the rate's rounding added, so the interval that is shown holds the one that is known.
pub(super) fn per_second(bps: f64, u_bps: f64) -> (String, String) {
    let (scale, unit) = unit(bps);
    let (rate, error) = (bps / scale, u_bps / scale);
    // A double has no more than fifteen digits to show.
    let places = if error > 0.0 {
        (1.0 - error.log10().floor()).clamp(0.0, 12.0) as usize
    } else {
        3
    };
    let shown = format!("{rate:.places$}");
    let rounded = shown
        .parse::<f64>()
        .map_or(0.0, |shown| (shown - rate).abs());
    let grain = 10_f64.powi(places as i32);
    let error = ((error + rounded) * grain).ceil() / grain;
    (
        format!("{shown} {unit}"),
        format!("± {error:.places$} {unit}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_shown_as_fine_as_it_is_known_and_never_as_surer() {
        for (bps, u_bps, rate, error) in [
            (1_000_440.0, 113.396, "1.00044 Mb/s", "± 0.00012 Mb/s"),
            (1_234_571_738.0, 317_473.0, "1.23457 Gb/s", "± 0.00032 Gb/s"),
            (500.250_4, 500.250_4, "500 b/s", "± 501 b/s"),
            (3.2, 0.000_3, "3.20000 b/s", "± 0.00030 b/s"),
            (0.0, 0.0, "0.000 b/s", "± 0.000 b/s"),
            (8e9, 6e9, "8.0 Gb/s", "± 6.0 Gb/s"),
        ] {
            assert_eq!(per_second(bps, u_bps), (rate.into(), error.into()));
        }
    }
}
