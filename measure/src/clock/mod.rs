//! Clocks: what a probe claims of its own.

pub mod state;

pub use state::{BoundBasis, ClockSource, ClockState, ClockStatus, KernelClock};
