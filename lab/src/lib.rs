//! A whole network on one machine.
#![forbid(unsafe_code)]
