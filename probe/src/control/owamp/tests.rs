//! Both ends over the loopback.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use owl_measure::sample::{PeerClock, StampSource};
use owl_measure::time::Nanos;
use owl_protocol::wire::owamp::{Interval, Slot};

use super::*;
use crate::clock::Clock;
use crate::control::Access;

mod hostile;
mod measuring;

/// Longer than a thread of a busy machine waits for its turn, also behind real-time ones: 1.2 s.
fn settings(server: SocketAddr, directions: Directions) -> ClientSettings {
    ClientSettings {
        server,
        user: None,
        directions,
        schedule: Slot::Fixed(Interval::from_nanos(Nanos::from_millis(12))),
        packets: 100,
        packet_octets: 50,
        timeout: Nanos::from_millis(300),
        dscp: 0,
    }
}

/// A server on a thread of its own while `test` runs, and what it counted.
fn with_server<T>(
    change: impl FnOnce(&mut ServerSettings),
    clock: Clock,
    test: impl FnOnce(SocketAddr, &OwampStats) -> T,
) -> T {
    with_server_on("127.0.0.1", change, clock, test)
}

fn with_server_on<T>(
    ip: &str,
    change: impl FnOnce(&mut ServerSettings),
    clock: Clock,
    test: impl FnOnce(SocketAddr, &OwampStats) -> T,
) -> T {
    let ip: IpAddr = ip.parse().unwrap();
    let mut settings = ServerSettings {
        access: Access {
            listen: vec![SocketAddr::new(ip, 0)],
            ..Access::default()
        },
        ..ServerSettings::default()
    };
    change(&mut settings);
    let server = OwampServer::bind(settings, clock).unwrap();
    let address = server.local()[0];
    let (stats, stop) = (OwampStats::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (stats, stop) = (&stats, &stop);
        let thread = scope.spawn(move || server.run(stats, stop, || Some(Nanos(50_000))));
        // The server stops also when the test fails.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Relaxed);
            }
        }
        let stopping = Stop(stop);
        let result = test(address, stats);
        drop(stopping);
        thread.join().unwrap().unwrap();
        result
    })
}

fn measure(settings: &ClientSettings) -> Result<Measured, OwampError> {
    let client = Client::connect(settings, Clock::honest())?;
    client.run(&AtomicBool::new(false), &Progress::default(), || {
        Some(Nanos(20_000))
    })
}

/// Each packet was sent, or left out because this machine was busy; and each that was sent has come.
#[track_caller]
fn all_came(way: &OneWay) {
    let came = way.records.iter().filter(|it| it.received_at.is_some());
    assert_eq!(way.sent + way.skipped, 100, "{way:?}");
    assert!(way.sent > 0 && came.count() as u64 == way.sent, "{way:?}");
}
