//! Every probe of the topology, and what it last said.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use owl_measure::clock::{BoundBasis, ClockSource, ClockStatus};
use owl_measure::time::{Nanos, Timestamp};
use serde::Serialize;

use super::{Web, json};
use crate::access::Viewer;
use crate::live::LiveProbe;
use crate::now::now;

#[derive(Serialize)]
struct Probes<'a> {
    generated_at_ns: Timestamp,
    simulated: bool,
    probes: Vec<ProbeView<'a>>,
}

#[derive(Serialize)]
struct ProbeView<'a> {
    probe: &'a str,
    site: &'a str,
    carrier: &'a str,
    connected: bool,
    simulated: bool,
    software: Option<&'a str>,
    epoch: Option<u64>,
    stored_sequence: u64,
    /// Reports before that one which did not come yet: `/api/v1/gaps` has their numbers.
    awaited_reports: u64,
    called_at_ns: Option<Timestamp>,
    reported_at_ns: Option<Timestamp>,
    /// When its certificate runs out, as far as that is known.
    certificate_until_ns: Option<Timestamp>,
    clock: Option<ClockView>,
    plan: PlanView,
}

#[derive(Serialize)]
struct PlanView {
    /// The generation that it is to follow.
    wanted: u64,
    /// The one that it says it follows.
    follows: Option<u64>,
    /// It goes back unless a report under it is acknowledged in time.
    on_trial: bool,
    /// The highest generation that it has reported under.
    reports: Option<u64>,
    /// The stage of the newest generation that it is in, from 1.
    stage: Option<usize>,
    /// The generation that it turned down last, or went back from.
    turned_down: Option<u64>,
    /// Why: a name for machines.
    fault: Option<&'static str>,
}

impl PlanView {
    fn of(live: &LiveProbe) -> Self {
        let known = |generation: u64| (generation > 0).then_some(generation);
        let told = live.plan.turned_down();
        Self {
            wanted: live.wanted,
            follows: known(live.plan.follows),
            on_trial: live.plan.on_trial,
            reports: known(live.plan.reports),
            stage: live.stage,
            turned_down: told.as_ref().map(|told| told.generation),
            fault: told.map(|told| told.fault.code()),
        }
    }
}

#[derive(Serialize)]
struct ClockView {
    source: ClockSource,
    status: ClockStatus,
    bound_ns: Option<Nanos>,
    basis: Option<BoundBasis>,
}

/// `GET /api/v1/probes`: every probe of the topology, and what it last said.
pub(super) async fn api(State(web): State<Arc<Web>>, viewer: Viewer) -> Response {
    let table = web.table(&viewer);
    let probes = table.probes.values().map(|live| ProbeView {
        probe: &live.id,
        site: &live.site,
        carrier: &live.carrier,
        connected: live.is_connected(),
        simulated: live.simulated(),
        software: live.caller.as_ref().map(|caller| caller.software.as_str()),
        epoch: live.caller.as_ref().map(|caller| caller.epoch),
        stored_sequence: live.stored,
        awaited_reports: live.awaited.count(),
        called_at_ns: live.caller.as_ref().map(|caller| caller.called_at),
        reported_at_ns: live.reported_at,
        certificate_until_ns: live.certificate_until,
        clock: live.clock.as_ref().map(|(clock, _)| ClockView {
            source: clock.source,
            status: clock.status,
            bound_ns: live.clock_bound(),
            basis: clock.bound.map(|(_, basis)| basis),
        }),
        plan: PlanView::of(live),
    });
    json(&Probes {
        generated_at_ns: now(),
        simulated: table.simulated(),
        probes: probes.collect(),
    })
}
