//! What a collector reads of its own store: the disk is a stranger too.

use owl_collector::block::{BlockReport, OCTETS_MAX, pack, unpack};
use owl_measure::time::Timestamp;

/// Any octets as a block, and as reports of one. What is packed is unpacked the same, whatever it is.
pub fn block(input: &[u8]) {
    let octets = |reports: &[BlockReport]| {
        reports
            .iter()
            .map(|report| report.octets.len())
            .sum::<usize>()
    };
    if let Ok(reports) = unpack(input)
        && octets(&reports) <= OCTETS_MAX
    {
        assert_eq!(unpack(&pack(&reports)).as_ref(), Ok(&reports));
    }
    let reports: Vec<BlockReport> = input
        .split(|&octet| octet == 0xFE)
        .zip(1..)
        .map(|(octets, sequence)| BlockReport {
            epoch: 1,
            sequence,
            received_at: Timestamp(i64::from(octets.first().copied().unwrap_or(0))),
            octets: octets.to_vec(),
        })
        .collect();
    assert_eq!(unpack(&pack(&reports)).as_ref(), Ok(&reports));
}
