//! Everything that tells of the clock, put together: one state a second.

use owl_measure::clock::{ClockState, ClockStatus, KernelClock};
use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::wire::TaiOffset;

use super::assessment::{Assessment, Part, PartKind, drifted};
use super::declared;
use super::finding::{Finding, Teller};
use super::settings::ClockConfig;
use super::shown::Clock;
use super::step::StepWatch;
use super::tellers::{Answered, Tellers};
use crate::net::{both_clocks, kernel_clock};

/// How early a kernel transmit stamp, or how late a kernel receive stamp, is taken to be at most.
///
/// An engineered figure, not a bound by proof: the stamp is taken when the packet is handed to the driver. Packets that
/// leave as one share the stamp of the first, and the last of sixteen small ones is on a wire of 10 Gb/s 1.7 µs behind it,
/// of 1 Gb/s 17 µs; where the kernel cuts them apart, 4 µs. On a slower wire a burst waits longer than this for its turn,
/// however it is sent.
const KERNEL_STAMP_ERROR: Nanos = Nanos::from_micros(25);
/// After a step the clock is called disrupted until the next multiple of this: every interval and window ends there.
const WINDOW: Nanos = Nanos::from_secs(60);
/// TAI − UTC since 2017-01-01, in seconds (IERS Bulletin C).
const TAI_OFFSET_S: i32 = 37;
/// A change of the kernel's frequency correction from one second to the next that is told.
const FREQUENCY_JUMP_PPB: i32 = 10_000;

/// TAI less UTC as the kernel knows it, or since 2017 where nobody has told it.
pub fn tai_offset() -> TaiOffset {
    kernel_clock().map_or(TaiOffset::SINCE_2017, |kernel| {
        TaiOffset::from_kernel(kernel.tai_offset_s)
    })
}

/// The clock's state, and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What is claimed.
    pub state: ClockState,
    /// Who told it; `None` when nobody did.
    pub teller: Option<Teller>,
    /// When the source was measured last, on whichever clock its daemon tells it.
    pub measured_at: Option<Timestamp>,
    /// The bound, part by part.
    pub parts: Vec<Part>,
    /// What weakens or forbids the claim.
    pub findings: Vec<Finding>,
}

/// Steps told in one state; what is beyond is only counted.
const STEPS_TOLD_MAX: usize = 8;

/// Watches the clock of this host.
#[derive(Debug)]
pub struct ClockWatch {
    clock: Clock,
    settings: ClockConfig,
    tellers: Tellers,
    /// The last assessment that claimed something, and whose.
    last: Option<(Teller, Assessment)>,
    steps: StepWatch,
    /// Steps since the last state: the first of them, and how many.
    stepped: (Vec<Nanos>, u32),
    disrupted_until: Option<Timestamp>,
    frequency_ppb: Option<i32>,
}

impl ClockWatch {
    /// Of a clock, by these settings. Nothing is asked yet.
    pub fn new(clock: Clock, settings: &ClockConfig) -> Self {
        Self {
            clock,
            tellers: Tellers::new(settings),
            settings: settings.clone(),
            last: None,
            steps: StepWatch::default(),
            stepped: (Vec::new(), 0),
            disrupted_until: None,
            frequency_ppb: None,
        }
    }

    /// Looks whether the clock stepped, and by how much. To be called often: the longer between, the larger the step
    /// that may be a slew.
    pub fn look(&mut self) -> Option<Nanos> {
        let now = both_clocks().ok()?;
        let step = self.steps.note(now)?;
        // What was measured before speaks of another clock.
        self.tellers = Tellers::new(&self.settings);
        self.last = None;
        self.disrupted_until = Some(now.real.period_start(WINDOW, Timestamp(0)) + WINDOW);
        let (told, count) = &mut self.stepped;
        *count = count.saturating_add(1);
        if told.len() < STEPS_TOLD_MAX {
            told.push(step);
        }
        Some(step)
    }

    /// Asks whoever tells of the clock, and puts it together. Takes a second or two where daemons do not answer.
    pub fn read(&mut self) -> Reading {
        self.look();
        // A kernel that cannot be asked vouches for nothing.
        let kernel = kernel_clock().unwrap_or_default();
        let (teller, mut assessment) = self.assess(kernel);
        let before = self.frequency_ppb.replace(kernel.frequency_ppb);
        assessment
            .findings
            .extend(cross_check(kernel, before, teller));
        let (told, steps) = std::mem::take(&mut self.stepped);
        let told = told.into_iter().map(|by| Finding::Stepped { by });
        assessment.findings.extend(told);
        let mut state = stamped(&assessment, self.clock, kernel);
        state.steps = steps;
        let now = Clock::honest().now();
        // A second step back in time must not hold the end off for more than a window.
        self.disrupted_until = self
            .disrupted_until
            .filter(|&until| now < until && until - now <= WINDOW);
        if self.disrupted_until.is_some() {
            state.status = ClockStatus::Disrupted;
        }
        Reading {
            state,
            teller,
            measured_at: assessment.measured_at,
            parts: assessment.parts,
            findings: assessment.findings,
        }
    }

    fn assess(&mut self, kernel: KernelClock) -> (Option<Teller>, Assessment) {
        let Answered {
            best,
            silent,
            answering,
        } = self.tellers.ask();
        let now = Clock::honest().now();
        let claim = best.as_ref().filter(|(_, assessment)| assessment.claims());
        if let Some((teller, assessment)) = claim {
            self.last = Some((*teller, assessment.clone()));
        }
        let held = self.last.clone().filter(|_| claim.is_none());
        let (teller, mut assessment) = match (held, best) {
            // Whoever told last says nothing: its word holds until it ends.
            (Some((teller, last)), _) if !answering.contains(&teller) => {
                (Some(teller), held_over(last, now))
            }
            (_, Some((teller, assessment)))
                if assessment.claims() || self.settings.bound.is_none() =>
            {
                (Some(teller), assessment)
            }
            (_, answered) => {
                let declared = declared::judge(now, self.settings.declared(), kernel);
                let teller = self.settings.bound.map(|_| Teller::Declared);
                // Why nobody measures is worth knowing beside what is declared.
                let mut assessment = declared;
                assessment.findings.extend(
                    answered
                        .into_iter()
                        .flat_map(|(_, refused)| refused.findings),
                );
                (teller, assessment)
            }
        };
        assessment.findings.extend(silent);
        (teller, assessment)
    }
}

/// What was claimed last, at a later instant.
fn held_over(mut last: Assessment, now: Timestamp) -> Assessment {
    let age = now - last.as_of;
    if let Some(void_after) = last.void_after.filter(|&void_after| now > void_after) {
        let limit = void_after - last.as_of;
        return Assessment::free(now, last.source, Finding::Stale { age, limit });
    }
    last.add(PartKind::Drift, drifted(last.drift_ppb, age));
    last.findings
        .retain(|finding| !matches!(finding, Finding::Holdover { .. }));
    last.findings.push(Finding::Holdover { age });
    Assessment {
        as_of: now,
        status: ClockStatus::Holdover,
        ..last
    }
}

/// What the kernel's own view adds. It never makes a bound, and never mends one.
fn cross_check(
    kernel: KernelClock,
    frequency_before: Option<i32>,
    teller: Option<Teller>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !kernel.synchronised {
        findings.push(Finding::KernelUnsynchronised);
    } else if kernel.max_error == Nanos::ZERO {
        findings.push(Finding::KernelVouches);
    }
    if ![0, TAI_OFFSET_S].contains(&kernel.tai_offset_s) {
        findings.push(Finding::TaiOffset {
            seconds: kernel.tai_offset_s,
        });
    }
    let by_ppb = frequency_before.map_or(0, |before| kernel.frequency_ppb.saturating_sub(before));
    if teller.is_some() && by_ppb.saturating_abs() > FREQUENCY_JUMP_PPB {
        findings.push(Finding::FrequencyJump { by_ppb });
    }
    findings
}

/// The state that an assessment makes, on the clock that stamps are shown on.
pub(super) fn stamped(assessment: &Assessment, clock: Clock, kernel: KernelClock) -> ClockState {
    let bound = assessment.bound();
    ClockState {
        as_of: clock.shown(assessment.as_of),
        as_of_monotonic: clock.monotonic(),
        source: assessment.source,
        status: assessment.status,
        bound: bound.map(|bound| (bound, assessment.basis)),
        correction: assessment.correction,
        random: assessment.random,
        drift_ppb: assessment.drift_ppb,
        void_after: assessment.void_after.map(|at| clock.shown(at)),
        steps: 0,
        transmit_stamp_error: KERNEL_STAMP_ERROR,
        receive_stamp_error: KERNEL_STAMP_ERROR,
        kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::settings::SourceChoice;
    use owl_measure::clock::{BoundBasis, ClockSource};

    fn claim() -> Assessment {
        let mut assessment = Assessment {
            as_of: Timestamp(0),
            source: ClockSource::Ntp,
            status: ClockStatus::Synchronised,
            basis: BoundBasis::Measured,
            correction: Nanos(-300),
            parts: Vec::new(),
            random: Nanos(10),
            drift_ppb: 1_000,
            measured_at: None,
            void_after: Some(Timestamp(10_000_000_000)),
            findings: Vec::new(),
        };
        assessment.add(PartKind::Correction, Nanos(300));
        assessment.add(PartKind::HalfRootDelay, Nanos(700));
        assessment
    }

    #[test]
    fn a_state_holds_what_was_assessed() {
        let state = stamped(&claim(), Clock::lying(Nanos(50)), KernelClock::default());
        assert_eq!(state.as_of, Timestamp(50));
        assert_eq!(state.void_after, Some(Timestamp(10_000_000_050)));
        assert_eq!(state.bound, Some((Nanos(1_000), BoundBasis::Measured)));
        assert_eq!(
            state.error_at(Timestamp(50)),
            Some((Nanos(-400), Nanos(1_000)))
        );
    }

    #[test]
    fn the_word_of_a_daemon_that_died_holds_grows_and_ends() {
        for (second, bound) in [(0, Some(1_000)), (5, Some(6_000)), (11, None)] {
            let held = held_over(claim(), Timestamp(second * 1_000_000_000));
            let state = stamped(&held, Clock::honest(), KernelClock::default());
            assert_eq!(state.bound_at(state.as_of), bound.map(Nanos));
            assert_eq!(
                held.status,
                if bound.is_some() {
                    ClockStatus::Holdover
                } else {
                    ClockStatus::Free
                }
            );
        }
    }

    #[test]
    fn the_kernels_view_is_told_and_makes_no_bound() {
        let kernel = |synchronised, max_error, tai_offset_s| KernelClock {
            synchronised,
            max_error: Nanos(max_error),
            tai_offset_s,
            ..KernelClock::default()
        };
        let told = |kernel| cross_check(kernel, None, Some(Teller::Chrony));
        // phc2sys and systemd-timesyncd keep maxerror at 0.
        assert_eq!(told(kernel(true, 0, 37)), [Finding::KernelVouches]);
        assert_eq!(told(kernel(true, 5_000, 0)), []);
        assert_eq!(
            told(kernel(false, 16_000_000, 36)),
            [
                Finding::KernelUnsynchronised,
                Finding::TaiOffset { seconds: 36 }
            ]
        );
        let fast = KernelClock {
            frequency_ppb: 12_000,
            ..kernel(true, 5_000, 37)
        };
        assert_eq!(
            cross_check(fast, Some(1_000), Some(Teller::Chrony)),
            [Finding::FrequencyJump { by_ppb: 11_000 }]
        );
        assert_eq!(cross_check(fast, None, Some(Teller::Chrony)), []);
    }

    #[test]
    fn a_maxerror_of_zero_alone_claims_nothing() {
        let kernel = KernelClock {
            synchronised: true,
            ..KernelClock::default()
        };
        let declared = ClockConfig::default().declared();
        let assessment = declared::judge(Timestamp(0), declared, kernel);
        assert!(!assessment.claims());
    }

    #[test]
    fn where_nobody_tells_nothing_is_claimed_and_it_is_said_who_was_asked() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("chronyd.sock");
        let settings = ClockConfig {
            source: SourceChoice::Chrony,
            chrony: Some(nowhere.display().to_string()),
            ..ClockConfig::default()
        };
        let reading = ClockWatch::new(Clock::honest(), &settings).read();
        assert_eq!(reading.state.bound_at(reading.state.as_of), None);
        assert!(
            reading.findings.iter().any(|finding| matches!(
                finding,
                Finding::Silent { teller: Teller::Chrony, why } if why.contains("chronyd.sock")
            )),
            "{reading:?}"
        );
    }
}
