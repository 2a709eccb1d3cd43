//! The counters of one interface, as RTM_GETSTATS tells them (linux/if_link.h, since Linux 4.7).
//!
//! One request, one answer, of the 64-bit counters alone: RTM_GETLINK, which
//! `ip -s link` asks, carries all attributes of the interface and costs seventeen
//! times as much.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use owl_measure::time::Monotonic;
use socket2::{Domain, Protocol, Socket, Type};

use crate::interface::interfaces;
use crate::net::monotonic_clock;

/// Longer than any answer of one interface's 64-bit counters: headers of 28 octets, an attribute of 24 or 25 counters.
const ANSWER_OCTETS_MAX: usize = 1_024;
/// The kernel answers within the system call; one that does not is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Answers to earlier requests that are passed over before this one is given up.
const STALE_MAX: u32 = 16;

/// Of a netlink header (linux/netlink.h).
const HEADER: usize = 16;
/// Of `struct if_stats_msg`, behind the header.
const STATS_MESSAGE: usize = 12;
/// RTM_NEWSTATS and RTM_GETSTATS (linux/rtnetlink.h).
const NEW: u16 = 92;
const GET: u16 = 94;
/// IFLA_STATS_LINK_64, and the bit that asks for it.
const LINK_64: u16 = 1;
const LINK_64_BIT: u32 = 1 << (LINK_64 - 1);

/// One reading of an interface's counters. They count from when the interface was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// The kernel read them no earlier.
    pub earliest: Monotonic,
    /// And no later.
    pub latest: Monotonic,
    /// Octets of frames received and sent, as the driver counts them: without preamble and gap, mostly without the FCS.
    pub octets: [u64; 2],
    /// Frames received and sent.
    pub frames: [u64; 2],
    /// Frames received and sent that were in error.
    pub errors: [u64; 2],
    /// Frames received and to be sent that were dropped.
    pub dropped: [u64; 2],
}

/// An interface that cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// There is none of that name.
    #[error("there is no interface {interface}; those of this host are {present}")]
    Absent {
        /// The name asked for.
        interface: String,
        /// Those that are there.
        present: String,
    },
    /// The kernel does not tell.
    #[error("cannot read the counters of {interface}")]
    Read {
        /// Its name.
        interface: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Asks the kernel for one interface's counters again and again.
#[derive(Debug)]
pub struct Statistics {
    interface: String,
    speed_bps: Option<u64>,
    socket: Socket,
    request: [u8; HEADER + STATS_MESSAGE],
    sequence: u32,
}

impl Statistics {
    /// Of the interface with this name.
    ///
    /// # Errors
    /// When there is none, or the kernel gives no socket to ask it.
    pub fn of(interface: &str) -> Result<Self, InterfaceError> {
        let all = interfaces();
        let Some(found) = all.iter().find(|found| found.name == interface) else {
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            return Err(InterfaceError::Absent {
                interface: interface.to_owned(),
                present: names.join(", "),
            });
        };
        let socket = socket().map_err(|source| InterfaceError::Read {
            interface: interface.to_owned(),
            source,
        })?;
        Ok(Self {
            speed_bps: speed_bps(interface),
            interface: interface.to_owned(),
            socket,
            request: request(found.index),
            sequence: 0,
        })
    }

    /// Its speed in b/s, as its driver tells it; `None` where it has none (virtual interfaces) or no carrier.
    pub fn speed_bps(&self) -> Option<u64> {
        self.speed_bps
    }

    /// Whether the kernel says that it is up; `None` where it does not know, as of the loopback.
    pub fn is_up(&self) -> Option<bool> {
        let told = fs::read_to_string(format!("/sys/class/net/{}/operstate", self.interface));
        match told.ok()?.trim() {
            "up" => Some(true),
            "unknown" => None,
            _ => Some(false),
        }
    }

    /// Its name.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Its counters, now.
    ///
    /// # Errors
    /// When the kernel does not answer, or the interface is gone.
    pub fn read(&mut self) -> Result<Counters, InterfaceError> {
        self.ask().map_err(|source| InterfaceError::Read {
            interface: self.interface.clone(),
            source,
        })
    }

    fn ask(&mut self) -> io::Result<Counters> {
        self.sequence = self.sequence.wrapping_add(1);
        self.request[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
        let mut answer = [0_u8; ANSWER_OCTETS_MAX];
        let earliest = monotonic_clock()?;
        (&self.socket).write_all(&self.request)?;
        for _ in 0..STALE_MAX {
            let octets = (&self.socket).read(&mut answer)?;
            let latest = monotonic_clock()?;
            if let Some(counters) = parse(&answer[..octets], self.sequence)? {
                let pair = |received: usize| [counters[received], counters[received + 1]];
                // struct rtnl_link_stats64: packets, bytes, errors, dropped, each received and sent.
                return Ok(Counters {
                    earliest,
                    latest,
                    frames: pair(0),
                    octets: pair(2),
                    errors: pair(4),
                    dropped: pair(6),
                });
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

fn socket() -> io::Result<Socket> {
    let route = Protocol::from(libc::NETLINK_ROUTE);
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(route))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// RTM_GETSTATS of one interface, without its sequence number.
fn request(index: u32) -> [u8; HEADER + STATS_MESSAGE] {
    let mut octets = [0; HEADER + STATS_MESSAGE];
    let length = octets.len() as u32;
    octets[..4].copy_from_slice(&length.to_ne_bytes());
    octets[4..6].copy_from_slice(&GET.to_ne_bytes());
    octets[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    octets[20..24].copy_from_slice(&index.to_ne_bytes());
    octets[24..28].copy_from_slice(&LINK_64_BIT.to_ne_bytes());
    octets
}

/// The first eight counters of the answer to this request; `None` of an answer to another one.
fn parse(message: &[u8], sequence: u32) -> io::Result<Option<[u64; 8]>> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let word = |at: usize| {
        let octets = message.get(at..at + 4).ok_or_else(wrong)?;
        Ok::<_, io::Error>(u32::from_ne_bytes(octets.try_into().map_err(|_| wrong())?))
    };
    let half = |at: usize| {
        let octets = message.get(at..at + 2).ok_or_else(wrong)?;
        Ok::<_, io::Error>(u16::from_ne_bytes(octets.try_into().map_err(|_| wrong())?))
    };
    if word(8)? != sequence {
        return Ok(None);
    }
    match half(4)? {
        NEW => {}
        kind if i32::from(kind) == libc::NLMSG_ERROR => {
            return Err(io::Error::from_raw_os_error(
                word(HEADER)?.cast_signed().saturating_neg(),
            ));
        }
        _ => return Err(wrong()),
    }
    let (length, kind) = (
        half(HEADER + STATS_MESSAGE)?,
        half(HEADER + STATS_MESSAGE + 2)?,
    );
    let first = HEADER + STATS_MESSAGE + 4;
    let values = message
        .get(first..first + 64)
        .filter(|_| kind == LINK_64 && length >= 68);
    let mut counters = [0; 8];
    for (counter, octets) in counters
        .iter_mut()
        .zip(values.ok_or_else(wrong)?.chunks_exact(8))
    {
        *counter = u64::from_ne_bytes(octets.try_into().map_err(|_| wrong())?);
    }
    Ok(Some(counters))
}

/// What the driver says of the link's speed: Mb/s, or -1 where it does not know.
fn speed_bps(interface: &str) -> Option<u64> {
    let told = fs::read_to_string(format!("/sys/class/net/{interface}/speed")).ok()?;
    let mbps: u64 = told.trim().parse().ok()?;
    (mbps > 0).then(|| mbps.saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn what_is_sent_over_the_loopback_is_counted_there() {
        let mut statistics = Statistics::of("lo").unwrap();
        let before = statistics.read().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..10 {
            socket
                .send_to(&[0; 958], socket.local_addr().unwrap())
                .unwrap();
        }
        let after = statistics.read().unwrap();
        assert!(after.earliest >= before.latest && after.latest >= after.earliest);
        for way in [0, 1] {
            // An IPv4 header of 20 and a UDP header of 8: 986 octets; the loopback counts no header of its own.
            assert!(
                after.octets[way] - before.octets[way] >= 9_860,
                "{before:?} {after:?}"
            );
            assert!(
                after.frames[way] - before.frames[way] >= 10,
                "{before:?} {after:?}"
            );
        }
    }

    #[test]
    fn an_interface_that_is_not_there_is_named_with_those_that_are() {
        let said = Statistics::of("owl-none").unwrap_err().to_string();
        assert!(
            said.starts_with("there is no interface owl-none; "),
            "{said}"
        );
        assert!(said.contains("lo"), "{said}");
    }

    #[test]
    fn an_answer_is_read_whole_or_refused() {
        let mut answer = vec![0; HEADER + STATS_MESSAGE + 4 + 200];
        answer[4..6].copy_from_slice(&NEW.to_ne_bytes());
        answer[8..12].copy_from_slice(&7_u32.to_ne_bytes());
        answer[28..30].copy_from_slice(&204_u16.to_ne_bytes());
        answer[30..32].copy_from_slice(&LINK_64.to_ne_bytes());
        for k in 0..25_u64 {
            let at = 32 + 8 * k as usize;
            answer[at..at + 8].copy_from_slice(&(k + 1).to_ne_bytes());
        }
        assert_eq!(parse(&answer, 7).unwrap(), Some([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(parse(&answer, 8).unwrap(), None);
        for end in 0..96 {
            assert!(parse(&answer[..end], 7).is_err(), "{end}");
        }
        // NLMSG_ERROR with ENODEV: the interface is gone.
        answer[4..6].copy_from_slice(&2_u16.to_ne_bytes());
        answer[16..20].copy_from_slice(&(-libc::ENODEV).to_ne_bytes());
        let error = parse(&answer, 7).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
