//! Whom the clock's state is asked of, in their order.

use std::io;

use owl_measure::time::Monotonic;

use super::assessment::Assessment;
use super::chrony::{Chrony, Place};
use super::clockbound::ClockBound;
use super::datagram::TellError;
use super::finding::{Finding, Teller};
use super::ntpd_rs::NtpdRs;
use super::ptp4l::Ptp4l;
use super::settings::{ClockConfig, SourceChoice, Trust};
use super::shown::Clock;
use crate::net::{interface_clock, monotonic_clock};

/// Who is asked when nobody is named. ClockBound is there only where somebody wants its rules; chronyd comes before
/// ptp4l because where both run chronyd steers the system's clock from the interface's.
const AUTO: [Teller; 4] = [
    Teller::Clockbound,
    Teller::Chrony,
    Teller::Ptp4l,
    Teller::NtpdRs,
];

/// Whoever can tell of the clock.
#[derive(Debug)]
pub(super) struct Tellers {
    choice: SourceChoice,
    trust: Trust,
    chrony: Chrony,
    ptp4l: Ptp4l,
    ntpd_rs: NtpdRs,
    clockbound: ClockBound,
}

/// What came of asking.
#[derive(Debug)]
pub(super) struct Answered {
    /// The first that claims something, else the first that answered.
    pub(super) best: Option<(Teller, Assessment)>,
    /// Who answered.
    pub(super) answering: Vec<Teller>,
    /// Who did not, and why.
    pub(super) silent: Vec<Finding>,
}

impl Tellers {
    pub(super) fn new(settings: &ClockConfig) -> Self {
        let place = settings.chrony.as_deref().and_then(Place::read);
        Self {
            choice: settings.source,
            trust: settings.trust(),
            chrony: Chrony::new(place),
            ptp4l: Ptp4l::new(settings.ptp4l.clone(), interface_clock),
            ntpd_rs: NtpdRs::new(settings.ntpd_rs.clone()),
            clockbound: ClockBound::new(settings.clockbound.clone()),
        }
    }

    /// Asks until somebody claims something.
    pub(super) fn ask(&mut self) -> Answered {
        let one;
        let order: &[Teller] = match self.choice {
            SourceChoice::Auto => &AUTO,
            SourceChoice::Chrony => {
                one = [Teller::Chrony];
                &one
            }
            SourceChoice::Ptp4l => {
                one = [Teller::Ptp4l];
                &one
            }
            SourceChoice::NtpdRs => {
                one = [Teller::NtpdRs];
                &one
            }
            SourceChoice::Clockbound => {
                one = [Teller::Clockbound];
                &one
            }
            _ => &[],
        };
        let mut answered = Answered {
            best: None,
            answering: Vec::new(),
            silent: Vec::new(),
        };
        for &teller in order {
            match self.tell(teller) {
                Ok(assessment) => {
                    answered.answering.push(teller);
                    let claims = assessment.claims();
                    if claims || answered.best.is_none() {
                        answered.best = Some((teller, assessment));
                    }
                    if claims {
                        break;
                    }
                }
                // Who was not named and is not there is no news.
                Err(error) if self.choice == SourceChoice::Auto && is_absent(&error) => {}
                Err(error) => answered.silent.push(Finding::Silent {
                    teller,
                    why: error.chain(),
                }),
            }
        }
        answered
    }

    fn tell(&mut self, teller: Teller) -> Result<Assessment, TellError> {
        let clock = Clock::honest();
        let both = || (clock.now(), clock.monotonic());
        match teller {
            Teller::Chrony => self.chrony.tell(|| clock.now(), &self.trust),
            Teller::Ptp4l => self.ptp4l.tell(both, &self.trust),
            Teller::NtpdRs => self.ntpd_rs.tell(|| clock.now(), &self.trust),
            Teller::Clockbound => self
                .clockbound
                .tell(|| (clock.now(), its_own_monotonic()), &self.trust),
            Teller::Declared => unreachable!("what is declared is asked of nobody"),
        }
    }
}

/// CLOCK_MONOTONIC's value; a kernel that does not tell it makes every memory look void.
fn its_own_monotonic() -> Monotonic {
    monotonic_clock().unwrap_or(Monotonic(i64::MAX))
}

fn is_absent(error: &TellError) -> bool {
    matches!(error, TellError::Ask { source, .. } if matches!(
        source.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_there_is_no_news_unless_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = |name: &str| Some(folder.path().join(name));
        let settings = |source| ClockConfig {
            source,
            chrony: nowhere("c").map(|path| path.display().to_string()),
            ptp4l: nowhere("p"),
            ntpd_rs: nowhere("n"),
            clockbound: nowhere("b"),
            ..ClockConfig::default()
        };
        for (choice, silent) in [
            (SourceChoice::Auto, 0),
            (SourceChoice::Chrony, 1),
            (SourceChoice::Ptp4l, 1),
            (SourceChoice::NtpdRs, 1),
            (SourceChoice::Clockbound, 1),
            (SourceChoice::Gnss, 0),
        ] {
            let answered = Tellers::new(&settings(choice)).ask();
            assert!(answered.best.is_none() && answered.answering.is_empty());
            assert_eq!(answered.silent.len(), silent, "{choice:?}: {answered:?}");
        }
    }
}
