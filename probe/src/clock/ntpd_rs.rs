//! ntpd-rs as the teller of the clock, by its observer's JSON.
//!
//! Its dispersion is one standard deviation, so three of them stand in the
//! bound beside half the root delay (the whole of which may be asymmetry).
//! Read as ntpd-rs 1.9 writes it; unknown fields are passed over.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use owl_measure::clock::{BoundBasis, ClockSource, ClockStatus, whole_seconds};
use owl_measure::time::{Nanos, Timestamp};
use serde::Deserialize;

use super::assessment::{Assessment, PartKind, away_from_zero, drifted};
use super::datagram::TellError;
use super::finding::Finding;
use super::settings::Trust;

/// ntpd-rs's socket as its packages set it.
const SOCKET: &str = "/run/ntpd-rs/observe";
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_millis(200);
/// The longest answer that is read; ntpd-rs lists every source in it.
const ANSWER_OCTETS_MAX: u64 = 1 << 20;
/// From 1900 (NTP) to 1970 (RFC 868).
const NTP_EPOCH_S: i64 = 2_208_988_800;
/// After so many poll intervals without a measurement nothing is claimed, as with chrony.
const STALE_AFTER: i64 = 8;
const HOLDOVER_AFTER: i64 = 3;

/// What the observer tells.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Observed {
    system: System,
    #[serde(default)]
    sources: Vec<Source>,
}

/// Seconds, but for the stratum.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct System {
    stratum: u8,
    root_delay: f64,
    root_variance_base_time: NtpTime,
    root_variance_base: f64,
    root_variance_linear: f64,
    root_variance_quadratic: f64,
    root_variance_cubic: f64,
    leap_indicator: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Source {
    /// How far the source is ahead of this clock, in seconds.
    offset: f64,
    uncertainty: f64,
    last_update: NtpTime,
    /// The exponent of the seconds between two polls.
    poll_interval: i8,
}

/// Seconds since 1900 in 32.32 bits; era 0 until 2036, and a smaller number is of era 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct NtpTime {
    timestamp: u64,
}

impl NtpTime {
    fn instant(self) -> Timestamp {
        let seconds = (self.timestamp >> 32).cast_signed() - NTP_EPOCH_S;
        let seconds = if seconds < 0 {
            seconds + (1 << 32)
        } else {
            seconds
        };
        let nanos = ((self.timestamp & 0xFFFF_FFFF) * 1_000_000_000) >> 32;
        Timestamp(Nanos::from_secs(seconds).0) + Nanos(nanos.cast_signed())
    }
}

/// An ntpd-rs that is asked once a second.
#[derive(Debug)]
pub(super) struct NtpdRs {
    path: PathBuf,
}

impl NtpdRs {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self {
            path: path.unwrap_or_else(|| SOCKET.into()),
        }
    }

    /// Asks and judges.
    ///
    /// # Errors
    /// When ntpd-rs cannot be asked or understood.
    pub(super) fn tell(
        &self,
        now: impl Fn() -> Timestamp,
        trust: &Trust,
    ) -> Result<Assessment, TellError> {
        let whom = || self.path.display().to_string();
        let answer = self.read().map_err(|source| TellError::Ask {
            whom: whom(),
            source,
        })?;
        let observed = read(&answer).map_err(|source| TellError::Json {
            whom: whom(),
            source,
        })?;
        Ok(judge(&observed, now(), trust))
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let stream = UnixStream::connect(&self.path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut answer = Vec::new();
        stream.take(ANSWER_OCTETS_MAX).read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// The JSON, behind its length in eight octets where there is one.
fn read(answer: &[u8]) -> Result<Observed, serde_json::Error> {
    let json = match answer.first() {
        Some(b'{') => answer,
        _ => answer.get(8..).unwrap_or_default(),
    };
    serde_json::from_slice(json)
}

fn judge(observed: &Observed, now: Timestamp, trust: &Trust) -> Assessment {
    let free = |why| Assessment::free(now, ClockSource::Ntp, why);
    let system = &observed.system;
    let unsynchronised = ["Unknown", "Unsynchronized"].contains(&system.leap_indicator.as_str());
    // The most certain source is the one that the clock follows most.
    let best = observed
        .sources
        .iter()
        .filter(|source| source.uncertainty.is_finite())
        .min_by(|a, b| a.uncertainty.total_cmp(&b.uncertainty));
    let Some(best) = best.filter(|_| !unsynchronised && system.stratum < 16) else {
        return free(Finding::Unsynchronised);
    };
    let interval = Nanos::from_secs(1_i64 << best.poll_interval.clamp(0, 17));
    let (age, limit) = (
        now - best.last_update.instant(),
        interval.times(STALE_AFTER),
    );
    if age.abs() > limit {
        return free(Finding::Stale { age, limit });
    }
    let correction = away_from_zero(best.offset);
    if let Some(seconds) = whole_seconds(correction) {
        return free(Finding::WholeSeconds { seconds });
    }
    let since_base = (now - system.root_variance_base_time.instant())
        .as_secs_f64()
        .max(0.0);
    let variance = system.root_variance_base
        + since_base * system.root_variance_linear
        + since_base.powi(2) * system.root_variance_quadratic
        + since_base.powi(3) * system.root_variance_cubic;
    let mut assessment = Assessment {
        as_of: now,
        source: ClockSource::Ntp,
        status: ClockStatus::Synchronised,
        basis: BoundBasis::Measured,
        correction: Nanos::ZERO,
        parts: Vec::new(),
        // It stands in the bound three times already.
        random: Nanos::ZERO,
        drift_ppb: trust.drift_ppb,
        measured_at: Some(best.last_update.instant()),
        void_after: Some(best.last_update.instant() + limit),
        findings: Vec::new(),
    };
    // The filter tells the offset as of its last update and slews meanwhile: it widens the bound and corrects nothing.
    assessment.add(PartKind::Offset, correction.abs());
    assessment.add(
        PartKind::HalfRootDelay,
        away_from_zero(system.root_delay / 2.0).abs(),
    );
    assessment.add(
        PartKind::ThreeDeviations,
        away_from_zero(3.0 * variance.max(0.0).sqrt()),
    );
    assessment.add(PartKind::Drift, drifted(trust.drift_ppb, age));
    if age > interval.times(HOLDOVER_AFTER) {
        assessment.status = ClockStatus::Holdover;
        assessment.findings.push(Finding::Holdover { age });
    }
    assessment
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ntpd-rs 1.9 writes it; one source polled every 16 s.
    const ANSWER: &str = r#"{"program":{"version":"1.9.0","build_commit":"x","build_commit_date":"y","uptime_seconds":60.5,"now":{"timestamp":17199051532431360000}},
        "system":{"stratum":2,"reference_id":2130706433,"accumulated_steps_threshold":null,"precision":3.8e-6,"root_delay":0.002,
        "root_variance_base_time":{"timestamp":17199051489481687040},"root_variance_base":1e-10,"root_variance_linear":0.0,"root_variance_quadratic":0.0,"root_variance_cubic":0.0,
        "leap_indicator":"NoWarning","accumulated_steps":0.0},
        "sources":[{"offset":-0.00003,"uncertainty":0.00001,"delay":0.002,"remote_delay":0.0,"remote_uncertainty":0.0,"last_update":{"timestamp":17199051489481687040},"unanswered_polls":0,"poll_interval":4,"nts_cookies":null,"name":"a:123","address":"192.0.2.1:123","id":1}],
        "servers":[]}"#;

    fn trust() -> Trust {
        Trust {
            drift_ppb: 1_000,
            ..Trust::default()
        }
    }

    fn judged(change: impl FnOnce(&mut Observed), age_s: i64) -> Assessment {
        let mut observed = read(ANSWER.as_bytes()).unwrap();
        let now = observed.sources[0].last_update.instant() + Nanos::from_secs(age_s);
        change(&mut observed);
        judge(&observed, now, &trust())
    }

    #[test]
    fn an_answer_is_read_with_and_without_its_length() {
        let mut framed = (ANSWER.len() as u64).to_be_bytes().to_vec();
        framed.extend(ANSWER.as_bytes());
        assert_eq!(read(&framed).unwrap(), read(ANSWER.as_bytes()).unwrap());
        for broken in ["", "{", "12345678", "12345678{}"] {
            assert!(read(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn one_standard_deviation_is_no_bound_and_three_are_added() {
        let assessment = judged(|_| {}, 10);
        // 30 µs + 1 ms + 3 · 10 µs + 10 s · 1 ppm; each part is rounded up.
        let bound = assessment.bound().unwrap();
        assert!(
            (bound - Nanos::from_micros(1_070)).abs() < Nanos(10),
            "{bound}"
        );
        assert_eq!(assessment.status, ClockStatus::Synchronised);
    }

    #[test]
    fn silence_is_holdover_and_then_free() {
        for (age_s, status) in [
            (48, ClockStatus::Synchronised),
            (49, ClockStatus::Holdover),
            (129, ClockStatus::Free),
        ] {
            assert_eq!(judged(|_| {}, age_s).status, status, "{age_s} s");
        }
    }

    #[test]
    fn what_follows_nothing_or_another_time_scale_claims_nothing() {
        type Change = fn(&mut Observed);
        let changes: [Change; 5] = [
            |observed| observed.system.leap_indicator = "Unknown".into(),
            |observed| observed.system.leap_indicator = "Unsynchronized".into(),
            |observed| observed.sources.clear(),
            |observed| observed.sources[0].uncertainty = f64::NAN,
            |observed| observed.sources[0].offset = 37.001,
        ];
        for change in changes {
            assert!(!judged(change, 1).claims());
        }
    }

    #[test]
    fn ntp_times_are_read_beyond_2036() {
        let at = |seconds: u64| {
            NtpTime {
                timestamp: seconds << 32,
            }
            .instant()
        };
        assert_eq!(at(NTP_EPOCH_S as u64 + 5), Timestamp(5_000_000_000));
        let era_1 = (1_i64 << 32) - NTP_EPOCH_S;
        assert_eq!(at(7), Timestamp((era_1 + 7) * 1_000_000_000));
    }
}
