//! Plans: which generation each probe is to follow, signed, and how a new one is rolled out (docs/plans.md).

pub mod console;
mod edition;
mod lead;
mod rollout;

pub(crate) use edition::{Edition, Plans, in_force};
pub(crate) use lead::Lead;
pub use rollout::Share;
pub(crate) use rollout::{Rollout, Standing};
