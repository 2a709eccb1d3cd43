//! One direction of a session in one judged window: how its delay varied, and
//! what its losses and its overtaken packets looked like.

use owl_measure::sample::Direction;
use owl_measure::summary::Headers;
use owl_measure::time::Nanos;
use owl_measure::variation::{ipdv, pdv};
use owl_measure::verdict::{Quantile, SessionWindow};
use serde::{Deserialize, Serialize};

use crate::judgement::Span;

/// A direction of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WayName {
    /// Along the path.
    Forward,
    /// Back again.
    Backward,
    /// Nobody knows; only of losses and overtaken packets.
    Unknown,
}

impl WayName {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Unknown => "unknown",
        }
    }
}

/// One percentile of both kinds of delay variation. A constant clock difference is in neither.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Variation {
    /// Which one.
    pub(crate) quantile: Quantile,
    /// PDV (RFC 5481) over the packets received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pdv: Option<Span>,
    /// IPDV (RFC 3393) over the consecutive packets received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ipdv: Option<Span>,
}

/// One direction in one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// Which one.
    pub(crate) direction: WayName,
    /// The median, the 95th and the 99th percentile; none without a packet, and none of an unknown direction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) variations: Vec<Variation>,
    /// Loss periods (RFC 3357).
    pub(crate) loss_periods: u64,
    /// Packets in the longest of them.
    pub(crate) longest_loss_period: u64,
    /// Packets overtaken (RFC 4737).
    pub(crate) reordered: u64,
    /// The largest reordering extent among them, in packets.
    pub(crate) largest_extent: u64,
    /// The longest late-time offset among them (RFC 4737, section 4.3), less than 0.1 ms too long.
    #[serde(rename = "late_offset_max_ns", default)]
    pub(crate) late_offset_max: Nanos,
    /// Those that are 3-reordered: TCP takes them for lost.
    pub(crate) three_reordered: u64,
    /// Second and later copies (RFC 5560).
    pub(crate) duplicated: u64,
    /// Fewest and most hops that packets took: 255 less the TTL on arrival; `None` when it was not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hops: Option<(u8, u8)>,
    /// Packets that arrived with another DSCP than they were sent with.
    #[serde(default)]
    pub(crate) remarked: u64,
    /// Packets that arrived marked as having met congestion (ECN).
    #[serde(default)]
    pub(crate) congestion: u64,
}

impl Way {
    /// The directions of a session, of which `along` is the path's, and an unknown one when something happened there.
    pub(crate) fn seen(
        session: &SessionWindow,
        along: Direction,
        quantiles: &[Quantile],
    ) -> Vec<Self> {
        let against = match along {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        };
        [
            (WayName::Forward, Some(along)),
            (WayName::Backward, Some(against)),
            (WayName::Unknown, None),
        ]
        .into_iter()
        .map(|(name, direction)| Self::one(session, name, direction, quantiles))
        .filter(|way| {
            way.direction != WayName::Unknown || way.loss_periods > 0 || way.reordered > 0
        })
        .collect()
    }

    fn one(
        session: &SessionWindow,
        name: WayName,
        direction: Option<Direction>,
        quantiles: &[Quantile],
    ) -> Self {
        let patterns = session.patterns(direction);
        let variation = |direction, quantile| {
            let pdv = pdv(session.raw(direction), quantile).map(|bounds| Span::from(Some(bounds)));
            let ipdv = ipdv(session.ipdv(direction), quantile);
            Some(Variation {
                quantile,
                pdv: Some(pdv?),
                ipdv: ipdv.map(|bounds| Span::from(Some(bounds))),
            })
        };
        let headers = direction.map_or_else(Headers::default, |way| *session.headers(way));
        Self {
            hops: headers
                .ttl
                .map(|(low, high)| (u8::MAX - high, u8::MAX - low)),
            remarked: headers.remarked,
            congestion: headers.congestion,
            direction: name,
            variations: direction.map_or_else(Vec::new, |direction| {
                let each = quantiles.iter();
                each.filter_map(|&quantile| variation(direction, quantile))
                    .collect()
            }),
            loss_periods: patterns.loss_periods.count(),
            longest_loss_period: patterns.loss_periods.longest(),
            reordered: direction.map_or(patterns.extents.count(), |direction| {
                session.reordered(direction)
            }),
            largest_extent: patterns.extents.longest(),
            late_offset_max: patterns.latest(),
            three_reordered: patterns.n_reordering.longer_than(2),
            duplicated: direction.map_or(0, |direction| session.duplicated(direction)),
        }
    }

    /// One of its percentiles.
    pub(crate) fn variation(&self, quantile: Quantile) -> Option<&Variation> {
        self.variations
            .iter()
            .find(|variation| variation.quantile == quantile)
    }
}
