//! The series of links, optical networks and indicators; of single ports when they are asked for.

use std::sync::LazyLock;

use super::judged::BOUNDS;
use super::labels::Labels;
use super::sink::{Sink, Value};
use super::table::{self as names, Metric};
use crate::links::{Figures, Indicated, LinkFigure, PortFigure, WayFigure};

/// Writes the series of one metric of one thing, named by its place.
type OfOne = fn(&Figures, usize, &mut dyn Sink);

/// One metric, of how many things, and how it is written.
pub(crate) struct LinkFamily {
    pub(super) metric: &'static Metric,
    pub(super) count: fn(&Figures) -> usize,
    pub(super) write: OfOne,
}

/// What of ports is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Only what they make up.
    Sums,
    /// Each of them, too: a hundred thousand may be too many for whoever asks.
    Ports,
}

static FORWARD: LazyLock<[Labels; 2]> = LazyLock::new(|| directions(["forward", "backward"]));
static STREAM: LazyLock<[Labels; 2]> = LazyLock::new(|| directions(["downstream", "upstream"]));
static OUT: LazyLock<[Labels; 2]> = LazyLock::new(|| directions(["out", "back"]));
static SENT: LazyLock<[Labels; 2]> = LazyLock::new(|| directions(["received", "sent"]));

fn directions(names: [&str; 2]) -> [Labels; 2] {
    names.map(|name| Labels::of([("direction", name)]))
}

const fn family(metric: &'static Metric, count: fn(&Figures) -> usize, write: OfOne) -> LinkFamily {
    LinkFamily {
        metric,
        count,
        write,
    }
}

const fn of_links(metric: &'static Metric, write: OfOne) -> LinkFamily {
    family(metric, |figures| figures.links.len(), write)
}

const fn of_indicators(metric: &'static Metric, write: OfOne) -> LinkFamily {
    family(metric, |figures| figures.indicators.len(), write)
}

const fn of_pons(metric: &'static Metric, write: OfOne) -> LinkFamily {
    family(metric, |figures| figures.pons.len(), write)
}

const fn of_ports(metric: &'static Metric, write: OfOne) -> LinkFamily {
    family(metric, |figures| figures.ports.len(), write)
}

const SUMS: &[LinkFamily] = &[
    of_links(&names::LINK_CAPACITY, |all, place, sink| {
        let link = &all.links[place];
        let in_service = if link.in_service { link.lit_bps } else { 0 };
        for (state, bps) in [("installed", link.capacity_bps), ("in_service", in_service)] {
            let more = Labels::of([("state", state)]);
            sink.series(&link_labels(link), &more, octets(bps as f64));
        }
    }),
    of_links(&names::LINK_TRAFFIC, |all, place, sink| {
        let link = &all.links[place];
        rates(
            [&link.forward, &link.backward],
            &FORWARD,
            &link_labels(link),
            sink,
        );
    }),
    of_links(&names::LINK_TRAFFIC_BOUND, |all, place, sink| {
        let link = &all.links[place];
        bounds(
            [&link.forward, &link.backward],
            &FORWARD,
            &link_labels(link),
            sink,
        );
    }),
    of_links(&names::LINK_UTILISATION, |all, place, sink| {
        let link = &all.links[place];
        for (way, direction) in [&link.forward, &link.backward].into_iter().zip(&*FORWARD) {
            if let Some(share) = way.utilisation {
                sink.series(&link_labels(link), direction, Value::Real(share));
            }
        }
    }),
    of_links(&names::LINK_COVERAGE, |all, place, sink| {
        let link = &all.links[place];
        coverage(
            [&link.forward, &link.backward],
            &FORWARD,
            &link_labels(link),
            sink,
        );
    }),
    of_pons(&names::PON_TRAFFIC, |all, place, sink| {
        let pon = &all.pons[place];
        let labels = Labels::named(names::PON_TRAFFIC.labels, [&pon.pon, &pon.carrier]);
        rates([&pon.downstream, &pon.upstream], &STREAM, &labels, sink);
    }),
    of_pons(&names::PON_COVERAGE, |all, place, sink| {
        let pon = &all.pons[place];
        let labels = Labels::named(names::PON_COVERAGE.labels, [&pon.pon, &pon.carrier]);
        coverage([&pon.downstream, &pon.upstream], &STREAM, &labels, sink);
    }),
    of_indicators(&names::INDICATOR_CAPACITY, |all, place, sink| {
        let one = &all.indicators[place];
        for (figure, bps) in [
            ("target", one.target_bps),
            ("installed", one.installed_bps),
            ("in_service", one.in_service_bps),
            ("after_worst_failure", one.after_worst_failure_bps),
        ] {
            let more = Labels::of([("figure", figure)]);
            sink.series(&indicator_labels(one), &more, octets(bps as f64));
        }
    }),
    of_indicators(&names::INDICATOR_TRAFFIC, |all, place, sink| {
        let one = &all.indicators[place];
        rates([&one.out, &one.back], &OUT, &indicator_labels(one), sink);
    }),
    of_indicators(&names::INDICATOR_TRAFFIC_BOUND, |all, place, sink| {
        let one = &all.indicators[place];
        bounds([&one.out, &one.back], &OUT, &indicator_labels(one), sink);
    }),
    of_indicators(&names::INDICATOR_COVERAGE, |all, place, sink| {
        let one = &all.indicators[place];
        coverage([&one.out, &one.back], &OUT, &indicator_labels(one), sink);
    }),
];

const PORTS: &[LinkFamily] = &[
    of_ports(&names::PORT_TRAFFIC, |all, place, sink| {
        let port = &all.ports[place];
        let ways = [&port.received.figure, &port.sent.figure];
        rates(ways, &SENT, &port_labels(port), sink);
    }),
    of_ports(&names::PORT_PEAK, |all, place, sink| {
        let port = &all.ports[place];
        for (way, direction) in [&port.received, &port.sent].into_iter().zip(&*SENT) {
            for peak in &way.peaks {
                let window = peak.window_ns.as_secs_f64().to_string();
                let labels = port_labels(port).and("window", &window);
                for (end, bps) in BOUNDS.iter().zip([peak.at_least_bps, peak.at_most_bps]) {
                    let labels = end.pairs().fold(labels.clone(), |labels, (name, value)| {
                        labels.and(name, value)
                    });
                    sink.series(&labels, direction, octets(bps as f64));
                }
            }
        }
    }),
];

/// The metrics that are told with so much detail, in the order of an answer.
pub(super) fn families(detail: Detail) -> impl Iterator<Item = &'static LinkFamily> {
    let ports = match detail {
        Detail::Sums => &[],
        Detail::Ports => PORTS,
    };
    SUMS.iter().chain(ports)
}

fn link_labels(link: &LinkFigure) -> Labels {
    Labels::named(names::LINK_TRAFFIC.labels, [&link.link, &link.carrier])
}

fn indicator_labels(one: &Indicated) -> Labels {
    Labels::named(names::INDICATOR_TRAFFIC.labels, [&one.indicator])
}

fn port_labels(port: &PortFigure) -> Labels {
    Labels::named(names::PORT_TRAFFIC.labels, [&port.port, &port.carrier])
}

fn octets(bps: f64) -> Value {
    Value::Real(bps / 8.0)
}

/// What was measured, where anything was.
fn rates(ways: [&WayFigure; 2], directions: &[Labels; 2], labels: &Labels, sink: &mut dyn Sink) {
    for (way, direction) in ways.into_iter().zip(directions) {
        if way.coverage > 0.0 {
            sink.series(labels, direction, octets(way.bps));
        }
    }
}

fn bounds(ways: [&WayFigure; 2], directions: &[Labels; 2], labels: &Labels, sink: &mut dyn Sink) {
    for (way, direction) in ways.into_iter().zip(directions) {
        for (end, bps) in BOUNDS.iter().zip([way.at_least_bps, way.at_most_bps]) {
            let more = end
                .pairs()
                .fold(direction.clone(), |labels, (name, value)| {
                    labels.and(name, value)
                });
            sink.series(labels, &more, octets(bps));
        }
    }
}

fn coverage(ways: [&WayFigure; 2], directions: &[Labels; 2], labels: &Labels, sink: &mut dyn Sink) {
    for (way, direction) in ways.into_iter().zip(directions) {
        sink.series(labels, direction, Value::Real(way.coverage));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_links_is_in_the_table() {
        for family in families(Detail::Ports) {
            assert!(
                names::ALL
                    .iter()
                    .any(|metric| metric.name == family.metric.name)
            );
        }
    }
}
