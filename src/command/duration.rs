//! Durations of the command line, read and written as a person writes them.

use owl_measure::time::{Nanos, ParseNanosError};

/// Units from the largest, in nanoseconds.
const UNITS: [(i64, &str); 6] = [
    (3_600_000_000_000, "h"),
    (60_000_000_000, "m"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
    (1, "ns"),
];

/// A duration as an option takes it: a whole number of the largest unit that it is a multiple of.
pub(crate) fn written(span: Nanos) -> String {
    UNITS
        .iter()
        .find(|(unit, _)| span.0 != 0 && span.0 % unit == 0)
        .map_or_else(
            || "0s".to_owned(),
            |(unit, name)| format!("{}{name}", span.0 / unit),
        )
}

/// A duration of which zero or less would say nothing.
pub(crate) fn positive(text: &str) -> Result<Nanos, String> {
    let span: Nanos = text
        .parse()
        .map_err(|error: ParseNanosError| error.to_string())?;
    if span > Nanos::ZERO {
        Ok(span)
    } else {
        Err("more than 0s is possible".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_so_that_it_can_be_read_again() {
        for (span, text) in [
            (Nanos::ZERO, "0s"),
            (Nanos::from_micros(10), "10us"),
            (Nanos::from_secs(86_400), "24h"),
            (Nanos::from_secs(90), "90s"),
            (Nanos::from_millis(1_500), "1500ms"),
            (Nanos(1_001), "1001ns"),
        ] {
            assert_eq!(written(span), text);
            assert_eq!(text.parse(), Ok(span));
        }
    }

    #[test]
    fn a_bound_or_a_target_is_above_zero() {
        for (text, good) in [("1ns", true), ("0s", false), ("-1ms", false), ("1", false)] {
            assert_eq!(positive(text).is_ok(), good, "{text}");
        }
    }
}
