//! Session-sender and session-reflector: told bytes and times, owning neither.

pub mod control;
pub mod owamp;
pub mod reflector;
pub mod schedule;
pub mod sender;
pub mod twamp_control;
pub mod twamp_reflector;
mod wheel;

pub use reflector::SessionReflector;
pub use schedule::Schedule;
pub use sender::SessionSender;
pub use twamp_reflector::TwampReflector;
pub use wheel::TimerWheel;
