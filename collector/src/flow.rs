//! The flows of a path in one judged window, one by one.

use owl_measure::sample::Direction;
use owl_measure::time::Nanos;
use owl_measure::verdict::flow::{FlowWay, FlowWindow};
use serde::{Deserialize, Serialize};

use crate::judgement::Span;

/// One direction of a flow. The differences are free of the clocks: all flows have the same two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlowDirection {
    /// By how much its fastest packet took longer than that of the fastest flow.
    #[serde(rename = "excess_min_ns", skip_serializing_if = "Option::is_none")]
    pub(crate) excess_min: Option<Nanos>,
    /// The same of the medians.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) excess_median: Option<Span>,
    /// It takes another route than the fastest flow: by its delay, or by its hops.
    pub(crate) elsewhere: bool,
    /// Fewest and most hops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hops: Option<(u8, u8)>,
}

impl From<&FlowWay> for FlowDirection {
    fn from(way: &FlowWay) -> Self {
        Self {
            excess_min: way.excess_min,
            excess_median: way.excess_median.map(|bounds| Span::from(Some(bounds))),
            elsewhere: way.takes_other_route(),
            hops: way
                .headers
                .ttl
                .map(|(low, high)| (u8::MAX - high, u8::MAX - low)),
        }
    }
}

/// One flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlowResult {
    /// Which one, from 0.
    pub(crate) flow: u32,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) late: u64,
    /// Along the path.
    pub(crate) forward: FlowDirection,
    /// Back again.
    pub(crate) backward: FlowDirection,
}

impl FlowResult {
    /// A flow of a session, of whose directions `along` is the path's.
    pub(crate) fn seen(window: &FlowWindow, along: Direction) -> Self {
        let [forward, backward] = match along {
            Direction::Forward => [0, 1],
            Direction::Backward => [1, 0],
        }
        .map(|k| FlowDirection::from(&window.ways[k]));
        Self {
            flow: window.flow,
            sent: window.sent,
            received: window.received,
            lost: window.lost,
            late: window.late,
            forward,
            backward,
        }
    }

    /// Lost of those sent.
    pub(crate) fn loss_ratio(&self) -> Option<f64> {
        (self.sent > 0).then(|| self.lost as f64 / self.sent as f64)
    }
}
