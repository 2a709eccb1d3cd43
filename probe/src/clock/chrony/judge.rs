//! What chronyd's answers are worth.
//!
//! The bound is root_delay / 2 + root_dispersion (RFC 5905, section 11.2),
//! beside the correction that is still to be made, and what the oscillator may
//! drift beyond what chronyd allows for. chronyd goes on saying "Normal" for
//! ages after its source went away, so the age of its last measurement decides.

use owl_measure::clock::{BoundBasis, ClockSource, ClockStatus, whole_seconds};
use owl_measure::time::{Nanos, Timestamp};

use super::wire::{
    LEAP_UNSYNCHRONISED, LOCAL_REFERENCE, NtpData, REFERENCE_CLOCK, Source, SourceStats, StampedBy,
    Tracking,
};
use crate::clock::assessment::{Assessment, PartKind, away_from_zero, drifted};
use crate::clock::finding::Finding;
use crate::clock::settings::{LocalReference, Trust};

/// After so many update intervals without a measurement nothing is claimed (ClockBound's rule).
const STALE_AFTER: i64 = 8;
/// But not before this: polls shorter than a second make no oscillator worse.
const STALE_LEAST: Nanos = Nanos::from_secs(STALE_AFTER);
/// After so many the clock is called in holdover.
const HOLDOVER_AFTER: i64 = 3;
/// What a receiver and its cable are taken to be off at most when nobody says: 200 m of cable, engineered.
pub(crate) const RECEIVER_ERROR: Nanos = Nanos::from_micros(1);
/// A jitter asymmetry from which on it is told; chronyd's own scale ends at 0.5.
const ASYMMETRIC: f64 = 0.4;

/// What chronyd answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answers {
    /// When it was asked, on the clock itself.
    pub(crate) now: Timestamp,
    pub(crate) tracking: Tracking,
    /// The source that is followed, where it could be asked for.
    pub(crate) source: Option<Source>,
    pub(crate) stats: Option<SourceStats>,
    pub(crate) ntp: Option<NtpData>,
}

/// Judges answers one after the other.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    /// The last answers, to see how fast chronyd lets its error grow.
    last: Option<(Timestamp, Tracking)>,
    /// What chronyd adds for the oscillator (its maxclockerror), as it was seen; `None` until it was.
    grows_ppb: Option<u32>,
}

impl Judge {
    pub(crate) fn judge(&mut self, answers: &Answers, trust: &Trust) -> Assessment {
        let &Answers { now, tracking, .. } = answers;
        self.watch_growth(now, &tracking);
        let source = followed(answers);
        let interval = away_from_zero(tracking.update_interval_s);
        let age = now - tracking.reference_time;
        let limit = interval.times(STALE_AFTER).max(STALE_LEAST);
        if tracking.leap == LEAP_UNSYNCHRONISED
            || tracking.stratum == 0 && tracking.reference_id == 0
        {
            return Assessment::free(now, source, Finding::Unsynchronised);
        }
        let is_local = tracking.reference_id == LOCAL_REFERENCE
            || answers
                .ntp
                .is_some_and(|ntp| ntp.reference_id == LOCAL_REFERENCE);
        if is_local && trust.local_reference == LocalReference::Refused {
            return Assessment::free(now, source, Finding::LocalReference);
        }
        if age.abs() > limit {
            return Assessment::free(now, source, Finding::Stale { age, limit });
        }
        let correction = away_from_zero(tracking.correction_s);
        if let Some(seconds) = whole_seconds(correction) {
            return Assessment::free(now, source, Finding::WholeSeconds { seconds });
        }
        let mut assessment = Assessment {
            as_of: now,
            source,
            status: ClockStatus::Synchronised,
            basis: BoundBasis::Measured,
            correction,
            parts: Vec::new(),
            random: away_from_zero(
                answers
                    .stats
                    .map_or(tracking.rms_offset_s, |s| s.deviation_s),
            )
            .abs(),
            drift_ppb: trust.drift_ppb,
            measured_at: Some(tracking.reference_time),
            void_after: Some(tracking.reference_time + limit),
            findings: Vec::new(),
        };
        assessment.add(PartKind::Correction, correction.abs());
        assessment.add(
            PartKind::HalfRootDelay,
            away_from_zero(tracking.root_delay_s / 2.0).abs(),
        );
        assessment.add(
            PartKind::RootDispersion,
            away_from_zero(tracking.root_dispersion_s).abs(),
        );
        let allowed_ppb = self.grows_ppb.unwrap_or(0);
        let missing_ppb = trust.drift_ppb.saturating_sub(allowed_ppb);
        assessment.add(PartKind::Drift, drifted(missing_ppb, age));
        if let Some(told_ppb) = self.grows_ppb.filter(|_| missing_ppb > 0) {
            assessment.findings.push(Finding::MaxClockErrorSmall {
                told_ppb,
                needed_ppb: trust.drift_ppb,
            });
        }
        if source == ClockSource::Gnss {
            let error = trust.receiver_error.unwrap_or(RECEIVER_ERROR);
            assessment.add(PartKind::Receiver, error);
            assessment.basis = BoundBasis::Declared;
            if trust.receiver_error.is_none() {
                assessment.basis = BoundBasis::Engineered;
                assessment.findings.push(Finding::ReceiverAssumed { error });
            }
        }
        if age > interval.times(HOLDOVER_AFTER) {
            assessment.status = ClockStatus::Holdover;
            assessment.findings.push(Finding::Holdover { age });
        }
        if source == ClockSource::Ntp && answers.ntp.is_none() {
            assessment.findings.push(Finding::ServerUnseen);
        }
        assessment
            .findings
            .extend(answers.ntp.iter().flat_map(weaknesses));
        assessment
    }

    /// Two answers around one measurement show how fast the dispersion grows: skew, residual frequency and maxclockerror.
    fn watch_growth(&mut self, now: Timestamp, tracking: &Tracking) {
        let last = self.last.replace((now, *tracking));
        let Some((before, last)) = last.filter(|(_, last)| {
            last.reference_time == tracking.reference_time
                && last.reference_id == tracking.reference_id
        }) else {
            return;
        };
        let elapsed_s = (now - before).as_secs_f64();
        // A shorter span shows little but rounding: the dispersion is told with 25 bits.
        if elapsed_s < 0.5 {
            return;
        }
        let grown_ppm = (tracking.root_dispersion_s - last.root_dispersion_s) / elapsed_s * 1e6;
        let own_ppm = grown_ppm - tracking.skew_ppm - tracking.residual_frequency_ppm.abs();
        // The cast saturates: less than nothing is nothing.
        self.grows_ppb = Some((own_ppm * 1e3) as u32);
    }
}

/// What is followed in the end, as far as the source tells.
fn followed(answers: &Answers) -> ClockSource {
    let is_reference_clock = answers
        .source
        .map_or(answers.tracking.address.is_none(), |source| {
            source.mode == REFERENCE_CLOCK
        });
    let name = answers.tracking.reference_id.to_be_bytes();
    match (is_reference_clock, &name) {
        (false, _) => ClockSource::Ntp,
        (true, [0, 0, 0, 0]) => ClockSource::Unknown,
        // A PTP hardware clock as chronyd's reference: its name is "PHC0" unless the configuration gives another.
        (true, [b'P', b'H', b'C', _] | [b'P', b'T', b'P', _]) => ClockSource::Ptp,
        (true, _) => ClockSource::Gnss,
    }
}

fn weaknesses(ntp: &NtpData) -> Vec<Finding> {
    let mut findings = Vec::new();
    let process = Some(StampedBy::Process);
    if ntp.stamped_by.0 == process || ntp.stamped_by.1 == process {
        findings.push(Finding::StampedByProcess);
    }
    if ntp.jitter_asymmetry.abs() >= ASYMMETRIC {
        findings.push(Finding::JitterAsymmetry);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::chrony::wire::tests::{
        NTP_DATA, SOURCE, TRACKING, TRACKING_ALONE, TRACKING_LOCAL,
    };
    use crate::clock::chrony::wire::{Reply, Request};
    use crate::clock::octets::octets;

    fn tracking(hex: &str) -> Tracking {
        Tracking::decode(Request::Tracking, 0x0102_0304, &octets(hex))
            .unwrap()
            .unwrap()
    }

    fn trust() -> Trust {
        Trust {
            drift_ppb: 1_000,
            ..Trust::default()
        }
    }

    fn answers(tracking: Tracking, age: Nanos) -> Answers {
        Answers {
            now: tracking.reference_time + age,
            tracking,
            source: None,
            stats: None,
            ntp: None,
        }
    }

    /// A source at a metro distance: polled every 16 s, round trip 2 ms.
    fn metro() -> Tracking {
        Tracking {
            update_interval_s: 16.0,
            root_delay_s: 2e-3,
            root_dispersion_s: 100e-6,
            correction_s: -30e-6,
            ..tracking(TRACKING)
        }
    }

    fn judged(tracking: Tracking, age: Nanos) -> Assessment {
        Judge::default().judge(&answers(tracking, age), &trust())
    }

    #[test]
    fn the_bound_is_half_the_root_delay_and_the_dispersion_and_the_correction_and_the_drift() {
        let assessment = judged(metro(), Nanos::from_secs(10));
        assert_eq!(assessment.status, ClockStatus::Synchronised);
        assert_eq!(assessment.source, ClockSource::Ntp);
        // 1 ms + 100 µs + 30 µs + 10 s · 1 ppm; and each part is rounded up.
        let bound = assessment.bound().unwrap();
        assert!(
            (bound - Nanos::from_micros(1_140)).abs() < Nanos(10),
            "{assessment:?}"
        );
        assert_eq!(
            assessment.correction,
            Nanos(-30_000) + (assessment.correction - Nanos(-30_000))
        );
        assert!((assessment.correction + Nanos(30_000)).abs() <= Nanos(1));
    }

    #[test]
    fn normal_for_ages_is_holdover_and_then_free() {
        // The leap status says "Normal" all the time.
        for (age_s, status) in [
            (47, ClockStatus::Synchronised),
            (49, ClockStatus::Holdover),
            (127, ClockStatus::Holdover),
            (129, ClockStatus::Free),
            (100_000, ClockStatus::Free),
        ] {
            let assessment = judged(metro(), Nanos::from_secs(age_s));
            assert_eq!(assessment.status, status, "after {age_s} s");
            assert_eq!(assessment.claims(), status != ClockStatus::Free);
        }
        // As captured: alone after a source that was polled sixteen times a second.
        let alone = tracking(TRACKING_ALONE);
        assert_eq!(alone.leap, 0);
        for (age_s, status) in [(7, ClockStatus::Holdover), (9, ClockStatus::Free)] {
            assert_eq!(judged(alone, Nanos::from_secs(age_s)).status, status);
        }
    }

    #[test]
    fn a_measurement_from_the_future_claims_nothing() {
        assert!(!judged(metro(), Nanos::from_secs(-129)).claims());
    }

    #[test]
    fn nothing_followed_claims_nothing() {
        let mut nothing = metro();
        nothing.leap = LEAP_UNSYNCHRONISED;
        let assessment = judged(nothing, Nanos::from_secs(1));
        assert_eq!(assessment.findings, [Finding::Unsynchronised]);
        assert_eq!(assessment.bound(), None);
    }

    #[test]
    fn a_server_that_follows_itself_is_no_utc_unless_that_is_wanted() {
        let alone = tracking(TRACKING_LOCAL);
        assert_eq!((alone.leap, alone.stratum), (0, 1));
        let mut of_local = answers(tracking(TRACKING), Nanos(1));
        of_local.ntp = Some(
            NtpData::decode(
                Request::NtpData(std::net::Ipv4Addr::LOCALHOST.into()),
                0x0102_0304,
                &octets(NTP_DATA),
            )
            .unwrap()
            .unwrap(),
        );
        for answers in [answers(alone, Nanos::ZERO), of_local.clone()] {
            let refused = Judge::default().judge(&answers, &trust());
            assert_eq!(refused.findings, [Finding::LocalReference]);
            assert!(!refused.claims());
        }
        let believing = Trust {
            local_reference: LocalReference::Believed,
            ..trust()
        };
        assert!(Judge::default().judge(&of_local, &believing).claims());
    }

    #[test]
    fn what_chronyd_lets_its_error_grow_by_is_seen_and_what_is_missing_is_added() {
        let drift_at = |told_ppm: f64| {
            let mut judge = Judge::default();
            let mut tracking = metro();
            judge.judge(&answers(tracking, Nanos::from_secs(10)), &trust());
            tracking.root_dispersion_s +=
                (told_ppm + tracking.skew_ppm + tracking.residual_frequency_ppm.abs()) * 2e-6;
            let assessment = judge.judge(&answers(tracking, Nanos::from_secs(12)), &trust());
            let small = assessment
                .findings
                .iter()
                .any(|f| matches!(f, Finding::MaxClockErrorSmall { .. }));
            let drift = assessment
                .parts
                .iter()
                .find(|part| part.kind == PartKind::Drift);
            (drift.map_or(0, |part| part.size.0 / 100), small)
        };
        // 12 s at the 1 ppm of this oscillator, less what chronyd adds already.
        assert_eq!(drift_at(0.0), (120, true));
        assert_eq!(drift_at(0.25), (90, true));
        assert_eq!(drift_at(50.0), (0, false));
    }

    #[test]
    fn differences_of_time_scales_claim_nothing() {
        for (seconds, off) in [(37_u8, 0.004), (18, -0.009), (1, 0.0)] {
            let mut wrong = metro();
            wrong.correction_s = f64::from(seconds) + off;
            let assessment = judged(wrong, Nanos::from_secs(1));
            assert_eq!(assessment.findings, [Finding::WholeSeconds { seconds }]);
            assert!(!assessment.claims());
        }
    }

    #[test]
    fn reference_clocks_are_told_apart_by_their_names() {
        for (name, source) in [
            (*b"PPS\0", ClockSource::Gnss),
            (*b"GPS\0", ClockSource::Gnss),
            (*b"BDS0", ClockSource::Gnss),
            (*b"PHC0", ClockSource::Ptp),
            (*b"PTP0", ClockSource::Ptp),
        ] {
            let mut tracking = metro();
            tracking.reference_id = u32::from_be_bytes(name);
            tracking.address = None;
            let assessment = judged(tracking, Nanos::from_secs(1));
            assert_eq!(assessment.source, source);
            let assumed = Finding::ReceiverAssumed {
                error: RECEIVER_ERROR,
            };
            assert_eq!(
                assessment.findings.contains(&assumed),
                source == ClockSource::Gnss
            );
        }
        let source = Source::decode(Request::Source(0), 0x0102_0304, &octets(SOURCE))
            .unwrap()
            .unwrap();
        let mut answers = answers(metro(), Nanos::from_secs(1));
        answers.source = Some(source);
        assert_eq!(followed(&answers), ClockSource::Ntp);
    }

    #[test]
    fn a_receiver_that_is_declared_is_not_assumed() {
        let mut tracking = metro();
        tracking.reference_id = u32::from_be_bytes(*b"PPS\0");
        tracking.address = None;
        let declared = Trust {
            receiver_error: Some(Nanos(60)),
            ..trust()
        };
        let assessment = Judge::default().judge(&answers(tracking, Nanos::from_secs(1)), &declared);
        assert_eq!(assessment.basis, BoundBasis::Declared);
        assert_eq!(assessment.findings, []);
    }
}
