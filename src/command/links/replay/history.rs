//! The file of recorded counters: one history or a list of them, and where it is wrong.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use owl_measure::counter::{CounterSample, Marks, Profile, Reading, Ticks, Width};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use serde::Deserialize;
use serde_json::Value;

/// The largest file. A longer record is cut by who made it.
const FILE_OCTETS_MAX: u64 = 1 << 28;
/// The most samples of a file, its histories included: one is 300 octets of memory.
const SAMPLES_MAX: usize = 4_000_000;
/// Times of 2⁶³ ns and more do not exist here; 290 years.
const SECONDS_MAX: f64 = 9.2e9;
/// The longest request that anybody waited for.
const RTT_SECONDS_MAX: f64 = 86_400.0;

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HistoryError {
    #[error("cannot read it")]
    Read { source: io::Error },
    #[error("it is longer than {FILE_OCTETS_MAX} octets")]
    Long,
    #[error("it holds more than {SAMPLES_MAX} samples")]
    TooMany,
    #[error("it is no such JSON")]
    Json { source: serde_json::Error },
    #[error("{place} is {found}, not {expected}")]
    Field {
        place: String,
        found: String,
        expected: &'static str,
    },
}

impl HistoryError {
    pub(super) fn hint(&self, lang: Lang) -> Option<&'static str> {
        match self {
            Self::Long | Self::TooMany => Some(lang.pick(
                "cut the record into shorter ones",
                "请把记录切分成较短的几段",
            )),
            Self::Json { .. } => Some(lang.pick(
                "`owl links replay --help` shows the format",
                "格式见 `owl links replay --help`",
            )),
            Self::Read { .. } | Self::Field { .. } => None,
        }
    }
}

/// One history, or a list of them.
#[derive(Debug)]
pub(super) enum File<T = History> {
    One(T),
    List(Vec<T>),
}

impl<T> File<T> {
    pub(super) fn map<U>(self, mut each: impl FnMut(T) -> U) -> File<U> {
        match self {
            Self::One(one) => File::One(each(one)),
            Self::List(list) => File::List(list.into_iter().map(each).collect()),
        }
    }
}

/// One counter and its samples, in the order of the file.
#[derive(Debug)]
pub(super) struct History {
    pub(super) profile: Profile,
    pub(super) samples: Vec<CounterSample>,
}

#[derive(Deserialize)]
#[serde(expecting = "a history, which is an object")]
struct Raw {
    speed_bps: Option<Value>,
    bits: Option<Value>,
    samples: Vec<RawSample>,
}

#[derive(Deserialize)]
#[serde(expecting = "a sample, which is an object")]
struct RawSample {
    t: Option<Value>,
    rtt: Option<Value>,
    up: Option<Value>,
    disc: Option<Value>,
    v: Option<Value>,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, HistoryError> {
        let unreadable = |source| HistoryError::Read { source };
        let mut octets = Vec::new();
        fs::File::open(path)
            .map_err(unreadable)?
            .take(FILE_OCTETS_MAX + 1)
            .read_to_end(&mut octets)
            .map_err(unreadable)?;
        if octets.len() as u64 > FILE_OCTETS_MAX {
            return Err(HistoryError::Long);
        }
        Self::parse(octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&octets))
    }

    fn parse(octets: &[u8]) -> Result<Self, HistoryError> {
        let no_json = |source| HistoryError::Json { source };
        // Each sample and each history opens one.
        if octets.iter().filter(|&&octet| octet == b'{').count() > SAMPLES_MAX {
            return Err(HistoryError::TooMany);
        }
        let first = octets.iter().find(|octet| !octet.is_ascii_whitespace());
        if first == Some(&b'[') {
            let list: Vec<Raw> = serde_json::from_slice(octets).map_err(no_json)?;
            let each = list.into_iter().enumerate();
            each.map(|(index, raw)| raw.history(&format!("[{index}].")))
                .collect::<Result<_, _>>()
                .map(File::List)
        } else {
            let one: Raw = serde_json::from_slice(octets).map_err(no_json)?;
            one.history("").map(File::One)
        }
    }
}

impl Raw {
    fn history(self, place: &str) -> Result<History, HistoryError> {
        let speed = field(self.speed_bps, "0 or a speed in b/s", speed)
            .map_err(|error| error.at(format!("{place}speed_bps")))?;
        let width = field(self.bits, "32 or 64", width)
            .map_err(|error| error.at(format!("{place}bits")))?;
        let each = self.samples.into_iter().enumerate();
        Ok(History {
            profile: Profile::new(width.unwrap_or(Width::Untold), speed),
            samples: each
                .map(|(index, raw)| {
                    raw.sample().map_err(|(name, error)| {
                        error.at(format!("{place}samples[{index}].{name}"))
                    })
                })
                .collect::<Result<_, _>>()?,
        })
    }
}

impl RawSample {
    fn sample(self) -> Result<CounterSample, (&'static str, FieldError)> {
        let named = |name| move |error| (name, error);
        let t = field(self.t, "a time in seconds", seconds).map_err(named("t"))?;
        let rtt =
            field(self.rtt, "a round trip of 0 s to a day", round_trip).map_err(named("rtt"))?;
        let up = field(self.up, "whole ticks below 2^32", ticks).map_err(named("up"))?;
        let disc = field(self.disc, "whole ticks below 2^32", ticks).map_err(named("disc"))?;
        let v = field(self.v, "the decimal digits of a counter, or null", reading)
            .map_err(named("v"))?;
        Ok(CounterSample {
            at: t.map(|t| Timestamp(nanoseconds(t))),
            within: rtt.map_or(CounterSample::WITHIN_UNKNOWN, |rtt| {
                // Half the round trip, and what a float cannot tell of the time itself.
                Nanos(
                    nanoseconds(rtt / 2.0) + 1 + nanoseconds(t.unwrap_or(0.0).abs() * f64::EPSILON),
                )
            }),
            up,
            marks: Marks {
                discontinuity: disc,
                ..Marks::default()
            },
            port: None,
            reading: v.unwrap_or(Reading::Missing),
        })
    }
}

fn nanoseconds(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

/// What is wrong with a field.
#[derive(Debug)]
struct FieldError {
    found: String,
    expected: &'static str,
}

impl FieldError {
    fn at(self, place: String) -> HistoryError {
        HistoryError::Field {
            place,
            found: self.found,
            expected: self.expected,
        }
    }
}

/// Reads a field that may be missing or null.
fn field<T>(
    value: Option<Value>,
    expected: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, FieldError> {
    /// So many characters of a wrong value are shown.
    const SHOWN: usize = 40;
    let Some(value) = value else {
        return Ok(None);
    };
    match read(&value) {
        Some(read) => Ok(Some(read)),
        None => Err(FieldError {
            found: value.to_string().chars().take(SHOWN).collect(),
            expected,
        }),
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite())
}

fn seconds(value: &Value) -> Option<f64> {
    number(value).filter(|seconds| seconds.abs() <= SECONDS_MAX)
}

fn round_trip(value: &Value) -> Option<f64> {
    number(value).filter(|seconds| (0.0..=RTT_SECONDS_MAX).contains(seconds))
}

fn speed(value: &Value) -> Option<u64> {
    /// Above every link, and far enough below 2⁶⁴.
    const BPS_MAX: f64 = 1e18;
    value
        .as_u64()
        .filter(|&bps| bps as f64 <= BPS_MAX)
        .or_else(|| {
            number(value)
                .filter(|bps| (0.0..=BPS_MAX).contains(bps))
                // Rounded up: as the bound of what may pass.
                .map(|bps| bps.ceil() as u64)
        })
}

fn width(value: &Value) -> Option<Width> {
    match value.as_u64()? {
        32 => Some(Width::Bits32),
        64 => Some(Width::Bits64),
        _ => None,
    }
}

fn ticks(value: &Value) -> Option<Ticks> {
    // Some writers know no whole numbers: 1000.0 is 1000.
    let whole = |number: f64| (number.fract() == 0.0 && number >= 0.0).then_some(number as u64);
    let ticks = value.as_u64().or_else(|| number(value).and_then(whole))?;
    u32::try_from(ticks).ok().map(Ticks)
}

fn reading(value: &Value) -> Option<Reading> {
    let text = match value {
        Value::String(text) => text.as_str(),
        Value::Number(number) => return number.as_u64().map(Reading::Octets),
        _ => return None,
    };
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    // Nothing but digits: whatever does not fit is too large.
    Some(text.parse().map_or(Reading::TooLarge, Reading::Octets))
}
