//! What the numbers mean.
//!
//! Everything here is a pure function of its arguments: samples become
//! summaries, summaries with clock states become verdicts, and [`report`] is
//! the contract between a probe and a collector, with [`enrolment`] for how
//! the probe becomes known to it. No socket, file, thread or
//! "now".
#![forbid(unsafe_code)]

pub mod clock;
pub mod counter;
pub mod delay;
pub mod distribution;
pub mod enrolment;
pub mod hindrance;
pub mod histogram;
pub mod implied;
pub mod lengths;
pub mod loss;
pub mod patterns;
pub mod reordering;
pub mod report;
pub mod sample;
pub mod sequences;
pub mod summary;
pub mod tier;
pub mod time;
pub mod variation;
pub mod verdict;
pub mod words;
