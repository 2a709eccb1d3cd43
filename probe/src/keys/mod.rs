//! Keys of STAMP sessions: the file that they stand in, and how they change
//! while sessions run.

mod file;
mod live;
mod watch;

pub use file::{ENTRIES_MAX, KeyFileError, read};
pub use live::LiveKeys;
pub use watch::KeyWatch;
