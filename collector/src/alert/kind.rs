//! What an alert can be about, how grave that is, and how long it must last.

use owl_measure::time::Nanos;
use serde::{Deserialize, Serialize};

use super::subject::{Of, Subject};

/// A week: a probe that was enrolled renews its certificate ten days before it runs out, so this one has failed to.
pub(super) const CERTIFICATE_AHEAD: Nanos = Nanos::from_secs(7 * 86_400);
/// How long a loss of reports stays an alert: nothing else ends it, for they will not come.
pub(super) const LOSS_TOLD_FOR: Nanos = Nanos::from_secs(3_600);
/// How full a spool may be of reports that no collector has, in millionths.
pub(super) const SPOOL_PPM: u32 = 500_000;

/// What somebody should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The store takes nothing, so nothing is judged.
    StoreFails,
    /// Nothing was measured.
    NoData,
    /// The target of the one-way delay is missed.
    TargetMissed,
    /// It cannot be told whether it is.
    Undecided,
    /// A clock is not what it claims.
    ClockWrong,
    /// A clock, or what is near it, may not be.
    ClockSuspect,
    /// A site is not where the topology says.
    CoordinatesWrong,
    /// The floor of a round trip moved.
    RouteChanged,
    /// Reports will not come any more.
    ReportsLost,
    /// A spool holds ever more that no collector has.
    SpoolFilling,
    /// A certificate runs out soon.
    CertificateExpiring,
    /// A certificate has run out.
    CertificateExpired,
}

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    /// Somebody gets up.
    Critical,
    /// Somebody looks at it in the day's work.
    Warning,
    /// It is told, and nothing need be done.
    Info,
}

impl Severity {
    /// The word for it in labels and JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// How long something must be seen before it is told, and be gone before it is told to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    pub(super) begins: Nanos,
    pub(super) ends: Nanos,
}

impl Kind {
    /// Every kind, the gravest first.
    pub(crate) const ALL: [Self; 12] = [
        Self::StoreFails,
        Self::NoData,
        Self::TargetMissed,
        Self::CertificateExpired,
        Self::ClockWrong,
        Self::CoordinatesWrong,
        Self::Undecided,
        Self::ClockSuspect,
        Self::ReportsLost,
        Self::SpoolFilling,
        Self::CertificateExpiring,
        Self::RouteChanged,
    ];

    /// The code, as in JSON and in the store.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::StoreFails => "store-fails",
            Self::NoData => "no-data",
            Self::TargetMissed => "target-missed",
            Self::Undecided => "undecided",
            Self::ClockWrong => "clock-wrong",
            Self::ClockSuspect => "clock-suspect",
            Self::CoordinatesWrong => "coordinates-wrong",
            Self::RouteChanged => "route-changed",
            Self::ReportsLost => "reports-lost",
            Self::SpoolFilling => "spool-filling",
            Self::CertificateExpiring => "certificate-expiring",
            Self::CertificateExpired => "certificate-expired",
        }
    }

    /// By its code.
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The label `alertname`; the same as that of the Prometheus rule on the same thing.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::StoreFails => "OwlStoreFails",
            Self::NoData => "OwlNoData",
            Self::TargetMissed => "OwlTargetMissed",
            Self::Undecided => "OwlUndecided",
            Self::ClockWrong => "OwlClockWrong",
            Self::ClockSuspect => "OwlClockSuspect",
            Self::CoordinatesWrong => "OwlCoordinatesWrong",
            Self::RouteChanged => "OwlRouteChanged",
            Self::ReportsLost => "OwlReportsLost",
            Self::SpoolFilling => "OwlSpoolFilling",
            Self::CertificateExpiring => "OwlCertificateExpiring",
            Self::CertificateExpired => "OwlCertificateExpired",
        }
    }

    /// How grave it is of that subject. It is a label, so it never changes while an alert lasts.
    pub(crate) fn severity(self, subject: &Subject) -> Severity {
        match self {
            // One path without a measurement is a gap in the evidence; a whole site is an outage.
            Self::NoData if subject.of == Of::Path => Severity::Warning,
            Self::StoreFails
            | Self::NoData
            | Self::TargetMissed
            | Self::ClockWrong
            | Self::CoordinatesWrong
            | Self::CertificateExpired => Severity::Critical,
            Self::Undecided
            | Self::ClockSuspect
            | Self::ReportsLost
            | Self::SpoolFilling
            | Self::CertificateExpiring => Severity::Warning,
            Self::RouteChanged => Severity::Info,
        }
    }

    /// Whether it is seen path by path, and told of all paths of a place at once.
    pub(super) fn is_of_paths(self) -> bool {
        matches!(self, Self::NoData | Self::TargetMissed | Self::Undecided)
    }

    /// Whether a finding of the audit shows it.
    pub(super) fn is_of_findings(self) -> bool {
        matches!(
            self,
            Self::ClockWrong | Self::ClockSuspect | Self::CoordinatesWrong | Self::RouteChanged
        )
    }

    /// `window` is the length of the judged windows, for what is seen in them. A finding has waited before it was opened.
    pub(super) fn patience(self, window: Nanos) -> Patience {
        // The first window shows it at once, so three in a row are two lengths.
        let (begins, ends) = match self {
            Self::TargetMissed | Self::NoData => (window.times(2), window.times(2)),
            Self::Undecided => (window.times(29), window.times(2)),
            Self::StoreFails => (Nanos::from_secs(30), Nanos::from_secs(30)),
            Self::SpoolFilling => (Nanos::from_secs(300), Nanos::from_secs(300)),
            Self::ClockWrong
            | Self::ClockSuspect
            | Self::CoordinatesWrong
            | Self::RouteChanged
            | Self::ReportsLost
            | Self::CertificateExpiring
            | Self::CertificateExpired => (Nanos::ZERO, Nanos::ZERO),
        };
        Patience { begins, ends }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_code_and_a_name_of_its_own() {
        let codes: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!((codes.len(), names.len()), (12, 12));
        for kind in Kind::ALL {
            assert_eq!(Kind::of_code(kind.code()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.code());
        }
    }
}
