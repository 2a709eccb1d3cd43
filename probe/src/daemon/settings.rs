//! A session of a plan, as its session-sender is told of it.

use std::net::{IpAddr, SocketAddr};

use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::session::sender::{SenderConfig, TrafficClass};

use super::far_end::FarEnd;
use crate::clock::{Clock, tai_offset};
use crate::flow::Flow;
use crate::sender::SessionSettings;

/// One flow of a session to `peer`, open: nothing protects it.
pub(super) fn of(
    flow: &Flow<'_>,
    peer: SocketAddr,
    local: Option<IpAddr>,
    far_end: FarEnd,
    clock: Clock,
) -> SessionSettings {
    let Flow { session, ssid, .. } = *flow;
    let schedule = flow.schedule(clock.monotonic());
    SessionSettings {
        peer,
        local: local.filter(|local| local.is_ipv4() == peer.is_ipv4()),
        sender: SenderConfig {
            dialect: far_end.dialect,
            packet_octets: session.packet_octets as usize,
            class: TrafficClass {
                dscp: u8::try_from(session.dscp).unwrap_or(0),
                ecn: 0,
            },
            tai_offset: tai_offset(),
            question: far_end.question,
            ..SenderConfig::new(ssid, schedule, ns(session.timeout_ns), far_end.known)
        },
        keys: None,
        report_interval: ns(session.report_interval_ns),
        aligned_to: Timestamp(0),
        targets: session.target_ns.iter().map(|&target| ns(target)).collect(),
    }
}

/// A span of a plan; one that is too long for a span is the longest.
pub(super) fn ns(value: u64) -> Nanos {
    Nanos(i64::try_from(value).unwrap_or(i64::MAX))
}
