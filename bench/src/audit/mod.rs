//! The mesh audit against meshes whose truth is known: kinds of trouble × seeds → one table.

mod folder;
mod live;
mod mesh;
mod outcome;
mod table;
mod window;

pub use folder::folder_of;
pub use live::{LiveOutcome, live_table};
pub use mesh::{mesh_of, targets_of};
pub use outcome::Outcome;
pub use table::table;
pub use window::{audit_envelopes, audit_window, envelopes, large_window};
