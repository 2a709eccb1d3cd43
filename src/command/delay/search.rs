//! Which of several addresses a session-reflector answers at.
//!
//! Nothing is measured here: one test packet to each, by plain sockets, and the
//! first that answers is taken.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use owl_probe::clock::Clock;
use owl_protocol::session::sender::Protection;
use owl_protocol::wire::stamp::{ReflectorPacket, SenderPacket};
use owl_protocol::wire::{ErrorEstimate, NtpTimestamp, WireTimestamp};

use super::authentication::{Identity, Towards};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// A packet may be lost: the next one to each candidate follows after this long.
const AGAIN: Duration = Duration::from_millis(250);
/// How often the sockets are looked at.
const LOOK: Duration = Duration::from_micros(500);

/// The first candidate that answers a test packet; `None` when none does within a second.
///
/// # Errors
/// When the system gives no socket, or takes not one packet.
pub(super) fn first_to_answer(
    candidates: &[SocketAddr],
    identity: &Identity,
) -> io::Result<Option<SocketAddr>> {
    let any: [SocketAddr; 2] = [
        (Ipv4Addr::UNSPECIFIED, 0).into(),
        (Ipv6Addr::UNSPECIFIED, 0).into(),
    ];
    let mut refused = None;
    let sockets = any.map(|any| {
        let wanted = candidates
            .iter()
            .any(|candidate| candidate.is_ipv6() == any.is_ipv6());
        let opened = wanted.then(|| open(any)).transpose();
        // A host without one family still has the other.
        opened.unwrap_or_else(|error| {
            refused = Some(error);
            None
        })
    });
    if let (Some(error), [None, None]) = (refused, &sockets) {
        return Err(error);
    }
    let began = Instant::now();
    let mut asked = Vec::new();
    while began.elapsed() < PATIENCE {
        if began.elapsed() >= AGAIN * asked.len() as u32 {
            asked.push(ask(candidates, identity, &sockets, asked.len() as u32)?);
        }
        let answered = sockets
            .iter()
            .flatten()
            .find_map(|socket| answer(socket, candidates, identity, &asked));
        if answered.is_some() {
            return Ok(answered);
        }
        thread::sleep(LOOK);
    }
    Ok(None)
}

fn open(any: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Sends one test packet to each candidate; T1 of them all.
fn ask(
    candidates: &[SocketAddr],
    identity: &Identity,
    sockets: &[Option<UdpSocket>; 2],
    sequence: u32,
) -> io::Result<WireTimestamp> {
    let sent_at = NtpTimestamp::from_timestamp(Clock::honest().now()).into();
    let packet = SenderPacket {
        sequence,
        sent_at,
        error_estimate: ErrorEstimate::NO_CLAIM,
        ssid: 0,
    };
    let mut refused = None;
    let mut taken = false;
    for candidate in candidates {
        let Some(socket) = &sockets[usize::from(candidate.is_ipv6())] else {
            continue;
        };
        let sent = match identity.towards(candidate.ip()) {
            Towards::Protected(Protection::Authenticated(key)) => {
                let ssid = identity.ssid;
                let packet = SenderPacket { ssid, ..packet }.encode_authenticated(&key);
                socket.send_to(&packet, candidate)
            }
            Towards::Open | Towards::Protected(_) => socket.send_to(&packet.encode(), candidate),
            // It could not be measured to.
            Towards::NoKey => continue,
        };
        match sent {
            Ok(_) => taken = true,
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) if !taken => Err(error),
        _ => Ok(sent_at),
    }
}

fn answer(
    socket: &UdpSocket,
    candidates: &[SocketAddr],
    identity: &Identity,
    asked: &[WireTimestamp],
) -> Option<SocketAddr> {
    let mut buffer = [0; 128];
    // An ICMP message of an earlier packet is reported once and is no answer; a full queue is emptied in later rounds.
    let (octets, source) = socket.recv_from(&mut buffer).ok()?;
    let datagram = &buffer[..octets];
    let reply = match identity.towards(source.ip()) {
        Towards::Protected(Protection::Authenticated(key)) => {
            ReflectorPacket::decode_authenticated(datagram, [&key]).ok()?
        }
        Towards::Open | Towards::NoKey | Towards::Protected(_) => {
            ReflectorPacket::decode(datagram).ok()?
        }
    };
    // Only who saw a packet knows its T1.
    let ours = asked.contains(&reply.sender_sent_at) && candidates.contains(&source);
    ours.then_some(source)
}
