//! The delay box between the probes, over UDP on the loopback interface.
//!
//! Each session has one socket here: what its session-sender sends to it goes
//! on to the session-reflector through the forward link, the reply comes back
//! through the backward one. The kernel stamps what comes in and what goes out,
//! and the difference is the truth, however late this thread wakes up.

use std::hint;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use owl_measure::sample::Direction;
use owl_measure::time::{Nanos, Timestamp};
use owl_probe::clock::Clock;
use owl_probe::net::{Readiness, SocketError, StampedSocket, set_timer_slack, wait};

use crate::inside::{Entering, Inside, Lanes, Packet, Shared};
use crate::sys::before_others;

/// The largest test packet that passes whole.
const DATAGRAM_OCTETS_MAX: usize = 2_048;
/// How often the thread looks whether it should stop.
const LOOK_AROUND: Nanos = Nanos::from_millis(50);
/// Timers wake a little late, so the thread wakes before the time and spins for the rest.
const SPIN: Nanos = Nanos::from_micros(120);
/// Datagrams taken from one socket before packets that are due have their turn.
const TURN: usize = 16;

/// A thread that carries packets until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts the thread; `work` ends soon after the flag that it is given becomes true.
    pub(crate) fn start(work: impl FnOnce(&AtomicBool) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Self {
            stop,
            thread: Some(thread::spawn(move || work(&stopped))),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there was already printed.
            let _ = thread.join();
        }
    }
}

/// What carries packets into the box and out of it.
pub(crate) trait Carrier {
    /// The descriptors to wait for.
    fn descriptors(&self) -> Vec<i32>;
    /// Takes in what has come on one of them.
    fn take(&mut self, index: usize, inside: &mut Inside);
    /// Sends a packet on; when it left, or `None` when it could not be sent.
    fn send(&mut self, packet: &Packet) -> Option<Timestamp>;
}

/// Carries packets, each at its time, until told to stop.
pub(crate) fn carry(mut carrier: impl Carrier, mut inside: Inside, stop: &AtomicBool) {
    set_timer_slack();
    before_others();
    let clock = Clock::honest();
    let descriptors = carrier.descriptors();
    let mut ready: Vec<Readiness> = Vec::with_capacity(descriptors.len());
    while !stop.load(Relaxed) {
        let until = inside.next_due().map_or(LOOK_AROUND, |due| {
            (due - clock.now() - SPIN).min(LOOK_AROUND)
        });
        if wait(&descriptors, &mut ready, until).is_err() {
            return;
        }
        for (index, ready) in ready.iter().enumerate() {
            if ready.data || ready.errors {
                carrier.take(index, &mut inside);
            }
        }
        while inside
            .next_due()
            .is_some_and(|due| due - clock.now() <= SPIN)
        {
            match inside.pop(clock.now()) {
                Some(packet) => {
                    let left_at = carrier.send(&packet);
                    inside.left(&packet, left_at);
                }
                None => hint::spin_loop(),
            }
        }
    }
}

/// A session that the box carries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    /// Where its session-reflector listens.
    pub(crate) reflector: SocketAddr,
    /// What its packets go through.
    pub(crate) lanes: Lanes,
}

/// A running delay box; it stops when dropped.
#[derive(Debug)]
pub(crate) struct DelayBox {
    entrances: Vec<SocketAddr>,
    _running: Running,
}

impl DelayBox {
    /// Opens a box for these sessions and notes what it does in `record`, by the sessions' positions.
    pub(crate) fn start(sessions: &[Session], record: Shared) -> Result<Self, SocketError> {
        let passages = sessions
            .iter()
            .map(Passage::open)
            .collect::<Result<Vec<_>, _>>()?;
        let entrances = passages
            .iter()
            .map(|passage| passage.socket.local())
            .collect();
        let inside = Inside::new(sessions.iter().map(|session| session.lanes), record);
        let passages = Passages {
            passages,
            buffer: [0; DATAGRAM_OCTETS_MAX],
        };
        Ok(Self {
            entrances,
            _running: Running::start(move |stop| carry(passages, inside, stop)),
        })
    }

    /// Where each session's packets enter.
    pub(crate) fn entrances(&self) -> &[SocketAddr] {
        &self.entrances
    }
}

struct Passage {
    socket: StampedSocket,
    reflector: SocketAddr,
    /// Where the last packet came from that was no reply: a session-sender that starts anew has a new port.
    sender: Option<SocketAddr>,
}

impl Passage {
    fn open(session: &Session) -> Result<Self, SocketError> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = StampedSocket::bind(any, Clock::honest())?;
        Ok(Self {
            socket,
            reflector: session.reflector,
            sender: None,
        })
    }
}

struct Passages {
    passages: Vec<Passage>,
    buffer: [u8; DATAGRAM_OCTETS_MAX],
}

impl Carrier for Passages {
    fn descriptors(&self) -> Vec<i32> {
        self.passages
            .iter()
            .map(|passage| passage.socket.as_raw_fd())
            .collect()
    }

    fn take(&mut self, index: usize, inside: &mut Inside) {
        let passage = &mut self.passages[index];
        // Stamps that came too late for their packet are of no use any more.
        while let Ok(Some(_)) = passage.socket.transmit_stamp() {}
        for _ in 0..TURN {
            let Ok(Some(received)) = passage.socket.receive(&mut self.buffer) else {
                return;
            };
            let direction = if received.source == passage.reflector {
                Direction::Backward
            } else {
                Direction::Forward
            };
            if direction == Direction::Forward {
                passage.sender = Some(received.source);
            }
            let datagram = &self.buffer[..received.octets];
            inside.enter(&Entering {
                session: index,
                direction,
                at: received.stamp.at,
                datagram,
            });
        }
    }

    fn send(&mut self, packet: &Packet) -> Option<Timestamp> {
        let passage = self.passages.get_mut(packet.session)?;
        let to = match packet.direction {
            Direction::Forward => passage.reflector,
            Direction::Backward => passage.sender?,
        };
        let id = passage.socket.send(&packet.datagram, to, None).ok()?;
        // The kernel stamps loopback sends at once; where it does not, this thread's own stamp stands in.
        let now = Clock::honest().now();
        while let Ok(Some(stamp)) = passage.socket.transmit_stamp() {
            if stamp.id == id {
                return Some(stamp.stamp.at);
            }
        }
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use owl_measure::verdict::Quantile;
    use owl_sim::Link;

    use crate::record::Record;

    /// From 1900 to 1970.
    const NTP_EPOCH_S: u64 = 2_208_988_800;

    const US: fn(u64) -> u64 = |us| us * 1_000;

    /// A session-sender's packet with this T1, sent through a box of these links and reflected `n` times.
    fn through(forward: Link, backward: Link, n: u32) -> Record {
        let reflector = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let patience = Some(Duration::from_millis(20));
        reflector.set_read_timeout(patience).unwrap();
        sender.set_read_timeout(patience).unwrap();
        let lanes = Lanes {
            forward: (forward, 1),
            backward: (backward, 2),
            held_at: None,
        };
        let session = Session {
            reflector: reflector.local_addr().unwrap(),
            lanes,
        };
        let record = Record::new(Timestamp(0), Nanos::from_secs(3_600), Quantile::P50);
        let record = Arc::new(Mutex::new(record));
        let delay_box = DelayBox::start(&[session], Arc::clone(&record)).unwrap();
        for sequence in 0..n {
            let mut packet = [0; 44];
            packet[..4].copy_from_slice(&sequence.to_be_bytes());
            packet[4..12].copy_from_slice(&((NTP_EPOCH_S + 100) << 32).to_be_bytes());
            sender.send_to(&packet, delay_box.entrances()[0]).unwrap();
            let mut buffer = [0; 64];
            if let Ok((_, from)) = reflector.recv_from(&mut buffer) {
                let mut reply = [0; 44];
                reply[24..36].copy_from_slice(&buffer[..12]);
                reflector.send_to(&reply, from).unwrap();
                let _lost_or_not = sender.recv_from(&mut buffer);
            }
        }
        drop(delay_box);
        Arc::into_inner(record).unwrap().into_inner().unwrap()
    }

    #[test]
    fn the_recorded_delay_is_no_less_than_the_planned_one_and_near_to_it_each_way() {
        let link = |us| Link {
            propagation_ns: US(us),
            ..Link::default()
        };
        let record = through(link(800), link(1_500), 100);
        for (direction, planned) in [(Direction::Forward, 800), (Direction::Backward, 1_500)] {
            let truth = record.window(0, direction, Timestamp(0)).unwrap();
            let planned = Nanos::from_micros(planned);
            assert_eq!((truth.sent, truth.lost), (100, 0), "{direction:?}");
            assert!(truth.quantile >= planned, "{direction:?}: {truth:?}");
            // A loaded machine wakes late; the median of a hundred is still near.
            assert!(
                truth.quantile < planned + Nanos::from_millis(1),
                "{direction:?}: {truth:?}"
            );
        }
    }

    #[test]
    fn what_the_link_loses_is_recorded_as_lost_in_its_direction() {
        let sieve = Link {
            propagation_ns: US(100),
            loss_ppm: 300_000,
            ..Link::default()
        };
        let clear = Link {
            propagation_ns: US(100),
            ..Link::default()
        };
        let began = Instant::now();
        let record = through(sieve, clear, 100);
        let forward = record.window(0, Direction::Forward, Timestamp(0)).unwrap();
        let backward = record.window(0, Direction::Backward, Timestamp(0)).unwrap();
        assert_eq!(forward.sent, 100);
        assert!(
            (10..=50).contains(&forward.lost),
            "{forward:?} after {:?}",
            began.elapsed()
        );
        assert_eq!((backward.sent, backward.lost), (100 - forward.lost, 0));
    }
}
