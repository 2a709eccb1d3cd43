//! Figures of one window: ports, links, passive optical networks, indicators.

use std::collections::BTreeMap;

use owl_measure::counter::{
    GroupLink, Profile, Share, Total, Track, Volume, Width, ethernet, indicator, series, total,
};
use owl_measure::report::{LinkPeak, LinkSource};
use owl_measure::time::{Nanos, Timestamp};
use owl_topology::{Along, Sum, Topology};
use serde::Serialize;

use super::readings::PortState;
use crate::access::Scope;

/// What one direction carried in a window. Bounds are hard: missing readings widen them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct WayFigure {
    /// Octets of what is known, as decimal digits: a city's fit into no float.
    pub(crate) octets: String,
    /// Mean rate of what is known, in b/s.
    pub(crate) bps: f64,
    /// No less.
    pub(crate) at_least_bps: f64,
    /// No more.
    pub(crate) at_most_bps: f64,
    /// The known share of all ports' time, each weighing as much as its speed.
    pub(crate) coverage: f64,
    /// The share of the time in which the line was busy, preambles and gaps included; `null` without frames.
    pub(crate) utilisation: Option<f64>,
}

/// A port.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PortFigure {
    pub(crate) port: String,
    pub(crate) device: String,
    pub(crate) carrier: String,
    pub(crate) interface: String,
    pub(crate) speed_bps: u64,
    pub(crate) pon: Option<String>,
    pub(crate) link: Option<String>,
    /// `own`, `snmp`, `bins` or `simulated`; `null` before the first reading.
    pub(crate) source: Option<&'static str>,
    pub(crate) is_up: Option<bool>,
    pub(crate) received: PortWay,
    pub(crate) sent: PortWay,
}

/// One direction of a port.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PortWay {
    #[serde(flatten)]
    pub(crate) figure: WayFigure,
    /// Of its last report: where the port's own interface is read often, and its driver does not hide them.
    pub(crate) peaks: Vec<Peak>,
}

/// The highest rate over a short window, wherever it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Peak {
    pub(crate) window_ns: Nanos,
    pub(crate) bps: u64,
    pub(crate) at_least_bps: u64,
    pub(crate) at_most_bps: u64,
}

impl Peak {
    fn of(peak: &LinkPeak) -> Self {
        Self {
            window_ns: peak.window,
            bps: peak.bps,
            at_least_bps: peak.at_least_bps,
            at_most_bps: peak.at_most_bps,
        }
    }
}

/// A link: forward is from its first end to its second.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LinkFigure {
    pub(crate) link: String,
    pub(crate) carrier: String,
    pub(crate) ends: [String; 2],
    pub(crate) capacity_bps: u64,
    pub(crate) lit_bps: u64,
    /// Whether any of its ports is up; a link without readings is taken to be.
    pub(crate) in_service: bool,
    pub(crate) simulated: bool,
    /// The ports whose counters are added up, each octet once.
    pub(crate) ports: Vec<String>,
    pub(crate) forward: WayFigure,
    pub(crate) backward: WayFigure,
}

/// All ports of a passive optical network; downstream is what they send.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PonFigure {
    pub(crate) pon: String,
    pub(crate) carrier: String,
    /// As declared.
    pub(crate) ports: u32,
    /// Of which there are counters.
    pub(crate) read: usize,
    pub(crate) downstream: WayFigure,
    pub(crate) upstream: WayFigure,
}

/// The four figures of an indicator that are never one, and its target.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Indicated {
    pub(crate) indicator: String,
    pub(crate) target_bps: u64,
    pub(crate) installed_bps: u64,
    pub(crate) in_service_bps: u64,
    /// What is left of it when the group that would cost most fails (N−1).
    pub(crate) after_worst_failure_bps: u64,
    /// Whether what the indicator sums reaches its target: a statement on capacity, not on traffic.
    pub(crate) reached: bool,
    pub(crate) out: WayFigure,
    pub(crate) back: WayFigure,
}

/// All of them, in the order of the topology.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) start: Timestamp,
    pub(crate) length: Nanos,
    pub(crate) links: Vec<LinkFigure>,
    pub(crate) pons: Vec<PonFigure>,
    pub(crate) indicators: Vec<Indicated>,
    pub(crate) ports: Vec<PortFigure>,
}

impl Figures {
    /// What somebody who sees these carriers may see. An indicator adds up all carriers, so it is told to nobody who does not
    /// see all of them.
    pub(crate) fn part(&self, scope: &Scope) -> Self {
        Self {
            start: self.start,
            length: self.length,
            links: seen(&self.links, scope, |link| &link.carrier),
            pons: seen(&self.pons, scope, |pon| &pon.carrier),
            ports: seen(&self.ports, scope, |port| &port.carrier),
            indicators: Vec::new(),
        }
    }
}

fn seen<T: Clone>(all: &[T], scope: &Scope, carrier: fn(&T) -> &str) -> Vec<T> {
    let seen = all.iter().filter(|one| scope.sees_carrier(carrier(one)));
    seen.cloned().collect()
}

/// What of a topology the figures need.
#[derive(Debug)]
pub(super) struct Wiring {
    topology: Topology,
    /// By link: ports that count it, as places among the topology's, and which of their ways is forward.
    counted: BTreeMap<String, Vec<(usize, Along)>>,
}

impl Wiring {
    pub(super) fn of(topology: &Topology) -> Self {
        let place: BTreeMap<&str, usize> = (0..)
            .zip(&topology.ports)
            .map(|(place, port)| (port.id.as_str(), place))
            .collect();
        let counted = topology.counted_ports().into_iter().map(|(link, ports)| {
            let ports = ports.into_iter();
            let ports =
                ports.filter_map(|(port, along)| Some((*place.get(port.id.as_str())?, along)));
            (link.to_string(), ports.collect())
        });
        Self {
            counted: counted.collect(),
            topology: topology.clone(),
        }
    }
}

/// One way of a port in the window: its share of a sum, and how many octets its frames have on the mean.
#[derive(Debug, Clone, Copy)]
struct Counted {
    share: Share,
    mean_frame: Option<f64>,
}

fn counted(
    state: Option<&PortState>,
    declared_bps: u64,
    way: usize,
    window: (Timestamp, Nanos),
) -> Counted {
    // What a device tells of its speed is believed where it is more than what is declared: a bound must hold.
    let told = state.and_then(|state| state.speed_bps).unwrap_or(0);
    let speed_bps = declared_bps.max(told);
    let none = Counted {
        share: Share {
            speed_bps,
            volume: None,
        },
        mean_frame: None,
    };
    let Some(state) = state.filter(|state| state.points.len() > 1) else {
        return none;
    };
    let samples: Vec<_> = state.points.iter().map(|point| point.sample(way)).collect();
    let profile = Profile::new(Width::Bits64, Some(speed_bps));
    let judged = series::judge(&samples, &profile);
    let track = Track::of(&samples, &judged, &profile);
    let (start, length) = window;
    let volume: Volume = track.volume(start, start + length);
    let ends = state.points.front().zip(state.points.back());
    let frames = ends.map_or(0, |(first, last)| {
        last.frames[way].saturating_sub(first.frames[way])
    });
    let octets: u128 = judged
        .steps
        .iter()
        .filter_map(|step| step.outcome.ok())
        .map(|increase| u128::from(increase.octets))
        .sum();
    Counted {
        share: Share {
            speed_bps,
            volume: Some(volume),
        },
        mean_frame: (frames > 0 && octets > 0).then(|| octets as f64 / frames as f64),
    }
}

fn sum(parts: &[Counted], window: Nanos) -> WayFigure {
    let shares: Vec<Share> = parts.iter().map(|part| part.share).collect();
    let Total {
        octets,
        at_least,
        at_most,
        coverage,
    } = total(&shares, window);
    let bps = |octets: u128| octets as f64 * 8.0 / window.as_secs_f64();
    let speed: f64 = shares.iter().map(|share| share.speed_bps as f64).sum();
    let busy: Option<f64> = parts
        .iter()
        .map(|part| {
            let octets = part.share.volume?.octets as f64;
            let frame = part.mean_frame?;
            Some(octets * 8.0 * (1.0 + ethernet::OCTETS_BESIDE_FRAME as f64 / frame))
        })
        .sum();
    let line = speed * window.as_secs_f64();
    WayFigure {
        octets: octets.to_string(),
        bps: bps(octets),
        at_least_bps: bps(at_least),
        at_most_bps: bps(at_most),
        coverage,
        utilisation: busy
            .filter(|_| line > 0.0 && coverage > 0.0)
            .map(|busy| busy / line),
    }
}

/// Capacity of which nothing is read.
fn unread(speed_bps: u64) -> Counted {
    Counted {
        share: Share {
            speed_bps,
            volume: None,
        },
        mean_frame: None,
    }
}

pub(super) fn figures(
    wiring: &Wiring,
    states: &BTreeMap<String, Option<PortState>>,
    window: (Timestamp, Nanos),
) -> Figures {
    let topology = &wiring.topology;
    let state = |index: usize| {
        states
            .get(topology.ports[index].id.as_str())
            .and_then(Option::as_ref)
    };
    let all: Vec<[Counted; 2]> = (0..topology.ports.len())
        .map(|index| {
            let declared = topology.ports[index].speed.0;
            [0, 1].map(|way| counted(state(index), declared, way, window))
        })
        .collect();
    let none = Vec::new();
    let counted_of = |link: &str| wiring.counted.get(link).unwrap_or(&none);
    // Both ways of a link's ports, and of what is lit beyond them.
    let parts_of = |link: &owl_topology::Link| {
        let ports = counted_of(link.id.as_str());
        let read: u64 = ports
            .iter()
            .map(|&(index, _)| topology.ports[index].speed.0)
            .sum();
        let rest = link.lit.0.saturating_sub(read);
        let way = |forward: Along| {
            let ports = ports.iter().map(|&(index, along)| match along == forward {
                true => all[index][1],
                false => all[index][0],
            });
            let rest = (rest > 0).then(|| unread(rest));
            ports.chain(rest).collect::<Vec<Counted>>()
        };
        [way(Along::Sent), way(Along::Received)]
    };
    let is_up = |link: &str| {
        let ports = counted_of(link);
        ports.is_empty()
            || ports
                .iter()
                .any(|&(index, _)| state(index).and_then(|s| s.is_up) != Some(false))
    };
    let links = topology.links.iter().map(|link| {
        let [forward, backward] = parts_of(link);
        let ports = counted_of(link.id.as_str());
        LinkFigure {
            link: link.id.to_string(),
            carrier: link.carrier.to_string(),
            ends: link.ends.each_ref().map(ToString::to_string),
            capacity_bps: link.capacity.0,
            lit_bps: link.lit.0,
            in_service: is_up(link.id.as_str()),
            simulated: ports.iter().any(|&(index, _)| {
                state(index).is_some_and(|state| state.source == LinkSource::Simulated)
            }),
            ports: ports
                .iter()
                .map(|&(index, _)| topology.ports[index].id.to_string())
                .collect(),
            forward: sum(&forward, window.1),
            backward: sum(&backward, window.1),
        }
    });
    let pons = topology.pons.iter().map(|pon| {
        let of_it: Vec<usize> = (0..topology.ports.len())
            .filter(|&index| topology.ports[index].pon.as_ref() == Some(&pon.id))
            .collect();
        let missing = (pon.ports as usize).saturating_sub(of_it.len());
        // Ports of one network are alike.
        let speed = of_it
            .first()
            .map_or(10_000_000_000, |&index| topology.ports[index].speed.0);
        let way = |way: usize| {
            let read = of_it.iter().map(|&index| all[index][way]);
            let rest = (missing > 0).then(|| unread(speed.saturating_mul(missing as u64)));
            sum(&read.chain(rest).collect::<Vec<_>>(), window.1)
        };
        PonFigure {
            pon: pon.id.clone(),
            carrier: pon.carrier.to_string(),
            ports: pon.ports,
            read: of_it
                .iter()
                .filter(|&&index| state(index).is_some())
                .count(),
            downstream: way(1),
            upstream: way(0),
        }
    });
    let indicators = topology.indicators.iter().filter_map(|declared| {
        let tag = declared
            .tag
            .as_ref()
            .filter(|_| declared.sum != Sum::PonPorts)?;
        let tagged: Vec<&owl_topology::Link> = topology
            .links
            .iter()
            .filter(|link| link.counts_toward.contains(tag))
            .collect();
        let mut risks: BTreeMap<String, u32> = BTreeMap::new();
        let mut group = Vec::new();
        let mut parts = [Vec::new(), Vec::new()];
        for link in &tagged {
            // A link without a declared group fails by itself.
            let name = link
                .srlg
                .first()
                .cloned()
                .unwrap_or_else(|| format!("link {}", link.id));
            let next = risks.len() as u32;
            let risk = *risks.entry(name).or_insert(next);
            let lit = link.lit.0.min(link.capacity.0);
            for (speed_bps, in_service) in [
                (lit, is_up(link.id.as_str())),
                (link.capacity.0 - lit, false),
            ] {
                group.push(GroupLink {
                    speed_bps,
                    in_service,
                    risk,
                });
            }
            for (parts, of_link) in parts.iter_mut().zip(parts_of(link)) {
                parts.extend(of_link);
            }
        }
        let figures = indicator(&group, None);
        let bps = |bps: u128| u64::try_from(bps).unwrap_or(u64::MAX);
        let summed = match declared.sum {
            Sum::Lit => figures.in_service_bps,
            Sum::Capacity | Sum::PonPorts => figures.installed_bps,
        };
        let [out, back] = parts.map(|parts| sum(&parts, window.1));
        Some(Indicated {
            indicator: declared.id.clone(),
            target_bps: declared.target,
            installed_bps: bps(figures.installed_bps),
            in_service_bps: bps(figures.in_service_bps),
            after_worst_failure_bps: bps(figures.after_worst_failure_bps),
            reached: summed >= u128::from(declared.target),
            out,
            back,
        })
    });
    let devices: BTreeMap<&str, &str> = topology
        .devices
        .iter()
        .map(|device| (device.id.as_str(), device.carrier.as_str()))
        .collect();
    let ports = (0..topology.ports.len()).map(|index| {
        let (port, state) = (&topology.ports[index], state(index));
        let way = |way: usize| PortWay {
            figure: sum(&[all[index][way]], window.1),
            peaks: state.map_or_else(Vec::new, |state| {
                state.ways[way].peaks.iter().map(Peak::of).collect()
            }),
        };
        PortFigure {
            port: port.id.to_string(),
            device: port.device.to_string(),
            carrier: devices
                .get(port.device.as_str())
                .copied()
                .unwrap_or("")
                .to_owned(),
            interface: port.name.clone(),
            speed_bps: port.speed.0,
            pon: port.pon.clone(),
            link: port.link.as_ref().map(ToString::to_string),
            source: state.map(|state| state.source.code()),
            is_up: state.and_then(|state| state.is_up),
            received: way(0),
            sent: way(1),
        }
    });
    Figures {
        start: window.0,
        length: window.1,
        links: links.collect(),
        pons: pons.collect(),
        indicators: indicators.collect(),
        ports: ports.collect(),
    }
}

#[cfg(test)]
mod tests {
    use owl_measure::report::{LinkPoint, LinkReport, LinkWay};

    use super::super::Readings;
    use super::*;

    const S: i64 = 1_000_000_000;
    /// A minute that began at a multiple of one.
    const START: i64 = 1_700_000_040 * S;

    /// A port that sends so many b/s and receives a tenth of them, read every 10 s.
    fn report(port: &str, bps: u64, seconds: std::ops::Range<i64>) -> LinkReport {
        let points = seconds.step_by(10).map(|second| {
            let sent = bps / 8 * u64::try_from(second + 1_000).unwrap();
            LinkPoint {
                at: Timestamp(START + second * S),
                within: Nanos::from_millis(1),
                octets: Some([sent / 10, sent]),
                frames: [sent / 10_000, sent / 1_000],
                up: Some(owl_measure::counter::Ticks(
                    10_000_000 + (second + 1_000) as u32 * 100,
                )),
                boots: None,
                discontinuity: None,
            }
        });
        LinkReport {
            port: port.to_owned(),
            generation: String::new(),
            source: LinkSource::Simulated,
            speed_bps: None,
            is_up: Some(true),
            points: points.collect(),
            ways: [LinkWay::PLAIN; 2],
        }
    }

    fn near(found: f64, expected: f64) {
        assert!(
            (found / expected - 1.0).abs() < 1e-3,
            "{found} is not {expected}"
        );
    }

    #[test]
    fn a_city_is_added_up_once_with_its_bounds_and_what_is_missing() {
        let topology = Topology::yancheng();
        let mut board = Readings::new(&topology);
        // The bundle and its members count the same octets.
        for (port, gbps) in [
            ("urban-ct-r1-ae1", 400),
            ("urban-ct-r1-p0", 200),
            ("urban-ct-r1-p1", 200),
        ] {
            board.take(report(port, gbps * 1_000_000_000, -60..130));
        }
        board.take(report("nobody-knows-it", 1, 0..100));
        let figures = board.figures(Timestamp(START + 85 * S));
        assert_eq!(
            (figures.start, figures.length),
            (Timestamp(START), Nanos(60 * S))
        );
        let link = figures
            .links
            .iter()
            .find(|link| link.link == "ct-urban-shanghai")
            .unwrap();
        assert_eq!(link.ports, ["urban-ct-r1-ae1"]);
        assert!(link.simulated && link.in_service);
        near(link.forward.bps, 400e9);
        near(link.backward.bps, 40e9);
        assert_eq!(link.forward.coverage, 1.0);
        // 1,000 octets a frame and 20 beside it, of 800 Gb/s that are lit.
        near(link.forward.utilisation.unwrap(), 0.5 * 1.02);
        assert!(link.forward.at_least_bps <= 400e9 && 400e9 <= link.forward.at_most_bps);
        let unread = figures
            .links
            .iter()
            .find(|link| link.link == "cu-urban-shanghai")
            .unwrap();
        assert_eq!(
            (unread.forward.coverage, unread.forward.at_least_bps),
            (0.0, 0.0)
        );
        near(unread.forward.at_most_bps, 800e9);
        let city = figures
            .indicators
            .iter()
            .find(|found| found.indicator == "city-egress")
            .unwrap();
        assert_eq!(
            (city.target_bps, city.installed_bps),
            (17_000_000_000_000, 14_400_000_000_000)
        );
        assert_eq!(city.in_service_bps, 7_200_000_000_000);
        // The worst group is the one of 1.6 Tb/s to Shanghai.
        assert_eq!(city.after_worst_failure_bps, 5_600_000_000_000);
        assert!(!city.reached);
        near(city.out.bps, 400e9);
        near(city.out.coverage, 800.0 / 7_200.0);
        near(city.out.at_most_bps, 6_800e9);
        let pon = &figures.pons[0];
        assert_eq!(
            (pon.ports, pon.read, pon.downstream.coverage),
            (1_600, 0, 0.0)
        );
    }

    #[test]
    fn readings_come_in_any_order_and_twice() {
        let topology = Topology::yancheng();
        let (mut once, mut shuffled) = (Readings::new(&topology), Readings::new(&topology));
        let all = report("urban-ct-r1-ae1", 400_000_000_000, -60..130);
        once.take(all.clone());
        for place in [
            9, 3, 12, 0, 3, 5, 7, 11, 1, 2, 4, 6, 8, 10, 13, 14, 15, 16, 17, 18,
        ] {
            let one = LinkReport {
                points: vec![all.points[place]],
                ..all.clone()
            };
            shuffled.take(one);
        }
        let at = Timestamp(START + 85 * S);
        let octets = |board: &Readings| {
            let figures = board.figures(at);
            figures
                .ports
                .iter()
                .map(|port| port.sent.figure.octets.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(octets(&once), octets(&shuffled));
    }
}
