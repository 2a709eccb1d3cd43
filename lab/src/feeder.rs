//! Probes whose reports are made, not measured: as many as wanted in one process, each with a real spool and a real uplink.
//!
//! A report is a function of its number, so whoever knows a probe's [`Feed`]
//! knows every octet that the probe has ever sent, also when both ends were
//! killed meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use owl_measure::clock::{BoundBasis, ClockSource, ClockState, ClockStatus};
use owl_measure::reordering::Reordered;
use owl_measure::report::Report;
use owl_measure::sample::{Header, PeerClock, Sample, Stamp, StampSource};
use owl_measure::summary::Recorder;
use owl_measure::time::{Nanos, Timestamp};
use owl_probe::config::{Config, ConfigError};
use owl_probe::daemon::ProbeError;
use owl_probe::reporting::Reporting;
use owl_probe::spool::{Spool, SpoolCounts, SpoolError};
use serde::{Deserialize, Serialize};

/// Test packets in the interval of a report, unless the feed says otherwise.
const PACKETS: u32 = 10;

/// Nanoseconds that a packet is sent after its time, at most.
const SEND_NOISE: i64 = 60_000;

fn packets() -> u32 {
    PACKETS
}

/// How packets wait on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Queues {
    /// Up to 100 µs, short waits more often than long ones.
    #[default]
    Steady,
    /// Up to 8 µs, and one packet in fifty up to 50 µs more: a metro path that nobody fills.
    Quiet,
    /// Up to 8 µs as a rule, at times ten, a hundred or 250 times that: as many different delays as a link that is filled
    /// at random can have, and more than a report is made for.
    Unkind,
}

impl Queues {
    /// How long a packet waits, of numbers that are drawn below a limit.
    fn wait(self, mut draw: impl FnMut(i64) -> i64) -> i64 {
        const STEADY: i64 = 100_000;
        const QUIET: i64 = 8_000;
        const CROSSING: i64 = 50_000;
        const OCTAVES: u32 = 8;
        match self {
            Self::Steady => draw(STEADY).min(draw(STEADY)),
            Self::Quiet => {
                let crossing = if draw(50) == 0 { draw(CROSSING) } else { 0 };
                draw(QUIET).min(draw(QUIET)) + crossing
            }
            // Each octave half as often as the one before.
            Self::Unkind => draw(QUIET) << draw(1 << OCTAVES).trailing_zeros().min(OCTAVES),
        }
    }
}

/// The reports of one probe: interval by interval, in each one report a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// When the first interval begins, in nanoseconds since 1970.
    pub from_ns: i64,
    /// How long each interval is, in nanoseconds.
    pub length_ns: i64,
    /// Test packets in each interval; one at least.
    #[serde(default = "packets")]
    pub packets: u32,
    /// How its packets wait on their way.
    #[serde(default)]
    pub queues: Queues,
    /// From the begin of an interval to that of the next, in nanoseconds.
    pub step_ns: i64,
    /// The paths that it measures; one at least.
    pub paths: Vec<Measured>,
}

/// A path that a probe measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Its name, `FROM~TO`.
    pub path: String,
    /// By how much the far clock is ahead of the probe's own, in nanoseconds, whatever both claim.
    pub ahead_ns: i64,
    /// From which interval on, counted from 0; before, the clocks agree.
    pub ahead_from: u64,
}

impl Measured {
    /// Between clocks that agree.
    pub fn well(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            ahead_ns: 0,
            ahead_from: 0,
        }
    }
}

impl Feed {
    /// The report with a number, which is 1 for the first.
    ///
    /// Its delays are drawn from the number: 0.7 ms there and 0.8 ms back, and what its packets wait.
    pub fn report(&self, sequence: u64) -> Report {
        let paths = self.paths.len().max(1) as u64;
        let (interval, way) = (
            sequence.saturating_sub(1) / paths,
            sequence.saturating_sub(1) % paths,
        );
        let way = usize::try_from(way)
            .ok()
            .and_then(|way| self.paths.get(way));
        let (path, ahead) = way.map_or((String::new(), 0), |way| {
            let is_off = interval >= way.ahead_from;
            (way.path.clone(), if is_off { way.ahead_ns } else { 0 })
        });
        let intervals = i64::try_from(interval).unwrap_or(i64::MAX);
        let start = Timestamp(
            self.from_ns
                .saturating_add(self.step_ns.saturating_mul(intervals)),
        );
        let targets = vec![Nanos::from_millis(1)];
        let mut recorder = Recorder::new(Nanos(self.length_ns), start, targets);
        let packets = self.packets.max(1);
        let gap = self.length_ns / i64::from(packets);
        for k in 0..packets {
            let mut number = sequence
                .wrapping_mul(u64::from(packets))
                .wrapping_add(u64::from(k));
            let mut draw = |below: i64| {
                number = number.wrapping_add(1 << 40);
                drawn(number) % below
            };
            let sent = start.0 + i64::from(k) * gap + draw(SEND_NOISE.min(gap));
            let there = 700_000 + self.queues.wait(&mut draw);
            let back = there + 800_000 + self.queues.wait(&mut draw);
            recorder.sent(Timestamp(sent), Nanos::ZERO);
            let sample = sample(k, sent, sent + there + ahead, sent + back);
            recorder.received(&sample, Reordered::default());
        }
        let summary = recorder
            .close(Timestamp(i64::MAX))
            .expect("packets were recorded, so there is an interval to close");
        Report {
            path,
            generation: String::new(),
            flow: 0,
            packet_interval: Nanos(gap),
            clock: ClockState {
                as_of: start,
                source: ClockSource::Gnss,
                status: ClockStatus::Synchronised,
                bound: Some((Nanos::from_micros(10), BoundBasis::Declared)),
                transmit_stamp_error: Nanos::from_micros(5),
                receive_stamp_error: Nanos::from_micros(5),
                ..ClockState::default()
            },
            summary,
        }
    }
}

/// SplitMix64, as a number from 0 on.
fn drawn(seed: u64) -> i64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 1).cast_signed()
}

fn sample(sequence: u32, sent: i64, reached: i64, back: i64) -> Sample {
    let kernel = |ns| Stamp {
        at: Timestamp(ns),
        source: StampSource::Kernel,
    };
    let header = Header {
        ttl: 255,
        ..Header::default()
    };
    Sample {
        sequence,
        origin: Timestamp(sent),
        sent_at: kernel(sent),
        reflector_received_at: Timestamp(reached),
        reflector_sent_at: Timestamp(reached),
        t3: StampSource::Kernel,
        received_at: kernel(back),
        forward_header: header,
        backward_header: header,
        peer_clock: PeerClock::Within(Nanos::from_micros(10)),
    }
}

/// What a process of such probes is told, as TOML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Reports in one commit.
    pub batch: u64,
    /// Milliseconds between two commits of a probe.
    pub pause_ms: u64,
    /// The probes.
    pub probe: Vec<Fed>,
}

/// One of the probes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fed {
    /// Its configuration file, as of `owl probe`.
    pub config: PathBuf,
    /// The number of the last report that it makes.
    pub until: u64,
    /// What it reports.
    pub feed: Feed,
}

/// Probes that cannot be fed.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// What they are told cannot be read.
    #[error("cannot read {file}", file = .file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What they are told cannot be understood.
    #[error("cannot understand {file}", file = .file.display())]
    Parse {
        /// Which file.
        file: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A probe's configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A probe.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The host gives no threads.
    #[error("cannot start the probes")]
    Start(#[source] std::io::Error),
}

/// Runs the probes of a script until the process ends; `made` is called once every one of them has made its last report.
///
/// # Errors
/// When the script, a configuration, a certificate or a spool cannot be used.
pub fn run(file: &Path, made: impl FnOnce()) -> Result<(), FeedError> {
    let text = std::fs::read_to_string(file).map_err(|source| FeedError::Read {
        file: file.into(),
        source,
    })?;
    let script: Script = toml::from_str(&text).map_err(|source| FeedError::Parse {
        file: file.into(),
        source: Box::new(source),
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(FeedError::Start)?;
    let pause = Duration::from_millis(script.pause_ms);
    let mut probes = Vec::new();
    for fed in script.probe {
        let reporting = Reporting::open(Config::read(&fed.config)?)?;
        probes.push((std::sync::Arc::new(reporting), fed));
    }
    runtime.block_on(async {
        let mut making = tokio::task::JoinSet::new();
        for (reporting, fed) in probes {
            let uplink = reporting.clone();
            tokio::spawn(async move { uplink.run().await });
            making.spawn(make(reporting, fed, script.batch.max(1), pause));
        }
        while making.join_next().await.is_some() {}
        made();
        std::future::pending().await
    })
}

/// Makes a probe's reports, from where its spool says that they end. A spool that refuses is asked again after a second.
async fn make(reporting: std::sync::Arc<Reporting>, fed: Fed, batch: u64, pause: Duration) {
    const AGAIN: Duration = Duration::from_secs(1);
    let fed = std::sync::Arc::new(fed);
    loop {
        let (reporting, of) = (reporting.clone(), fed.clone());
        let commit = move || -> Result<bool, SpoolError> {
            let made = reporting.counts()?.made;
            let reports: Vec<Report> = (made + 1..=of.until.min(made + batch))
                .map(|sequence| of.feed.report(sequence))
                .collect();
            if reports.is_empty() {
                return Ok(true);
            }
            reporting.commit(&reports).map(|()| false)
        };
        match tokio::task::spawn_blocking(commit).await {
            Ok(Ok(true)) | Err(_) => return,
            Ok(Ok(false)) => tokio::time::sleep(pause).await,
            Ok(Err(_)) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// The epoch of a probe's spool, and what the spool holds and has held, while nobody else uses it.
///
/// # Errors
/// When it cannot be opened or read.
pub fn spool(directory: &Path) -> Result<(u64, SpoolCounts), SpoolError> {
    let spool = Spool::open(directory)?;
    Ok((spool.epoch(), spool.counts()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_function_of_its_number() {
        let feed = Feed {
            from_ns: 5_000_000_000,
            length_ns: 1_000_000_000,
            packets: PACKETS,
            queues: Queues::default(),
            step_ns: 1_000_000_000,
            paths: ["a~b", "a~c"].map(Measured::well).to_vec(),
        };
        assert_eq!(feed.report(7).encode(), feed.report(7).encode());
        let told: Vec<_> = (1..=5)
            .map(|sequence| feed.report(sequence))
            .map(|report| (report.path, report.summary.start.0 / 1_000_000_000))
            .collect();
        let expected = [("a~b", 5), ("a~c", 5), ("a~b", 6), ("a~c", 6), ("a~b", 7)];
        assert_eq!(
            told,
            expected.map(|(path, second)| (path.to_owned(), second))
        );
        assert_eq!(feed.report(3).summary.received, 10);
    }

    #[test]
    fn a_far_clock_is_ahead_from_the_interval_that_is_told() {
        let feed = Feed {
            from_ns: 0,
            length_ns: 1_000_000_000,
            packets: PACKETS,
            queues: Queues::default(),
            step_ns: 1_000_000_000,
            paths: vec![Measured {
                path: "a~b".into(),
                ahead_ns: 500_000,
                ahead_from: 2,
            }],
        };
        let delays = |sequence| feed.report(sequence).summary.forward.raw.extremes();
        assert!(delays(2).is_some_and(|(_, most)| most < Nanos(900_000)));
        assert!(delays(3).is_some_and(|(least, _)| least > Nanos(1_100_000)));
    }
}
