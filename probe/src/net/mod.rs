//! Sockets that tell when a packet really left and really came.

mod frame;
mod frame_socket;
mod socket;
mod sys;

pub(crate) use frame::{AROUND_PACKET, Ends};
pub(crate) use frame_socket::FrameSocket;
pub(crate) use socket::{Answer, Answerer, Departures, Exchange, Incoming};
pub use socket::{Received, SocketError, StampedSocket, Stamping, TransmitStamp};
pub(crate) use sys::{
    BATCH, Link, Map, MapKind, Program, Sent, TransmitStamps, Waiting, both_clocks,
    interface_clock, interface_stamping, kernel_clock, monotonic_clock,
};
pub use sys::{Readiness, ThreadError, pin_to, processors, real_time, set_timer_slack, wait};
