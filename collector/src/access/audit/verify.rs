//! Whether an export is a chain, and where it is not.

use super::chain::{hash, taken_apart};

/// Faults that are named; a file with more of them is no export.
const FAULTS_MAX: usize = 20;

/// What is wrong with an export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The line is no record.
    #[error("line {line} is no record of an audit log")]
    NoRecord {
        /// Counted from 1.
        line: usize,
    },
    /// The hash is not that of what the line says.
    #[error("line {line}: record {number} was changed")]
    Changed {
        /// Counted from 1.
        line: usize,
        /// The record.
        number: u64,
    },
    /// Numbers are missing.
    #[error("line {line}: {} missing before it", missing(*.first, *.last))]
    Removed {
        /// The line after the gap, counted from 1.
        line: usize,
        /// The first record that is missing.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A number comes again, or a smaller one.
    #[error("line {line}: record {number} comes after record {after}")]
    Disordered {
        /// Counted from 1.
        line: usize,
        /// The record.
        number: u64,
        /// The one before it in the file.
        after: u64,
    },
    /// It was made after another record than the one that stands before it.
    #[error(
        "line {line}: record {number} does not follow from the line before: one of the two was changed and hashed anew"
    )]
    Unlinked {
        /// Counted from 1.
        line: usize,
        /// The record.
        number: u64,
    },
    /// The record that was noted is not there.
    #[error(
        "no record has the hash {expected}: records were removed at the end, or all were hashed anew"
    )]
    NotThere {
        /// The hash, as it was noted.
        expected: String,
    },
    /// There are more.
    #[error("there are more faults; the first {FAULTS_MAX} are named")]
    More,
}

fn missing(first: u64, last: u64) -> String {
    if first == last {
        format!("record {first} is")
    } else {
        format!("records {first} to {last} are")
    }
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Lines that are records.
    pub records: u64,
    /// The number of the first record; `None` without any.
    pub first: Option<u64>,
    /// The hash of the last record, to be kept elsewhere; `None` without any.
    pub end: Option<String>,
    /// What is wrong; nothing when the export is a chain.
    pub faults: Vec<Fault>,
}

/// Looks through an export line by line. `noted` is the hash that the last record of an earlier export had, where somebody kept
/// it; that record must be there still, with others behind it or none.
///
/// An export may begin anywhere: older records are removed with time, and the chain holds from the first that is there.
///
/// # Errors
/// When a line cannot be read.
pub fn verify<E>(
    lines: impl IntoIterator<Item = Result<String, E>>,
    noted: Option<&str>,
) -> Result<Verified, E> {
    let mut verified = Verified {
        records: 0,
        first: None,
        end: None,
        faults: Vec::new(),
    };
    let mut before: Option<(u64, String)> = None;
    let mut is_there = false;
    for (index, text) in lines.into_iter().enumerate() {
        let (line, text) = (index + 1, text?);
        if verified.faults.len() >= FAULTS_MAX {
            verified.faults.push(Fault::More);
            break;
        }
        let Some(link) = taken_apart(&text) else {
            verified.faults.push(Fault::NoRecord { line });
            continue;
        };
        let number = link.number;
        verified.records += 1;
        verified.first.get_or_insert(number);
        // Octet for octet, so that nothing can be put in that JSON passes over, such as a key that comes twice.
        if hash(&link.previous, &link.body) != link.hash || link.line() != text {
            verified.faults.push(Fault::Changed { line, number });
        }
        if let Some((after, previous)) = before {
            match number.checked_sub(after) {
                Some(1) if previous == link.previous => {}
                Some(1) => verified.faults.push(Fault::Unlinked { line, number }),
                Some(0) | None => verified.faults.push(Fault::Disordered {
                    line,
                    number,
                    after,
                }),
                Some(_) => verified.faults.push(Fault::Removed {
                    line,
                    first: after + 1,
                    last: number - 1,
                }),
            }
        }
        is_there |= noted == Some(link.hash.as_str());
        verified.end = Some(link.hash.clone());
        before = Some((number, link.hash));
    }
    if let Some(expected) = noted
        && !is_there
    {
        let expected = expected.to_owned();
        verified.faults.push(Fault::NotThere { expected });
    }
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use owl_measure::time::Timestamp;

    use super::super::chain::{GENESIS, Record};
    use super::super::{Deed, Link};
    use super::*;

    /// Ten records, from the third on.
    fn chain() -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        for k in 0..10 {
            let record = Record {
                at: Timestamp(k),
                who: format!("user-{k}"),
                from: "192.0.2.1".into(),
                deed: Deed::Export,
                what: "/api/v1/compliance".into(),
            };
            let (last, previous) = links
                .last()
                .map_or((2, GENESIS), |link| (link.number, link.hash.as_str()));
            let link = record.link(last, previous);
            links.push(link);
        }
        links
    }

    fn lines(links: &[Link]) -> Vec<String> {
        links.iter().map(Link::line).collect()
    }

    #[track_caller]
    fn check(lines: Vec<String>, end: Option<&str>, said: &[&str]) {
        let verified = verify(lines.into_iter().map(Ok::<_, ()>), end).unwrap();
        let faults: Vec<String> = verified.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, said);
    }

    #[test]
    fn a_chain_is_one_wherever_it_begins_and_its_end_is_known_by_its_hash() {
        let links = chain();
        let end = links.last().unwrap().hash.clone();
        check(lines(&links), None, &[]);
        check(lines(&links), Some(&end), &[]);
        check(lines(&links[4..]), Some(&end), &[]);
        // An export of an earlier day.
        check(lines(&links), Some(&links[6].hash), &[]);
        check(vec![], None, &[]);
        let lines = lines(&links).into_iter().map(Ok::<_, ()>);
        let verified = verify(lines, None).unwrap();
        assert_eq!(
            (verified.records, verified.first, verified.end),
            (10, Some(3), Some(end))
        );
    }

    #[test]
    fn every_changed_letter_is_found_and_its_record_named() {
        let links = chain();
        let good = lines(&links);
        let line = good[4].clone();
        for at in 0..line.len() {
            let mut octets = line.clone().into_bytes();
            octets[at] ^= 1;
            let Ok(changed) = String::from_utf8(octets) else {
                continue;
            };
            let mut lines = good.clone();
            lines[4] = changed;
            let verified = verify(lines.into_iter().map(Ok::<_, ()>), None).unwrap();
            let named = verified.faults.iter().any(|fault| {
                let said = fault.to_string();
                said.contains("line 5") || said.contains("line 6")
            });
            assert!(named, "octet {at}: {:?}", verified.faults);
        }
    }

    #[test]
    fn a_line_that_was_removed_moved_or_put_in_is_named() {
        let links = chain();
        let good = lines(&links);
        let without = |range: std::ops::Range<usize>| {
            let mut lines = good.clone();
            lines.drain(range);
            lines
        };
        check(
            without(4..5),
            None,
            &["line 5: record 7 is missing before it"],
        );
        check(
            without(4..7),
            None,
            &["line 5: records 7 to 9 are missing before it"],
        );
        check(without(9..10), None, &[]);
        let end = &links[9].hash;
        let said = format!(
            "no record has the hash {end}: records were removed at the end, or all were hashed anew"
        );
        check(without(9..10), Some(end), &[&said]);
        let mut twice = good.clone();
        twice.insert(5, good[4].clone());
        check(twice, None, &["line 6: record 7 comes after record 7"]);
        let mut empty = good.clone();
        empty.insert(5, String::new());
        check(empty, None, &["line 6 is no record of an audit log"]);
    }

    #[test]
    fn a_record_that_was_changed_and_hashed_anew_does_not_lead_to_the_next() {
        let mut links = chain();
        let forged = Record {
            at: Timestamp(4),
            who: "somebody else".into(),
            from: "192.0.2.1".into(),
            deed: Deed::Export,
            what: "/".into(),
        };
        links[4] = forged.link(links[3].number, &links[3].hash);
        check(
            lines(&links),
            None,
            &[
                "line 6: record 8 does not follow from the line before: one of the two was changed and hashed anew",
            ],
        );
    }

    #[test]
    fn a_file_that_is_no_export_is_not_told_line_by_line() {
        let verified = verify((0..10_000).map(|_| Ok::<_, ()>("x".into())), None).unwrap();
        assert_eq!(verified.faults.len(), FAULTS_MAX + 1);
        assert_eq!(verified.faults.last(), Some(&Fault::More));
    }
}
