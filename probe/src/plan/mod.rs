//! The plan that this probe follows: whom it believes, what it keeps of it, and
//! when it goes back to the one before (docs/plans.md).

mod keeper;
mod kept;
mod progress;
#[cfg(test)]
pub(crate) mod testing;
mod verify;

pub(crate) use keeper::PlanKeeper;
pub(crate) use progress::Progress;
