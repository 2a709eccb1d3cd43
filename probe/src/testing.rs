//! What several tests need.

use owl_measure::clock::{ClockSource, ClockState, ClockStatus, KernelClock};
use owl_measure::report::Report;
use owl_measure::summary::Recorder;
use owl_measure::time::{Nanos, Timestamp};

/// Says that the test that calls this cannot run, and why; the test then returns.
#[expect(
    clippy::print_stderr,
    reason = "the convention is a line on standard error"
)]
pub(crate) fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// A report of one interval in which one packet was sent.
pub(crate) fn report(path: &str) -> Report {
    let mut recorder = Recorder::new(Nanos::from_secs(1), Timestamp(0), vec![]);
    recorder.sent(Timestamp(0), Nanos::ZERO);
    Report {
        path: path.into(),
        generation: "g".into(),
        flow: 0,
        packet_interval: Nanos::from_millis(100),
        summary: recorder.close(Timestamp(i64::MAX)).unwrap(),
        clock: ClockState {
            as_of: Timestamp(0),
            source: ClockSource::Unknown,
            status: ClockStatus::Free,
            bound: None,
            drift_ppb: 0,
            transmit_stamp_error: Nanos::ZERO,
            receive_stamp_error: Nanos::ZERO,
            kernel: KernelClock::default(),
        },
    }
}
