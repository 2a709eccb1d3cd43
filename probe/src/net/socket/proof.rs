//! Which stamps the kernel really delivers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd as _;

use owl_measure::sample::StampSource;
use owl_measure::time::Nanos;

use super::StampedSocket;
use crate::net::sys::{self, Readiness};

/// Datagrams that a proof sends at most, and how long it waits for the stamps of each.
const PROOF_SENDS: u32 = 10;
const PROOF_WAIT: Nanos = Nanos::from_millis(10);
/// What a proof sends: shorter than any test packet, so that nobody answers it.
const PROOF: [u8; 4] = *b"owl?";

/// Which stamps a real send has shown to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamping {
    /// On transmit.
    pub transmit: StampSource,
    /// On receipt.
    pub receive: StampSource,
}

impl StampedSocket {
    /// Sends real datagrams to itself and sees which stamps the kernel delivers.
    ///
    /// Several, because Linux begins to stamp receipts only a moment after the first socket has asked for it.
    ///
    /// # Errors
    /// When a datagram cannot be sent; one that never arrives proves that receive stamps are not delivered.
    pub fn prove(&mut self) -> io::Result<Stamping> {
        let own = match self.local.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        let own = SocketAddr::new(own, self.local.port());
        let mut proved = Stamping {
            transmit: StampSource::User,
            receive: StampSource::User,
        };
        let (mut ready, mut buffer) = (Vec::<Readiness>::new(), [0; 64]);
        for _ in 0..PROOF_SENDS {
            self.send(&PROOF, own, None)?;
            let end = self.clock.monotonic() + PROOF_WAIT;
            while self.clock.monotonic() < end {
                sys::wait(
                    &[self.as_raw_fd()],
                    &mut ready,
                    end - self.clock.monotonic(),
                )?;
                while let Some(stamp) = self.transmit_stamp()? {
                    proved.transmit = stamp.stamp.source;
                }
                while let Some(received) = self.receive(&mut buffer)? {
                    if buffer[..received.octets] == PROOF {
                        proved.receive = received.stamp.source;
                    }
                }
                if proved.transmit < StampSource::User && proved.receive < StampSource::User {
                    return Ok(proved);
                }
            }
        }
        Ok(proved)
    }
}
