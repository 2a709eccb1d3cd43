//! The last readings of every port of the topology.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use owl_measure::report::{LinkPoint, LinkReport, LinkSource, LinkWay};
use owl_measure::time::{Nanos, Timestamp};
use owl_topology::Topology;

use super::Figures;
use super::figures::{Wiring, figures};

/// How far back readings are needed.
pub(crate) const READINGS_OF: Nanos = Nanos::from_secs(600);
/// Readings of one port that are held at most: the oldest make room.
const POINTS_MAX: usize = 256;
/// The window of the figures.
pub(super) const WINDOW: Nanos = Nanos::from_secs(60);
/// What is read before a window's end comes within this; later readings count in the next.
const GRACE: Nanos = Nanos::from_secs(20);
/// Figures of one window are made anew after this, for readings that came late.
const FRESH: Nanos = Nanos::from_secs(10);

/// What is known of a port.
#[derive(Debug, Clone)]
pub(super) struct PortState {
    pub(super) points: VecDeque<LinkPoint>,
    pub(super) source: LinkSource,
    pub(super) speed_bps: Option<u64>,
    pub(super) is_up: Option<bool>,
    /// Of its last report.
    pub(super) ways: [LinkWay; 2],
}

/// All ports. Its size is the topology's: nobody else's name gets in.
#[derive(Debug)]
pub(crate) struct Readings {
    wiring: Wiring,
    ports: BTreeMap<String, Option<PortState>>,
    made: Mutex<Option<(Timestamp, Arc<Figures>)>>,
}

impl Readings {
    /// For a topology, with nothing known yet.
    pub(crate) fn new(topology: &Topology) -> Self {
        let ports = topology.ports.iter();
        Self {
            wiring: Wiring::of(topology),
            ports: ports.map(|port| (port.id.to_string(), None)).collect(),
            made: Mutex::new(None),
        }
    }

    /// Another topology from now on. What is known of the ports of both stays.
    pub(crate) fn follow(&mut self, topology: &Topology) {
        let mut next = Self::new(topology);
        for (port, state) in &mut next.ports {
            *state = self.ports.get_mut(port).and_then(Option::take);
        }
        *self = next;
    }

    /// Takes in what a port counted; again is the same as once. A port that the topology does not have is passed over.
    pub(crate) fn take(&mut self, report: LinkReport) {
        let Some(state) = self.ports.get_mut(&report.port) else {
            return;
        };
        let state = state.get_or_insert_with(|| PortState {
            points: VecDeque::new(),
            source: report.source,
            speed_bps: None,
            is_up: None,
            ways: [LinkWay::PLAIN; 2],
        });
        let newest = state.points.back().map(|point| point.at);
        if newest < report.points.last().map(|point| point.at) {
            state.source = report.source;
            state.speed_bps = report.speed_bps;
            state.is_up = report.is_up;
            state.ways = report.ways;
        }
        for point in report.points {
            let place = state.points.partition_point(|known| known.at < point.at);
            let known = state
                .points
                .get(place)
                .is_some_and(|known| known.at == point.at);
            if !known {
                state.points.insert(place, point);
            }
        }
        let oldest = state
            .points
            .back()
            .map(|point| point.at.0.saturating_sub(READINGS_OF.0));
        while state.points.len() > POINTS_MAX
            || state.points.front().map(|point| point.at.0) < oldest
        {
            state.points.pop_front();
        }
    }

    /// The figures of the latest window that is over.
    pub(crate) fn figures(&self, now: Timestamp) -> Arc<Figures> {
        // What a panicking holder left is whole: it is one assignment.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |at: &Timestamp| now - *at;
        if let Some((at, figures)) = made.as_ref()
            && (Nanos::ZERO..FRESH).contains(&since(at))
        {
            return Arc::clone(figures);
        }
        let start = (now - GRACE - WINDOW).period_start(WINDOW, Timestamp(0));
        let figures = Arc::new(figures(&self.wiring, &self.ports, (start, WINDOW)));
        *made = Some((now, Arc::clone(&figures)));
        figures
    }
}
