//! The protobuf messages of `tier.proto`, tag for tag; a test compares the two.

use crate::report::wire::{Patterns, Stamps};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TierSummary {
    #[prost(sint64, tag = "1")]
    pub(super) start_ns: i64,
    #[prost(uint64, tag = "2")]
    pub(super) length_ns: u64,
    #[prost(uint64, tag = "3")]
    pub(super) intervals: u64,
    #[prost(uint64, tag = "4")]
    pub(super) interval_ns: u64,
    #[prost(uint32, tag = "5")]
    pub(super) flows: u32,
    #[prost(uint64, tag = "6")]
    pub(super) packet_interval_ns: u64,
    #[prost(string, optional, tag = "7")]
    pub(super) generation: Option<String>,
    #[prost(bool, tag = "8")]
    pub(super) generations: bool,
    #[prost(uint64, tag = "9")]
    pub(super) sent: u64,
    #[prost(uint64, tag = "10")]
    pub(super) received: u64,
    #[prost(uint64, tag = "11")]
    pub(super) late: u64,
    #[prost(uint64, tag = "12")]
    pub(super) lost: u64,
    #[prost(uint64, tag = "13")]
    pub(super) own_loss: u64,
    #[prost(uint64, tag = "14")]
    pub(super) lost_somewhere: u64,
    #[prost(uint64, tag = "15")]
    pub(super) skipped: u64,
    #[prost(uint64, tag = "16")]
    pub(super) stepped: u64,
    #[prost(message, optional, tag = "17")]
    pub(super) forward: Option<Direction>,
    #[prost(message, optional, tag = "18")]
    pub(super) backward: Option<Direction>,
    #[prost(message, optional, tag = "19")]
    pub(super) somewhere: Option<Patterns>,
    #[prost(message, optional, tag = "20")]
    pub(super) round_trip: Option<Spread>,
    #[prost(message, repeated, tag = "21")]
    pub(super) round_trip_within: Vec<Within>,
    #[prost(message, optional, tag = "22")]
    pub(super) transmit_stamps: Option<Stamps>,
    #[prost(message, optional, tag = "23")]
    pub(super) receive_stamps: Option<Stamps>,
    #[prost(message, optional, tag = "24")]
    pub(super) reflector_stamps: Option<Stamps>,
    #[prost(uint64, tag = "25")]
    pub(super) transmit_stamp_error_ns: u64,
    #[prost(uint64, tag = "26")]
    pub(super) receive_stamp_error_ns: u64,
    #[prost(message, optional, tag = "27")]
    pub(super) own_clock: Option<Claims>,
    #[prost(message, optional, tag = "28")]
    pub(super) peer_clock: Option<Claims>,
    #[prost(uint64, tag = "29")]
    pub(super) withdrawn: u64,
    #[prost(uint64, tag = "30")]
    pub(super) misplaced: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Direction {
    #[prost(message, optional, tag = "1")]
    pub(super) raw: Option<Spread>,
    #[prost(message, repeated, tag = "2")]
    pub(super) within: Vec<Within>,
    #[prost(uint64, tag = "3")]
    pub(super) lost: u64,
    #[prost(uint64, tag = "4")]
    pub(super) duplicated: u64,
    #[prost(uint64, tag = "5")]
    pub(super) reordered: u64,
    #[prost(message, optional, tag = "6")]
    pub(super) patterns: Option<Patterns>,
    #[prost(uint32, tag = "7")]
    pub(super) ttl_min: u32,
    #[prost(uint32, tag = "8")]
    pub(super) ttl_max: u32,
    #[prost(uint64, tag = "9")]
    pub(super) dscp_told: u64,
    #[prost(uint64, tag = "10")]
    pub(super) remarked: u64,
    #[prost(uint64, tag = "11")]
    pub(super) congestion: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Spread {
    #[prost(sint64, tag = "1")]
    pub(super) min_ns: i64,
    #[prost(uint64, tag = "2")]
    pub(super) range_ns: u64,
    #[prost(sint64, tag = "3")]
    pub(super) sum_high: i64,
    #[prost(uint64, tag = "4")]
    pub(super) sum_low: u64,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) cells: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Within {
    #[prost(sint64, tag = "1")]
    pub(super) target_ns: i64,
    #[prost(uint64, tag = "2")]
    pub(super) count: u64,
    #[prost(uint64, tag = "3")]
    pub(super) of: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Claims {
    #[prost(uint64, tag = "1")]
    pub(super) claims: u64,
    #[prost(uint64, tag = "2")]
    pub(super) no_claims: u64,
    #[prost(sint64, tag = "3")]
    pub(super) at_least_ns: i64,
    #[prost(sint64, tag = "4")]
    pub(super) at_most_ns: i64,
    #[prost(uint64, tag = "5")]
    pub(super) random_ns: u64,
}
