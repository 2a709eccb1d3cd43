//! A span of time as a person writes it: a month, a day, a quarter, a week, a year, or so long until now.
//!
//! Days begin at local midnight of the network's time zone.

use jiff::civil::{Date, ISOWeekDate};
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::period::Calendar;

/// The longest span that can be asked for: as long as windows are kept at the least, thirteen months.
const LONGEST: Nanos = Nanos::from_secs(400 * 86_400);

/// A span of time with the words that it was asked for with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// As it was written.
    pub(crate) text: String,
    /// The first instant that belongs to it.
    pub(crate) start: Timestamp,
    /// The first instant after it.
    pub(crate) end: Timestamp,
}

/// A text that is no span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// It is written in no known form.
    #[error(
        "cannot read \"{0}\" as a period; write 2026-11, 2026-11-23, 2026-Q4, 2026-W47, 2026, now-24h or now-7d"
    )]
    Form(String),
    /// It is longer than what is kept.
    #[error("cannot judge \"{0}\": a period is 400 days long at most")]
    TooLong(String),
    /// It has not begun.
    #[error("cannot judge \"{0}\": it has not begun")]
    Future(String),
}

impl Span {
    /// Reads a text at `now`, days being those of `zone`.
    ///
    /// # Errors
    /// When it has none of the forms, is too long, or lies in the future.
    pub(crate) fn read(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Self, SpanError> {
        let form = || SpanError::Form(text.to_owned());
        let (start, end) = match text.strip_prefix("now-") {
            Some(length) => (now - length_of(length).ok_or_else(form)?, now),
            None => {
                let (first, last) = dates(text).ok_or_else(form)?;
                let midnight = |date: Date| {
                    let local: Option<Zoned> = date.to_zoned(zone.clone()).ok();
                    local.and_then(|local| timestamp(&local))
                };
                midnight(first).zip(midnight(last)).ok_or_else(form)?
            }
        };
        if end - start > LONGEST {
            return Err(SpanError::TooLong(text.to_owned()));
        }
        if start >= now {
            return Err(SpanError::Future(text.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            start,
            end,
        })
    }

    /// The month that `now` lies in.
    pub(crate) fn month(zone: &TimeZone, now: Timestamp) -> Self {
        Self::running(zone, now, "%Y-%m")
    }

    /// The day that `now` lies in.
    pub(crate) fn day(zone: &TimeZone, now: Timestamp) -> Self {
        Self::running(zone, now, "%Y-%m-%d")
    }

    fn running(zone: &TimeZone, now: Timestamp, format: &str) -> Self {
        let text = local(now, zone).strftime(format).to_string();
        // One nanosecond later than its own begin at the least, so that it has begun.
        Self::read(&text, zone, now + Nanos(1)).unwrap_or(Self {
            text,
            start: now,
            end: now,
        })
    }

    /// The span of the same kind before this one, for whoever turns the pages; `None` before a span until now.
    pub(crate) fn before(&self, zone: &TimeZone) -> Option<String> {
        let last_day = local(self.start - Nanos(1), zone);
        let format = match self.text.len() {
            _ if self.text.starts_with("now") => return None,
            4 => "%Y",
            10 => "%Y-%m-%d",
            7 if self.text.contains('Q') => {
                return Some(format!(
                    "{}-Q{}",
                    last_day.year(),
                    (last_day.month() + 2) / 3
                ));
            }
            7 => "%Y-%m",
            _ => "%G-W%V",
        };
        Some(last_day.strftime(format).to_string())
    }

    /// How far local time is ahead of UTC in the span.
    pub(crate) fn calendar(&self, zone: &TimeZone) -> Calendar {
        let ahead = |offset: jiff::tz::Offset| Nanos::from_secs(i64::from(offset.seconds()));
        let start = instant(self.start);
        let changes = zone
            .following(start)
            .map(|change| {
                let at = i64::try_from(change.timestamp().as_nanosecond()).unwrap_or(i64::MAX);
                (Timestamp(at), ahead(change.offset()))
            })
            .take_while(|(at, _)| *at < self.end)
            .collect();
        Calendar::changing(ahead(zone.to_offset(start)), changes)
    }
}

/// The first day and the day after the last.
fn dates(text: &str) -> Option<(Date, Date)> {
    // Every form is short and ASCII, so places can be counted in octets.
    if !text.is_ascii() {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i16> {
        let digits = text.get(from..to)?;
        digits
            .bytes()
            .all(|octet| octet.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let year = number(0, 4)?;
    let date = |month: i16, day: i16| {
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    };
    let separated = |at: usize| text.get(at..=at) == Some("-");
    let first_and_last = |first: Date, length: jiff::Span| {
        let last = first.checked_add(length).ok()?;
        Some((first, last))
    };
    match (text.len(), text.get(5..6)) {
        (4, _) => first_and_last(date(1, 1)?, 1.year()),
        (7, Some("Q")) if separated(4) => {
            let quarter = number(6, 7).filter(|quarter| (1..=4).contains(quarter))?;
            first_and_last(date(quarter * 3 - 2, 1)?, 3.months())
        }
        (8, Some("W")) if separated(4) => {
            let week = i8::try_from(number(6, 8)?).ok()?;
            let monday = ISOWeekDate::new(year, week, jiff::civil::Weekday::Monday).ok()?;
            first_and_last(monday.date(), 7.days())
        }
        (7, _) if separated(4) => first_and_last(date(number(5, 7)?, 1)?, 1.month()),
        (10, _) if separated(4) && separated(7) => {
            first_and_last(date(number(5, 7)?, number(8, 10)?)?, 1.day())
        }
        _ => None,
    }
}

/// `24h` or `7d`.
fn length_of(text: &str) -> Option<Nanos> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let hours = match unit {
        "h" => 1,
        "d" => 24,
        _ => return None,
    };
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let count: u16 = digits.parse().ok()?;
    (count > 0).then(|| Nanos::from_secs(3_600).times(hours * i64::from(count)))
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn local(at: Timestamp, zone: &TimeZone) -> Zoned {
    instant(at).to_zoned(zone.clone())
}

fn timestamp(local: &Zoned) -> Option<Timestamp> {
    i64::try_from(local.timestamp().as_nanosecond())
        .ok()
        .map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 12:00 in Shanghai.
    const NOW: Timestamp = Timestamp(1_795_406_400_000_000_000);

    fn shanghai() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    #[track_caller]
    fn check(text: &str, start: &str, end: &str) {
        let span = Span::read(text, &shanghai(), NOW).unwrap();
        let at = |at| {
            local(at, &shanghai())
                .strftime("%Y-%m-%d %H:%M")
                .to_string()
        };
        assert_eq!(
            (at(span.start).as_str(), at(span.end).as_str()),
            (start, end)
        );
    }

    #[test]
    fn months_days_quarters_weeks_and_years_begin_at_local_midnight() {
        check("2026-11", "2026-11-01 00:00", "2026-12-01 00:00");
        check("2025-12", "2025-12-01 00:00", "2026-01-01 00:00");
        check("2026-11-23", "2026-11-23 00:00", "2026-11-24 00:00");
        check("2026-Q4", "2026-10-01 00:00", "2027-01-01 00:00");
        check("2026-W47", "2026-11-16 00:00", "2026-11-23 00:00");
        check("2026", "2026-01-01 00:00", "2027-01-01 00:00");
        check("now-24h", "2026-11-22 12:00", "2026-11-23 12:00");
        check("now-7d", "2026-11-16 12:00", "2026-11-23 12:00");
    }

    #[test]
    fn what_is_no_period_is_refused_with_the_forms_that_are() {
        for text in [
            "",
            "now",
            "now-",
            "now-0h",
            "now-h",
            "now-5m",
            "now-+5h",
            "2026-13",
            "2026-00",
            "2026-11-31",
            "2026-Q5",
            "2026-Q0",
            "2026-W54",
            "2026-W00",
            "26-11",
            "2026/11",
            "+026-11",
            "2026-1",
            "2026-11-2",
            "二〇二六",
            "2026-11-23T00",
        ] {
            let read = Span::read(text, &shanghai(), NOW);
            assert_eq!(read, Err(SpanError::Form(text.to_owned())), "{text}");
        }
        let long = Span::read("now-401d", &shanghai(), NOW);
        assert_eq!(long, Err(SpanError::TooLong("now-401d".into())));
        let future = Span::read("2026-12", &shanghai(), NOW);
        assert_eq!(future, Err(SpanError::Future("2026-12".into())));
    }

    #[test]
    fn the_running_month_and_day_and_those_before_them() {
        let month = Span::month(&shanghai(), NOW);
        let day = Span::day(&shanghai(), NOW);
        assert_eq!(
            (month.text.as_str(), day.text.as_str()),
            ("2026-11", "2026-11-23")
        );
        for (text, before) in [
            ("2026-01", Some("2025-12")),
            ("2026-11-01", Some("2026-10-31")),
            ("2026-Q1", Some("2025-Q4")),
            ("2026-W01", Some("2025-W52")),
            ("2026", Some("2025")),
            ("now-24h", None),
        ] {
            let span = Span::read(text, &shanghai(), NOW).unwrap();
            assert_eq!(span.before(&shanghai()).as_deref(), before, "{text}");
        }
    }

    #[test]
    fn a_month_in_which_the_clocks_change_has_an_hour_more() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let october = Span::read("2026-10", &berlin, NOW).unwrap();
        assert_eq!(
            october.end - october.start,
            Nanos::from_secs(31 * 86_400 + 3_600)
        );
        let calendar = october.calendar(&berlin);
        let hours = |at| calendar.hour(at);
        assert_eq!(
            hours(october.end - Nanos(1)) - hours(october.start),
            31 * 24 - 1
        );
    }
}
