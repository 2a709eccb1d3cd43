//! A socket that sends whole frames over one interface, whatever the routes say, and tells when each left.
//!
//! It receives nothing: what comes back comes to a UDP socket.

use std::io;
use std::os::fd::AsFd as _;

use owl_measure::sample::StampSource;
use owl_measure::time::Nanos;
use socket2::{Domain, SockAddr, Socket, Type};

use super::Incoming;
use super::sys::{self, Protocol, Queue, link_address};
use crate::clock::Clock;

/// How long the proof waits for the stamp of a frame, and looks for it so often.
const PROOF_WAIT: Nanos = Nanos::from_millis(100);
const PROOF_LOOK: Nanos = Nanos::from_millis(1);

/// A packet socket bound to an interface.
#[derive(Debug)]
pub(crate) struct FrameSocket {
    socket: Socket,
    to: SockAddr,
    clock: Clock,
    sends: u32,
}

impl FrameSocket {
    /// Binds one to the interface with this index.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, when the interface has gone, or when the kernel stamps no frames.
    pub(crate) fn open(interface: u32, clock: Clock) -> io::Result<Self> {
        // Protocol 0: no frame that arrives is copied for this socket.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.bind(&link_address(interface, Protocol::None))?;
        socket.set_nonblocking(true)?;
        let mut frames = Self {
            socket,
            to: link_address(interface, Protocol::Ipv4),
            clock,
            sends: 0,
        };
        frames.number_sends_from_zero()?;
        Ok(frames)
    }

    /// Sends a frame: its number for the transmit stamp.
    ///
    /// # Errors
    /// When the kernel does not take it. It may or may not have used a number then: [`FrameSocket::renumber`].
    pub(crate) fn send(&mut self, frame: &[u8]) -> io::Result<u32> {
        self.socket.send_to(frame, &self.to)?;
        let id = self.sends;
        self.sends = id.wrapping_add(1);
        Ok(id)
    }

    /// Drops the stamps that are still on their way, and numbers sends anew.
    ///
    /// # Errors
    /// When the kernel refuses to number them.
    pub(crate) fn renumber(&mut self) -> io::Result<()> {
        while self.next_stamp()?.is_some() {}
        self.number_sends_from_zero()
    }

    fn number_sends_from_zero(&mut self) -> io::Result<()> {
        let wanted = libc::SOF_TIMESTAMPING_TX_SOFTWARE
            | libc::SOF_TIMESTAMPING_SOFTWARE
            | libc::SOF_TIMESTAMPING_OPT_TSONLY;
        // The kernel numbers from zero whenever the numbering is switched on anew.
        for flags in [wanted, wanted | libc::SOF_TIMESTAMPING_OPT_ID] {
            sys::set_option(
                self.socket.as_fd(),
                libc::SOL_SOCKET,
                libc::SO_TIMESTAMPING,
                flags as libc::c_int,
            )?;
        }
        self.sends = 0;
        Ok(())
    }

    fn next_stamp(&self) -> io::Result<Option<sys::Message>> {
        sys::receive(self.socket.as_fd(), Queue::Error, &mut [])
    }

    /// Sends a real frame and sees whether the kernel tells when it left.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub(crate) fn prove(&mut self, frame: &[u8]) -> io::Result<StampSource> {
        self.send(frame)?;
        let end = self.clock.monotonic() + PROOF_WAIT;
        let mut source = StampSource::User;
        while source == StampSource::User && self.clock.monotonic() < end {
            match self.next_stamp()? {
                Some(message) if message.control.kernel.is_some() => source = StampSource::Kernel,
                Some(_) => {}
                None => std::thread::sleep(PROOF_LOOK.to_std()),
            }
        }
        self.renumber()?;
        Ok(source)
    }

    /// Reads transmit stamps, without waiting: how many.
    ///
    /// # Errors
    /// When the kernel reports one.
    pub(crate) fn transmit_stamps_many(&self, room: &mut Incoming) -> io::Result<usize> {
        room.read_stamps(self.socket.as_fd())
    }
}
