//! What a command is told of this host's clock, and what that amounts to.

use clap::ValueEnum;
use owl_measure::clock::{BoundBasis, ClockSource, ClockState};
use owl_measure::time::Nanos;
use owl_measure::words::Lang;
use owl_probe::clock::{self, Clock, Declared};
use serde_json::{Value, json};

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
    /// This host's clock is within DURATION of UTC; believed while the kernel says that something disciplines it
    #[arg(long, value_name = "DURATION")]
    clock_bound: Option<Nanos>,
    /// What disciplines this host's clock
    #[arg(long, value_name = "SOURCE")]
    clock_source: Option<Discipline>,
}

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
            bound: self.clock_bound.map(Nanos::abs),
        }
    }

    /// The state of the clock right now.
    pub(crate) fn state(self) -> ClockState {
        clock::state(Clock::honest(), self.declared())
    }

    /// The bound that may be claimed right now.
    pub(crate) fn claim(self) -> Option<Nanos> {
        let state = self.state();
        state.bound_at(state.as_of)
    }
}

/// One sentence: what a clock claims, and why no more.
pub(crate) fn sentence(state: &ClockState, lang: Lang) -> String {
    match (state.bound, state.bound_at(state.as_of)) {
        (_, Some(bound)) => {
            lang.pick(format!("within {bound} of UTC, declared"), format!("声明与 UTC 相差不超过 {bound}"))
        }
        (Some((bound, _)), None) => lang.pick(
            format!("no claim: {bound} was declared, but the kernel says that nothing disciplines this clock"),
            format!("不作声明：虽声明 {bound}，但内核表明该时钟未被同步"),
        ),
        (None, None) => lang.pick(
            "no claim: --clock-bound was not given".to_owned(),
            "不作声明：未给出 --clock-bound".to_owned(),
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
