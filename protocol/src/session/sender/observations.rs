//! What replies show of the path beside delay and loss.

use std::net::IpAddr;

use owl_measure::sample::{DscpFate, Header};

use super::question::Told;
use crate::wire::tlv::{DirectMeasurement, TimestampInformation};

/// ECN codepoint "congestion experienced" (RFC 3168, section 5).
const CONGESTION_EXPERIENCED: u8 = 0b11;

/// Counts over a session, and what was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Observations {
    /// Packets that reached the reflector with another DSCP than they were sent with.
    pub remarked_forward: u64,
    /// Replies that arrived with another DSCP than the reflector says it sent them with.
    pub remarked_backward: u64,
    /// Replies for which the reflector's policy refused the wanted DSCP.
    pub dscp_refused: u64,
    /// Packets that a router on the way to the reflector marked as having met congestion.
    pub congestion_forward: u64,
    /// Replies that a router on the way back marked so.
    pub congestion_backward: u64,
    /// How often the TTL or hop limit at the reflector differed from that of the packet before: another path.
    pub ttl_changes_forward: u64,
    /// How often the TTL or hop limit of a reply differed from that of the reply before.
    pub ttl_changes_backward: u64,
    /// Replies whose TLVs were not believed, here or by the reflector.
    pub tlvs_not_believed: u64,
    /// Samples whose T3 was corrected by what a later reply told.
    pub t3_corrected: u64,
    /// Samples whose T3 is the one that the reply carried.
    pub t3_uncorrected: u64,
    /// The reflector's counters, as told last.
    pub counts: Option<DirectMeasurement>,
    /// How its timestamps come about, as told last.
    pub information: Option<TimestampInformation>,
    /// The source address and port with which packets reach the reflector, as told last; a translator changes them.
    pub seen_source: Option<(IpAddr, u16)>,
    ttl_forward: Option<u8>,
    ttl_backward: Option<u8>,
}

impl Observations {
    /// What the reply tells of how its packet arrived, and how it arrived itself.
    pub(super) fn told(&mut self, told: &Told, dscp: u8, arrived: Option<u8>) -> [Header; 2] {
        let mut headers = [Header::default(); 2];
        self.counts = told.counts.or(self.counts);
        self.information = told.information.or(self.information);
        self.seen_source = told.source.or(self.seen_source);
        if arrived.is_some_and(|class| class & 0x03 == CONGESTION_EXPERIENCED) {
            self.congestion_backward += 1;
            headers[1].congestion = true;
        }
        let Some(class) = told.class_of_service else {
            return headers;
        };
        let fate = |kept: bool| match kept {
            true => DscpFate::Kept,
            false => DscpFate::Remarked,
        };
        let refused = class.reverse_path != 0;
        let sent_back = if refused {
            class.received_dscp
        } else {
            class.wanted_dscp
        };
        headers[0].dscp = fate(class.received_dscp == dscp);
        if let Some(class) = arrived {
            headers[1].dscp = fate(class >> 2 == sent_back);
        }
        headers[0].congestion = class.received_ecn == CONGESTION_EXPERIENCED;
        self.remarked_forward += u64::from(headers[0].dscp == DscpFate::Remarked);
        self.remarked_backward += u64::from(headers[1].dscp == DscpFate::Remarked);
        self.dscp_refused += u64::from(refused);
        self.congestion_forward += u64::from(headers[0].congestion);
        headers
    }

    /// A TTL of 0 is one that was not told.
    pub(super) fn ttls(&mut self, forward: u8, backward: u8) {
        let changed = |last: &mut Option<u8>, ttl: u8| {
            ttl != 0 && last.replace(ttl).is_some_and(|last| last != ttl)
        };
        self.ttl_changes_forward += u64::from(changed(&mut self.ttl_forward, forward));
        self.ttl_changes_backward += u64::from(changed(&mut self.ttl_backward, backward));
    }
}
