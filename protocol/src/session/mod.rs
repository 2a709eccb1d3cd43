//! Session-sender and session-reflector: told bytes and times, owning neither.

pub mod owamp;
pub mod reflector;
pub mod schedule;
pub mod sender;
pub mod twamp_control;
mod wheel;

pub use reflector::SessionReflector;
pub use schedule::Schedule;
pub use sender::SessionSender;
pub use wheel::TimerWheel;
