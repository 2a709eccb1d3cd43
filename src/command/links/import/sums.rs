//! Bins, added up.

use std::collections::BTreeSet;

use owl_measure::counter::percentile95::{
    Direction, IntervalRate, Percentile95, Rank, percentile95_of_both,
};
use owl_measure::counter::{Profile, Share, Volume, Width, total};
use owl_measure::time::Nanos;
use owl_topology::{Along, Link, Port, Topology};

use super::file::Bins;

/// What a link or an indicator carried in all bins together.
#[derive(Debug)]
pub(super) struct Carried {
    /// Its id.
    pub(super) name: String,
    /// The known share of its time, each link weighing as much as its speed.
    pub(super) coverage: f64,
    /// Forward (out of the first end) and backward.
    pub(super) ways: [Way; 2],
    /// The 95th percentile of both directions, by each convention; none where no bin is known.
    pub(super) percentiles: Vec<(Rank, Direction, Percentile95)>,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Way {
    /// Octets of what is known.
    pub(super) octets: u128,
    /// The mean rate; none where nothing is known.
    pub(super) mean: Option<IntervalRate>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Sums {
    /// Links with at least one port in the file.
    pub(super) links: Vec<Carried>,
    /// Indicators of links, when any of their ports is in the file.
    pub(super) indicators: Vec<Carried>,
    /// Ports of the file that the topology does not declare.
    pub(super) undeclared: Vec<String>,
    /// Bins with more than their port can carry.
    pub(super) impossible: usize,
}

pub(super) fn of(topology: &Topology, bins: &Bins) -> Sums {
    let counted = topology.counted_ports();
    let declared: BTreeSet<&str> = topology.ports.iter().map(|port| port.id.as_str()).collect();
    let none = Vec::new();
    let ports = |link: &Link| counted.get(&link.id).unwrap_or(&none).as_slice();
    let is_in_file = |link: &&Link| {
        ports(link)
            .iter()
            .any(|(port, _)| bins.ports.contains_key(port.id.as_str()))
    };
    let links = topology.links.iter().filter(is_in_file);
    let indicators = topology.indicators.iter().filter_map(|indicator| {
        let tag = indicator.tag.as_ref()?;
        let tagged: Vec<&Link> = topology
            .links
            .iter()
            .filter(|link| link.counts_toward.contains(tag))
            .collect();
        let some = tagged.iter().any(is_in_file);
        some.then(|| carried(&indicator.id, &tagged, &ports, bins))
    });
    Sums {
        links: links
            .map(|link| carried(link.id.as_str(), &[link], &ports, bins))
            .collect(),
        indicators: indicators.collect(),
        undeclared: bins
            .ports
            .keys()
            .filter(|port| !declared.contains(port.as_str()))
            .cloned()
            .collect(),
        impossible: topology
            .ports
            .iter()
            .filter_map(|port| Some((port, bins.ports.get(port.id.as_str())?)))
            .map(|(port, of_it)| {
                let most = most(port, bins.length);
                of_it
                    .values()
                    .filter(|octets| octets.iter().any(|&octets| octets > most))
                    .count()
            })
            .sum(),
    }
}

/// What a port can carry in a bin, its clock's tolerance included.
fn most(port: &Port, length: Nanos) -> u64 {
    let bps = Profile::new(Width::Bits64, Some(port.speed.0)).ceiling_bps();
    let octets = u128::from(bps) * u128::from(length.0.unsigned_abs()) / 8_000_000_000;
    u64::try_from(octets).unwrap_or(u64::MAX)
}

fn carried<'t>(
    name: &str,
    links: &[&'t Link],
    ports: &impl Fn(&Link) -> &'t [(&'t Port, Along)],
    bins: &Bins,
) -> Carried {
    let mut both = Vec::with_capacity(bins.count);
    let mut octets = [0_u128; 2];
    let (mut at_least, mut at_most, mut coverage) = ([0.0; 2], [0.0; 2], 0.0);
    for place in 0..bins.count {
        let shares = [Along::Sent, Along::Received]
            .map(|forward| shares(links, ports, bins, place, forward));
        let totals = shares.map(|shares| total(&shares, bins.length));
        for way in [0, 1] {
            octets[way] += totals[way].octets;
            at_least[way] += totals[way].at_least as f64;
            at_most[way] += totals[way].at_most as f64;
        }
        coverage += totals[0].coverage;
        both.push(totals.map(|total| total.rate(bins.length)));
    }
    coverage /= bins.count.max(1) as f64;
    let time = bins.length.as_secs_f64() * bins.count as f64;
    let known = coverage > 0.0;
    let way = |way: usize| Way {
        octets: octets[way],
        mean: known.then(|| IntervalRate {
            bps: octets[way] as f64 * 8.0 / time,
            at_least: at_least[way] * 8.0 / time,
            at_most: at_most[way] * 8.0 / time,
        }),
    };
    let line: f64 = links.iter().map(|link| link.lit.0 as f64).sum();
    let conventions = [Rank::Nearest, Rank::Interpolated]
        .into_iter()
        .flat_map(|rank| {
            [Direction::LargerPercentile, Direction::LargerOfInterval]
                .map(|direction| (rank, direction))
        });
    Carried {
        name: name.to_owned(),
        coverage,
        ways: [way(0), way(1)],
        percentiles: conventions
            .filter_map(|(rank, direction)| {
                let told = percentile95_of_both(&both, line, rank, direction)?;
                Some((rank, direction, told))
            })
            .collect(),
    }
}

/// What of one bin is known of links in one direction; what is lit beyond the ports is a share that nobody read.
fn shares<'t>(
    links: &[&'t Link],
    ports: &impl Fn(&Link) -> &'t [(&'t Port, Along)],
    bins: &Bins,
    place: usize,
    forward: Along,
) -> Vec<Share> {
    let mut shares = Vec::new();
    for link in links {
        let mut rest = link.lit.0;
        for (port, along) in ports(link) {
            rest = rest.saturating_sub(port.speed.0);
            // What the port sends is forward at the link's first end.
            let way = usize::from(*along == forward);
            let found = bins
                .ports
                .get(port.id.as_str())
                .and_then(|of_it| of_it.get(&place));
            let possible = found
                .map(|octets| octets[way])
                .filter(|&octets| octets <= most(port, bins.length));
            shares.push(Share {
                speed_bps: port.speed.0,
                volume: possible.map(|octets| Volume {
                    octets: octets.into(),
                    at_least: octets.into(),
                    at_most: octets.into(),
                    known: bins.length,
                }),
            });
        }
        if rest > 0 {
            shares.push(Share {
                speed_bps: rest,
                volume: None,
            });
        }
    }
    shares
}
