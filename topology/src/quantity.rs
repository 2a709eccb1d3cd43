//! Quantities as a topology writes them: rates, hours of the day and instants.

use std::fmt;
use std::str::FromStr;

use owl_measure::time::Timestamp;
use toml::value::{Datetime, Offset};

/// A declared capacity in bits per second, written with a decimal prefix: `10G`, `3.2T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
#[serde(transparent)]
pub struct Rate(pub u64);

const PREFIXES: [(char, u64); 5] = [
    ('P', 1_000_000_000_000_000),
    ('T', 1_000_000_000_000),
    ('G', 1_000_000_000),
    ('M', 1_000_000),
    ('k', 1_000),
];

/// A rate that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read \"{0}\" as a rate; write a number with k, M, G, T or P, such as 400G")]
pub struct ParseRateError(String);

impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseRateError(text.into());
        let prefix = text.chars().next_back().ok_or_else(error)?;
        let (_, scale) = PREFIXES
            .iter()
            .find(|(p, _)| *p == prefix)
            .ok_or_else(error)?;
        let number: f64 = text[..text.len() - prefix.len_utf8()]
            .trim()
            .parse()
            .map_err(|_| error())?;
        let bps = (number * *scale as f64).round();
        // 2^53 is where an f64 stops counting every bit; no link is that fast.
        if bps > 0.0 && bps < 9e15 {
            Ok(Self(bps as u64))
        } else {
            Err(error())
        }
    }
}

impl fmt::Display for Rate {
    /// In the largest prefix that leaves at least one before the point: `400G`, `3.2T`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = PREFIXES
            .iter()
            .find(|(_, scale)| self.0 >= *scale)
            .map_or_else(
                || format!("{}", self.0),
                |(prefix, scale)| format!("{}{prefix}", self.0 as f64 / *scale as f64),
            );
        f.pad(&text)
    }
}

/// A part of every day in local time, written as `09:00-12:00`; it does not run past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct BusyHours {
    /// The first minute of the day that belongs to it.
    pub from_minute: u16,
    /// The first minute of the day after it; 1440 for midnight.
    pub to_minute: u16,
}

/// Hours that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read \"{0}\" as hours of the day; write them as 09:00-12:00")]
pub struct ParseBusyHoursError(String);

impl FromStr for BusyHours {
    type Err = ParseBusyHoursError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let minute = |clock: &str| -> Option<u16> {
            let (hour, minute) = clock
                .split_once(':')
                .filter(|_| clock.len() == 5 && !clock.starts_with('+'))?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
        };
        text.split_once('-')
            .and_then(|(from, to)| {
                Some(Self {
                    from_minute: minute(from)?,
                    to_minute: minute(to)?,
                })
            })
            .filter(|hours| hours.from_minute < hours.to_minute)
            .ok_or_else(|| ParseBusyHoursError(text.into()))
    }
}

/// The instant of an RFC 3339 date and time. `None` when the date, the time or the offset from UTC is missing.
pub(crate) fn instant(written: &Datetime) -> Option<Timestamp> {
    let (date, time, offset) = (written.date?, written.time?, written.offset?);
    let minutes_east = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let seconds = days_since_1970(
        i64::from(date.year),
        i64::from(date.month),
        i64::from(date.day),
    ) * 86_400
        + i64::from(time.hour) * 3_600
        + i64::from(time.minute) * 60
        + i64::from(time.second.unwrap_or(0))
        - minutes_east * 60;
    Some(Timestamp(
        seconds
            .checked_mul(1_000_000_000)?
            .checked_add(i64::from(time.nanosecond.unwrap_or(0)))?,
    ))
}

/// Days of the Gregorian calendar from 1970-01-01, counted in years that begin in March so the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_and_shown_with_its_decimal_prefix() {
        for (text, bps) in [
            ("400G", 400_000_000_000),
            ("3.2T", 3_200_000_000_000),
            ("10M", 10_000_000),
            ("1k", 1_000),
        ] {
            assert_eq!(text.parse(), Ok(Rate(bps)));
            assert_eq!(Rate(bps).to_string(), text);
        }
        for bad in [
            "", "G", "400", "400g", "-1G", "0G", "NaNG", "infT", "1e300P", "4通",
        ] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn busy_hours_are_a_part_of_one_day() {
        let day = BusyHours {
            from_minute: 0,
            to_minute: 1440,
        };
        assert_eq!("00:00-24:00".parse(), Ok(day));
        for bad in [
            "",
            "09:00",
            "9:00-12:00",
            "12:00-09:00",
            "09:60-10:00",
            "23:00-24:01",
            "09:00-09:00",
            "+9:00-12:00",
        ] {
            assert!(bad.parse::<BusyHours>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_instant_counts_from_1970_and_takes_the_offset_off() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T08:00:00+08:00", 0),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2024-02-29T23:59:59Z", 1_709_251_199),
            ("2026-11-30T00:00:00+08:00", 1_795_968_000),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            let written: Datetime = text.parse().unwrap();
            assert_eq!(
                instant(&written),
                Some(Timestamp(seconds * 1_000_000_000)),
                "{text}"
            );
        }
    }

    #[test]
    fn an_instant_without_an_offset_is_none() {
        for text in ["2026-11-30T00:00:00", "2026-11-30", "00:00:00"] {
            assert_eq!(instant(&text.parse().unwrap()), None, "{text}");
        }
    }
}
