//! The session-reflector of one TWAMP session (RFC 5357, section 4.2).
//!
//! It is told datagrams that came to the session's port while the session ran.
//! It answers those of the session's sender, with a count of its own, and with
//! as many octets as it was sent: only a request shorter than the fields of a
//! reply, 41 octets or 112 in a protected mode, gets those. Its sender has shown
//! by TCP that it owns its address, so nobody else can be made to receive them.

use std::net::IpAddr;

use owl_measure::time::{Monotonic, Timestamp};

use super::reflector::{Bucket, Rate, ReflectorClock, ReflectorCounts, Request, Unanswered};
use crate::wire::WireTimestamp;
use crate::wire::stamp::ReflectorPacket;
use crate::wire::twamp::TestMode;

/// Replies of one session: more than any schedule of ours asks for.
const RATE: Rate = Rate {
    per_second: 100_000,
    burst: 20_000,
};

/// The session-reflector of one TWAMP session.
#[derive(Debug)]
pub struct TwampReflector {
    mode: TestMode,
    sender: IpAddr,
    sent: u32,
    ration: Bucket,
    counts: ReflectorCounts,
}

impl TwampReflector {
    /// For the packets of a sender, from whichever of its ports: a translator of addresses changes it.
    pub fn new(mode: TestMode, sender: IpAddr) -> Self {
        Self {
            mode,
            sender: sender.to_canonical(),
            sent: 0,
            ration: Bucket::full(RATE),
            counts: ReflectorCounts::default(),
        }
    }

    /// What happened to the datagrams so far.
    pub fn counts(&self) -> ReflectorCounts {
        self.counts
    }

    /// Answers the request in the first octets of `buffer` by a reply in the same place, and tells its length;
    /// [`TwampReflector::seal`] is the last thing that it lacks. The buffer must have room for 112 octets.
    ///
    /// # Errors
    /// When the datagram is not to be answered; it has been counted, and the buffer holds nothing of use.
    pub fn handle(
        &mut self,
        now: Monotonic,
        request: &Request,
        clock: &ReflectorClock,
        buffer: &mut [u8],
    ) -> Result<usize, Unanswered> {
        let result = self.answer(now, request, clock, buffer);
        let count = match result {
            Ok(_) => &mut self.counts.reflected,
            Err(Unanswered::Rationed) => &mut self.counts.rationed,
            Err(Unanswered::Malformed) => &mut self.counts.malformed,
            Err(_) => &mut self.counts.unauthentic,
        };
        *count += 1;
        result
    }

    fn answer(
        &mut self,
        now: Monotonic,
        request: &Request,
        clock: &ReflectorClock,
        buffer: &mut [u8],
    ) -> Result<usize, Unanswered> {
        let reply_octets = self.mode.reply_octets();
        let octets = request.octets.max(reply_octets);
        if request.octets > buffer.len() || buffer.len() < reply_octets {
            return Err(Unanswered::Malformed);
        }
        if request.source.ip().to_canonical() != self.sender {
            return Err(Unanswered::Unauthentic);
        }
        if !self.ration.take(now, RATE, 1) {
            return Err(Unanswered::Rationed);
        }
        let packet = self
            .mode
            .read_request(&mut buffer[..request.octets])
            .map_err(|_| Unanswered::Malformed)?
            .ok_or(Unanswered::Unauthentic)?;
        let format = clock.error_estimate.format();
        let reply = ReflectorPacket {
            sequence: self.sent,
            sent_at: WireTimestamp::default(),
            error_estimate: clock.error_estimate,
            ssid: 0,
            received_at: WireTimestamp::write(request.received_at, format, clock.tai_offset),
            sender_sequence: packet.sequence,
            sender_sent_at: packet.sent_at,
            sender_error_estimate: packet.error_estimate,
            sender_ttl: request.ttl,
        };
        self.mode
            .write_reply(&reply, buffer)
            .map_err(|_| Unanswered::Malformed)?;
        self.sent = self.sent.wrapping_add(1);
        Ok(octets)
    }

    /// Writes T3, and protects the reply, in the buffer that `handle` was given: as late as can be.
    pub fn seal(&self, buffer: &mut [u8], clock: &ReflectorClock, sent_at: Timestamp) {
        let format = clock.error_estimate.format();
        let t3 = WireTimestamp::write(sent_at, format, clock.tai_offset);
        self.mode.seal_reply(buffer, t3);
    }
}

#[cfg(test)]
mod tests;
