//! What replies show of the path beside delay and loss.

use std::net::SocketAddr;

use owl_measure::sample::{DscpFate, Header};

use super::answers::Answers;
use super::config::TrafficClass;
use super::question::Told;
use super::reporting::ReportFate;
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
    /// Packets that reached the reflector by their ECN, as far as it told: not-ECT, ECT(1), ECT(0), CE (RFC 3168).
    pub ecn_forward: [u64; 4],
    /// Replies by their ECN on arrival.
    pub ecn_backward: [u64; 4],
    /// DSCP with which packets reach the reflector, as told last.
    pub dscp_forward: Option<u8>,
    /// DSCP with which the last reply arrived.
    pub dscp_backward: Option<u8>,
    /// The least and the greatest TTL or hop limit at the reflector, where it told.
    pub ttl_forward: Option<(u8, u8)>,
    /// The least and the greatest TTL or hop limit of replies.
    pub ttl_backward: Option<(u8, u8)>,
    /// Replies whose TLVs were not believed, here or by the reflector.
    pub tlvs_not_believed: u64,
    /// What has become of the Access Report, where there is one.
    pub access_report: Option<ReportFate>,
    /// What the reflector did with the TLVs.
    pub answers: Answers,
    /// Replies whose session identifier was zero though the packets' was not.
    pub zero_ssids: u64,
    /// Replies, each packet's first only.
    pub replies: u64,
    /// Samples whose T3 was corrected by what a later reply told.
    pub t3_corrected: u64,
    /// Samples whose T3 is the one that the reply carried.
    pub t3_uncorrected: u64,
    /// The reflector's counters, as told last, and how many replies had arrived by then.
    pub counts: Option<(DirectMeasurement, u64)>,
    /// The same as told first: who leaves the reply itself out of its count does so from the beginning.
    pub first_counts: Option<(DirectMeasurement, u64)>,
    /// How its timestamps come about, as told last.
    pub information: Option<TimestampInformation>,
    /// The source address and port with which packets reach the reflector, as told last; a translator changes them.
    pub seen_source: Option<SocketAddr>,
    /// The address and port at which they reach it.
    pub seen_destination: Option<SocketAddr>,
    /// The reflector's member link, as told last.
    pub far_link: Option<u16>,
    /// TTL or hop limit at the reflector of the last packet of which it told.
    pub last_ttl_forward: Option<u8>,
    /// TTL or hop limit of the last reply.
    pub last_ttl_backward: Option<u8>,
}

impl Observations {
    /// What the reply tells of how its packet arrived, and how it arrived itself.
    pub(super) fn told(
        &mut self,
        told: &Told,
        sent: TrafficClass,
        arrived: Option<u8>,
    ) -> [Header; 2] {
        let mut headers = [Header::default(); 2];
        self.replies += 1;
        if let Some(counts) = told.counts {
            self.counts = Some((counts, self.replies));
            self.first_counts = self.first_counts.or(self.counts);
        }
        self.information = told.information.or(self.information);
        self.seen_source = told.source.or(self.seen_source);
        self.seen_destination = told.destination.or(self.seen_destination);
        self.far_link = told
            .member_links
            .map(|links| links.reflector)
            .or(self.far_link);
        if let Some(class) = arrived {
            self.dscp_backward = Some(class >> 2);
            self.ecn_backward[usize::from(class & 0x03)] += 1;
            headers[1].congestion = class & 0x03 == CONGESTION_EXPERIENCED;
            self.congestion_backward += u64::from(headers[1].congestion);
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
        self.dscp_forward = Some(class.received_dscp);
        self.ecn_forward[usize::from(class.received_ecn & 0x03)] += 1;
        headers[0].dscp = fate(class.received_dscp == sent.dscp);
        if let Some(class) = arrived {
            headers[1].dscp = fate(class >> 2 == sent_back);
        }
        headers[0].congestion =
            class.received_ecn == CONGESTION_EXPERIENCED && sent.ecn != CONGESTION_EXPERIENCED;
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
        self.ttl_changes_forward += u64::from(changed(&mut self.last_ttl_forward, forward));
        self.ttl_changes_backward += u64::from(changed(&mut self.last_ttl_backward, backward));
        for (range, ttl) in [
            (&mut self.ttl_forward, forward),
            (&mut self.ttl_backward, backward),
        ] {
            if ttl != 0 {
                let (low, high) = range.unwrap_or((ttl, ttl));
                *range = Some((low.min(ttl), high.max(ttl)));
            }
        }
    }
}
