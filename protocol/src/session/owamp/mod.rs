//! OWAMP-Control and OWAMP-Test (RFC 4656): one-way sessions between two
//! hosts, and their results. What their control connection has in common with
//! TWAMP's stands in [`control`](super::control).
//!
//! Both ends are told octets and times; neither owns a socket nor a clock, and
//! randomness is an argument. Feed a control end with `handle_bytes`, send what
//! `poll_transmit` gives, take what `poll_event` tells, and call
//! `handle_timeout` at `next_deadline`. After an error, send what is left to
//! transmit and close the connection.

mod archive;
mod control_client;
mod control_server;
mod fetch;
mod ration;
mod receiver;
mod request;
mod schedule;
mod sender;
mod stop;

pub use archive::{Archive, Owner};
pub use control_client::{ClientConfig, ClientEvent, ControlClient};
pub use control_server::{ControlServer, Policy, Role, ServerEvent};
pub use fetch::FetchAnswer;
pub use ration::{SendRation, Share};
pub use receiver::{Arrival, Ignored, Results, SessionReceiver};
pub use schedule::SendSchedule;
pub use sender::{SessionSender, last_send_time};

#[cfg(test)]
mod tests;
