//! Spans and instants, in whole nanoseconds.
//!
//! A span is signed because a raw one-way difference may be negative: two
//! clocks disagree, and that is a finding, not an error. Arithmetic saturates,
//! so no pair of timestamps from the network can overflow.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A signed span of time in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub i64);

impl Nanos {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Longer than any span that is measured; stands for a delay without bound (a lost packet).
    pub const MAX: Self = Self(i64::MAX);
    /// The span below every other.
    pub const MIN: Self = Self(i64::MIN);

    /// Whole microseconds.
    pub const fn from_micros(us: i64) -> Self {
        Self(us.saturating_mul(1_000))
    }

    /// Whole milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// Whole seconds.
    pub const fn from_secs(s: i64) -> Self {
        Self(s.saturating_mul(1_000_000_000))
    }

    /// Seconds as a float, for metrics and plots; the error is below 2⁻⁵³ of the value.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Milliseconds as a float, for tables and plots.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Milliseconds with three digits, rounded down: the lower end of an interval stays a lower end.
    pub fn millis_down(self) -> String {
        thousandths(self.0.div_euclid(1_000).into())
    }

    /// Milliseconds with three digits, rounded up: the upper end of an interval stays an upper end.
    pub fn millis_up(self) -> String {
        thousandths(-(-i128::from(self.0)).div_euclid(1_000))
    }

    /// The span without its sign.
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// Times a whole number.
    pub const fn times(self, factor: i64) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// As a `std` duration; a negative span becomes zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Nanos {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Nanos {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Nanos {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Nanos {
    /// Four digits at most before the point and three after, in the unit that fits: `1.034 ms`, `-25.000 µs`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (scale, digits, unit) = match magnitude {
            0..1_000 => (1.0, 0, "ns"),
            1_000..1_000_000 => (1e3, 3, "µs"),
            1_000_000..1_000_000_000 => (1e6, 3, "ms"),
            _ => (1e9, 3, "s"),
        };
        let text = format!("{:.digits$} {unit}", self.0 as f64 / scale);
        f.pad(&text)
    }
}

/// A span that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot read \"{0}\" as a duration; write a number with a unit, such as 500us, 10ms, 1s or 1m"
)]
pub struct ParseNanosError(String);

impl FromStr for Nanos {
    type Err = ParseNanosError;

    /// A decimal number with one of the units ns, us, µs, ms, s, m, h, d.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseNanosError(text.into());
        let text_trimmed = text.trim();
        let split = text_trimmed
            .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+'))
            .ok_or_else(error)?;
        let (number, unit) = text_trimmed.split_at(split);
        let scale: i64 = match unit.trim() {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" | "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return Err(error()),
        };
        if let Ok(whole) = number.parse::<i64>() {
            return whole.checked_mul(scale).map(Self).ok_or_else(error);
        }
        let value = number.parse::<f64>().map_err(|_| error())? * scale as f64;
        if value.is_finite() && value.abs() < i64::MAX as f64 {
            Ok(Self(value.round() as i64))
        } else {
            Err(error())
        }
    }
}

impl Serialize for Nanos {
    /// As a whole number of nanoseconds; the field that holds it ends in `_ns`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Nanos {
    /// From text with a unit (`"10ms"`) in configuration, or a whole number of nanoseconds from our own JSON.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Nanos;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with a unit, such as \"10ms\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Nanos, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, ns: i64) -> Result<Nanos, E> {
                Ok(Nanos(ns))
            }
            fn visit_u64<E: de::Error>(self, ns: u64) -> Result<Nanos, E> {
                i64::try_from(ns).map(Nanos).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// An instant on the time line of UTC: nanoseconds since 1970-01-01, leap seconds not counted.
///
/// What a probe reads is its own idea of UTC; how far that may be off travels in the clock state.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The start of the period of length `length` that holds this instant, periods being counted from `origin`.
    pub fn period_start(self, length: Nanos, origin: Self) -> Self {
        let length = length.0.max(1);
        Self(
            self.0
                .saturating_sub(self.0.saturating_sub(origin.0).rem_euclid(length)),
        )
    }
}

impl Sub for Timestamp {
    type Output = Nanos;
    fn sub(self, earlier: Self) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Nanos> for Timestamp {
    type Output = Self;
    fn add(self, span: Nanos) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Nanos> for Timestamp {
    type Output = Self;
    fn sub(self, span: Nanos) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// An instant on a clock that never steps; only differences mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(pub i64);

impl Sub for Monotonic {
    type Output = Nanos;
    fn sub(self, earlier: Self) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Nanos> for Monotonic {
    type Output = Self;
    fn add(self, span: Nanos) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// A number of thousandths, as a decimal number.
fn thousandths(number: i128) -> String {
    let (sign, size) = (if number < 0 { "-" } else { "" }, number.unsigned_abs());
    format!("{sign}{}.{:03}", size / 1_000, size % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_an_interval_are_rounded_outwards() {
        for (ns, down, up) in [
            (0, "0.000", "0.000"),
            (1, "0.000", "0.001"),
            (1_000_400, "1.000", "1.001"),
            (1_000_000, "1.000", "1.000"),
            (-1, "-0.001", "0.000"),
            (-1_500_001, "-1.501", "-1.500"),
            (i64::MIN, "-9223372036854.776", "-9223372036854.775"),
        ] {
            assert_eq!(
                (Nanos(ns).millis_down(), Nanos(ns).millis_up()),
                (down.into(), up.into())
            );
        }
    }

    #[track_caller]
    fn reads(text: &str, ns: i64) {
        assert_eq!(text.parse(), Ok(Nanos(ns)), "{text}");
    }

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        reads("100ms", 100_000_000);
        reads("1.5us", 1_500);
        reads("-3 ms", -3_000_000);
        reads("1m", 60_000_000_000);
        for bad in ["", "5", "ms", "1 fortnight", "1e400s", "99999999999d"] {
            assert!(bad.parse::<Nanos>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_span_is_shown_in_the_unit_that_fits_with_its_sign() {
        assert_eq!(Nanos(999).to_string(), "999 ns");
        assert_eq!(Nanos(-25_000).to_string(), "-25.000 µs");
        assert_eq!(Nanos(1_034_000).to_string(), "1.034 ms");
    }

    #[test]
    fn timestamps_from_the_network_cannot_overflow() {
        assert_eq!(Timestamp(i64::MIN) - Timestamp(i64::MAX), Nanos::MIN);
        assert_eq!(Timestamp(i64::MAX) + Nanos(1), Timestamp(i64::MAX));
    }

    #[test]
    fn periods_are_counted_from_their_origin_also_before_it() {
        let ten = Nanos(10);
        assert_eq!(Timestamp(27).period_start(ten, Timestamp(0)), Timestamp(20));
        assert_eq!(Timestamp(27).period_start(ten, Timestamp(5)), Timestamp(25));
        assert_eq!(
            Timestamp(-1).period_start(ten, Timestamp(0)),
            Timestamp(-10)
        );
    }
}
