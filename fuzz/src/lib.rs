//! What strangers may send to owl, in all its variety: for each decoder a
//! function that takes any octets and must not panic.
//!
//! `fuzz/run` lets an engine look for octets that break one; what it found
//! worth keeping is in `fuzz/corpus`, and the tests of this crate replay that.
#![forbid(unsafe_code)]

mod contract;
mod control;
mod input;
mod owamp;
mod snmp;
mod stamp;
mod store;

pub use contract::{enrolment, report, topology};
pub use control::{control_messages, owamp_client, owamp_server, twamp_client, twamp_server};
pub use owamp::{owamp_packets, twamp_packets};
pub use snmp::snmp;
pub use stamp::{stamp_reply, stamp_request, tlv};
pub use store::block;

/// A decoder, and what feeds it.
pub type Target = (&'static str, fn(&[u8]));

/// Each decoder by the name of its corpus.
pub const TARGETS: [Target; 15] = [
    ("block", block),
    ("control_messages", control_messages),
    ("enrolment", enrolment),
    ("owamp_client", owamp_client),
    ("owamp_packets", owamp_packets),
    ("owamp_server", owamp_server),
    ("report", report),
    ("snmp", snmp),
    ("stamp_reply", stamp_reply),
    ("stamp_request", stamp_request),
    ("tlv", tlv),
    ("topology", topology),
    ("twamp_client", twamp_client),
    ("twamp_packets", twamp_packets),
    ("twamp_server", twamp_server),
];
