//! Waiting for sockets, or for a time, to the nanosecond.

use std::io;
use std::os::fd::RawFd;

use owl_measure::time::Nanos;

/// What a socket has to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness {
    /// A datagram to read.
    pub data: bool,
    /// Something on the error queue.
    pub errors: bool,
}

/// The sockets that a thread waits for; made once, so that waiting allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    polled: Vec<libc::pollfd>,
}

impl Waiting {
    /// For these, in this order.
    pub(crate) fn on(sockets: impl IntoIterator<Item = RawFd>) -> Self {
        let polled = sockets.into_iter().map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        });
        Self {
            polled: polled.collect(),
        }
    }

    /// Waits until one of them is ready or the time is over.
    ///
    /// # Errors
    /// When the kernel refuses to wait; an interrupting signal is no error but an early end.
    pub(crate) fn wait(&mut self, at_most: Nanos) -> io::Result<()> {
        let ns = at_most.0.max(0);
        let timeout = libc::timespec {
            tv_sec: ns / 1_000_000_000,
            tv_nsec: ns % 1_000_000_000,
        };
        // SAFETY: the array lives through the call and its length is stated; the timeout is a live local; no signal mask.
        let count = unsafe {
            libc::ppoll(
                self.polled.as_mut_ptr(),
                self.polled.len() as libc::nfds_t,
                &raw const timeout,
                std::ptr::null(),
            )
        };
        if count < 0 {
            for entry in &mut self.polled {
                entry.revents = 0;
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        Ok(())
    }

    /// What the socket at this position had to offer when the last wait ended.
    pub(crate) fn ready(&self, k: usize) -> Readiness {
        let events = self.polled[k].revents;
        Readiness {
            data: events & libc::POLLIN != 0,
            errors: events & libc::POLLERR != 0,
        }
    }

    /// How many sockets there are.
    pub(crate) fn sockets(&self) -> usize {
        self.polled.len()
    }
}

/// Waits until one of the sockets is ready or the time is over; `ready` gets one entry a socket.
///
/// # Errors
/// When the kernel refuses to wait; an interrupting signal is no error but an early end.
pub fn wait(sockets: &[RawFd], ready: &mut Vec<Readiness>, at_most: Nanos) -> io::Result<()> {
    let mut waiting = Waiting::on(sockets.iter().copied());
    waiting.wait(at_most)?;
    ready.clear();
    ready.extend((0..waiting.sockets()).map(|k| waiting.ready(k)));
    Ok(())
}
