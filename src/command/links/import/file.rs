//! The file of bins, and where it is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;

/// The largest file. A longer record is cut by who made it.
const FILE_OCTETS_MAX: u64 = 1 << 28;
/// The most bins of a file: one is 100 octets of memory.
const BINS_MAX: usize = 4_000_000;
/// The longest bin, in seconds: a day.
const SECONDS_MAX: i64 = 86_400;
/// Bins from the first to the last: a year of 15 minutes, and some.
const SPAN_MAX: i64 = 40_000;
/// The columns that are read.
const COLUMNS: [&str; 5] = ["port", "start", "seconds", "received_octets", "sent_octets"];

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub(super) enum BinsError {
    #[error("cannot read it")]
    Read { source: io::Error },
    #[error("it is longer than {FILE_OCTETS_MAX} octets, or holds more than {BINS_MAX} bins")]
    Long,
    #[error("it is no text in UTF-8")]
    Text { source: std::string::FromUtf8Error },
    #[error("its header has no column {column}")]
    Column { column: &'static str },
    #[error("line {line}: {field} is {found:?}, not {expected}")]
    Field {
        line: usize,
        field: &'static str,
        found: String,
        expected: &'static str,
    },
    #[error("line {line}: another bin of {port} at this time says otherwise")]
    Twice { line: usize, port: String },
    #[error("its bins span more than {SPAN_MAX} of them")]
    Span,
    #[error("it holds no bin")]
    Empty,
}

impl BinsError {
    pub(super) fn hint(&self, lang: Lang) -> Option<&'static str> {
        match self {
            Self::Long | Self::Span => Some(lang.pick(
                "cut the record into shorter ones",
                "请把记录切分成较短的几段",
            )),
            Self::Column { .. } | Self::Field { .. } | Self::Empty => Some(lang.pick(
                "`owl links import --help` shows the columns",
                "各列见 `owl links import --help`",
            )),
            Self::Read { .. } | Self::Text { .. } | Self::Twice { .. } => None,
        }
    }
}

/// The bins of every port, on one grid.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bins {
    /// When the first bin of all begins.
    pub(super) start: Timestamp,
    /// The length of each.
    pub(super) length: Nanos,
    /// How many there are from the first to the last.
    pub(super) count: usize,
    /// By port and place on the grid: received and sent octets.
    pub(super) ports: BTreeMap<String, BTreeMap<usize, [u64; 2]>>,
}

impl Bins {
    pub(super) fn read(path: &Path) -> Result<Self, BinsError> {
        let mut octets = Vec::new();
        fs::File::open(path)
            .and_then(|file| file.take(FILE_OCTETS_MAX + 1).read_to_end(&mut octets))
            .map_err(|source| BinsError::Read { source })?;
        if octets.len() as u64 > FILE_OCTETS_MAX {
            return Err(BinsError::Long);
        }
        let text = String::from_utf8(octets).map_err(|source| BinsError::Text { source })?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, BinsError> {
        let mut lines = text.trim_start_matches('\u{feff}').lines();
        let header: Vec<&str> = lines
            .next()
            .unwrap_or_default()
            .split(',')
            .map(cell)
            .collect();
        let mut places = [0; COLUMNS.len()];
        for (place, column) in places.iter_mut().zip(COLUMNS) {
            let found = header
                .iter()
                .position(|name| name.eq_ignore_ascii_case(column));
            *place = found.ok_or(BinsError::Column { column })?;
        }
        let mut length: Option<i64> = None;
        let mut bins: BTreeMap<(String, i64), [u64; 2]> = BTreeMap::new();
        for (number, text) in (2..).zip(lines).filter(|(_, text)| !text.trim().is_empty()) {
            let cells: Vec<&str> = text.split(',').map(cell).collect();
            let [port, start, seconds, received, sent] =
                places.map(|place| cells.get(place).copied().unwrap_or_default());
            let wrong = |field, found: &str, expected| BinsError::Field {
                line: number,
                field,
                found: found.chars().take(64).collect(),
                expected,
            };
            if port.is_empty() {
                return Err(wrong("port", port, "the id of a port"));
            }
            let of_line: i64 = seconds.parse().unwrap_or(0);
            if !(1..=SECONDS_MAX).contains(&of_line) || length.is_some_and(|all| all != of_line) {
                return Err(wrong(
                    "seconds",
                    seconds,
                    "from 1 to 86400, and the same in every line",
                ));
            }
            length = Some(of_line);
            let at = instant(start).filter(|at| at.rem_euclid(of_line) == 0);
            let at = at.ok_or_else(|| {
                wrong(
                    "start",
                    start,
                    "a multiple of the bin's length since 1970, as RFC 3339 or in seconds",
                )
            })?;
            let count = |field, text: &str| {
                text.parse::<u64>()
                    .map_err(|_| wrong(field, text, "a number of octets"))
            };
            let octets = [
                count("received_octets", received)?,
                count("sent_octets", sent)?,
            ];
            let before = bins.insert((port.to_owned(), at), octets);
            if before.is_some_and(|before| before != octets) {
                return Err(BinsError::Twice {
                    line: number,
                    port: port.to_owned(),
                });
            }
            if bins.len() > BINS_MAX {
                return Err(BinsError::Long);
            }
        }
        Self::on_a_grid(bins, length.ok_or(BinsError::Empty)?)
    }

    fn on_a_grid(bins: BTreeMap<(String, i64), [u64; 2]>, length: i64) -> Result<Self, BinsError> {
        let starts = || bins.keys().map(|(_, at)| *at);
        let (first, last) = starts().min().zip(starts().max()).ok_or(BinsError::Empty)?;
        let count = last.saturating_sub(first) / length + 1;
        if count > SPAN_MAX {
            return Err(BinsError::Span);
        }
        let mut ports: BTreeMap<String, BTreeMap<usize, [u64; 2]>> = BTreeMap::new();
        for ((port, at), octets) in bins {
            let place = usize::try_from((at - first) / length).unwrap_or(0);
            ports.entry(port).or_default().insert(place, octets);
        }
        Ok(Self {
            start: Timestamp(first.saturating_mul(1_000_000_000)),
            length: Nanos::from_secs(length),
            count: usize::try_from(count).unwrap_or(0),
            ports,
        })
    }
}

fn cell(text: &str) -> &str {
    text.trim().trim_matches('"').trim()
}

/// Seconds since 1970.
fn instant(text: &str) -> Option<i64> {
    let at = match text.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at: jiff::Timestamp = text.parse().ok()?;
            (at.subsec_nanosecond() == 0).then(|| at.as_second())?
        }
    };
    // The years of four digits.
    (-62_000_000_000..=253_000_000_000)
        .contains(&at)
        .then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "start,port,seconds,sent_octets,received_octets,alarm\n";

    fn parse(lines: &str) -> Result<Bins, String> {
        Bins::parse(&format!("{HEADER}{lines}")).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_come_in_any_order_and_instants_in_both_ways() {
        let bins = parse(
            "2026-11-24T08:00:00+08:00,a,900,7,5,\n\"1795480200\",\"a\",900,8,6,x\n\n1795478400,b,900,1,2,\n",
        )
        .unwrap();
        assert_eq!(
            (bins.start, bins.count),
            (Timestamp(1_795_478_400_000_000_000), 3)
        );
        assert_eq!(bins.ports["a"], BTreeMap::from([(0, [5, 7]), (2, [6, 8])]));
        assert_eq!(bins.ports["b"][&0], [2, 1]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (lines, said) in [
            ("", "it holds no bin"),
            ("0,a,0,1,1,\n", "line 2: seconds is \"0\""),
            ("0,a,900,1,1,\n900,a,60,1,1,\n", "line 3: seconds is \"60\""),
            ("450,a,900,1,1,\n", "line 2: start is \"450\""),
            ("yesterday,a,900,1,1,\n", "line 2: start is \"yesterday\""),
            ("0,a,900,-1,1,\n", "line 2: sent_octets is \"-1\""),
            ("0,,900,1,1,\n", "line 2: port is \"\""),
            ("0,a,900\n", "line 2: received_octets is \"\""),
            ("0,a,900,1,1,\n0,a,900,2,1,\n", "line 3: another bin of a"),
            ("0,a,900,1,1,\n90000000,a,900,2,1,\n", "its bins span more"),
        ] {
            let found = parse(lines).unwrap_err();
            assert!(found.starts_with(said), "{lines:?}: {found}");
        }
        assert_eq!(
            parse("0,a,900,1,1,\n0,a,900,1,1,\n").unwrap().count,
            1,
            "the same again is once"
        );
        let error = Bins::parse("port,start\n").unwrap_err().to_string();
        assert_eq!(error, "its header has no column seconds");
    }
}
