//! Lines of comma-separated integers, read one by one; a bad line is a complaint, not the end.

use std::io::{self, BufRead, Read as _};

/// The longest line; a longer one is not of this format, and reading it to its end could take all memory.
const LINE_OCTETS_MAX: u64 = 4_096;
/// So many complaints are kept with their reason; the rest is counted.
const COMPLAINTS_MAX: usize = 100;

/// A line that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The file's name in the folder.
    pub(super) file: String,
    /// Counted from 1.
    pub(super) line: u64,
    /// Why.
    pub(super) reason: String,
}

/// The first complaints, and how many there were.
#[derive(Debug, Clone, Default)]
pub(super) struct Complaints {
    pub(super) first: Vec<Complaint>,
    pub(super) count: u64,
}

impl Complaints {
    /// One more.
    pub(super) fn add(&mut self, file: &str, line: u64, reason: String) {
        self.count += 1;
        if self.first.len() < COMPLAINTS_MAX {
            self.first.push(Complaint {
                file: file.to_owned(),
                line,
                reason,
            });
        }
    }
}

/// Why a file of rows cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowsError {
    #[error("line {line}")]
    Read { line: u64, source: io::Error },
    #[error("line {line} is longer than {LINE_OCTETS_MAX} octets")]
    Long { line: u64 },
    #[error("line 1 is \"{found}\", but must be \"{expected}\"")]
    Header { found: String, expected: String },
}

/// Reads rows of `COLUMNS` fields under a header and hands each to `take` with its line, which says why it cannot use one.
pub(super) fn read<const COLUMNS: usize>(
    mut reader: impl BufRead,
    file: &str,
    header: &str,
    complaints: &mut Complaints,
    mut take: impl FnMut(u64, [&str; COLUMNS]) -> Result<(), String>,
) -> Result<(), RowsError> {
    let mut octets = Vec::new();
    for line in 1.. {
        octets.clear();
        let read = (&mut reader)
            .take(LINE_OCTETS_MAX)
            .read_until(b'\n', &mut octets)
            .map_err(|source| RowsError::Read { line, source })?;
        if read as u64 == LINE_OCTETS_MAX && octets.last() != Some(&b'\n') {
            return Err(RowsError::Long { line });
        }
        let text = String::from_utf8_lossy(&octets);
        let text = text.trim_start_matches('\u{feff}').trim();
        if line == 1 {
            if text.replace(' ', "") != header {
                return Err(RowsError::Header {
                    found: text.chars().take(80).collect(),
                    expected: header.to_owned(),
                });
            }
            continue;
        }
        if read == 0 {
            break;
        }
        if text.is_empty() {
            continue;
        }
        let taken = fields::<COLUMNS>(text).and_then(|fields| take(line, fields));
        if let Err(reason) = taken {
            complaints.add(file, line, reason);
        }
    }
    Ok(())
}

fn fields<const COLUMNS: usize>(text: &str) -> Result<[&str; COLUMNS], String> {
    let mut fields = [""; COLUMNS];
    let mut count = 0;
    for field in text.split(',') {
        if let Some(place) = fields.get_mut(count) {
            *place = field.trim();
        }
        count += 1;
    }
    if count == COLUMNS {
        Ok(fields)
    } else {
        Err(format!("{count} fields, not {COLUMNS}"))
    }
}

/// A whole number of nanoseconds, or nothing where the field is empty.
pub(super) fn nanoseconds(name: &str, field: &str) -> Result<Option<i64>, String> {
    if field.is_empty() {
        return Ok(None);
    }
    field
        .parse()
        .map(Some)
        .map_err(|_| format!("{name} is \"{}\", not a whole number of ns", shown(field)))
}

/// A field as a complaint shows it: its beginning, without what could move a terminal's cursor.
pub(super) fn shown(field: &str) -> String {
    field.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> (Result<(), RowsError>, Vec<[String; 2]>, Complaints) {
        let mut complaints = Complaints::default();
        let mut rows = Vec::new();
        let end = read::<2>(
            text.as_bytes(),
            "f.csv",
            "a,b",
            &mut complaints,
            |_, fields| {
                nanoseconds("b", fields[1])?;
                rows.push(fields.map(str::to_owned));
                Ok(())
            },
        );
        (end, rows, complaints)
    }

    #[test]
    fn a_bad_line_is_named_and_the_others_are_kept() {
        let (end, rows, complaints) = read_all("a,b\r\nx,1\n\nx,1,2\ny,\nz,1.5\n");
        assert!(end.is_ok());
        assert_eq!(rows, [["x", "1"], ["y", ""]]);
        let said: Vec<(u64, &str)> = complaints
            .first
            .iter()
            .map(|complaint| (complaint.line, complaint.reason.as_str()))
            .collect();
        assert_eq!(
            said,
            [
                (4, "3 fields, not 2"),
                (6, "b is \"1.5\", not a whole number of ns")
            ]
        );
    }

    #[test]
    fn another_header_is_another_format() {
        for text in ["", "b,a\n", "x,1\n"] {
            assert!(
                matches!(read_all(text).0, Err(RowsError::Header { .. })),
                "{text}"
            );
        }
        assert!(read_all("\u{feff}a, b\n").0.is_ok());
    }

    #[test]
    fn a_line_without_end_is_refused_and_complaints_are_bounded() {
        let long = format!("a,b\nx,{}\n", "1".repeat(10_000));
        assert!(matches!(
            read_all(&long).0,
            Err(RowsError::Long { line: 2 })
        ));
        let bad = format!("a,b\n{}", "x\n".repeat(1_000));
        let (_, _, complaints) = read_all(&bad);
        assert_eq!((complaints.first.len(), complaints.count), (100, 1_000));
    }
}
