use owl_measure::report::Report;

use super::*;
use crate::testing::{Link, QUIET, disturbed, hindered, report, report_of, unanswered};

const PATH: &str = "yannan-ct~binhaigang-ct";

/// Numbers that look random, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn kept(sequence: u64, report: &Report) -> BlockReport {
    BlockReport {
        epoch: 7,
        sequence,
        received_at: report.summary.end() + owl_measure::time::Nanos::from_millis(200),
        octets: report.encode(),
    }
}

/// What a path sees in an hour: quiet, disturbed, silent, a clock that is corrected, another plan.
fn eventful() -> Vec<BlockReport> {
    let mut numbers = Numbers(1);
    let reports = (0..120).map(|k| {
        let link = Link {
            forward: QUIET.forward + numbers.below(90_000) as i64,
            backward: QUIET.backward + numbers.below(90_000) as i64,
            ahead: numbers.below(2_000) as i64 - 1_000,
        };
        let mut report = match k % 17 {
            3 => disturbed(PATH, k),
            5 => unanswered(PATH, k),
            7 => hindered(
                PATH,
                k,
                owl_measure::hindrance::Hindrance::Refused { accept: 3 },
            ),
            _ => report_of(PATH, k, link),
        };
        if k > 60 {
            report.generation = "another".into();
            report.clock.correction = owl_measure::time::Nanos(-400);
            report.clock.void_after = (k % 3 == 0).then_some(Timestamp(k * 1_000_000_007));
        }
        report
    });
    reports
        .zip(1..)
        .map(|(report, k)| kept(50 * k, &report))
        .collect()
}

#[test]
fn what_is_unpacked_is_what_was_packed() {
    for reports in [
        vec![],
        vec![kept(1, &report(PATH, 0))],
        eventful(),
        eventful().into_iter().rev().collect(),
    ] {
        let body = pack(&reports);
        assert!(unpack(&body) == Ok(reports));
    }
}

#[test]
fn a_report_that_this_version_would_write_in_another_way_is_kept_as_it_came() {
    let plain = report(PATH, 0).encode();
    let with = |more: &[u8]| [plain.as_slice(), more].concat();
    let odd = [
        // A field of the future, a number twice, a zero that is written, a number in more octets than it takes.
        with(&[0xF8, 0x7F, 5]),
        with(&[0x30, 1, 0x30, 2]),
        with(&[0x30, 0]),
        with(&[0x30, 0x81, 0x00]),
        // No report at all.
        vec![],
        vec![0xFF; 40],
        b"hello".to_vec(),
    ];
    let mut reports = eventful();
    for (k, octets) in odd.into_iter().enumerate() {
        reports[11 * k].octets = octets;
    }
    assert!(unpack(&pack(&reports)) == Ok(reports));
}

#[test]
fn no_octets_of_a_report_are_lost_whatever_they_are() {
    let mut numbers = Numbers(2);
    for _ in 0..200 {
        let mut reports = eventful();
        for _ in 0..40 {
            let which = numbers.below(reports.len() as u64) as usize;
            let octets = &mut reports[which].octets;
            let at = numbers.below(octets.len() as u64) as usize;
            match numbers.below(3) {
                0 => octets[at] = numbers.below(256) as u8,
                1 => octets.truncate(at + 1),
                _ => octets.insert(at, numbers.below(256) as u8),
            }
        }
        let which = numbers.below(reports.len() as u64) as usize;
        reports[which].epoch = numbers.below(u64::MAX);
        reports[which].sequence = u64::MAX - which as u64;
        reports[which].received_at = Timestamp(i64::MIN + which as i64);
        assert!(unpack(&pack(&reports)) == Ok(reports));
    }
}

#[test]
fn a_damaged_block_is_an_error_and_nothing_worse() {
    let reports = eventful();
    let body = pack(&reports);
    for end in 0..body.len() {
        assert!(unpack(&body[..end]).is_err(), "{end} of {}", body.len());
    }
    for at in 0..body.len() {
        for flip in [1, 0x80, 0xFF] {
            let mut broken = body.clone();
            broken[at] ^= flip;
            // Some bits of a compressed frame mean nothing.
            let read = unpack(&broken);
            assert!(
                read.is_err() || read.as_ref() == Ok(&reports),
                "{at} {flip}"
            );
        }
    }
    assert_eq!(unpack(&[2, 0]), Err(BlockError::Version(2)));
    let claims = [
        1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0,
    ];
    assert_eq!(unpack(&claims), Err(BlockError::TooLarge));
}

#[test]
fn blocks_of_the_first_version_are_read() {
    let hex = include_str!("golden.hex").trim();
    let octet = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let body: Vec<u8> = (0..hex.len()).step_by(2).map(octet).collect();
    let written: String = pack(&eventful())
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    assert!(
        unpack(&body) == Ok(eventful()),
        "what is written now is\n{written}"
    );
}

#[test]
fn the_fields_are_those_of_the_contract() {
    let proto = include_str!("../../../measure/src/report/report.proto");
    let (mut message, mut theirs) = (String::new(), std::collections::BTreeSet::new());
    for line in proto
        .lines()
        .map(|line| line.split("//").next().unwrap().trim())
    {
        if let Some(name) = line.strip_prefix("message ") {
            message = name.trim_end_matches([' ', '{']).to_owned();
        }
        let field = line
            .strip_suffix(';')
            .and_then(|line| line.split_once(" = "));
        let field = field.and_then(|(declared, tag)| Some((declared, tag.parse::<u32>().ok()?)));
        if let Some((declared, tag)) = field {
            let name = declared.split_whitespace().last().unwrap();
            theirs.insert((message.clone(), tag, name.to_owned()));
        }
    }
    for (message, fields) in schema::messages() {
        // A report of a port is no report of a path, and never in a block (store/links.rs).
        let of_paths = theirs.iter().filter(|field| field.2 != "link");
        let of_theirs = of_paths.filter(|field| field.0 == message);
        let of_theirs: Vec<_> = of_theirs.map(|field| (field.1, field.2.as_str())).collect();
        let ours: Vec<_> = fields.iter().map(|field| (field.0, field.1)).collect();
        assert_eq!(ours, of_theirs, "{message}");
    }
}
