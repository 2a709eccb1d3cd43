//! The one table of metric names: kind, labels, unit, help.
//!
//! docs/metrics.md adds to each its RFC, its formula and its error; a test
//! keeps the two in step. Base units only: seconds, ratios and counts.

/// What Prometheus must know of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counters of what is at most so large: `NAME_bucket`, `NAME_sum` and `NAME_count`.
    Histogram,
}

impl Kind {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [&'static str],
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "the text format 0.0.4 has no units; docs/metrics.md has"
        )
    )]
    pub(crate) unit: &'static str,
    pub(crate) help: &'static str,
}

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal [$($label:literal),*] $unit:literal $help:literal;)*) => {
        $(pub(crate) const $id: Metric =
            Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], unit: $unit, help: $help };)*
        /// Every metric, in the order of docs/metrics.md.
        pub(crate) const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    SIMULATED = Gauge "owl_simulated" [] "flag"
        "1 when delays or clocks are injected by a lab: then nothing here is a measurement of a network.";
    PATH_INFO = Gauge "owl_path_info" ["path", "class", "from_probe", "to_probe", "from_site", "to_site", "from_carrier", "to_carrier"] "flag"
        "1 for each judged path, with its two ends.";
    PATH_TARGET = Gauge "owl_path_target_seconds" ["path", "class"] "seconds"
        "Target of the one-way delay.";
    PATH_FLOOR = Gauge "owl_path_light_floor_seconds" ["path", "class"] "seconds"
        "Least one-way delay that light in vacuum allows between the two sites.";
    PATH_MAINTENANCE = Gauge "owl_path_in_maintenance" ["path", "class"] "flag"
        "1 while work on the path's route is announced for this moment, 0 otherwise.";
    PATH_IMPLIED = Gauge "owl_path_implied_route_meters" ["path", "class", "bound"] "metres"
        "Length of route that the fastest packets of the latest judged window imply: their one-way delay less declared equipment, as light in the declared medium.";
    PATH_VERDICT = Gauge "owl_path_verdict" ["path", "class", "state"] "flag"
        "1 for the state of the latest judged window (met, missed, undecided), 0 for the others.";
    PATH_REASON = Gauge "owl_path_undecided_reason" ["path", "class", "reason"] "flag"
        "1 for the reason why the latest window is undecided, 0 for the others; all 0 when it is decided.";
    PATH_ONE_WAY = Gauge "owl_path_one_way_delay_seconds" ["path", "class", "percentile", "bound"] "seconds"
        "Bounds of a percentile of the one-way delay over the packets sent, latest judged window; none when the round trip contradicts the coordinates.";
    PATH_ROUND_TRIP = Gauge "owl_path_round_trip_delay_seconds" ["path", "class", "percentile", "bound"] "seconds"
        "Bounds of a percentile of the round-trip delay over the packets sent, latest judged window.";
    PATH_PDV = Gauge "owl_path_pdv_seconds" ["path", "class", "direction", "percentile", "bound"] "seconds"
        "Bounds of a percentile of the packet delay variation over the packets received, latest judged window.";
    PATH_IPDV = Gauge "owl_path_ipdv_seconds" ["path", "class", "direction", "percentile", "bound"] "seconds"
        "Bounds of a percentile of the inter-packet delay variation over the consecutive packets received, latest judged window; signed.";
    PATH_LOSS_LONGEST = Gauge "owl_path_loss_period_longest_packets" ["path", "class", "direction"] "packets"
        "Packets in the longest loss period of the latest judged window; 0 without losses.";
    PATH_HOPS = Gauge "owl_path_hops" ["path", "class", "direction", "bound"] "hops"
        "Fewest and most hops that packets took, latest judged window: 255 less the TTL or hop limit on arrival.";
    PATH_FLOW_EXCESS = Gauge "owl_path_flow_delay_excess_seconds" ["path", "class", "flow", "direction", "statistic"] "seconds"
        "How much longer a flow takes than the fastest one of its path, latest judged window; only of paths with several flows.";
    PATH_FLOW_ELSEWHERE = Gauge "owl_path_flow_other_route" ["path", "class", "flow", "direction"] "flag"
        "1 for a flow that takes another route than the fastest one, by its delay or by its hops, latest judged window; only of paths with several flows.";
    PATH_FLOW_LOSS = Gauge "owl_path_flow_loss_ratio" ["path", "class", "flow"] "ratio"
        "Test packets of a flow that never came back, of those sent, latest judged window; only of paths with several flows.";
    PATH_CLOCK = Gauge "owl_path_clock_error_bound_seconds" ["path", "class"] "seconds"
        "How far the difference of the path's two clocks may be off, as they claim, latest judged window.";
    PATH_WINDOW = Gauge "owl_path_window_end_timestamp_seconds" ["path", "class"] "seconds"
        "End of the latest judged window, since 1970.";
    PATH_SENT = Counter "owl_path_packets_sent_total" ["path", "class"] "packets"
        "Test packets sent.";
    PATH_RECEIVED = Counter "owl_path_packets_received_total" ["path", "class"] "packets"
        "Test packets that came back within the loss threshold.";
    PATH_LOST = Counter "owl_path_packets_lost_total" ["path", "class", "direction"] "packets"
        "Test packets that never came back, by the direction in which they were lost.";
    PATH_OWN_LOSS = Counter "owl_path_own_loss_packets_total" ["path", "class"] "packets"
        "Of the lost test packets: those whose replies the measuring host itself may have dropped at its socket.";
    PATH_LATE = Counter "owl_path_packets_late_total" ["path", "class"] "packets"
        "Test packets that came back after the loss threshold.";
    PATH_SKIPPED = Counter "owl_path_packets_skipped_total" ["path", "class"] "packets"
        "Send times that the probe let go by unused; nothing was sent, nothing is lost.";
    PATH_DUPLICATED = Counter "owl_path_packets_duplicated_total" ["path", "class", "direction"] "packets"
        "Second and later copies of test packets.";
    PATH_REORDERED = Counter "owl_path_packets_reordered_total" ["path", "class", "direction"] "packets"
        "Test packets that were overtaken.";
    PATH_EXTENT = Histogram "owl_path_reordering_extent_packets" ["path", "class", "direction"] "packets"
        "Arrivals by which overtaken packets came after the earliest one that overtook them; no series before the first.";
    PATH_LATE_OFFSET = Histogram "owl_path_reordering_late_offset_seconds" ["path", "class", "direction"] "seconds"
        "How long after the earliest one that overtook them overtaken packets came; no series before the first.";
    PATH_N_REORDERED = Counter "owl_path_packets_n_reordered_total" ["path", "class", "direction", "n"] "packets"
        "Test packets right before which n others arrived that were sent later; no series before the first overtaken one.";
    PATH_LOSS_PERIOD = Histogram "owl_path_loss_period_packets" ["path", "class", "direction"] "packets"
        "Packets lost one after the other; no series before the first loss.";
    PATH_LOSS_DISTANCE = Histogram "owl_path_loss_distance_packets" ["path", "class", "direction"] "packets"
        "Packets from one loss to the next; no series before the second loss.";
    PATH_HOP_CHANGES = Counter "owl_path_hop_changes_total" ["path", "class", "direction"] "changes"
        "How often all packets of a report took another number of hops than all packets of the one before: another route.";
    PATH_DSCP_TOLD = Counter "owl_path_packets_dscp_told_total" ["path", "class", "direction"] "packets"
        "Test packets of which it is known with which DSCP they arrived.";
    PATH_REMARKED = Counter "owl_path_packets_remarked_total" ["path", "class", "direction"] "packets"
        "Test packets that arrived with another DSCP than they were sent with.";
    PATH_CONGESTION = Counter "owl_path_packets_congestion_marked_total" ["path", "class", "direction"] "packets"
        "Test packets that arrived with the ECN mark of having met congestion.";
    PATH_WITHIN = Counter "owl_path_within_target_total" ["path", "class", "direction", "target"] "packets"
        "Test packets whose raw one-way difference or round trip was at most the target, counted exactly; no verdict, the clocks are not in it.";
    PATH_DELAY = Histogram "owl_path_packet_delay_seconds" ["path", "class", "direction"] "seconds"
        "Raw one-way differences and round-trip delays of the packets that came back; a raw difference holds the difference of the two clocks.";
    PATH_REPORTED = Gauge "owl_path_last_report_timestamp_seconds" ["path", "class"] "seconds"
        "When the collector stored the last report of the path, since 1970.";
    COMPLIANCE = Gauge "owl_path_compliance" ["path", "class", "period", "state"] "flag"
        "1 for the state of the running day or month under plan-2026, as far as it has come.";
    COMPLIANCE_SHARE = Gauge "owl_path_compliance_share_ratio" ["path", "class", "period", "hours", "bound"] "ratio"
        "Between what the share of windows that met the target lies, of all hours and of the busy ones.";
    COMPLIANCE_COVERAGE = Gauge "owl_path_compliance_coverage_ratio" ["path", "class", "period"] "ratio"
        "Share of the windows of the running day or month that were measured well enough to be judged.";
    COMPLIANCE_AVAILABLE = Gauge "owl_path_available_time_ratio" ["path", "class", "period", "bound"] "ratio"
        "Between what the share of available time lies; a window is unavailable when over a fifth of its packets was lost.";
    COMPLIANCE_AT = Gauge "owl_compliance_last_judged_timestamp_seconds" [] "seconds"
        "When the running days and months were judged last, since 1970.";
    PROBE_INFO = Gauge "owl_probe_info" ["probe", "site", "carrier", "software", "simulated"] "flag"
        "1 for each probe that has called, with its software.";
    PROBE_UP = Gauge "owl_probe_up" ["probe"] "flag"
        "1 while the probe is connected.";
    PROBE_CLOCK = Gauge "owl_probe_clock_error_bound_seconds" ["probe"] "seconds"
        "How far the probe's clock may be from UTC, as it claimed in its last report.";
    PROBE_REPORTED = Gauge "owl_probe_last_report_timestamp_seconds" ["probe"] "seconds"
        "When the collector stored the last batch of the probe, since 1970.";
    PROBE_AWAITED = Gauge "owl_probe_reports_awaited" ["probe"] "reports"
        "Reports of the probe that did not come yet though later ones did: asked for again, or still to be caught up with.";
    PROBE_SPOOL = Gauge "owl_probe_spool_filled_ratio" ["probe"] "ratio"
        "How much of the probe's spool was taken by reports that no collector had, as it said with its last batch.";
    CLOCK_FINDING = Gauge "owl_clock_finding" ["probe", "kind"] "flag"
        "1 for each open finding on a probe's clock; no series for a clock without one.";
    CLOCK_FINDING_OFFSET = Gauge "owl_clock_finding_offset_seconds" ["probe", "kind"] "seconds"
        "The clock's error as the other probes see it were paths as long there as back, in the last window that showed the finding.";
    CLOCK_FINDING_BOUND = Gauge "owl_clock_finding_offset_bound_seconds" ["probe", "kind", "bound"] "seconds"
        "Between which that error lies for certain, as far as the claims of the other clocks hold.";
    PLACE_FINDING = Gauge "owl_place_finding" ["subject", "kind"] "flag"
        "1 for each open finding on coordinates (of a probe) or on a route (between two probes, A~B).";
    PROBE_CERTIFICATE = Gauge "owl_probe_certificate_expiry_timestamp_seconds" ["probe"] "seconds"
        "When the probe's certificate runs out, since 1970.";
    PROBE_PLAN = Gauge "owl_probe_plan_generation" ["probe"] "generations"
        "The generation of plans that the probe follows, as it says or reports.";
    PROBE_PLAN_WANTED = Gauge "owl_probe_plan_wanted_generation" ["probe"] "generations"
        "The generation of plans that the probe is to follow, by the stage of its roll-out.";
    BUILD_INFO = Gauge "owl_collector_build_info" ["version"] "flag"
        "1, with the version of this collector.";
    STORE_UP = Gauge "owl_collector_store_up" [] "flag"
        "1 while the store takes what it is given, 0 while it refuses (nothing is acknowledged then).";
    JUDGING = Gauge "owl_collector_judging" [] "flag"
        "1 while this collector judges and shows the series of paths and probes, 0 while another one of its store does.";
    CERTIFICATE = Gauge "owl_collector_certificate_expiry_timestamp_seconds" [] "seconds"
        "When the collector's certificate runs out, since 1970; none where the collector signs and renews it itself.";
    REPORTS = Counter "owl_collector_reports_total" ["result"] "reports"
        "Reports that came, by what became of them: stored, duplicate, rejected.";
    GAPS = Counter "owl_collector_sequence_gaps_total" [] "gaps"
        "Gaps in the sequence numbers of a probe that no report will fill any more.";
    MISSING = Counter "owl_collector_reports_missing_total" ["loss"] "reports"
        "Reports that are missing in those gaps, by why they will not come: full, damaged, released, unknown, unasked, crowded.";
    ASIDE = Gauge "owl_collector_reports_aside" [] "reports"
        "Reports that were refused and are kept aside with the reason.";
    ASIDE_DROPPED = Gauge "owl_collector_reports_aside_dropped" [] "reports"
        "Of those: how many made room for newer ones since the store was made.";
    VERDICTS = Counter "owl_collector_verdicts_total" ["state"] "verdicts"
        "Verdicts written, also those written again.";
    REFUSED = Counter "owl_collector_handshakes_refused_total" [] "handshakes"
        "Connections refused before a probe was known: strangers, wrong names, too many at once, or two under one name.";
    ENROLMENTS = Counter "owl_collector_enrolments_total" ["result"] "attempts"
        "Attempts to get a certificate, by what became of them: joined, renewed, refused.";
    LOGINS = Counter "owl_collector_logins_total" ["result"] "attempts"
        "Attempts to log in, by what became of them: in, wrong, locked-out, turned-away.";
    HTTP_REFUSALS = Counter "owl_collector_http_refusals_total" ["reason"] "requests"
        "Requests that were refused, by why: no-login, no-users, token, role, in-the-clear, store.";
    ALERTS_TOLD = Counter "owl_collector_alerts_told_total" ["receiver", "result"] "alerts"
        "Alerts told to a receiver, each minute anew to an Alertmanager: taken; or attempts that failed: failed.";
    REMOTE_SAMPLES = Counter "owl_collector_remote_write_samples_total" ["receiver", "result"] "samples"
        "Samples sent by remote write, by what became of them: taken, refused (and dropped).";
    REMOTE_SENT_AT = Gauge "owl_collector_remote_write_last_taken_timestamp_seconds" ["receiver"] "seconds"
        "When a receiver of remote write last took a request, since 1970.";
    PLAN_GENERATION = Gauge "owl_collector_plan_generation" [] "generations"
        "The newest generation of plans, whatever its stage.";
    PLAN_STOPPED = Gauge "owl_collector_plan_stopped" [] "flag"
        "1 while the roll-out of the newest plans has stopped because a probe failed.";
    TOPOLOGY_REFUSED = Gauge "owl_collector_topology_refused" [] "flag"
        "1 while the files of the topology have errors, so that the one before stays.";
}
