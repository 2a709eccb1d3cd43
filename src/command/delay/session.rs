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
use owl_measure::report::Report;
use owl_measure::sample::Sample;
use owl_measure::summary::Summary;
use owl_measure::time::{Monotonic, Nanos};
use owl_probe::clock::Clock;
use owl_probe::sender::{RepliesOver, SenderSession, SessionSenders, Watcher};
use owl_protocol::session::sender::Observations;

use super::flows::Flows;
use crate::command::own_clock::OwnClock;

/// Samples on their way to be shown; more are counted and not shown.
const SAMPLES_MAX: usize = 1 << 16;
/// Length of the reported intervals.
pub(super) const REPORT_INTERVAL: Nanos = Nanos::from_secs(10);

/// Beyond what the last packets may take, silence of less is no news.
const SILENCE_MIN: Nanos = Nanos::from_secs(3);

/// A session that runs.
pub(super) struct Running {
    /// What comes back, as it comes, numbered over all flows; disconnected when the session is over.
    pub(super) samples: Receiver<Sample>,
    thread: JoinHandle<io::Result<Ended>>,
}

/// A session that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) reports: Vec<Report>,
    /// What replies showed of the path beside delay and loss; of several flows, the first one's.
    pub(super) observations: Observations,
    /// From which port each flow was sent.
    pub(super) source_ports: Vec<u16>,
    /// Over which interfaces the replies of all flows came in, when packets were bound to a member link.
    pub(super) replies_over: Option<RepliesOver>,
    /// Packets that the kernel did not take.
    pub(super) unsent: u64,
    /// Datagrams that were no reply of this session.
    pub(super) strangers: u64,
    /// Samples that were not shown one by one.
    pub(super) unshown: u64,
    /// How long nothing had come back when it ended, though something had before; `None` when that is no news.
    pub(super) silence: Option<Nanos>,
}

/// How long nothing comes back before that is news: the last packets of a session have twice the loss threshold to
/// come back, and a few may be lost.
fn patience(interval: Nanos, timeout: Nanos) -> Nanos {
    timeout.times(2) + interval.times(10).max(SILENCE_MIN)
}

/// Starts the sessions of `senders`, one for each flow; it ends by itself, or when `stop` is set.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(
    mut senders: SessionSenders,
    (interval, timeout, flows): (Nanos, Nanos, Flows),
    own_clock: OwnClock,
    stop: Arc<AtomicBool>,
) -> io::Result<Running> {
    // The first reading of the clock may take a while, which is not to fall between packets.
    let _ = own_clock.state();
    let (sender, samples) = sync_channel(SAMPLES_MAX);
    let thread = thread::Builder::new()
        .name("sender".to_owned())
        .spawn(move || {
            let mut recording = Recording {
                samples: sender,
                unshown: 0,
                last_reply: None,
                reports: Vec::new(),
                own_clock,
                interval,
                flows,
            };
            senders.run(&stop, || own_clock.claim(), &mut recording)?;
            let ended = Clock::honest().monotonic();
            let sessions = || (0..senders.sessions()).map(|number| senders.session(number));
            Ok(Ended {
                reports: recording.reports,
                observations: *senders.session(0).observations(),
                source_ports: (0..senders.sessions())
                    .map(|number| senders.source_port(number))
                    .collect(),
                replies_over: (0..senders.sessions())
                    .filter_map(|number| senders.replies_over(number))
                    .reduce(RepliesOver::with),
                unsent: sessions().map(SenderSession::unsent).sum(),
                strangers: sessions().map(SenderSession::strangers).sum(),
                unshown: recording.unshown,
                silence: recording
                    .last_reply
                    .map(|last| ended - last)
                    .filter(|&silence| silence > patience(interval, timeout)),
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
pub(super) fn report(
    flow: usize,
    summary: Summary,
    clock: ClockState,
    packet_interval: Nanos,
) -> Report {
    Report {
        path: String::new(),
        generation: String::new(),
        flow: flow as u32,
        packet_interval,
        summary,
        clock,
    }
}

struct Recording {
    samples: SyncSender<Sample>,
    unshown: u64,
    /// When something came back last.
    last_reply: Option<Monotonic>,
    /// One for each [`REPORT_INTERVAL`] of at most 24 hours, and each flow.
    reports: Vec<Report>,
    own_clock: OwnClock,
    interval: Nanos,
    flows: Flows,
}

impl Watcher for Recording {
    fn sample(&mut self, flow: usize, sample: &Sample) {
        self.last_reply = Some(Clock::honest().monotonic());
        let sample = Sample {
            sequence: self.flows.overall(flow, sample.sequence),
            ..*sample
        };
        if self.samples.try_send(sample).is_err() {
            self.unshown += 1;
        }
    }

    fn summary(&mut self, flow: usize, summary: Summary) {
        let clock = self.own_clock.since(summary.start);
        self.reports
            .push(report(flow, summary, clock, self.interval));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_losses_at_the_end_are_no_silence() {
        let patience = |interval_ms, timeout_ms| {
            patience(
                Nanos::from_millis(interval_ms),
                Nanos::from_millis(timeout_ms),
            )
        };
        assert_eq!(patience(100, 1_000), Nanos::from_secs(5));
        assert_eq!(patience(1_000, 1_000), Nanos::from_secs(12));
        assert_eq!(patience(1, 60_000), Nanos::from_secs(123));
    }
}
