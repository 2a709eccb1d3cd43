//! Test packets cost no allocation, neither at the session-reflector nor at the session-sender.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;

use owl_measure::sample::{Stamp, StampSource};
use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_protocol::session::reflector::{ReflectorClock, ReflectorConfig, Request};
use owl_protocol::session::sender::{
    Arrival, Protection, Question, Received, Reflector, SenderConfig,
};
use owl_protocol::session::{Schedule, SessionReflector, SessionSender, TwampReflector};
use owl_protocol::wire::authentication::{Key, KeyStore};
use owl_protocol::wire::owamp::SessionKeys;
use owl_protocol::wire::stamp::SenderPacket;
use owl_protocol::wire::tlv::TimestampInformation;
use owl_protocol::wire::twamp::{TestKeys, TestMode};
use owl_protocol::wire::{ErrorEstimate, TaiOffset, WireTimestamp};

/// Counts what it hands on to the system's allocator.
struct Counting;

thread_local! {
    /// Of this thread: tests run beside each other.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: both functions hand on to the system's allocator, with what they were given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const MS: i64 = 1_000_000;

/// One exchange a millisecond: sent, reflected, stamped, answered, asked for.
struct Exchange {
    sender: SessionSender,
    reflector: SessionReflector,
    buffer: Vec<u8>,
    samples: u32,
}

impl Exchange {
    fn run(&mut self, k: i64) {
        let (now, wall) = (Monotonic(k * MS), Timestamp(k * MS));
        let stamp = |ns| Stamp {
            at: wall + Nanos(ns),
            source: StampSource::Kernel,
        };
        let transmit = self
            .sender
            .poll_transmit(now, wall, ErrorEstimate::NO_CLAIM, &mut self.buffer)
            .expect("its time has come");
        self.sender.handle_transmitted(transmit.token, stamp(1));
        let request = Request {
            octets: transmit.octets,
            source: ([192, 0, 2, 1], 4_000).into(),
            destination: ([192, 0, 2, 2], 862).into(),
            ttl: 250,
            traffic_class: 0,
            received_at: wall + Nanos(2),
            interface: None,
            member_link: None,
        };
        let clock = ReflectorClock {
            error_estimate: ErrorEstimate::NO_CLAIM,
            tai_offset: TaiOffset::SINCE_2017,
            information: TimestampInformation::default(),
        };
        let reply = self
            .reflector
            .handle(now, &request, &clock, &mut self.buffer)
            .expect("an authentic request");
        reply.seal(&mut self.buffer, wall + Nanos(3));
        let token = reply.token.expect("the reflector keeps state");
        self.reflector.handle_transmitted(token, stamp(4));
        let received = Received {
            stamp: stamp(5),
            ttl: 250,
            traffic_class: Some(0),
        };
        let datagram = &self.buffer[..reply.octets];
        let arrival = self.sender.handle_reply(now, datagram, received);
        assert_eq!(arrival, Arrival::OnTime);
        assert_eq!(self.sender.poll_loss(now), None);
        while self.sender.poll_sample(now).is_some() {
            self.samples += 1;
        }
    }
}

#[test]
fn an_exchange_of_test_packets_allocates_nothing() {
    let key = || Key::new(&[7; 32]).expect("long enough");
    for (ssid, protection) in [
        (7, Protection::None),
        (8, Protection::Tlvs(key())),
        (9, Protection::Authenticated(key())),
    ] {
        let schedule = Schedule::periodic(Nanos(MS), Monotonic(0));
        let timeout = Nanos(100 * MS);
        let mut exchange = Exchange {
            sender: SessionSender::new(SenderConfig {
                protection,
                packet_octets: 300,
                question: Question {
                    follow_up: true,
                    timestamp_information: true,
                    class_of_service: true,
                    direct_measurement: true,
                    location: true,
                    ..Question::default()
                },
                ..SenderConfig::new(ssid, schedule, timeout, Reflector::Own)
            }),
            reflector: SessionReflector::new(ReflectorConfig {
                keys: KeyStore::new([(8, key()), (9, key())]),
                ..ReflectorConfig::open(16, 1)
            }),
            buffer: vec![0; 2_000],
            samples: 0,
        };
        // The queues grow to what the session needs: twice the loss threshold of packets.
        (0..1_000).for_each(|k| exchange.run(k));
        let before = ALLOCATIONS.get();
        (1_000..11_000).for_each(|k| exchange.run(k));
        assert_eq!(ALLOCATIONS.get() - before, 0);
        assert_eq!(exchange.samples, 10_999, "the last waits for its T3");
    }
}

#[test]
fn an_exchange_of_twamp_test_packets_allocates_nothing() {
    let keys = SessionKeys {
        aes: [4; 16],
        hmac: [5; 32],
    };
    for mode in [
        TestMode::Unauthenticated,
        TestMode::Authenticated(TestKeys::new(keys)),
        TestMode::Encrypted(TestKeys::new(keys)),
    ] {
        let source: SocketAddr = ([192, 0, 2, 1], 4_000).into();
        let mut reflector = TwampReflector::new(mode.clone(), source.ip());
        let mut buffer = [0; 300];
        let packet = SenderPacket {
            sequence: 0,
            sent_at: WireTimestamp::default(),
            error_estimate: ErrorEstimate::NO_CLAIM,
            ssid: 0,
        };
        let clock = ReflectorClock {
            error_estimate: ErrorEstimate::NO_CLAIM,
            tai_offset: TaiOffset::SINCE_2017,
            information: TimestampInformation::default(),
        };
        let before = ALLOCATIONS.get();
        for k in 0..1_000 {
            mode.write_request(&packet, &mut buffer)
                .expect("there is room");
            let request = Request {
                octets: buffer.len(),
                source,
                destination: ([192, 0, 2, 2], 862).into(),
                ttl: 250,
                traffic_class: 0,
                received_at: Timestamp(k),
                interface: None,
                member_link: None,
            };
            reflector
                .handle(Monotonic(k * MS), &request, &clock, &mut buffer)
                .expect("an authentic request");
            reflector.seal(&mut buffer, &clock, Timestamp(k));
            let reply = mode.read_reply(&buffer).expect("a whole reply");
            assert!(reply.is_some());
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{mode:?}");
    }
}
