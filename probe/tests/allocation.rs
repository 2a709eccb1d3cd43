//! A sender's thread allocates nothing for a packet.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use owl_measure::sample::Sample;
use owl_measure::summary::Summary;
use owl_measure::time::{Nanos, Timestamp};
use owl_probe::clock::Clock;
use owl_probe::reflector::{Reflector, ReflectorStats};
use owl_probe::sender::{SessionSenders, SessionSettings, Watcher};
use owl_protocol::session::Schedule;
use owl_protocol::session::sender::{Question, Reflector as PeerKind, SenderConfig};

/// Counts, for each thread, what it hands on to the system's allocator.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: both functions hand on to the system's allocator, with what they were given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has no counter any more, and nobody asks for it.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
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

const SESSIONS: u16 = 10;
const PACKETS: u64 = 200;

/// How many allocations there had been when so many samples had come.
#[derive(Default)]
struct Watched(Vec<u64>);

impl Watcher for Watched {
    fn sample(&mut self, _: usize, _: &Sample) {
        if self.0.len() < self.0.capacity() {
            self.0.push(ALLOCATIONS.get());
        }
    }
    fn summary(&mut self, _: usize, _: Summary) {}
}

/// Stops a reflector when dropped, by a panic too.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn a_packet_costs_no_allocation_and_a_histogram_few() {
    let clock = Clock::honest();
    let reflector = Reflector::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))], clock).unwrap();
    let peer = reflector.local()[0];
    let mut senders = SessionSenders::new(clock, Arc::default());
    for ssid in 1..=SESSIONS {
        let start = clock.monotonic() + Nanos::from_micros(i64::from(ssid) * 100);
        let schedule = Schedule::periodic(Nanos::from_millis(1), start);
        let settings = SessionSettings {
            peer,
            local: None,
            sender: SenderConfig {
                packets: Some(PACKETS),
                question: Question {
                    follow_up: true,
                    ..Question::default()
                },
                ..SenderConfig::new(ssid, schedule, Nanos::from_secs(5), PeerKind::Own)
            },
            keys: None,
            report_interval: Nanos::from_secs(3_600),
            aligned_to: Timestamp(0),
            targets: vec![Nanos::from_millis(1)],
        };
        senders.open(settings).unwrap();
    }
    let samples = usize::from(SESSIONS) * PACKETS as usize;
    let mut watched = Watched(Vec::with_capacity(samples));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stopped = Stop(&stop);
        scope.spawn(|| reflector.run(&ReflectorStats::default(), &stop, || None));
        senders
            .run(&AtomicBool::new(false), || None, &mut watched)
            .unwrap();
    });
    assert_eq!(watched.0.len(), samples);
    // Only a histogram that meets a new delay may grow, by a quarter each time, and there are five a session.
    let (half, end) = (watched.0[samples / 2], watched.0[samples - 1]);
    let growths = u64::from(SESSIONS) * 5 * 2 * 4;
    assert!(end - half <= growths, "{} allocations", end - half);
}
