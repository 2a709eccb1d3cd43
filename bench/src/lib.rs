//! What the instrument itself costs.
//!
//! The benchmarks are in `benches/`: what a packet and a verdict take of one
//! processor. They print numbers and assert none, because a number of another
//! machine proves nothing here.
#![forbid(unsafe_code)]
