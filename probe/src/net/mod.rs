//! Sockets that tell when a packet really left and really came.

mod socket;
mod sys;

pub(crate) use socket::{Answer, Exchange};
pub use socket::{Received, SocketError, StampedSocket, Stamping, TransmitStamp};
pub use sys::{Readiness, set_timer_slack, wait};
pub(crate) use sys::{
    both_clocks, interface_clock, interface_stamping, kernel_clock, monotonic_clock,
};
