//! The protobuf messages of `report.proto`, tag for tag.
//!
//! Hand-kept beside that file, so that nothing has to be generated or installed
//! to build; a test reads the `.proto` and compares every tag.

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FromProbe {
    #[prost(oneof = "ProbeSays", tags = "1, 2, 20, 21")]
    pub(super) say: Option<ProbeSays>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum ProbeSays {
    #[prost(message, tag = "1")]
    Hello(Hello),
    #[prost(message, tag = "2")]
    Batch(ReportBatch),
    #[prost(message, tag = "20")]
    Gone(Gone),
    #[prost(message, tag = "21")]
    Plan(PlanStanding),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FromCollector {
    #[prost(oneof = "CollectorSays", tags = "1, 2, 3, 20, 21, 22, 23, 28")]
    pub(super) say: Option<CollectorSays>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum CollectorSays {
    #[prost(bytes = "vec", tag = "1")]
    Plan(Vec<u8>),
    #[prost(uint64, tag = "2")]
    Stored(u64),
    #[prost(string, tag = "3")]
    Refusal(String),
    #[prost(message, tag = "20")]
    Welcome(Welcome),
    #[prost(message, tag = "21")]
    Taken(Numbers),
    #[prost(message, tag = "22")]
    Again(Numbers),
    #[prost(bytes = "vec", tag = "23")]
    Order(Vec<u8>),
    #[prost(uint64, tag = "28")]
    Highest(u64),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Welcome {
    #[prost(uint64, tag = "1")]
    pub(super) abilities: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Numbers {
    #[prost(fixed64, tag = "1")]
    pub(super) epoch: u64,
    #[prost(uint64, tag = "2")]
    pub(super) first: u64,
    #[prost(uint64, tag = "3")]
    pub(super) count: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Gone {
    #[prost(message, optional, tag = "1")]
    pub(super) numbers: Option<Numbers>,
    #[prost(uint32, tag = "2")]
    pub(super) loss: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PlanStanding {
    #[prost(uint64, tag = "1")]
    pub(super) follows: u64,
    #[prost(bool, tag = "2")]
    pub(super) on_trial: bool,
    #[prost(message, optional, tag = "3")]
    pub(super) turned_down: Option<TurnedDown>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TurnedDown {
    #[prost(uint64, tag = "1")]
    pub(super) generation: u64,
    #[prost(uint32, tag = "2")]
    pub(super) fault: u32,
    #[prost(string, tag = "3")]
    pub(super) detail: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Hello {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    #[prost(string, tag = "2")]
    pub(super) probe: String,
    #[prost(fixed64, tag = "3")]
    pub(super) epoch: u64,
    #[prost(string, tag = "4")]
    pub(super) software: String,
    #[prost(bool, tag = "5")]
    pub(super) simulated: bool,
    #[prost(uint64, tag = "20")]
    pub(super) abilities: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReportBatch {
    #[prost(fixed64, tag = "1")]
    pub(super) epoch: u64,
    #[prost(uint64, tag = "2")]
    pub(super) first_sequence: u64,
    // Each the octets of a Report: a reader that does not know one can still number the others.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub(super) reports: Vec<Vec<u8>>,
    #[prost(uint32, optional, tag = "4")]
    pub(super) spool_filled_ppm: Option<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Report {
    #[prost(string, tag = "1")]
    pub(super) path: String,
    #[prost(string, tag = "2")]
    pub(super) generation: String,
    #[prost(uint64, tag = "3")]
    pub(super) packet_interval_ns: u64,
    #[prost(message, optional, tag = "4")]
    pub(super) summary: Option<Summary>,
    #[prost(message, optional, tag = "5")]
    pub(super) clock: Option<Clock>,
    #[prost(uint32, tag = "6")]
    pub(super) flow: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Summary {
    #[prost(sint64, tag = "1")]
    pub(super) start_ns: i64,
    #[prost(uint64, tag = "2")]
    pub(super) length_ns: u64,
    #[prost(uint64, tag = "3")]
    pub(super) sent: u64,
    #[prost(uint64, tag = "4")]
    pub(super) received: u64,
    #[prost(uint64, tag = "5")]
    pub(super) late: u64,
    #[prost(uint64, tag = "6")]
    pub(super) lost: u64,
    #[prost(uint64, tag = "7")]
    pub(super) skipped: u64,
    #[prost(uint64, tag = "8")]
    pub(super) lateness_max_ns: u64,
    #[prost(message, optional, tag = "9")]
    pub(super) forward: Option<Direction>,
    #[prost(message, optional, tag = "10")]
    pub(super) backward: Option<Direction>,
    #[prost(message, optional, tag = "11")]
    pub(super) round_trip: Option<Histogram>,
    #[prost(message, repeated, tag = "12")]
    pub(super) round_trip_within: Vec<Within>,
    #[prost(message, optional, tag = "13")]
    pub(super) transmit_stamps: Option<Stamps>,
    #[prost(message, optional, tag = "14")]
    pub(super) receive_stamps: Option<Stamps>,
    #[prost(uint32, tag = "15")]
    pub(super) ttl_min: u32,
    #[prost(uint32, tag = "16")]
    pub(super) ttl_max: u32,
    #[prost(uint64, tag = "17")]
    pub(super) peer_claims: u64,
    #[prost(uint64, tag = "18")]
    pub(super) peer_no_claims: u64,
    #[prost(uint64, tag = "19")]
    pub(super) peer_widest_ns: u64,
    #[prost(message, optional, tag = "20")]
    pub(super) reflector_stamps: Option<Stamps>,
    #[prost(message, optional, tag = "30")]
    pub(super) somewhere: Option<Patterns>,
    #[prost(uint32, tag = "31")]
    pub(super) reply_ttl_min: u32,
    #[prost(uint32, tag = "32")]
    pub(super) reply_ttl_max: u32,
    #[prost(uint64, tag = "40")]
    pub(super) own_loss: u64,
    #[prost(uint32, tag = "50")]
    pub(super) hindrance: u32,
    #[prost(uint32, tag = "51")]
    pub(super) hindrance_accept: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Direction {
    #[prost(message, optional, tag = "1")]
    pub(super) raw: Option<Histogram>,
    #[prost(message, optional, tag = "2")]
    pub(super) ipdv: Option<Histogram>,
    #[prost(message, repeated, tag = "3")]
    pub(super) within: Vec<Within>,
    #[prost(uint64, tag = "4")]
    pub(super) lost: u64,
    #[prost(uint64, tag = "5")]
    pub(super) duplicated: u64,
    #[prost(uint64, tag = "6")]
    pub(super) reordered: u64,
    #[prost(sint64, repeated, tag = "7")]
    pub(super) envelope_at_ns: Vec<i64>,
    #[prost(sint64, repeated, tag = "8")]
    pub(super) envelope_raw_ns: Vec<i64>,
    #[prost(message, optional, tag = "9")]
    pub(super) patterns: Option<Patterns>,
    #[prost(uint64, tag = "10")]
    pub(super) dscp_told: u64,
    #[prost(uint64, tag = "11")]
    pub(super) remarked: u64,
    #[prost(uint64, tag = "12")]
    pub(super) congestion: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Patterns {
    #[prost(message, optional, tag = "1")]
    pub(super) extents: Option<Lengths>,
    #[prost(message, optional, tag = "2")]
    pub(super) n_reordering: Option<Lengths>,
    #[prost(message, optional, tag = "3")]
    pub(super) loss_periods: Option<Lengths>,
    #[prost(message, optional, tag = "4")]
    pub(super) loss_distances: Option<Lengths>,
    #[prost(message, optional, tag = "50")]
    pub(super) late_offsets: Option<Lengths>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Lengths {
    #[prost(uint64, repeated, tag = "1")]
    pub(super) counts: Vec<u64>,
    #[prost(uint64, tag = "2")]
    pub(super) longest: u64,
    #[prost(uint64, tag = "3")]
    pub(super) sum: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Histogram {
    #[prost(sint64, tag = "1")]
    pub(super) base_ns: i64,
    #[prost(sint64, tag = "2")]
    pub(super) min_ns: i64,
    #[prost(sint64, tag = "3")]
    pub(super) max_ns: i64,
    #[prost(sint64, tag = "4")]
    pub(super) sum_ns: i64,
    #[prost(uint32, repeated, tag = "5")]
    pub(super) above_gaps: Vec<u32>,
    #[prost(uint64, repeated, tag = "6")]
    pub(super) above_counts: Vec<u64>,
    #[prost(uint32, repeated, tag = "7")]
    pub(super) below_gaps: Vec<u32>,
    #[prost(uint64, repeated, tag = "8")]
    pub(super) below_counts: Vec<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Within {
    #[prost(sint64, tag = "1")]
    pub(super) target_ns: i64,
    #[prost(uint64, tag = "2")]
    pub(super) count: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Stamps {
    #[prost(uint64, tag = "1")]
    pub(super) hardware: u64,
    #[prost(uint64, tag = "2")]
    pub(super) kernel: u64,
    #[prost(uint64, tag = "3")]
    pub(super) user: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Clock {
    #[prost(sint64, tag = "1")]
    pub(super) as_of_ns: i64,
    #[prost(uint32, tag = "2")]
    pub(super) source: u32,
    #[prost(uint32, tag = "3")]
    pub(super) status: u32,
    #[prost(uint64, optional, tag = "4")]
    pub(super) bound_ns: Option<u64>,
    #[prost(uint32, tag = "5")]
    pub(super) basis: u32,
    #[prost(uint32, tag = "6")]
    pub(super) drift_ppb: u32,
    #[prost(uint64, tag = "7")]
    pub(super) transmit_stamp_error_ns: u64,
    #[prost(uint64, tag = "8")]
    pub(super) receive_stamp_error_ns: u64,
    #[prost(bool, tag = "9")]
    pub(super) kernel_synchronised: bool,
    #[prost(uint64, tag = "10")]
    pub(super) kernel_max_error_ns: u64,
    #[prost(uint64, tag = "11")]
    pub(super) kernel_estimated_error_ns: u64,
    #[prost(sint32, tag = "12")]
    pub(super) kernel_tai_offset_s: i32,
    #[prost(sint64, tag = "30")]
    pub(super) correction_ns: i64,
    #[prost(uint64, tag = "31")]
    pub(super) random_ns: u64,
    #[prost(sint64, optional, tag = "32")]
    pub(super) void_after_ns: Option<i64>,
    #[prost(uint32, tag = "33")]
    pub(super) steps: u32,
    #[prost(sint64, tag = "34")]
    pub(super) as_of_monotonic_ns: i64,
    #[prost(sint32, tag = "35")]
    pub(super) kernel_frequency_ppb: i32,
}
