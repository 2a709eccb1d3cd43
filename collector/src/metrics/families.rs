//! Which series there are, metric by metric, in the order of an answer.

use super::sink::Sink;
use super::table::{self, Metric};
use super::{compliance, counted, findings, flows, judged, probes, topology};
use crate::compliance::RunningCompliance;
use crate::judgement::Judgement;
use crate::live::{Judging, LivePath, LiveProbe, Table};
use owl_measure::time::{Nanos, Timestamp};

/// A path at the moment of an answer.
#[derive(Clone, Copy)]
pub(crate) struct SeenPath<'a> {
    pub(crate) live: &'a LivePath,
    /// Its latest judgement, while that tells of the present.
    pub(crate) judgement: Option<&'a Judgement>,
    /// Whether its counters still count.
    pub(crate) reporting: bool,
    pub(crate) running: Option<&'a RunningCompliance>,
    pub(crate) now: Timestamp,
}

impl<'a> SeenPath<'a> {
    pub(crate) fn at(table: &'a Table, index: usize, now: Timestamp, grace: Nanos) -> Self {
        let live = &table.paths[index];
        let judgement = live.latest.as_ref();
        Self {
            live,
            judgement: judgement.filter(|latest| latest.is_current(now, grace)),
            reporting: live.is_reporting(now, grace),
            running: table.running.paths.get(index),
            now,
        }
    }
}

/// Writes the series of one metric of one path.
pub(crate) type OfPath = fn(SeenPath<'_>, &mut dyn Sink);
/// The same of one probe.
pub(crate) type OfProbe = fn(&LiveProbe, &mut dyn Sink);

/// One metric of every path.
pub(crate) struct PathFamily {
    pub(crate) metric: &'static Metric,
    pub(crate) write: OfPath,
}

/// One metric of every probe.
pub(crate) struct ProbeFamily {
    pub(crate) metric: &'static Metric,
    pub(crate) write: OfProbe,
}

const fn of(metric: &'static Metric, write: OfPath) -> PathFamily {
    PathFamily { metric, write }
}

/// What the topology and the calendar say of a path.
pub(crate) const DECLARED: &[PathFamily] = &[
    of(&table::PATH_INFO, topology::info),
    of(&table::PATH_TARGET, topology::target),
    of(&table::PATH_FLOOR, topology::floor),
    of(&table::PATH_MAINTENANCE, topology::maintenance),
];

/// What the latest judged window says.
pub(crate) const JUDGED: &[PathFamily] = &[
    of(&table::PATH_IMPLIED, judged::implied),
    of(&table::PATH_VERDICT, judged::verdict),
    of(&table::PATH_REASON, judged::reason),
    of(&table::PATH_ONE_WAY, judged::one_way),
    of(&table::PATH_ROUND_TRIP, judged::round_trip),
    of(&table::PATH_PDV, judged::pdv),
    of(&table::PATH_IPDV, judged::ipdv),
    of(&table::PATH_HOPS, judged::hops),
    of(&table::PATH_LOSS_LONGEST, judged::longest_loss),
    of(&table::PATH_FLOW_EXCESS, flows::excess),
    of(&table::PATH_FLOW_ELSEWHERE, flows::elsewhere),
    of(&table::PATH_FLOW_LOSS, flows::loss),
    of(&table::PATH_CLOCK, judged::clock),
    of(&table::PATH_WINDOW, judged::window_end),
];

/// What has been counted since the store was made.
pub(crate) const COUNTED: &[PathFamily] = &[
    of(&table::PATH_SENT, counted::sent),
    of(&table::PATH_RECEIVED, counted::received),
    of(&table::PATH_LATE, counted::late),
    of(&table::PATH_SKIPPED, counted::skipped),
    of(&table::PATH_OWN_LOSS, counted::own_loss),
    of(&table::PATH_LOST, counted::lost),
    of(&table::PATH_DUPLICATED, counted::duplicated),
    of(&table::PATH_HOP_CHANGES, counted::hop_changes),
    of(&table::PATH_DSCP_TOLD, counted::dscp_told),
    of(&table::PATH_REMARKED, counted::remarked),
    of(&table::PATH_CONGESTION, counted::congestion),
    of(&table::PATH_REORDERED, counted::reordered),
    of(&table::PATH_EXTENT, counted::extents),
    of(&table::PATH_LATE_OFFSET, counted::late_offsets),
    of(&table::PATH_N_REORDERED, counted::n_reordered),
    of(&table::PATH_LOSS_PERIOD, counted::loss_periods),
    of(&table::PATH_LOSS_DISTANCE, counted::loss_distances),
    of(&table::PATH_WITHIN, counted::within),
    of(&table::PATH_DELAY, counted::delays),
];

/// What stays when the counters go, and the running periods.
pub(crate) const STANDING: &[PathFamily] = &[
    of(&table::PATH_REPORTED, counted::reported_at),
    of(&table::COMPLIANCE, compliance::state),
    of(&table::COMPLIANCE_SHARE, compliance::share),
    of(&table::COMPLIANCE_COVERAGE, compliance::coverage),
    of(&table::COMPLIANCE_AVAILABLE, compliance::available),
];

/// Everything of a path.
pub(crate) fn of_paths() -> impl Iterator<Item = &'static PathFamily> + Clone {
    [DECLARED, JUDGED, COUNTED, STANDING].into_iter().flatten()
}

/// Everything of a probe.
pub(crate) const PROBES: &[ProbeFamily] = &[
    ProbeFamily {
        metric: &table::PROBE_INFO,
        write: probes::info,
    },
    ProbeFamily {
        metric: &table::PROBE_UP,
        write: probes::up,
    },
    ProbeFamily {
        metric: &table::PROBE_CLOCK,
        write: probes::clock_bound,
    },
    ProbeFamily {
        metric: &table::PROBE_REPORTED,
        write: probes::reported_at,
    },
    ProbeFamily {
        metric: &table::PROBE_AWAITED,
        write: probes::awaited,
    },
    ProbeFamily {
        metric: &table::PROBE_SPOOL,
        write: probes::spool,
    },
    ProbeFamily {
        metric: &table::PROBE_CERTIFICATE,
        write: probes::certificate,
    },
    ProbeFamily {
        metric: &table::PROBE_PLAN,
        write: probes::plan,
    },
    ProbeFamily {
        metric: &table::PROBE_PLAN_WANTED,
        write: probes::plan_wanted,
    },
];

/// Everything of neither: as much as there are findings.
pub(crate) fn of_the_rest(table: &Table, sink: &mut dyn Sink) {
    topology::simulated(table, sink);
    compliance::judged_at(table, sink);
    if table.judging == Judging::Here {
        findings::series(sink, &table.findings);
    }
    probes::collector(table, sink);
}
