//! The delay box as a wire between two interfaces, for whatever protocol.
//!
//! Every frame that comes in on one side goes out on the other through the link
//! of its direction, and the links can be changed while frames are on the way.
//! What is measured of time daemons against a known truth is measured through
//! this.

use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, PoisonError};

use owl_measure::sample::Direction;
use owl_measure::time::Timestamp;
use owl_probe::clock::Clock;
use owl_sim::Link;

use crate::delay_box::{Carrier, Running, carry};
use crate::error::LabError;
use crate::inside::{Entering, Inside, Lanes, Packet};
use crate::sys::Tap;

/// The largest frame: Ethernet without jumbo frames. A longer one is cut off, and its receiver drops it.
const FRAME_OCTETS_MAX: usize = 1_514;
/// Frames taken from one interface before frames that are due have their turn.
const TURN: usize = 16;

/// Both directions of a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ways {
    /// From the first interface to the second.
    pub forward: Link,
    /// From the second to the first.
    pub backward: Link,
}

impl Ways {
    fn lanes(self) -> Lanes {
        Lanes {
            forward: (self.forward, 1),
            backward: (self.backward, 2),
            held_at: None,
        }
    }
}

/// What the wire is to become, until its thread has seen it.
type Change = Arc<Mutex<Option<Ways>>>;

/// A wire between two interfaces of this namespace; it is cut when dropped.
#[derive(Debug)]
pub struct Wire {
    change: Change,
    _running: Running,
}

impl Wire {
    /// Joins two interfaces, by their names.
    ///
    /// # Errors
    /// When one of them is not there, or raw sockets are not allowed.
    pub fn join(interfaces: [&str; 2], ways: Ways) -> Result<Self, LabError> {
        let failed = |what: String| move |source| LabError::System { what, source };
        let known = pnet::datalink::interfaces();
        let mut taps = Vec::with_capacity(interfaces.len());
        for name in interfaces {
            let interface = known
                .iter()
                .find(|interface| interface.name == name)
                .ok_or_else(|| {
                    failed(format!("find the interface {name}"))(io::ErrorKind::NotFound.into())
                })?;
            let tap = Tap::open(interface.index)
                .map_err(failed(format!("open a raw socket on {name}")))?;
            taps.push(tap);
        }
        let change = Change::default();
        let ends = Ends {
            taps,
            change: Arc::clone(&change),
            buffer: [0; FRAME_OCTETS_MAX],
        };
        let inside = Inside::unrecorded([ways.lanes()]);
        Ok(Self {
            change,
            _running: Running::start(move |stop| carry(ends, inside, stop)),
        })
    }

    /// What frames that come in from now on go through.
    pub fn change(&self, ways: Ways) {
        *self.change.lock().unwrap_or_else(PoisonError::into_inner) = Some(ways);
    }
}

struct Ends {
    taps: Vec<Tap>,
    change: Change,
    buffer: [u8; FRAME_OCTETS_MAX],
}

impl Carrier for Ends {
    fn descriptors(&self) -> Vec<i32> {
        self.taps.iter().map(|tap| tap.as_raw_fd()).collect()
    }

    fn take(&mut self, index: usize, inside: &mut Inside) {
        let change = self
            .change
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(ways) = change {
            inside.change(0, ways.lanes());
        }
        let direction = if index == 0 {
            Direction::Forward
        } else {
            Direction::Backward
        };
        for _ in 0..TURN {
            let Ok(Some((octets, stamp))) = self.taps[index].receive(&mut self.buffer) else {
                return;
            };
            inside.enter(&Entering {
                session: 0,
                direction,
                at: stamp.unwrap_or_else(|| Clock::honest().now()),
                datagram: &self.buffer[..octets],
            });
        }
    }

    fn send(&mut self, packet: &Packet) -> Option<Timestamp> {
        let to = match packet.direction {
            Direction::Forward => 1,
            Direction::Backward => 0,
        };
        let at = Clock::honest().now();
        self.taps[to].send(&packet.datagram).ok().map(|()| at)
    }
}
