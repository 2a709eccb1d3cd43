//! A load on a session-reflector: as many test packets as it answers.
//!
//! Closed loop: so many packets are on their way at once, and replies let the
//! next ones go. Packets leave many in one system call, cut apart by the kernel
//! (UDP segmentation offload), so that the load costs less than the answer. It
//! never sleeps, so that no reflector has to wake it; the share of the time in
//! which it found nothing to do is printed, to show that it was not the limit.
#![expect(clippy::print_stdout, reason = "the result goes to standard output")]

use std::error::Error;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use clap::Parser;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::UdpGsoSegment;
use owl_protocol::wire::authentication::{AUTHENTICATED_OCTETS, Key, WeakKey};
use owl_protocol::wire::stamp::{PACKET_OCTETS, ReflectorPacket, SenderPacket};
use owl_protocol::wire::{ErrorEstimate, NtpTimestamp};

/// Put a closed-loop load on a session-reflector and print what it answered
#[derive(Debug, Parser)]
struct Args {
    /// The session-reflector
    reflector: SocketAddr,
    /// Sessions, each from a port of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    sessions: u32,
    /// Packets on their way at once, in all sessions together
    #[arg(long, default_value_t = 256)]
    window: u32,
    /// How long, in seconds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Packets that leave in one system call
    #[arg(long, default_value_t = 32)]
    burst: u32,
    /// Send authenticated packets with this key, in hexadecimal, and check the replies with it
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Option<Key>,
}

/// Without a reply for so long, what is on its way is taken for lost.
const SILENCE: Duration = Duration::from_millis(50);

/// Spins between two looks when there was nothing to do: a few microseconds.
const PAUSES: u32 = 100;

fn key(text: &str) -> Result<Key, String> {
    let octets: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let octets = octets.ok_or("it must be hexadecimal")?;
    Key::new(&octets).map_err(|error: WeakKey| error.to_string())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let window = (args.window / args.sessions).max(1);
    let burst = args.burst.clamp(1, 64).min(window);
    let octets = octets(args.key.as_ref());
    let mut sessions = (0..args.sessions)
        .map(|_| Session::open(args.reflector, octets))
        .collect::<Result<Vec<_>, _>>()?;
    let mut load = Load {
        key: args.key,
        out: vec![0; octets * burst as usize],
        burst,
        window,
        fates: Fates::default(),
    };
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(args.seconds);
    let mut now = began;
    while now < end {
        let mut idle = true;
        for session in &mut sessions {
            idle &= load.send(session, now)? + load.receive(session, now)? == 0;
        }
        let before = now;
        if idle {
            // Asking without a pause would take the reflector's time: at the lock of the socket, and where both
            // processors are threads of one core.
            (0..PAUSES).for_each(|_| std::hint::spin_loop());
        }
        now = Instant::now();
        if idle {
            load.fates.idle += now - before;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let Fates {
        replies,
        bad,
        silences,
        idle,
    } = load.fates;
    println!(
        "{{\"replies\":{replies},\"seconds\":{seconds:.4},\"per_second\":{:.0},\"bad\":{bad},\"silences\":{silences},\"idle_share\":{:.3}}}",
        replies as f64 / seconds,
        idle.as_secs_f64() / seconds
    );
    Ok(())
}

/// One session, from a port of its own.
struct Session {
    socket: UdpSocket,
    sent: u32,
    flying: u32,
    /// When something was last sent or received.
    active: Instant,
}

impl Session {
    fn open(reflector: SocketAddr, octets: usize) -> Result<Self, Box<dyn Error>> {
        let any: SocketAddr = if reflector.is_ipv6() {
            "[::]:0".parse()?
        } else {
            "0.0.0.0:0".parse()?
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(reflector)?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, UdpGsoSegment, &(octets as i32))?;
        Ok(Self {
            socket,
            sent: 0,
            flying: 0,
            active: Instant::now(),
        })
    }
}

/// What became of the packets.
#[derive(Default)]
struct Fates {
    replies: u64,
    bad: u64,
    silences: u64,
    /// How long there was nothing to do.
    idle: Duration,
}

struct Load {
    key: Option<Key>,
    /// Room for one burst.
    out: Vec<u8>,
    burst: u32,
    /// Packets on their way in one session at once.
    window: u32,
    fates: Fates,
}

impl Load {
    /// Sends what the window leaves room for; how many packets.
    fn send(&mut self, session: &mut Session, now: Instant) -> io::Result<u32> {
        let mut packets = 0;
        while session.flying + self.burst <= self.window {
            for room in self.out.chunks_exact_mut(octets(self.key.as_ref())) {
                let packet = SenderPacket {
                    sequence: session.sent,
                    sent_at: NtpTimestamp(stamp(session.sent)).into(),
                    error_estimate: ErrorEstimate::NO_CLAIM,
                    ssid: 1,
                };
                match &self.key {
                    Some(key) => room.copy_from_slice(&packet.encode_authenticated(key)),
                    None => room.copy_from_slice(&packet.encode()),
                }
                session.sent = session.sent.wrapping_add(1);
            }
            match session.socket.send(&self.out) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            session.flying += self.burst;
            session.active = now;
            packets += self.burst;
        }
        Ok(packets)
    }

    /// Reads the replies that have come, a window's worth at most; how many.
    fn receive(&mut self, session: &mut Session, now: Instant) -> io::Result<u32> {
        let mut reply = [0; 2_048];
        for packets in 0..self.window {
            match session.socket.recv(&mut reply) {
                Ok(octets) if self.is_reply(&reply[..octets]) => {
                    self.fates.replies += 1;
                    session.flying = session.flying.saturating_sub(1);
                    session.active = now;
                }
                Ok(_) => self.fates.bad += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if session.flying > 0 && now - session.active > SILENCE {
                        self.fates.silences += 1;
                        session.flying = 0;
                    }
                    return Ok(packets);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.window)
    }

    /// Whether it is a whole reply to a packet of ours, and authentic where that is asked.
    fn is_reply(&self, datagram: &[u8]) -> bool {
        let packet = match &self.key {
            Some(key) => ReflectorPacket::decode_authenticated(datagram, [key]).ok(),
            None => ReflectorPacket::decode(datagram).ok(),
        };
        packet.is_some_and(|it| it.sender_sent_at.0 == stamp(it.sender_sequence))
    }
}

fn octets(key: Option<&Key>) -> usize {
    match key {
        Some(_) => AUTHENTICATED_OCTETS,
        None => PACKET_OCTETS,
    }
}

/// A T1 that tells whether a reply belongs to its request; never zero, which no unauthenticated packet has.
fn stamp(sequence: u32) -> u64 {
    u64::from(sequence) << 8 | 1
}
