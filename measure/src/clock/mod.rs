//! Clocks: what a probe claims of its own.

pub mod state;
mod whole_second;

pub use state::{BoundBasis, ClockSource, ClockState, ClockStatus, KernelClock};
pub use whole_second::whole_seconds;
