//! What the configuration says of the clock.

use std::path::PathBuf;

use owl_measure::clock::ClockSource;
use owl_measure::time::Nanos;
use serde::Deserialize;

use super::chrony::Place;
use super::declared::Declared;

/// The `[clock]` of a probe's configuration: who tells of the clock, and what nobody can measure.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockConfig {
    /// Who tells; whoever answers when it is not said.
    pub source: SourceChoice,
    /// How far from UTC at most, somebody says; believed while the kernel says that something disciplines the clock.
    pub bound: Option<Nanos>,
    /// The oscillator of this host, which says how fast the clock may drift.
    pub oscillator: Oscillator,
    /// Where chronyd listens: a socket's path or ADDRESS:PORT; its usual places when it is not said.
    pub chrony: Option<String>,
    /// ptp4l's socket (its `uds_address`).
    pub ptp4l: Option<PathBuf>,
    /// ntpd-rs's socket (its `observation-path`).
    pub ntpd_rs: Option<PathBuf>,
    /// ClockBound's shared memory.
    pub clockbound: Option<PathBuf>,
    /// What the link to the grandmaster takes at least, one way: taken off the bound.
    pub link_floor: Nanos,
    /// How far from UTC the grandmaster is at most, where it does not say so itself.
    pub grandmaster_bound: Option<Nanos>,
    /// The timing budget of a path with boundary clocks.
    pub budget: Option<Budget>,
    /// How far off the satellite receiver and its cable are at most.
    pub receiver_error: Option<Nanos>,
    /// Whether a server that follows nothing but its own oscillator is believed.
    pub local_reference: LocalReference,
}

/// Who tells of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceChoice {
    /// The first that claims something of: ClockBound, chrony, ptp4l, ntpd-rs; else what is declared.
    #[default]
    Auto,
    /// chronyd.
    Chrony,
    /// ptp4l.
    Ptp4l,
    /// ntpd-rs.
    NtpdRs,
    /// ClockBound.
    Clockbound,
    /// Only what is declared.
    #[serde(alias = "unknown")]
    Declared,
    /// Only what is declared, of a clock that follows PTP.
    Ptp,
    /// Only what is declared, of a clock that follows a satellite receiver.
    Gnss,
    /// Only what is declared, of a clock that follows NTP.
    Ntp,
    /// A lab's injected clock.
    Simulated,
}

impl SourceChoice {
    /// Whether a daemon is asked.
    fn is_measured(self) -> bool {
        matches!(
            self,
            Self::Auto | Self::Chrony | Self::Ptp4l | Self::NtpdRs | Self::Clockbound
        )
    }
}

/// What the clock is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Oscillator {
    /// A plain crystal, as in most hosts: 15 ppm.
    #[default]
    Xo,
    /// A temperature-compensated crystal: 1 ppm.
    Tcxo,
    /// A crystal in an oven: 0.05 ppm.
    Ocxo,
}

impl Oscillator {
    /// How fast a clock on it may drift, in parts per billion.
    pub fn drift_ppb(self) -> u32 {
        match self {
            Self::Xo => 15_000,
            Self::Tcxo => 1_000,
            Self::Ocxo => 50,
        }
    }
}

/// A timing budget, engineered and not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// How far from UTC at most at the end of the path.
    pub bound: Nanos,
    /// For how many clocks on the path it was made (stepsRemoved); another path is not covered.
    pub steps_removed: u16,
}

/// Whether a server that follows nothing but its own oscillator is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalReference {
    /// Its time is nobody's UTC.
    #[default]
    Refused,
    /// Its time is the truth: in a laboratory.
    Believed,
}

/// What a judge takes on trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Trust {
    pub(crate) drift_ppb: u32,
    pub(crate) link_floor: Nanos,
    pub(crate) grandmaster_bound: Option<Nanos>,
    pub(crate) budget: Option<Budget>,
    pub(crate) receiver_error: Option<Nanos>,
    pub(crate) local_reference: LocalReference,
}

impl ClockConfig {
    /// What a judge takes on trust.
    pub(crate) fn trust(&self) -> Trust {
        Trust {
            drift_ppb: self.oscillator.drift_ppb(),
            link_floor: self.link_floor,
            grandmaster_bound: self.grandmaster_bound,
            budget: self.budget,
            receiver_error: self.receiver_error,
            local_reference: self.local_reference,
        }
    }

    /// What is declared, and of which kind of clock.
    pub fn declared(&self) -> Declared {
        Declared {
            source: match self.source {
                SourceChoice::Ptp => ClockSource::Ptp,
                SourceChoice::Gnss => ClockSource::Gnss,
                SourceChoice::Ntp => ClockSource::Ntp,
                SourceChoice::Simulated => ClockSource::Simulated,
                _ => ClockSource::Unknown,
            },
            bound: self.bound,
        }
    }

    /// What cannot be meant; `None` when all of it can.
    pub(crate) fn nonsense(&self) -> Option<&'static str> {
        let spans = [
            self.bound,
            self.grandmaster_bound,
            self.receiver_error,
            self.budget.map(|budget| budget.bound),
        ];
        if self.bound.is_some_and(|bound| bound <= Nanos::ZERO) {
            return Some("clock.bound must be above zero; leave it out to claim nothing");
        }
        if spans.into_iter().flatten().any(|span| span <= Nanos::ZERO)
            || self.link_floor < Nanos::ZERO
        {
            return Some(
                "a duration in [clock] must be above zero; leave it out where nothing is known",
            );
        }
        if self
            .chrony
            .as_deref()
            .is_some_and(|place| Place::read(place).is_none())
        {
            return Some("clock.chrony is neither the path of a socket nor ADDRESS:PORT");
        }
        let daemon = self.source.is_measured() && self.source != SourceChoice::Auto;
        if daemon && self.bound.is_some() {
            return Some(
                "clock.source names a daemon that measures the bound, and clock.bound declares one; leave one of them out",
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_documentation_is_understood() {
        for (text, source) in [
            ("", SourceChoice::Auto),
            ("source = \"auto\"", SourceChoice::Auto),
            (
                "source = \"chrony\"\nchrony = \"127.0.0.1:323\"",
                SourceChoice::Chrony,
            ),
            (
                "source = \"ptp4l\"\nptp4l = \"/run/ptp4l\"",
                SourceChoice::Ptp4l,
            ),
            ("source = \"ntpd-rs\"", SourceChoice::NtpdRs),
            ("source = \"clockbound\"", SourceChoice::Clockbound),
            (
                "source = \"declared\"\nbound = \"1ms\"",
                SourceChoice::Declared,
            ),
            ("source = \"gnss\"\nbound = \"1us\"", SourceChoice::Gnss),
            ("source = \"simulated\"", SourceChoice::Simulated),
            (
                "oscillator = \"ocxo\"\nlocal_reference = \"believed\"",
                SourceChoice::Auto,
            ),
            (
                "budget = { bound = \"1.1us\", steps_removed = 4 }",
                SourceChoice::Auto,
            ),
        ] {
            let read: ClockConfig = toml::from_str(text).unwrap();
            assert_eq!((read.source, read.nonsense()), (source, None), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, word) in [
            ("bound = \"0s\"", "above zero"),
            ("link_floor = \"-1us\"", "above zero"),
            ("chrony = \"tick.example\"", "ADDRESS:PORT"),
            ("source = \"chrony\"\nbound = \"1ms\"", "leave one"),
        ] {
            let read: ClockConfig = toml::from_str(text).unwrap();
            assert!(
                read.nonsense().is_some_and(|said| said.contains(word)),
                "{text}"
            );
        }
        for text in [
            "source = \"sundial\"",
            "oscillator = \"quartz\"",
            "colour = 1",
        ] {
            assert!(toml::from_str::<ClockConfig>(text).is_err(), "{text}");
        }
    }
}
