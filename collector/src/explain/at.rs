//! The instant that somebody asks about, as it is written.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use owl_measure::time::{Nanos, Timestamp};

/// An instant, or a date and a time of day that become one in a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// With its offset from UTC.
    Instant(Timestamp),
    /// Without: in the topology's time zone. A time that the zone has twice is the first of the two.
    Civil(DateTime),
    /// So long before now.
    Ago(Nanos),
}

/// No instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot read \"{0}\" as an instant: write 2026-11-23T08:00:00+08:00, 2026-11-23T00:00:00Z, 2026-11-23T08:00:00 \
     (in the topology's time zone), now-5m or nanoseconds since 1970"
)]
pub struct AtError(String);

impl At {
    /// Whether it is an instant only together with a time zone.
    pub(super) fn needs_zone(self) -> bool {
        matches!(self, Self::Civil(_))
    }

    /// The instant, with the zone of this IANA name for a time without offset; UTC for a name that nobody knows.
    pub fn in_zone(self, name: &str, now: Timestamp) -> Timestamp {
        match self {
            Self::Instant(at) => at,
            Self::Ago(span) => now - span,
            Self::Civil(civil) => {
                let zone = TimeZone::get(name).unwrap_or(TimeZone::UTC);
                // Only at the ends of jiff's calendar, year −9999 and 9999, there is no such instant.
                civil.to_zoned(zone).map_or(Timestamp(i64::MAX), |zoned| {
                    Timestamp(nanoseconds(zoned.timestamp()))
                })
            }
        }
    }
}

fn nanoseconds(at: jiff::Timestamp) -> i64 {
    let nanoseconds = at.as_nanosecond();
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX })
}

impl FromStr for At {
    type Err = AtError;

    fn from_str(text: &str) -> Result<Self, AtError> {
        if let Ok(ns) = text.parse() {
            return Ok(Self::Instant(Timestamp(ns)));
        }
        if let Some(span) = text.strip_prefix("now-") {
            let span: Nanos = span.parse().map_err(|_| AtError(text.to_owned()))?;
            return match span >= Nanos::ZERO {
                true => Ok(Self::Ago(span)),
                false => Err(AtError(text.to_owned())),
            };
        }
        // As the pages write it: a space before the offset.
        let text = match text.rsplit_once(' ') {
            Some((before, offset)) if offset.starts_with(['+', '-']) => format!("{before}{offset}"),
            _ => text.to_owned(),
        };
        // A date alone is a day and no instant.
        let has_time = text.contains(':');
        let instant = || {
            text.parse()
                .ok()
                .map(|at| Self::Instant(Timestamp(nanoseconds(at))))
        };
        let civil = || text.parse().ok().map(Self::Civil);
        Some(())
            .filter(|()| has_time)
            .and_then(|()| instant().or_else(civil))
            .ok_or(AtError(text))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant(at) => match jiff::Timestamp::from_nanosecond(i128::from(at.0)) {
                Ok(at) => write!(f, "{at}"),
                Err(_) => write!(f, "{} ns", at.0),
            },
            Self::Civil(civil) => write!(f, "{civil}"),
            Self::Ago(span) => write!(f, "now-{}ns", span.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        let at = text
            .parse::<At>()
            .ok()
            .map(|at| at.in_zone("Asia/Shanghai", Timestamp(1_000_000_000_000)));
        assert_eq!(at, expected.map(|s| Timestamp(s * 1_000_000_000)), "{text}");
    }

    #[test]
    fn an_instant_is_rfc_3339_with_or_without_offset_or_a_number_and_nothing_else() {
        check("2026-11-23T08:00:00+08:00", Some(1_795_392_000));
        check("2026-11-23T00:00:00Z", Some(1_795_392_000));
        check("2026-11-23 08:00:00", Some(1_795_392_000));
        check("2026-11-23T08:00", Some(1_795_392_000));
        check("2026-11-23 08:00:00 +08:00", Some(1_795_392_000));
        check("1795392000000000000", Some(1_795_392_000));
        check("now-5m", Some(700));
        for bad in [
            "",
            "now",
            "now-5",
            "now--5m",
            "yesterday",
            "2026-11-23",
            "08:00",
            "2026-13-01T00:00:00Z",
            "1.5",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_refusal_says_what_is_accepted() {
        let said = "now".parse::<At>().unwrap_err().to_string();
        assert!(
            said.contains("\"now\"") && said.contains("+08:00"),
            "{said}"
        );
    }
}
