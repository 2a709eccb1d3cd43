//! What the instrument itself costs, and how right it is.
//!
//! The benchmarks are in `benches/`: what a packet and a verdict take of one
//! processor. They print numbers and assert none, because a number of another
//! machine proves nothing here. [`audit`] holds the mesh audit against
//! simulated meshes whose truth is known; that is the same on every machine.
#![forbid(unsafe_code)]

pub mod audit;
