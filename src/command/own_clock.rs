//! What a command is told of this host's clock, and what that amounts to.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use clap::ValueEnum;
use owl_measure::clock::{BoundBasis, ClockSource, ClockState};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use owl_probe::clock::{self, Clock, ClockConfig, ClockHistory, ClockKeeper, ClockWatch, Declared};
use serde_json::{Value, json};

use super::duration::positive;

/// What disciplines a real clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Discipline {
    Ptp,
    Gnss,
    Ntp,
}

/// What is declared of this host's clock.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct OwnClock {
    /// This host's clock is within DURATION of UTC; believed while the kernel says that something disciplines it.
    /// When it is not given, whoever disciplines the clock is asked (see `owl clock`)
    #[arg(long, value_name = "DURATION", value_parser = positive)]
    clock_bound: Option<Nanos>,
    /// What disciplines this host's clock
    #[arg(long, value_name = "SOURCE")]
    clock_source: Option<Discipline>,
}

/// This host's clock as it was read last: there is one clock, so one thread watches it for the whole process, from the
/// first time that somebody wants to know. Daemons may take their time to answer, and no test packet may wait for them.
struct Watched {
    history: Arc<Mutex<ClockHistory>>,
    _keeper: ClockKeeper,
}

static WATCHED: LazyLock<Watched> = LazyLock::new(|| {
    let mut watch = ClockWatch::new(Clock::honest(), &ClockConfig::default());
    let mut history = ClockHistory::default();
    history.push(watch.read().state);
    let history = Arc::new(Mutex::new(history));
    let told = Arc::clone(&history);
    let keeper = ClockKeeper::start(watch, move |reading| {
        told.lock()
            // The history is a plain queue: a panic elsewhere leaves it whole.
            .unwrap_or_else(PoisonError::into_inner)
            .push(reading.state);
    });
    Watched {
        history,
        _keeper: keeper,
    }
});

fn watched() -> MutexGuard<'static, ClockHistory> {
    let history = WATCHED.history.lock();
    history.unwrap_or_else(PoisonError::into_inner)
}

/// How long ago "lately" began: the clock is read once a second.
const LATELY: Nanos = Nanos::from_secs(1);

impl OwnClock {
    /// The declaration as a probe's configuration would make it.
    pub(crate) fn declared(self) -> Declared {
        Declared {
            source: match self.clock_source {
                None => ClockSource::Unknown,
                Some(Discipline::Ptp) => ClockSource::Ptp,
                Some(Discipline::Gnss) => ClockSource::Gnss,
                Some(Discipline::Ntp) => ClockSource::Ntp,
            },
            bound: self.clock_bound,
        }
    }

    /// The state of the clock right now, or as it was read last.
    pub(crate) fn state(self) -> ClockState {
        if self.clock_bound.is_some() {
            return clock::state(Clock::honest(), self.declared());
        }
        watched().latest().unwrap_or_default()
    }

    /// What may be claimed of packets from an instant until now. The state is theirs alone: no later packet is judged by
    /// it, so it neither grows any more nor ends.
    pub(crate) fn since(self, from: Timestamp) -> ClockState {
        if self.clock_bound.is_some() {
            return self.state();
        }
        let worst = watched().worst(from, Clock::honest().now());
        ClockState {
            drift_ppb: 0,
            void_after: None,
            ..worst.unwrap_or_default()
        }
    }

    /// The same of packets of the last second.
    pub(crate) fn lately(self) -> ClockState {
        self.since(Clock::honest().now() - LATELY)
    }

    /// The bound that may be claimed right now.
    pub(crate) fn claim(self) -> Option<Nanos> {
        self.state().bound_at(Clock::honest().now())
    }
}

/// One sentence: what a clock claims, and why no more.
pub(crate) fn sentence(state: &ClockState, lang: Lang) -> String {
    match (state.bound, state.bound_at(state.as_of)) {
        (Some((_, BoundBasis::Declared)), Some(bound)) => {
            lang.pick(format!("within {bound} of UTC, declared"), format!("声明与 UTC 相差不超过 {bound}"))
        }
        (_, Some(bound)) => lang.pick(
            format!("within {bound} of UTC, as whoever disciplines it tells (`owl clock`)"),
            format!("据其同步程序，与 UTC 相差不超过 {bound}（`owl clock`）"),
        ),
        (Some((bound, _)), None) => lang.pick(
            format!("no claim: {bound} was declared, but the kernel says that nothing disciplines this clock"),
            format!("不作声明：虽声明 {bound}，但内核表明该时钟未被同步"),
        ),
        (None, None) => lang.pick(
            "no claim: nobody tells of it, and --clock-bound was not given (`owl clock`)".to_owned(),
            "不作声明：无同步程序告知，也未给出 --clock-bound（`owl clock`）".to_owned(),
        ),
    }
}

/// The same for a program.
pub(crate) fn described(state: &ClockState) -> Value {
    let (declared, basis) = state.bound.unzip();
    json!({
        "source": state.source,
        "status": state.status,
        "declared_bound_ns": declared,
        "bound_ns": state.bound_at(state.as_of),
        "basis": basis.map(|basis: BoundBasis| json!(basis)),
        "kernel_synchronised": state.kernel.synchronised,
    })
}
