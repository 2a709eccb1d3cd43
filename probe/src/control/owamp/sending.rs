//! A session-sender with its socket.
//!
//! T1 in a packet is read right before the send call. The kernel tells
//! afterwards when the packet really left; who fetches the records of the
//! session can put that in T1's place.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use owl_measure::sample::Stamp;
use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::session::owamp::SessionSender;
use owl_protocol::wire::ErrorEstimate;
use owl_protocol::wire::owamp::{RequestSession, SentSession};
use owl_protocol::wire::stamp::SenderPacket;
use owl_protocol::wire::twamp::TestMode;

use super::{STOP_MARGIN, TURN};
use crate::clock::Clock;
use crate::control::{NoRandomness, random};
use crate::net::StampedSocket;

/// Sends whose transmit stamp is awaited; the oldest keeps its user-space T1 at the bound.
const AWAITED_MAX: usize = 1_024;

/// A session that this host sends.
#[derive(Debug)]
pub(super) struct Sending {
    socket: StampedSocket,
    peer: SocketAddr,
    sender: SessionSender,
    packet: Vec<u8>,
    mode: TestMode,
    timeout: Nanos,
    /// (number of the send, sequence number)
    awaited: VecDeque<(u32, u32)>,
    /// The kernel's T1 of each sequence number; empty when nobody asks for it.
    departures: Vec<Option<Stamp>>,
    sent: u64,
    unsent: u64,
    /// When the last packet went.
    last: Option<Timestamp>,
}

impl AsRawFd for Sending {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Sending {
    /// A session that starts now, its packets protected like this; its identifier stands in the request.
    pub(super) fn start(
        request: &RequestSession,
        mode: TestMode,
        socket: StampedSocket,
        peer: SocketAddr,
        now: Timestamp,
    ) -> Result<Self, NoRandomness> {
        let preamble = &request.preamble;
        // Padding should be pseudo-random (RFC 4656, section 4.1.2).
        let mut packet = vec![0; mode.request_octets() + preamble.padding_octets as usize];
        random::fill(&mut packet)?;
        Ok(Self {
            socket,
            peer,
            sender: SessionSender::new(request, preamble.sid, now),
            packet,
            mode,
            timeout: preamble.timeout.to_nanos(),
            awaited: VecDeque::new(),
            departures: Vec::new(),
            sent: 0,
            unsent: 0,
            last: None,
        })
    }

    /// Keeps the kernel's T1 of each packet, 24 octets each.
    pub(super) fn keep_departures(&mut self, packets: u32) {
        self.departures = vec![None; packets as usize];
    }

    /// Sends what is due.
    pub(super) fn transmit(&mut self, clock: Clock, estimate: ErrorEstimate) {
        while let Some(test) = self.sender.poll_transmit(clock.now(), estimate) {
            let packet = SenderPacket {
                sequence: test.sequence,
                sent_at: test.sent_at.into(),
                error_estimate: test.error_estimate,
                ssid: 0,
            };
            // The packet was made as long as its mode needs, so writing it cannot fail.
            let sent = self
                .mode
                .write_request(&packet, &mut self.packet)
                .map_err(io::Error::other)
                .and_then(|()| self.socket.send(&self.packet, self.peer, None));
            match sent {
                Ok(id) => {
                    self.sent += 1;
                    if self.awaited.len() >= AWAITED_MAX {
                        self.awaited.pop_front();
                    }
                    self.awaited.push_back((id, test.sequence));
                }
                // The numbering of sends has begun anew; stamps of earlier ones will not come.
                Err(_) => {
                    self.unsent += 1;
                    self.sender.handle_unsent(test.sequence);
                    self.awaited.clear();
                }
            }
            self.last = Some(clock.now());
        }
    }

    /// Reads the transmit stamps that have come, and throws away what somebody sends to this port.
    pub(super) fn collect_stamps(&mut self) {
        let mut nothing = [0; 0];
        for _ in 0..TURN {
            if !matches!(self.socket.receive(&mut nothing), Ok(Some(_))) {
                break;
            }
        }
        // An error here is the network's (an ICMP message); stamps that are lost with it leave T1 as it was sent.
        while let Ok(Some(stamp)) = self.socket.transmit_stamp() {
            while let Some((id, sequence)) = self
                .awaited
                .pop_front_if(|(id, _)| id.wrapping_sub(stamp.id).cast_signed() <= 0)
            {
                if id == stamp.id
                    && let Some(departure) = self.departures.get_mut(sequence as usize)
                {
                    *departure = Some(stamp.stamp);
                }
            }
        }
    }

    /// When the next packet is due; `None` once all have been sent.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.sender.next_deadline()
    }

    /// When nothing of it can be under way any more: the loss threshold after its last packet. `None` before that went.
    pub(super) fn over_at(&self) -> Option<Timestamp> {
        if self.next_deadline().is_some() {
            return None;
        }
        Some(self.last.unwrap_or_default() + self.timeout + STOP_MARGIN)
    }

    /// What Stop-Sessions tells of it.
    pub(super) fn told(&self) -> SentSession {
        self.sender.sent()
    }

    /// Packets that the kernel took.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Packets that it refused.
    pub(super) fn unsent(&self) -> u64 {
        self.unsent
    }

    /// The kernel's T1 of each packet, where it told.
    pub(super) fn into_departures(self) -> Vec<Option<Stamp>> {
        self.departures
    }
}
