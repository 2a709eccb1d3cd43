//! Many session-senders in one process: what `owl probe` runs, without a plan.
//!
//! Prints what was sent and answered, how late packets left, and what a
//! session cost of processor and memory.
#![expect(clippy::print_stdout, reason = "the result goes to standard output")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::Parser;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use owl_measure::sample::Sample;
use owl_measure::summary::Summary;
use owl_measure::time::{Nanos, Timestamp};
use owl_probe::clock::Clock;
use owl_probe::sender::{Pace, SenderStats, SessionSenders, SessionSettings, SpanCounts, Watcher};
use owl_protocol::session::Schedule;
use owl_protocol::session::sender::{Question, Reflector, SenderConfig};

/// Run many session-senders in one process and print what they cost
#[derive(Debug, Parser)]
struct Args {
    /// The first session-reflector; session number N is to the address N higher, and so on for --peers addresses
    first: SocketAddr,
    /// Addresses that are asked in turn, from the first on
    #[arg(long, default_value_t = 1)]
    peers: u32,
    /// Ports that are asked in turn, from the first on
    #[arg(long, default_value_t = 1)]
    ports: u16,
    /// Sessions
    #[arg(long, default_value_t = 1)]
    sessions: u32,
    /// Time between the packets of a session
    #[arg(long, default_value = "1s")]
    interval: Nanos,
    /// Send all packets of an interval at once, rather than spread over it
    #[arg(long)]
    together: bool,
    /// How long, in seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Run before every ordinary thread
    #[arg(long)]
    real_time: bool,
    /// Look at the clock for so long before each packet instead of sleeping
    #[arg(long, default_value = "0s")]
    spin: Nanos,
    /// Ask for nothing besides the base packet
    #[arg(long)]
    plain: bool,
}

/// Sums over all sessions.
#[derive(Default)]
struct Sums {
    sent: u64,
    received: u64,
    late: u64,
    lost: u64,
    skipped: u64,
    kernel_t1: u64,
    lateness_max: Nanos,
}

impl Watcher for Sums {
    fn sample(&mut self, _: usize, _: &Sample) {}

    fn summary(&mut self, _: usize, summary: Summary) {
        self.sent += summary.sent;
        self.received += summary.received;
        self.late += summary.late;
        self.lost += summary.lost;
        self.skipped += summary.skipped;
        self.kernel_t1 += summary.transmit_stamps.kernel;
        self.lateness_max = self.lateness_max.max(summary.lateness_max);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let clock = Clock::honest();
    let stats = Arc::<SenderStats>::default();
    let empty = resident_octets()?;
    let mut senders = SessionSenders::new(clock, stats.clone()).at_pace(Pace {
        pin: None,
        real_time: args.real_time,
        spin: args.spin,
    });
    let start = clock.monotonic() + Nanos::from_millis(500);
    for number in 0..args.sessions {
        let phase = if args.together {
            Nanos::ZERO
        } else {
            Nanos(args.interval.0 / i64::from(args.sessions) * i64::from(number))
        };
        let schedule = Schedule::periodic(args.interval, start + phase);
        let ssid = (number % u32::from(u16::MAX)) as u16 + 1;
        senders.open(SessionSettings {
            peer: args.peer(number)?,
            local: None,
            sender: SenderConfig {
                question: Question {
                    follow_up: !args.plain,
                    ..Question::default()
                },
                ..SenderConfig::new(ssid, schedule, Nanos::from_secs(1), Reflector::Own)
            },
            keys: None,
            report_interval: Nanos::from_secs(10),
            aligned_to: Timestamp(0),
            targets: [1, 4, 6].map(Nanos::from_millis).into(),
        })?;
    }
    let stop = AtomicBool::new(false);
    let mut sums = Sums::default();
    let (used, began) = (processor_time()?, Instant::now());
    let resident = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            std::thread::sleep(Duration::from_secs_f64(args.seconds + 0.5));
            let resident = resident_octets();
            stop.store(true, Relaxed);
            resident
        });
        senders.run(&stop, || None, &mut sums)?;
        waiting.join().expect("it reads one file")
    })?;
    let processor = (processor_time()? - used) / began.elapsed().as_secs_f64();
    // The thread looks now and then whether it should stop, so it has sent for a little longer.
    let seconds = (clock.monotonic() - start).as_secs_f64();
    let read = stats.read();
    let per_session = resident.saturating_sub(empty) / u64::from(args.sessions);
    println!(
        "{{\"seconds\":{seconds:.3},\"sent\":{},\"per_second\":{:.0},\"received\":{},\"late\":{},\"lost\":{},\"skipped\":{},\"unsent\":{},\"unstamped\":{},\"kernel_t1\":{},\"sockets\":{},\"processor\":{processor:.3},\"octets_a_session\":{per_session},\"lateness_p50_us\":{},\"lateness_p99_us\":{},\"lateness_p999_us\":{},\"lateness_mean_us\":{:.1},\"lateness_max_us\":{:.0},\"own_loss\":{},\"queueing_p99_us\":{}}}",
        read.sent,
        read.sent as f64 / seconds,
        sums.received,
        sums.late,
        sums.lost,
        sums.skipped,
        read.unsent,
        read.unstamped,
        sums.kernel_t1,
        senders.sockets(),
        at_most_us(&read.lateness, 0.5),
        at_most_us(&read.lateness, 0.99),
        at_most_us(&read.lateness, 0.999),
        read.lateness.sum.0 as f64 / 1e3 / read.lateness.count.max(1) as f64,
        sums.lateness_max.0 as f64 / 1e3,
        read.own_loss,
        at_most_us(&read.local_queueing, 0.99),
    );
    Ok(())
}

impl Args {
    fn peer(&self, number: u32) -> Result<SocketAddr, &'static str> {
        let IpAddr::V4(first) = self.first.ip() else {
            return Err("an IPv4 address is needed");
        };
        let ip = Ipv4Addr::from(u32::from(first).wrapping_add(number % self.peers.max(1)));
        let port = u32::from(self.first.port()) + number % u32::from(self.ports.max(1));
        let port = u16::try_from(port).map_err(|_| "there are not so many ports")?;
        Ok(SocketAddr::from((ip, port)))
    }
}

/// The upper edge of the cell that holds a quantile, in microseconds.
fn at_most_us(counts: &SpanCounts, share: f64) -> String {
    let rank = (counts.count as f64 * share).ceil() as u64;
    let edge = counts.at_most.iter().find(|&&(_, count)| count >= rank);
    edge.map_or("null".into(), |(edge, _)| (edge.0 / 1_000).to_string())
}

/// Seconds of processor time that this process has used.
fn processor_time() -> nix::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(
        (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64
            / 1e6,
    )
}

/// Memory that this process has in use (proc(5), statm).
fn resident_octets() -> std::io::Result<u64> {
    const PAGE_OCTETS: u64 = 4_096;
    let pages = std::fs::read_to_string(Path::new("/proc/self/statm"))?;
    let resident = pages.split_whitespace().nth(1);
    Ok(resident.and_then(|pages| pages.parse().ok()).unwrap_or(0) * PAGE_OCTETS)
}
