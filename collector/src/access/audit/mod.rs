//! The audit log: what people did and were refused, as a chain of records.
//!
//! Each record has the hash of the one before it in its own, so none can be
//! changed, removed or put between others without every later hash changing. A
//! chain proves nothing about its own end: the hash of the last record is what
//! somebody else has to keep.

mod chain;
mod deed;
mod verify;

pub(crate) use chain::Link;
pub use chain::{Record, parse as read_line};
pub use deed::Deed;
pub use verify::{Fault, Verified, verify};
