//! Clocks: what a probe claims of its own, and what a mesh of probes can hold against that.

pub mod audit;
mod changes;
mod claim;
pub(crate) mod crossing;
pub mod dial;
pub mod envelope;
pub mod live;
pub mod matrix;
pub mod mesh;
mod moved;
pub mod offsets;
pub mod sources;
pub mod state;
pub mod suspicion;
pub(crate) mod timeline;
mod whole_second;
pub mod window;

pub use claim::{ClockClaim, SIGMAS};
pub use state::{BoundBasis, ClockSource, ClockState, ClockStatus, KernelClock};
pub use whole_second::whole_seconds;
