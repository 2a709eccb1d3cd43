//! Reads the ports of the plan, and reports what they count.
//!
//! An interface of the own host is read by a thread of its own, a thousand times
//! a second, and reported every ten seconds: one point, and the peaks since the
//! last one. In a lab the ports of other devices are simulated, and the reports
//! say so. Devices with an agent are read by who speaks its protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};

use owl_measure::counter::{Carried, PEAK_WINDOWS};
use owl_measure::report::{LinkPeak, LinkPoint, LinkReport, LinkSource, LinkWay, Reported};
use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_topology::{Plan, PlannedPort};

use super::Vitals;
use super::keeper::Generation;
use crate::config::{LabConfig, LabTraffic};
use crate::enrolment::now;
use crate::links::{Counters, InterfaceError, RATE_HZ_MAX, Sampler};
use crate::net::monotonic_clock;
use crate::uplink::Shared;

/// Interfaces of the own host that are read at once: each costs half a hundredth of a processor. What is beyond is not read, and
/// said.
const INTERFACES_MAX: usize = 64;
/// Time from one report of a port to the next.
const INTERVAL: Nanos = Nanos::from_secs(10);
/// How soon a thread sees that it is to stop.
const STEP: Nanos = Nanos::from_millis(200);
/// An interface that cannot be read is tried again after this.
const AGAIN: Nanos = Nanos::from_secs(10);
/// Mean frame of simulated traffic, in octets.
const SIMULATED_FRAME: u64 = 800;

/// What every thread needs.
#[derive(Clone)]
struct Desk {
    reports: SyncSender<Reported>,
    vitals: Arc<Vitals>,
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    generation: Generation,
}

impl Desk {
    fn stops(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Waits, and tells whether to go on.
    fn wait(&self, span: Nanos) -> bool {
        let mut left = span;
        while left > Nanos::ZERO && !self.stops() {
            let step = left.min(STEP);
            thread::sleep(step.to_std());
            left = left - step;
        }
        !self.stops()
    }

    /// Hands a report to the disk. A collector that understands none of them is sent none; a disk that is too slow loses it, which is
    /// counted: the next point of the port tells the octets of both intervals.
    fn report(&self, report: LinkReport) {
        if !self.shared.takes_links.load(Relaxed) {
            return;
        }
        if self.reports.try_send(report.into()).is_err() {
            self.vitals.reports_dropped.fetch_add(1, Relaxed);
        }
    }
}

/// The threads that read ports.
pub(super) struct Ports {
    lab: Option<LabConfig>,
    reports: SyncSender<Reported>,
    vitals: Arc<Vitals>,
    shared: Arc<Shared>,
    followed: Vec<PlannedPort>,
    generation: Generation,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Ports {
    pub(super) fn new(
        lab: Option<LabConfig>,
        reports: SyncSender<Reported>,
        vitals: Arc<Vitals>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            lab,
            reports,
            vitals,
            shared,
            followed: Vec::new(),
            generation: Generation::of(""),
            stop: Arc::default(),
            threads: Vec::new(),
        }
    }

    /// Follows a plan from now on.
    pub(super) fn follow(&mut self, plan: &Plan) {
        self.generation.set(&plan.generation);
        if plan.ports == self.followed {
            return;
        }
        self.stop();
        self.followed.clone_from(&plan.ports);
        self.stop = Arc::default();
        let desk = Desk {
            reports: self.reports.clone(),
            vitals: self.vitals.clone(),
            shared: self.shared.clone(),
            stop: self.stop.clone(),
            generation: self.generation.clone(),
        };
        let own = plan.ports.iter().filter(|port| port.agent.is_empty());
        let beyond = own.clone().count().saturating_sub(INTERFACES_MAX);
        if beyond > 0 {
            tracing::error!(
                beyond,
                "the plan has too many interfaces of this host; the first {INTERFACES_MAX} are read"
            );
        }
        for port in own.take(INTERFACES_MAX) {
            let (port, desk) = (port.clone(), desk.clone());
            self.threads
                .push(thread::spawn(move || read_own(&port, &desk)));
        }
        let simulated = self.lab.iter().flat_map(|lab| &lab.ports);
        let simulated: Vec<(PlannedPort, LabTraffic)> = simulated
            .filter_map(|(id, traffic)| {
                let port = plan.ports.iter().find(|port| port.id == *id)?;
                Some((port.clone(), traffic.clone()))
            })
            .collect();
        if !simulated.is_empty() {
            self.threads
                .push(thread::spawn(move || simulate(&simulated, &desk)));
        }
    }

    pub(super) fn stop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that reads a port panicked");
            }
        }
    }
}

/// Reads one interface until it is to stop; says once that it cannot, and again after it could.
fn read_own(port: &PlannedPort, desk: &Desk) {
    let mut complained = false;
    loop {
        match watch(port, desk, &mut complained) {
            Ok(()) => return,
            Err(error) if !complained => {
                tracing::error!(
                    port = port.id,
                    error = &error as &dyn std::error::Error,
                    "a port is not read; trying again"
                );
                complained = true;
            }
            Err(_) => {}
        }
        if !desk.wait(AGAIN) {
            return;
        }
    }
}

fn watch(port: &PlannedPort, desk: &Desk, complained: &mut bool) -> Result<(), InterfaceError> {
    let mut sampler = Sampler::start(&port.interface, RATE_HZ_MAX)?;
    *complained = false;
    loop {
        let mut left = INTERVAL;
        while left > Nanos::ZERO {
            sampler.read_for(left.min(STEP))?;
            left = left - STEP;
            if desk.stops() {
                return Ok(());
            }
        }
        let interval = sampler.take();
        if let Some(ahead) = ahead_of_monotonic() {
            let speed_bps = sampler.speed_bps();
            let (last, before) = (&interval.last, &interval.first);
            let way = |way: usize| {
                let grown = |now: [u64; 2], then: [u64; 2]| now[way].saturating_sub(then[way]);
                LinkWay {
                    errors: grown(last.errors, before.errors),
                    dropped: grown(last.dropped, before.dropped),
                    ..way_of(&interval.carried[way])
                }
            };
            desk.report(LinkReport {
                port: port.id.clone(),
                generation: desk.generation.get(),
                source: LinkSource::Own,
                speed_bps,
                is_up: sampler.is_up(),
                points: vec![point_of(last, ahead)],
                ways: [way(0), way(1)],
            });
        }
    }
}

/// How far CLOCK_REALTIME is ahead of CLOCK_MONOTONIC; `None` when the one cannot be read.
fn ahead_of_monotonic() -> Option<Nanos> {
    let before = monotonic_clock().ok()?;
    let real = now();
    let after = monotonic_clock().ok()?;
    let middle = before + Nanos((after - before).0 / 2);
    Some(Nanos(real.0.saturating_sub(middle.0)))
}

fn point_of(counters: &Counters, ahead: Nanos) -> LinkPoint {
    let half = Nanos((counters.latest - counters.earliest).0 / 2 + 1);
    let Monotonic(middle) = counters.earliest + half;
    LinkPoint {
        at: Timestamp(middle.saturating_add(ahead.0)),
        within: half,
        octets: Some(counters.octets),
        frames: counters.frames,
        // The kernel's counters of an interface count from when it was made, and it was not made anew while it was read.
        up: None,
        boots: None,
        discontinuity: None,
    }
}

fn way_of(carried: &Carried) -> LinkWay {
    let peaks = PEAK_WINDOWS.into_iter().zip(carried.peaks);
    LinkWay {
        peaks: peaks
            .filter_map(|(window, peak)| Some(LinkPeak::of(window, peak?)))
            .collect(),
        refresh: carried.refresh,
        errors: 0,
        dropped: 0,
    }
}

/// Reports what simulated agents count, all ports at once.
fn simulate(ports: &[(PlannedPort, LabTraffic)], desk: &Desk) {
    loop {
        let at = now();
        for (port, traffic) in ports {
            let octets = [
                octets_until(&traffic.received, at),
                octets_until(&traffic.sent, at),
            ];
            desk.report(LinkReport {
                port: port.id.clone(),
                generation: desk.generation.get(),
                source: LinkSource::Simulated,
                speed_bps: Some(port.speed_bps),
                is_up: Some(true),
                points: vec![LinkPoint {
                    at,
                    within: Nanos::from_millis(1),
                    octets: Some(octets),
                    frames: octets.map(|octets| octets / SIMULATED_FRAME),
                    // An agent that has been up for ten days and more.
                    up: Some(owl_measure::counter::Ticks(
                        u32::try_from(at.0 / 10_000_000 % 100_000_000)
                            .unwrap_or(0)
                            .saturating_add(100_000_000),
                    )),
                    boots: None,
                    discontinuity: None,
                }],
                ways: [LinkWay::PLAIN; 2],
            });
        }
        if !desk.wait(INTERVAL) {
            return;
        }
    }
}

/// What pieces of traffic that begin anew again and again have carried since 1970, modulo 2⁶⁴.
fn octets_until(pieces: &[(u64, u64)], at: Timestamp) -> u64 {
    let passed = |(length, bps): (u64, u64)| u128::from(length) * u128::from(bps) / 8_000_000_000;
    let round: u64 = pieces
        .iter()
        .fold(0, |sum, piece| sum.saturating_add(piece.0));
    if round == 0 {
        return 0;
    }
    let at = u64::try_from(at.0).unwrap_or(0);
    let whole: u128 = pieces.iter().copied().map(passed).sum();
    let mut octets = whole * u128::from(at / round);
    let mut left = at % round;
    for &(length, bps) in pieces {
        octets += passed((left.min(length), bps));
        left = left.saturating_sub(length);
    }
    // A counter of 64 bits wraps.
    octets as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_traffic_goes_on_for_ever_and_each_octet_once() {
        // A second at 8 Gb/s, and a second at 80.
        let pieces = [
            (1_000_000_000, 8_000_000_000),
            (1_000_000_000, 80_000_000_000),
        ];
        let until = |ms: i64| octets_until(&pieces, Timestamp(ms * 1_000_000));
        assert_eq!(until(500), 500_000_000);
        assert_eq!(until(1_500), 6_000_000_000);
        assert_eq!(until(2_000), 11_000_000_000);
        assert_eq!(until(2_001) - until(2_000), 1_000_000);
        assert_eq!(octets_until(&[], Timestamp(7)), 0);
    }
}
