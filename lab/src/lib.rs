//! A whole network on one machine: a collector, probes, and between them a
//! delay box whose truth is known.
//!
//! The probes and the collector are child processes of the same binary and do
//! what they do in the field; only delays and clocks are injected, and every
//! report says so. The truth of a packet is what the delay box did to it, so
//! each verdict can be held against it.

mod api;
mod cast;
mod child;
pub mod comparison;
mod delay_box;
mod error;
pub mod feeder;
mod frame;
mod inside;
mod netns;
pub mod olt;
pub mod record;
mod run;
mod sys;
mod table;
pub mod truth;
pub mod wire;

pub use error::LabError;
pub use run::{Form, Network, Options, Summary, run};
