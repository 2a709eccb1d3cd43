//! Whether a report of the plan on trial was acknowledged.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use owl_measure::report::Report;

/// Told by who writes reports to the disk and by who hears the collector; asked by who keeps the plan.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Awaited>);

#[derive(Debug, Default)]
struct Awaited {
    /// The generation on trial, as its reports say it.
    generation: Option<String>,
    /// The number of the first report of it.
    first: Option<u64>,
    acknowledged: bool,
}

impl Progress {
    fn inner(&self) -> MutexGuard<'_, Awaited> {
        // Every change is a plain assignment, so it is whole whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a report of this generation from now on.
    pub(crate) fn wait_for(&self, generation: u64) {
        *self.inner() = Awaited {
            generation: Some(generation.to_string()),
            ..Awaited::default()
        };
    }

    /// These reports got the numbers after `last`.
    pub(crate) fn made(&self, reports: &[Report], last: u64) {
        let mut inner = self.inner();
        if inner.first.is_none() && inner.generation.is_some() {
            let mut numbered = (last + 1..).zip(reports);
            let of_it = numbered.find(|(_, of)| Some(&of.generation) == inner.generation.as_ref());
            inner.first = of_it.map(|(number, _)| number);
        }
    }

    /// The collector has the reports with these numbers.
    pub(crate) fn acknowledged(&self, numbers: RangeInclusive<u64>) {
        let mut inner = self.inner();
        inner.acknowledged |= inner.first.is_some_and(|first| *numbers.end() >= first);
    }

    /// Whether one of the awaited generation was acknowledged.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.inner().acknowledged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::report;

    #[test]
    fn only_a_report_of_the_awaited_generation_counts() {
        let of = |generation: &str| Report {
            generation: generation.into(),
            ..report("a~b")
        };
        let progress = Progress::default();
        progress.made(&[of("8")], 0);
        progress.wait_for(8);
        progress.made(&[of("7"), of("7")], 1);
        progress.acknowledged(1..=3);
        assert!(!progress.is_acknowledged());
        progress.made(&[of("7"), of("8"), of("8")], 3);
        progress.acknowledged(1..=4);
        assert!(!progress.is_acknowledged());
        progress.acknowledged(2..=5);
        assert!(progress.is_acknowledged());
        progress.wait_for(9);
        assert!(!progress.is_acknowledged());
    }
}
