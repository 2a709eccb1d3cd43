//! SNMP: messages of SNMPv2c (RFC 1901) and SNMPv3 (RFC 3412) as far as a poller of counters and its agents need them.
//!
//! [`ber`] reads and writes the encoding, [`pdu`] and [`value`] what RFC 3416 carries in it, [`community`] and [`usm`] the
//! messages around that. Everything is borrowed from the datagram, so reading a row of counters allocates nothing.
//! Traps, informs and SET are left out: owl changes nothing and listens to nobody.

pub mod ber;
pub mod community;
mod oid;
pub mod pdu;
pub mod usm;
mod value;

pub use oid::{ARCS_MAX, Oid, ParseOidError, last_arc, suffix};
pub use value::Value;
