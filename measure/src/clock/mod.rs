//! Clocks: what a probe claims of its own, and what a mesh of probes can hold against that.

pub mod envelope;
pub mod matrix;
pub mod mesh;
pub mod offsets;
pub mod state;

pub use state::{BoundBasis, ClockSource, ClockState, ClockStatus, KernelClock};
