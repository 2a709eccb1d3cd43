//! One session with its socket: from the time that it is accepted until it has
//! ended.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use owl_measure::sample::StampSource;
use owl_measure::time::Monotonic;
use owl_protocol::session::TwampReflector;
use owl_protocol::session::reflector::{ReflectorClock, Request};
use owl_protocol::wire::ErrorEstimate;
use owl_protocol::wire::owamp::Sid;

use crate::clock::Clock;
use crate::net::{Answer, Answerer, Exchange, Received, StampedSocket, TransmitStamp};

/// Batches taken from one socket before something else has its turn.
const TURN: usize = 4;

/// Packets that are forgotten when a session starts: more than the receive buffer holds.
const EARLY_MAX: u32 = 1 << 16;

/// A session that this host reflects.
#[derive(Debug)]
pub(super) struct Session {
    sid: Sid,
    socket: StampedSocket,
    /// Where T2 is taken, as a real send has shown.
    receive: StampSource,
    /// Since it was accepted; nothing is reflected before.
    reflector: Option<TwampReflector>,
    running: bool,
    unsent: u64,
    /// Replies, and datagrams without one, that have been told already.
    told: Fates,
}

/// What became of the datagrams of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fates {
    pub(super) reflected: u64,
    pub(super) unanswered: u64,
}

impl AsRawFd for Session {
    /// What is to be waited for; nothing, which ppoll passes over, before the session runs.
    fn as_raw_fd(&self) -> RawFd {
        if self.running {
            self.socket.as_raw_fd()
        } else {
            -1
        }
    }
}

impl Session {
    /// A session that is being asked for. Its stamps are proved by a real send.
    pub(super) fn new(sid: Sid, mut socket: StampedSocket) -> Self {
        // Where even a datagram to oneself cannot be sent, no stamp is proved.
        let receive = socket
            .prove()
            .map_or(StampSource::User, |proved| proved.receive);
        // Where the kernel goes on stamping, stamps are read and forgotten.
        let _ = socket.without_transmit_stamps();
        Self {
            sid,
            socket,
            receive,
            reflector: None,
            running: false,
            unsent: 0,
            told: Fates::default(),
        }
    }

    pub(super) fn sid(&self) -> Sid {
        self.sid
    }

    /// It was accepted.
    pub(super) fn accept(&mut self, reflector: TwampReflector) {
        self.reflector = Some(reflector);
    }

    /// From now on it reflects, if it was accepted; what came too early is forgotten.
    pub(super) fn start(&mut self) {
        if !self.running && self.reflector.is_some() {
            self.running = true;
            let early = || matches!(self.socket.receive(&mut [0; 1]), Ok(Some(_)));
            // No client may send now, so what still comes after so many is of no session's.
            (0..EARLY_MAX).take_while(|_| early()).for_each(drop);
        }
    }

    /// What became of its datagrams since this was asked last.
    pub(super) fn news(&mut self) -> Fates {
        let counts = self.reflector.as_ref().map(TwampReflector::counts);
        let counts = counts.unwrap_or_default();
        let unsent = self.unsent.min(counts.reflected);
        let now = Fates {
            reflected: counts.reflected - unsent,
            unanswered: counts.malformed + counts.unauthentic + counts.rationed + unsent,
        };
        let before = std::mem::replace(&mut self.told, now);
        Fates {
            reflected: now.reflected.saturating_sub(before.reflected),
            unanswered: now.unanswered.saturating_sub(before.unanswered),
        }
    }

    /// Answers what has come, a turn of it at most; when the last packet of the session came, if one did.
    pub(super) fn reflect(
        &mut self,
        clock: Clock,
        told: &ReflectorClock,
        room: &mut Exchange<()>,
    ) -> Option<Monotonic> {
        let reflector = self.reflector.as_mut()?;
        // A receive stamp taken in user space has no bound, and so neither has anything made from it.
        let told = if self.receive == StampSource::User {
            let error_estimate = ErrorEstimate::NO_CLAIM;
            ReflectorClock {
                error_estimate,
                ..*told
            }
        } else {
            *told
        };
        let local = self.socket.local();
        let before = reflector.counts().reflected;
        let now = clock.monotonic();
        for _ in 0..TURN {
            let mut turn = Turn {
                reflector,
                told: &told,
                clock,
                now,
                local,
            };
            // An error here is one the network made (an ICMP message); the next datagram is not its fault.
            let Ok(exchanged) = self.socket.exchange(room, &mut turn) else {
                break;
            };
            self.unsent += exchanged.refused as u64;
            if !exchanged.full {
                break;
            }
        }
        self.forget_stamps(room);
        let reflected = self.reflector.as_ref()?.counts().reflected;
        (reflected > before).then_some(now)
    }

    /// Nobody asks when a reply really left, and stamps that are not read fill the socket up.
    pub(super) fn forget_stamps(&self, room: &mut Exchange<()>) {
        // An error here is the network's, as above.
        let _ = self.socket.transmit_stamps(room, |_| {});
    }
}

/// What answers the datagrams of one exchange.
struct Turn<'a> {
    reflector: &'a mut TwampReflector,
    told: &'a ReflectorClock,
    clock: Clock,
    now: Monotonic,
    local: SocketAddr,
}

impl Answerer for Turn<'_> {
    type Note = ();

    fn needs_stamps(&mut self, _: &Received, _: &[u8]) -> bool {
        false
    }

    fn answer(&mut self, received: &Received, buffer: &mut [u8]) -> Option<Answer<()>> {
        let destination = received.destination.unwrap_or(self.local.ip());
        let request = Request {
            octets: received.octets,
            source: received.source,
            destination: SocketAddr::new(destination, self.local.port()),
            ttl: received.ttl,
            traffic_class: received.traffic_class.unwrap_or(0),
            received_at: received.stamp.at,
            interface: None,
            member_link: None,
        };
        let reflector = &mut *self.reflector;
        let octets = reflector
            .handle(self.now, &request, self.told, buffer)
            .ok()?;
        reflector.seal(buffer, self.told, self.clock.now());
        Some(Answer {
            octets,
            to: received.source,
            from: None,
            interface: None,
            mark: None,
            note: (),
        })
    }

    fn sent(&mut self, _: u32, (): ()) {}

    fn renumbered(&mut self) {}

    /// Nobody asks when a reply really left.
    fn stamped(&mut self, _: TransmitStamp) {}
}
