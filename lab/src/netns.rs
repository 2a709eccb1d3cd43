//! A network namespace for every probe, and the delay box as a bridge between
//! them on raw frames.
//!
//! Every namespace has one interface, whose other end carries no address: only
//! the box reads it. The box answers for every address, carries test packets
//! through their links, and hands what is meant for the collector to its socket
//! without delay. So 10.77.0.0/16 exists inside the namespaces only.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;

use owl_measure::sample::Direction;
use owl_measure::time::Timestamp;
use owl_probe::clock::Clock;
use owl_probe::reflector::HIGH_PORT;
use pnet::util::MacAddr;

use crate::delay_box::{Carrier, Running, Session, carry};
use crate::error::LabError;
use crate::frame::{self, Frame};
use crate::inside::{Entering, Inside, Packet, Shared};
use crate::sys::{self, Tap};

/// What every namespace of a lab is called first; the lab's process id and a number follow.
const PREFIX: &str = "owl-lab-";
/// Where the collector is, seen from the namespaces.
const COLLECTOR: Ipv4Addr = Ipv4Addr::new(10, 77, 255, 254);
/// The largest frame: Ethernet without jumbo frames.
const FRAME_OCTETS_MAX: usize = 1_514;
/// The largest payload that fits one frame.
const PAYLOAD_OCTETS_MAX: usize = FRAME_OCTETS_MAX - 42;
/// Frames taken from one interface before packets that are due have their turn.
const TURN: usize = 16;

/// Where the reflector of the probe with this number is.
pub(crate) fn reflector(number: u8) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, number), HIGH_PORT)
}

/// Where the collector's intake is, seen from the namespaces.
pub(crate) fn intake(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(COLLECTOR, port)
}

/// The hardware addresses of a probe's interface and of its other end.
fn macs(number: u8) -> (MacAddr, MacAddr) {
    (
        MacAddr(0x02, 0x6f, 0x77, 0x6c, 0, number),
        MacAddr(0x02, 0x6f, 0x77, 0x6c, 1, number),
    )
}

/// The namespaces of one lab; gone when dropped.
#[derive(Debug)]
pub(crate) struct Namespaces {
    names: BTreeMap<u8, String>,
}

impl Namespaces {
    /// Makes the namespaces with these numbers, each with its interface.
    pub(crate) fn make(numbers: impl IntoIterator<Item = u8>) -> Result<Self, LabError> {
        if !sys::is_root() {
            return Err(LabError::NotRoot);
        }
        remove_orphans();
        let pid = std::process::id();
        let mut made = Self {
            names: BTreeMap::new(),
        };
        for number in numbers {
            let name = format!("{PREFIX}{pid}-{number}");
            ip(&["netns", "add", &name])?;
            made.names.insert(number, name.clone());
            let (inner, outer) = macs(number);
            let outside = outside(number);
            let (inner, outer) = (inner.to_string(), outer.to_string());
            let pair = [
                "link", "add", &outside, "address", &outer, "type", "veth", "peer", "name", "eth0",
            ];
            ip(&[&pair[..], &["address", &inner, "netns", &name]].concat())?;
            // One segment a frame: the box reads frames, and a bundle of them would be none.
            ip(&["link", "set", &outside, "up"])?;
            ip(&[
                "-n",
                &name,
                "link",
                "set",
                "eth0",
                "gso_max_segs",
                "1",
                "up",
            ])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
            ip(&[
                "-n",
                &name,
                "address",
                "add",
                &format!("{}/16", reflector(number).ip()),
                "dev",
                "eth0",
            ])?;
        }
        Ok(made)
    }

    /// What comes before a command that shall run inside.
    pub(crate) fn inside(&self, number: u8) -> Vec<String> {
        let name = self.names.get(&number).cloned().unwrap_or_default();
        vec!["ip".into(), "netns".into(), "exec".into(), name]
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in self.names.values() {
            // An interface pair goes with its namespace; what cannot be removed the next lab will find.
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// The name of the outer end of a probe's interface; at most 15 characters.
fn outside(number: u8) -> String {
    format!("owl{}x{number}", std::process::id())
}

/// Removes what a lab that was killed has left behind.
fn remove_orphans() {
    let Ok(list) = Command::new("ip").args(["netns", "list"]).output() else {
        return;
    };
    for name in String::from_utf8_lossy(&list.stdout)
        .lines()
        .filter_map(|line| line.split(' ').next())
    {
        let pid = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        if pid
            .is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
        {
            // Another lab may be removing it at this moment.
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), LabError> {
    let command = || format!("ip {}", arguments.join(" "));
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|source| LabError::Command {
            command: command(),
            said: source.to_string(),
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LabError::Command {
        command: command(),
        said,
    })
}

/// The delay box between the namespaces; it stops when dropped.
#[derive(Debug)]
pub(crate) struct Bridge {
    _running: Running,
}

/// What the bridge joins.
#[derive(Debug)]
pub(crate) struct Joined<'a> {
    /// The numbers of the namespaces.
    pub(crate) numbers: &'a [u8],
    /// The sessions, and the address of each one's session-sender.
    pub(crate) sessions: &'a [(Session, Ipv4Addr)],
    /// The collector's intake as it is bound.
    pub(crate) intake: SocketAddr,
}

impl Bridge {
    /// Opens the bridge and notes what it does in `record`, by the sessions' positions.
    pub(crate) fn start(joined: &Joined<'_>, record: Shared) -> Result<Self, LabError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |source| LabError::System { what, source }
        };
        let interfaces = pnet::datalink::interfaces();
        let mut ports = Vec::new();
        for &number in joined.numbers {
            let name = outside(number);
            let interface = interfaces
                .iter()
                .find(|interface| interface.name == name)
                .ok_or_else(|| {
                    failed("find an interface that was just made")(io::ErrorKind::NotFound.into())
                })?;
            let tap = Tap::open(interface.index).map_err(failed("open a raw socket"))?;
            let uplink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
                .and_then(|socket| socket.connect(joined.intake).map(|()| socket))
                .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
                .map_err(failed("open a socket to the collector"))?;
            ports.push(Port {
                number,
                tap,
                uplink,
                caller: None,
            });
        }
        let ways: Vec<Way> = joined
            .sessions
            .iter()
            .filter_map(|(session, sender)| match session.reflector {
                SocketAddr::V4(reflector) => Some(Way {
                    sender: SocketAddrV4::new(*sender, 0),
                    reflector,
                }),
                SocketAddr::V6(_) => None,
            })
            .collect();
        let by_ends = ways
            .iter()
            .enumerate()
            .map(|(index, way)| ((*way.sender.ip(), *way.reflector.ip()), index))
            .collect();
        let intake = intake(joined.intake.port());
        let taps = Taps {
            ports,
            ways,
            by_ends,
            intake,
            buffer: [0; FRAME_OCTETS_MAX],
        };
        let inside = Inside::new(
            joined.sessions.iter().map(|(session, _)| session.lanes),
            record,
        );
        Ok(Self {
            _running: Running::start(move |stop| carry(taps, inside, stop)),
        })
    }
}

/// One namespace's door.
struct Port {
    number: u8,
    tap: Tap,
    /// To the collector, on behalf of this probe.
    uplink: UdpSocket,
    /// The port from which the probe calls the collector.
    caller: Option<u16>,
}

/// The ends of one session; the sender's port is that of its last packet.
struct Way {
    sender: SocketAddrV4,
    reflector: SocketAddrV4,
}

struct Taps {
    ports: Vec<Port>,
    ways: Vec<Way>,
    by_ends: HashMap<(Ipv4Addr, Ipv4Addr), usize>,
    intake: SocketAddrV4,
    buffer: [u8; FRAME_OCTETS_MAX],
}

impl Port {
    /// Sends a datagram into the namespace.
    fn deliver(&self, ends: (SocketAddrV4, SocketAddrV4), payload: &[u8]) -> io::Result<()> {
        let (inner, outer) = macs(self.number);
        let frame =
            frame::datagram((outer, inner), ends, payload).ok_or(io::ErrorKind::InvalidInput)?;
        self.tap.send(&frame)
    }
}

impl Taps {
    fn take_frame(&mut self, index: usize, octets: usize, at: Timestamp, inside: &mut Inside) {
        let port = &mut self.ports[index];
        match frame::read(&self.buffer[..octets]) {
            Some(Frame::Who { asks, has }) if asks.1 != has => {
                // Who cannot be told asks again.
                let _ = port.tap.send(&frame::here(macs(port.number).1, asks, has));
            }
            Some(Frame::Datagram {
                source,
                destination,
                payload,
            }) if destination == self.intake => {
                port.caller = Some(source.port());
                // QUIC repeats what is lost.
                let _ = port.uplink.send(payload);
            }
            Some(Frame::Datagram {
                source,
                destination,
                payload,
            }) => {
                let forward = self.by_ends.get(&(*source.ip(), *destination.ip()));
                let backward = self.by_ends.get(&(*destination.ip(), *source.ip()));
                let to_reflector = forward.filter(|&&way| self.ways[way].reflector == destination);
                let from_reflector = backward.filter(|&&way| self.ways[way].reflector == source);
                let (session, direction) = match (to_reflector, from_reflector) {
                    (Some(&session), _) => (session, Direction::Forward),
                    (None, Some(&session)) => (session, Direction::Backward),
                    (None, None) => return,
                };
                if direction == Direction::Forward {
                    self.ways[session].sender = source;
                }
                inside.enter(&Entering {
                    session,
                    direction,
                    at,
                    datagram: payload,
                });
            }
            _ => {}
        }
    }
}

impl Carrier for Taps {
    fn descriptors(&self) -> Vec<i32> {
        let taps = self.ports.iter().map(|port| port.tap.as_raw_fd());
        taps.chain(self.ports.iter().map(|port| port.uplink.as_raw_fd()))
            .collect()
    }

    fn take(&mut self, index: usize, inside: &mut Inside) {
        for _ in 0..TURN {
            if let Some(port) = index
                .checked_sub(self.ports.len())
                .and_then(|index| self.ports.get(index))
            {
                let mut payload = [0; PAYLOAD_OCTETS_MAX];
                let Ok(octets) = port.uplink.recv(&mut payload) else {
                    return;
                };
                if let Some(caller) = port.caller {
                    let probe = SocketAddrV4::new(*reflector(port.number).ip(), caller);
                    // QUIC repeats what is lost.
                    let _ = port.deliver((self.intake, probe), &payload[..octets]);
                }
            } else {
                let Ok(Some((octets, stamp))) = self.ports[index].tap.receive(&mut self.buffer)
                else {
                    return;
                };
                let at = stamp.unwrap_or_else(|| Clock::honest().now());
                self.take_frame(index, octets, at, inside);
            }
        }
    }

    fn send(&mut self, packet: &Packet) -> Option<Timestamp> {
        let way = self.ways.get(packet.session)?;
        let (from, to) = match packet.direction {
            Direction::Forward => (way.sender, way.reflector),
            Direction::Backward => (way.reflector, way.sender),
        };
        let port = self
            .ports
            .iter()
            .find(|port| reflector(port.number).ip() == to.ip())?;
        // Before the call, which hands the frame to the namespace at once: the truth is then never longer than it was.
        let at = Clock::honest().now();
        port.deliver((from, to), &packet.datagram).ok().map(|()| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_an_interface_fits_the_kernel() {
        assert!(outside(u8::MAX).len() <= 15, "{}", outside(u8::MAX));
    }
}
