//! The OWAMP session-receiver (RFC 4656, section 4.2): keeps a record of each
//! test packet, and knows from the schedule which ones never came.
//!
//! All room is taken when the session begins; no packet allocates.

use owl_measure::time::{Nanos, Timestamp};

use super::sender::SendTimes;
use crate::wire::owamp::{PacketRecord, RequestSession, SentSession, Sid, SkipRange, TestPacket};
use crate::wire::twamp::TestMode;
use crate::wire::{ErrorEstimate, NtpTimestamp, TimestampFormat};

/// Copies of packets that are recorded besides the first of each; more are ignored.
const DUPLICATES_MAX: usize = 1_000;
/// Fields of the longest test packet, the protected one.
const FIELDS_MAX: usize = 48;

/// A datagram that arrived at the port of a session.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Its octets.
    pub datagram: &'a [u8],
    /// When it arrived.
    pub received_at: Timestamp,
    /// Of the clock that told so.
    pub error_estimate: ErrorEstimate,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
}

/// Why an arrival is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Too short, or its timestamp is not in the NTP format.
    Malformed,
    /// Someone else's, or changed on the way.
    NotAuthentic,
    /// A sequence number beyond the session.
    Stranger,
    /// More than the loss threshold after it was sent, or before it: as good as lost.
    OutOfTime,
    /// One copy too many.
    Full,
}

/// What is known of a session in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Results {
    /// The sequence number that would have been sent next.
    pub next_sequence: u32,
    /// Packets that were never sent.
    pub skipped: Vec<SkipRange>,
    /// Of each other packet, the lost ones included, in the order in which they arrived or were given up.
    pub records: Vec<PacketRecord>,
}

/// An OWAMP session-receiver.
#[derive(Debug)]
pub struct SessionReceiver {
    request: RequestSession,
    sid: Sid,
    mode: TestMode,
    started_at: Timestamp,
    timeout: Nanos,
    records: Vec<PacketRecord>,
    seen: Vec<u64>,
    /// Records that are not the first of their packet.
    copies: usize,
}

impl SessionReceiver {
    /// Of a session that is started now, its packets protected like this. Takes 32 octets for each packet: allow no more
    /// packets than there is room for.
    pub fn new(request: &RequestSession, sid: Sid, mode: TestMode, now: Timestamp) -> Self {
        let packets = request.preamble.packets as usize;
        Self {
            sid,
            mode,
            started_at: now,
            timeout: request.preamble.timeout.to_nanos(),
            records: Vec::with_capacity(packets.saturating_add(DUPLICATES_MAX)),
            seen: vec![0; packets.div_ceil(64)],
            copies: 0,
            request: request.clone(),
        }
    }

    /// What the session is.
    pub fn sid(&self) -> Sid {
        self.sid
    }

    /// The records so far, without those of lost packets.
    pub fn records(&self) -> &[PacketRecord] {
        &self.records
    }

    /// Records an arrival.
    ///
    /// # Errors
    /// When it is not to be recorded.
    pub fn handle(&mut self, arrival: &Arrival<'_>) -> Result<PacketRecord, Ignored> {
        let packet = self.read(arrival.datagram)?;
        if packet.error_estimate.format() != TimestampFormat::Ntp {
            return Err(Ignored::Malformed);
        }
        if packet.sequence >= self.request.preamble.packets {
            return Err(Ignored::Stranger);
        }
        let sent_at = packet.sent_at.to_timestamp(arrival.received_at);
        if (arrival.received_at - sent_at).abs() > self.timeout {
            return Err(Ignored::OutOfTime);
        }
        if self.is_seen(packet.sequence) {
            if self.copies >= DUPLICATES_MAX {
                return Err(Ignored::Full);
            }
            self.copies += 1;
        }
        let record = PacketRecord {
            sequence: packet.sequence,
            sent_error_estimate: packet.error_estimate,
            received_error_estimate: arrival.error_estimate,
            sent_at: packet.sent_at,
            received_at: NtpTimestamp::from_timestamp(arrival.received_at),
            ttl: arrival.ttl,
        };
        self.seen[packet.sequence as usize / 64] |= 1 << (packet.sequence % 64);
        self.records.push(record);
        Ok(record)
    }

    fn read(&self, datagram: &[u8]) -> Result<TestPacket, Ignored> {
        // What is behind the fields is padding.
        let mut fields = [0; FIELDS_MAX];
        let octets = datagram.len().min(FIELDS_MAX);
        fields[..octets].copy_from_slice(&datagram[..octets]);
        let packet = self
            .mode
            .read_request(&mut fields[..octets])
            .map_err(|_| Ignored::Malformed)?
            .ok_or(Ignored::NotAuthentic)?;
        Ok(TestPacket {
            sequence: packet.sequence,
            sent_at: NtpTimestamp(packet.sent_at.0),
            error_estimate: packet.error_estimate,
        })
    }

    fn is_seen(&self, sequence: u32) -> bool {
        self.seen[sequence as usize / 64] & (1 << (sequence % 64)) != 0
    }

    /// Closes the session with what its sender told of it. Packets so young that they may still be under way when it was
    /// stopped are left out, come or not (section 3.8).
    pub fn finish(
        self,
        told: &SentSession,
        stopped_at: Timestamp,
        error_estimate: ErrorEstimate,
    ) -> Results {
        let oldest = stopped_at - self.timeout;
        let next_sequence = told.next_sequence.min(self.request.preamble.packets);
        let mut times = SendTimes::new(&self.request, self.sid, self.started_at);
        let mut skipped = told.skipped.iter().peekable();
        let mut lost = Vec::new();
        for sequence in 0..next_sequence {
            let scheduled_at = times.next();
            while skipped.next_if(|range| range.last < sequence).is_some() {}
            let was_sent = skipped.peek().is_none_or(|range| sequence < range.first);
            if was_sent && !self.is_seen(sequence) && scheduled_at <= oldest {
                let scheduled_at = NtpTimestamp::from_timestamp(scheduled_at);
                lost.push(PacketRecord::lost(sequence, scheduled_at, error_estimate));
            }
        }
        let mut records = self.records;
        records.retain(|record| record.sent_at.to_timestamp(stopped_at) <= oldest);
        records.append(&mut lost);
        records.sort_by_key(|record| {
            if record.is_lost() {
                record.sent_at.to_timestamp(stopped_at) + self.timeout
            } else {
                record.received_at.to_timestamp(stopped_at)
            }
        });
        Results {
            next_sequence,
            skipped: told.skipped.clone(),
            records,
        }
    }
}

#[cfg(test)]
mod tests {
    use owl_sim::{Crossing, Link};
    use rand_pcg::Pcg64;
    use rand_pcg::rand_core::{Rng, SeedableRng};

    use super::*;
    use crate::session::owamp::SessionSender;
    use crate::session::owamp::tests::request;
    use crate::wire::owamp::SessionKeys;
    use crate::wire::stamp::SenderPacket;
    use crate::wire::twamp::TestKeys;

    const SID: Sid = Sid([7; 16]);
    const START: Timestamp = Timestamp(1_795_441_000_000_000_000);
    const CLOCK: ErrorEstimate = ErrorEstimate(0x8A01);
    const SECOND: Nanos = Nanos::from_secs(1);

    fn arrival(datagram: &[u8], received_at: Timestamp) -> Arrival<'_> {
        Arrival {
            datagram,
            received_at,
            error_estimate: CLOCK,
            ttl: 250,
        }
    }

    /// Sends a session over a link; what was sent, what really was lost, and what the receiver found.
    fn run(link: Link, seed: u64, packets: u32) -> (Vec<TestPacket>, Vec<u32>, Results) {
        let mut request = request();
        request.preamble.packets = packets;
        let mut link = link.seeded(seed);
        let mut sender = SessionSender::new(&request, SID, START);
        let mut receiver = SessionReceiver::new(&request, SID, TestMode::Unauthenticated, START);
        let (mut sent, mut lost, mut arrivals) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(now) = sender.next_deadline() {
            let packet = sender.poll_transmit(now, CLOCK).unwrap();
            sent.push(packet);
            match link.cross(now.0) {
                Crossing::Lost => lost.push(packet.sequence),
                Crossing::Arrives { at_ns } => arrivals.push((at_ns, packet)),
                Crossing::Twice { at_ns, again_at_ns } => {
                    arrivals.extend([(at_ns, packet), (again_at_ns, packet)]);
                }
            }
        }
        arrivals.sort_by_key(|&(at_ns, _)| at_ns);
        let room = receiver.records.capacity();
        for (at_ns, packet) in arrivals {
            let octets = packet.encode();
            receiver
                .handle(&arrival(&octets, Timestamp(at_ns)))
                .unwrap();
        }
        assert_eq!(receiver.records.capacity(), room, "no packet allocates");
        let end = START + SECOND.times(i64::from(packets));
        (sent, lost, receiver.finish(&sender.sent(), end, CLOCK))
    }

    #[test]
    fn every_packet_has_its_record_and_what_was_lost_is_known_with_its_send_time() {
        let link = Link {
            propagation_ns: 700_000,
            queueing_mean_ns: 50_000,
            loss_ppm: 30_000,
            reorder_ppm: 20_000,
            reorder_hold_ns: 200_000_000,
            ..Link::default()
        };
        for seed in 0..20 {
            let (sent, lost, results) = run(link, seed, 2_000);
            assert_eq!(
                (results.next_sequence, results.records.len()),
                (2_000, 2_000),
                "seed {seed}"
            );
            let mut found: Vec<_> = results
                .records
                .iter()
                .filter(|record| record.is_lost())
                .collect();
            found.sort_by_key(|record| record.sequence);
            let numbers: Vec<_> = found.iter().map(|record| record.sequence).collect();
            assert_eq!(numbers, lost, "seed {seed}");
            for record in &results.records {
                let packet = sent[record.sequence as usize];
                assert_eq!(
                    record.sent_at, packet.sent_at,
                    "seed {seed}: the schedule is the same at both ends"
                );
                let delay =
                    record.received_at.to_timestamp(START) - record.sent_at.to_timestamp(START);
                assert!(
                    record.is_lost() || delay >= Nanos(700_000),
                    "seed {seed}: {delay}"
                );
            }
        }
    }

    #[test]
    fn copies_are_recorded_as_often_as_they_come() {
        let link = Link {
            propagation_ns: 700_000,
            duplicate_ppm: 50_000,
            ..Link::default()
        };
        let (_, _, results) = run(link, 3, 4_000);
        let copies = results.records.len() - 4_000;
        assert!((150..250).contains(&copies), "{copies}");
    }

    #[test]
    fn skipped_packets_are_not_lost_and_young_ones_not_judged() {
        let mut request = request();
        request.preamble.packets = 10;
        request.schedule = vec![crate::wire::owamp::Slot::Fixed(
            crate::wire::owamp::Interval(1 << 32),
        )];
        request.preamble.timeout = crate::wire::owamp::Interval(2 << 32);
        let receiver = SessionReceiver::new(&request, SID, TestMode::Unauthenticated, START);
        let told = SentSession {
            sid: SID,
            next_sequence: 8,
            skipped: vec![
                SkipRange { first: 1, last: 2 },
                SkipRange { first: 4, last: 4 },
            ],
        };
        // Sent at 1 … 8 s; what was sent after 6 s may still be under way at 8 s.
        let results = receiver.finish(&told, START + SECOND.times(8), CLOCK);
        let lost: Vec<_> = results
            .records
            .iter()
            .map(|record| record.sequence)
            .collect();
        assert_eq!(lost, [0, 3, 5]);
    }

    #[test]
    fn what_is_no_packet_of_the_session_is_ignored() {
        let mut request = request();
        request.preamble.packets = 10;
        let mut receiver = SessionReceiver::new(&request, SID, TestMode::Unauthenticated, START);
        let packet = |sequence, ns| TestPacket {
            sequence,
            sent_at: NtpTimestamp::from_timestamp(START + Nanos(ns)),
            error_estimate: CLOCK,
        };
        let mut check = |packet: TestPacket, ignored| {
            let octets = packet.encode();
            assert_eq!(
                receiver.handle(&arrival(&octets, START)).err(),
                ignored,
                "{packet:?}"
            );
        };
        check(packet(9, 0), None);
        check(packet(10, 0), Some(Ignored::Stranger));
        check(packet(u32::MAX, 0), Some(Ignored::Stranger));
        check(packet(1, -2_000_000_001), Some(Ignored::OutOfTime));
        check(packet(1, 2_000_000_001), Some(Ignored::OutOfTime));
        let ptp = TestPacket {
            error_estimate: ErrorEstimate(0xC001),
            ..packet(1, 0)
        };
        check(ptp, Some(Ignored::Malformed));
        assert_eq!(
            receiver.handle(&arrival(&[0; 13], START)),
            Err(Ignored::Malformed)
        );
        let octets = packet(9, 0).encode();
        let full = (0..2_000).find_map(|_| receiver.handle(&arrival(&octets, START)).err());
        assert_eq!(full, Some(Ignored::Full));
        let octets = packet(2, 0).encode();
        assert_eq!(
            receiver.handle(&arrival(&octets, START)).err(),
            None,
            "copies take no packet's place"
        );
    }

    #[test]
    fn a_protected_packet_is_recorded_and_a_changed_one_is_not() {
        let keys = SessionKeys {
            aes: [4; 16],
            hmac: [5; 32],
        };
        let sent_at = NtpTimestamp::from_timestamp(START);
        for mode in [
            TestMode::Authenticated(TestKeys::new(keys)),
            TestMode::Encrypted(TestKeys::new(keys)),
        ] {
            let mut datagram = [7; 100];
            let packet = SenderPacket {
                sequence: 9,
                sent_at: sent_at.into(),
                error_estimate: CLOCK,
                ssid: 0,
            };
            mode.write_request(&packet, &mut datagram).unwrap();
            let mut receiver = SessionReceiver::new(&request(), SID, mode, START);
            for octet in 0..16 {
                let mut changed = datagram;
                changed[octet] ^= 1;
                let ignored = receiver.handle(&arrival(&changed, START)).err();
                assert_eq!(ignored, Some(Ignored::NotAuthentic), "octet {octet}");
            }
            let short = receiver.handle(&arrival(&datagram[..47], START));
            assert_eq!(short.err(), Some(Ignored::Malformed));
            let record = receiver.handle(&arrival(&datagram, START)).unwrap();
            assert_eq!((record.sequence, record.sent_at), (9, sent_at));
        }
    }

    #[test]
    fn a_million_random_datagrams_are_survived() {
        let mut random = Pcg64::seed_from_u64(4);
        let mut request = request();
        request.preamble.packets = 1_000;
        let mut receiver = SessionReceiver::new(&request, SID, TestMode::Unauthenticated, START);
        let mut datagram = [0; 24];
        for _ in 0..1_000_000 {
            datagram.chunks_mut(8).for_each(|chunk| {
                chunk.copy_from_slice(&random.next_u64().to_be_bytes()[..chunk.len()]);
            });
            // Every other one has a number and a time that could be.
            if random.next_u32() % 2 == 0 {
                let near = NtpTimestamp::from_timestamp(START).0 ^ u64::from(random.next_u32());
                datagram[..2].fill(0);
                datagram[4..12].copy_from_slice(&near.to_be_bytes());
            }
            let length = random.next_u32() as usize % 24;
            let _ = receiver.handle(&arrival(&datagram[..length], START));
        }
        let told = SentSession {
            sid: SID,
            next_sequence: u32::MAX,
            skipped: vec![SkipRange { first: 9, last: 3 }],
        };
        let results = receiver.finish(&told, START + SECOND.times(3_600), CLOCK);
        assert!(results.records.len() >= 1_000 && results.next_sequence == 1_000);
    }
}
