//! The session on its own thread, and what it hands over while it runs.
//!
//! Nothing is printed on the thread that sends and stamps: samples go to the
//! one that prints through a queue, and when that is full they are not shown
//! one by one. They are in the reports all the same.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use owl_measure::clock::ClockState;
use owl_measure::reordering::Reordered;
use owl_measure::report::Report;
use owl_measure::sample::Sample;
use owl_measure::summary::{Recorder, Summary};
use owl_measure::time::{Nanos, Timestamp};
use owl_probe::clock::Clock;
use owl_probe::sender::{SenderSession, Watcher, run};

use crate::command::own_clock::OwnClock;

/// Samples on their way to be shown; more are counted and not shown.
const SAMPLES_MAX: usize = 1 << 16;
/// Length of the reported intervals.
pub(super) const REPORT_INTERVAL: Nanos = Nanos::from_secs(10);

/// A session that runs.
pub(super) struct Running {
    /// What comes back, as it comes; disconnected when the session is over.
    pub(super) samples: Receiver<Sample>,
    thread: JoinHandle<io::Result<Ended>>,
}

/// A session that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) reports: Vec<Report>,
    /// Packets that the kernel did not take.
    pub(super) unsent: u64,
    /// Datagrams that were no reply of this session.
    pub(super) strangers: u64,
    /// Samples that were not shown one by one.
    pub(super) unshown: u64,
    /// It was stopped: of the last seconds only what came back is known.
    pub(super) stopped: bool,
}

/// Starts a session; it ends by itself, or when `stop` is set.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(
    session: SenderSession,
    interval: Nanos,
    own_clock: OwnClock,
    stop: Arc<AtomicBool>,
) -> io::Result<Running> {
    let (sender, samples) = sync_channel(SAMPLES_MAX);
    let thread = thread::Builder::new()
        .name("sender".to_owned())
        .spawn(move || {
            let mut recording = Recording {
                samples: sender,
                unshown: 0,
                reports: Vec::new(),
                open: Vec::new(),
                own_clock,
                clock: own_clock.state(),
                interval,
            };
            let mut sessions = [session];
            run(
                &mut sessions,
                Clock::honest(),
                &stop,
                || own_clock.claim(),
                &mut recording,
            )?;
            let stopped = recording.close();
            Ok(Ended {
                reports: recording.reports,
                unsent: sessions[0].unsent(),
                strangers: sessions[0].strangers(),
                unshown: recording.unshown,
                stopped,
            })
        })?;
    Ok(Running { samples, thread })
}

impl Running {
    /// Waits for its end, which has come when `samples` is disconnected.
    ///
    /// # Errors
    /// When the kernel refused to wait for packets.
    pub(super) fn join(self) -> io::Result<Ended> {
        drop(self.samples);
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// One report of the session; who measured and by what plan is no question here.
pub(super) fn report(summary: Summary, clock: ClockState, packet_interval: Nanos) -> Report {
    Report {
        path: String::new(),
        generation: String::new(),
        packet_interval,
        summary,
        clock,
    }
}

/// The summary of packets that came back, when no interval of them is complete; `None` without any.
///
/// Packets from `first` on that did not come back before the last that did were sent, and their fate is open.
pub(super) fn gathered(samples: &mut [Sample], first: u32) -> Option<Summary> {
    // The sequence number counts on a circle, but not within the 24 hours that a session may last.
    samples.sort_by_key(|sample| sample.sequence);
    let earliest = samples.iter().map(|sample| sample.origin).min()?;
    let mut recorder = Recorder::new(Nanos::MAX, earliest, Vec::new());
    let mut next = first;
    for sample in samples {
        for _ in next..=sample.sequence {
            recorder.sent(sample.origin, Nanos::ZERO);
        }
        next = next.max(sample.sequence.saturating_add(1));
        recorder.received(sample, Reordered::default());
    }
    recorder.close(Timestamp(i64::MAX))
}

struct Recording {
    samples: SyncSender<Sample>,
    unshown: u64,
    /// One for each [`REPORT_INTERVAL`] of at most 24 hours.
    reports: Vec<Report>,
    /// Samples of intervals that are not complete: of one interval and three loss thresholds at most.
    open: Vec<Sample>,
    own_clock: OwnClock,
    /// At its worst since the last report.
    clock: ClockState,
    interval: Nanos,
}

impl Recording {
    fn worst_clock(&mut self) -> ClockState {
        let now = self.own_clock.state();
        std::mem::replace(&mut self.clock, now).worse(now)
    }

    /// Reports what is left when the session was stopped, and whether anything was: lateness, reordering and duplicates
    /// of the last seconds are not in it.
    fn close(&mut self) -> bool {
        let reported: u64 = self.reports.iter().map(|report| report.summary.sent).sum();
        let first = u32::try_from(reported).unwrap_or(u32::MAX);
        let Some(summary) = gathered(&mut self.open, first) else {
            return false;
        };
        let clock = self.worst_clock();
        self.reports.push(report(summary, clock, self.interval));
        true
    }
}

impl Watcher for Recording {
    fn sample(&mut self, _: usize, sample: &Sample) {
        self.open.push(*sample);
        if self.samples.try_send(*sample).is_err() {
            self.unshown += 1;
        }
    }

    fn summary(&mut self, _: usize, summary: Summary) {
        let end = summary.start + summary.length;
        self.open.retain(|sample| sample.origin >= end);
        let clock = self.worst_clock();
        self.reports.push(report(summary, clock, self.interval));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::sample::{PeerClock, Stamp, StampSource};

    #[test]
    fn packets_that_are_still_on_the_way_count_as_sent_and_as_nothing_else() {
        let mut samples: Vec<Sample> = [7, 5, 9]
            .map(|sequence| {
                let at = Timestamp(i64::from(sequence) * 1_000);
                Sample {
                    sequence,
                    origin: at,
                    sent_at: Stamp {
                        at,
                        source: StampSource::Kernel,
                    },
                    reflector_received_at: at,
                    reflector_sent_at: at,
                    t3: StampSource::Kernel,
                    received_at: Stamp {
                        at: at + Nanos(10),
                        source: StampSource::Kernel,
                    },
                    ttl: 255,
                    peer_clock: PeerClock::NoClaim,
                }
            })
            .to_vec();
        let summary = gathered(&mut samples, 4).unwrap();
        assert_eq!((summary.sent, summary.received, summary.lost), (6, 3, 0));
        assert_eq!(gathered(&mut [], 4), None);
    }
}
