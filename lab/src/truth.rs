//! What the lab's network really does: the links of every path, the clocks of
//! every probe, and the three planted troubles.
//!
//! Lengths and hops come from the topology, the rest is drawn from a seed, so
//! one seed is one network. Nothing here knows a socket or "now".

use std::collections::{BTreeMap, BTreeSet};

use owl_measure::time::Nanos;
use owl_sim::Link;
use owl_topology::{Path, Route, SiteId, Topology};
use serde::Serialize;

/// Delay of a router, without queueing: 25 µs covers reception at 10 Gb/s, lookup and switching of common core routers.
const ROUTER: Nanos = Nanos::from_micros(25);
/// Delay of the two transponders at the ends of an optical link, forward error correction included.
const TRANSPONDERS: Nanos = Nanos::from_micros(8);
/// Delay of one regenerator.
const REGENERATOR: Nanos = Nanos::from_micros(10);
/// Mean queueing is drawn between these.
const QUEUEING_US: (u64, u64) = (20, 60);
/// What a healthy path keeps between its 95th percentile and its target, so that it is healthy beyond doubt.
const HEADROOM: Nanos = Nanos::from_micros(100);
/// ln 20: the 95th percentile of an exponential distribution over its mean. 4 leaves a margin.
const P95_OF_MEAN: u64 = 4;
/// Packets of a million that are lost at least and at most.
const LOSS_PPM: (u64, u64) = (100, 1_000);
/// Packets of a million of which a copy arrives.
const DUPLICATE_PPM: u32 = 200;
/// Packets of a million that are overtaken; held back for longer than ten packets a second are apart.
const REORDER_PPM: u32 = 300;
const REORDER_HOLD: Nanos = Nanos::from_millis(120);
/// What a probe's clock claims, and how much of it is really used up.
const BOUND: Nanos = Nanos::from_micros(20);
const BOUND_NEAR: Nanos = Nanos::from_micros(50);
const ERROR_SHARE: i64 = 4;
/// By how much the liar's clock is ahead.
const LIE: Nanos = Nanos::from_millis(3);
/// The site through which the detour leads, when the path's carrier reaches it.
const DETOUR_VIA: &str = "yrd-nanjing";
/// A detour takes at least this many halves of the target in the fibre alone, so it misses beyond doubt.
const DETOUR_HALVES: i64 = 3;
/// Mean queueing of the near path: little, so that its 95th percentile hardly moves.
const NEAR_QUEUEING: Nanos = Nanos::from_micros(5);
/// A true percentile within this of the target cannot be told from it by honest clocks of the near path.
///
/// Each of its two clocks claims ±50 µs and uses a quarter of that, so 2·50 − 2·12.5 = 75 µs remain on either side;
/// the rest is for the width of histogram cells and the stamps' way through the kernel.
const NEAR_WITHIN: Nanos = Nanos::from_micros(50);

/// One direction between two probes and what it does to packets.
#[derive(Debug, Clone)]
pub struct Way {
    /// The path.
    pub path: Path,
    /// What it is made of.
    pub link: Link,
    /// Seed of its randomness.
    pub seed: u64,
    /// Where the delay box keeps its judged quantile by correcting for its own lateness; only of the near path.
    pub held_at: Option<Nanos>,
}

/// A probe's clock: what it claims and how wrong it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LabClock {
    /// The bound that the probe declares.
    #[serde(rename = "bound_ns")]
    pub bound: Nanos,
    /// How far its stamps are ahead of the truth; within the bound unless it lies.
    #[serde(rename = "error_ns")]
    pub error: Nanos,
}

/// Something that is wrong on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Trouble {
    /// A path, in this direction only, that takes a long way and misses its target.
    Detour {
        /// The path.
        path: String,
        /// The site it goes through.
        via: String,
        /// The length that it takes, in whole kilometres.
        route_km: u64,
    },
    /// A clock that is ahead by more than it claims.
    Lie {
        /// The probe.
        probe: String,
        /// By how much.
        #[serde(rename = "by_ns")]
        by: Nanos,
    },
    /// A path whose truth is so near to its target that honest uncertainty cannot decide.
    Near {
        /// The path.
        path: String,
        /// A true percentile within this of the target is near.
        #[serde(rename = "within_ns")]
        within: Nanos,
    },
}

impl Trouble {
    /// Whether a path is troubled by it; a lying clock troubles every path of its probe.
    pub fn touches(&self, path: &Path) -> bool {
        match self {
            Self::Detour { path: id, .. } | Self::Near { path: id, .. } => path.id == *id,
            Self::Lie { probe, .. } => path.from.as_str() == probe || path.to.as_str() == probe,
        }
    }
}

/// The whole lab, as it truly is.
#[derive(Debug, Clone)]
pub struct Truth {
    /// The network that it is taken from.
    pub topology: Topology,
    /// What all randomness is drawn from.
    pub seed: u64,
    /// Every path, in the order of the topology.
    pub ways: Vec<Way>,
    /// The clocks, by probe.
    pub clocks: BTreeMap<String, LabClock>,
    /// The detour, the lie and the near one, in this order.
    pub troubles: Vec<Trouble>,
}

/// A topology in which the three troubles have no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot plant {0} in this topology")]
pub struct NoPlace(&'static str);

impl Truth {
    /// Draws the truth of a topology.
    ///
    /// # Errors
    /// When a trouble has no place in it.
    pub fn draw(topology: Topology, seed: u64) -> Result<Self, NoPlace> {
        let mut ways: Vec<Way> = topology
            .paths()
            .into_iter()
            .enumerate()
            .map(|(index, path)| {
                let seed = mixed(seed, index as u64);
                let link = healthy(&topology, &path, seed);
                Way {
                    path,
                    link,
                    seed,
                    held_at: None,
                }
            })
            .collect();
        let liar = liar(&ways).ok_or(NoPlace("a lying clock"))?;
        let doubted = neighbourhood(&ways, &liar);
        let detour =
            plant_detour(&topology, &mut ways, &doubted, seed).ok_or(NoPlace("a detour"))?;
        let near =
            plant_near(&mut ways, &doubted, &detour).ok_or(NoPlace("a path near its target"))?;
        let near_ends: Vec<&str> = near.split('~').collect();
        let clocks = topology
            .probes
            .iter()
            .zip(0_u64..)
            .map(|(probe, index)| {
                let id = probe.id.to_string();
                let bound = if near_ends.contains(&id.as_str()) {
                    BOUND_NEAR
                } else {
                    BOUND
                };
                let error = if id == liar {
                    LIE
                } else {
                    within(mixed(seed, 1_000_000 + index), bound.0 / ERROR_SHARE)
                };
                (id, LabClock { bound, error })
            })
            .collect();
        let troubles = vec![
            detour,
            Trouble::Lie {
                probe: liar,
                by: LIE,
            },
            Trouble::Near {
                path: near,
                within: NEAR_WITHIN,
            },
        ];
        Ok(Self {
            topology,
            seed,
            ways,
            clocks,
            troubles,
        })
    }

    /// The position of a path among the ways.
    pub fn position(&self, path: &str) -> Option<usize> {
        self.ways.iter().position(|way| way.path.id == path)
    }

    /// The way of the opposite direction; the same way where nobody measures back.
    pub fn back(&self, way: &Way) -> &Way {
        let opposite =
            |other: &&Way| other.path.from == way.path.to && other.path.to == way.path.from;
        self.ways.iter().find(opposite).unwrap_or_else(|| {
            let same = |other: &&Way| other.path.id == way.path.id;
            self.ways
                .iter()
                .find(same)
                .expect("a way of this truth is one of its ways")
        })
    }

    /// What troubles a path.
    pub fn troubles_of<'t>(&'t self, path: &'t Path) -> impl Iterator<Item = &'t Trouble> {
        self.troubles.iter().filter(|trouble| trouble.touches(path))
    }
}

/// A healthy path: light in its route, equipment, some queueing and a little loss.
fn healthy(topology: &Topology, path: &Path, seed: u64) -> Link {
    let route = topology.route(&path.from_site, &path.to_site, &path.from_carrier);
    // Between carriers nothing is routed; twice the floor is a plausible way then.
    let propagation = route.map_or(path.floor_forward.times(2) + ROUTER.times(4), |route| {
        fixed(&[route])
    });
    let headroom = (path.target - propagation - HEADROOM).0.max(4_000) as u64 / P95_OF_MEAN;
    let queueing_us = between(mixed(seed, 1), QUEUEING_US);
    Link {
        propagation_ns: propagation.0.max(0) as u64,
        queueing_mean_ns: (queueing_us * 1_000).min(headroom),
        loss_ppm: between(mixed(seed, 2), LOSS_PPM) as u32,
        burst_ppm: 0,
        burst_packets: 0,
        duplicate_ppm: DUPLICATE_PPM,
        reorder_ppm: REORDER_PPM,
        reorder_hold_ns: REORDER_HOLD.0 as u64,
    }
}

/// What every packet takes on these routes, one behind the other.
fn fixed(routes: &[Route<'_>]) -> Nanos {
    let links = routes
        .iter()
        .map(|route| route.links.len() as i64)
        .sum::<i64>();
    let regens = routes.iter().map(|route| i64::from(route.regens)).sum();
    let light: Nanos = routes.iter().map(|route| route.light).sum();
    light + ROUTER.times(links + 1) + TRANSPONDERS.times(links) + REGENERATOR.times(regens)
}

/// What the 95th percentile of a link will be, nearly.
fn p95(link: &Link) -> Nanos {
    Nanos((link.propagation_ns + link.queueing_mean_ns * P95_OF_MEAN) as i64)
}

/// Whether the round trip and light alone will prove that the path meets its target.
fn is_proved(ways: &[Way], way: &Way) -> bool {
    let back = ways
        .iter()
        .find(|other| other.path.from == way.path.to && other.path.to == way.path.from);
    let round_trip = p95(&way.link) + p95(&back.unwrap_or(way).link);
    round_trip - way.path.floor_backward <= way.path.target
}

fn ends(way: &Way) -> [&str; 2] {
    [way.path.from.as_str(), way.path.to.as_str()]
}

/// A probe and all with which it shares a session: whose claims fall when it lies.
fn neighbourhood(ways: &[Way], probe: &str) -> BTreeSet<String> {
    let touching = ways.iter().filter(|way| ends(way).contains(&probe));
    touching
        .flat_map(|way| ends(way).map(str::to_owned))
        .collect()
}

/// The probe whose lie shows best and costs least: some of its paths are proved without any clock and some are not,
/// and the fewest paths of others need the claims that it discredits.
fn liar(ways: &[Way]) -> Option<String> {
    let needing: Vec<&Way> = ways.iter().filter(|way| !is_proved(ways, way)).collect();
    let probes: BTreeSet<&str> = ways.iter().flat_map(ends).collect();
    let cost = |probe: &str| {
        let doubted = neighbourhood(ways, probe);
        let own = |way: &&Way| ends(way).contains(&probe);
        let bystanders = needing
            .iter()
            .filter(|way| !own(way) && ends(way).iter().any(|end| doubted.contains(*end)));
        let length: i64 = ways
            .iter()
            .filter(own)
            .map(|way| way.link.propagation_ns as i64)
            .sum();
        (bystanders.count(), length)
    };
    // The lie must exceed what the way's slack over light allows, in one of the two directions.
    let shows = |way: &Way| p95(&way.link) + BOUND.times(4) - LIE < way.path.floor_forward;
    probes
        .into_iter()
        .filter(|probe| {
            let own = || ways.iter().filter(|way| ends(way).contains(probe));
            own().any(|way| is_proved(ways, way))
                && own().any(|way| !is_proved(ways, way) && shows(way))
        })
        .min_by_key(|probe| cost(probe))
        .map(str::to_owned)
}

/// Sends one path through another city, among those where clocks that nobody doubts can prove it.
fn plant_detour(
    topology: &Topology,
    ways: &mut [Way],
    doubted: &BTreeSet<String>,
    seed: u64,
) -> Option<Trouble> {
    let via = &topology
        .sites
        .iter()
        .find(|site| site.id.as_str() == DETOUR_VIA)?
        .id;
    let candidates: Vec<(usize, Nanos, f64)> = ways
        .iter()
        .enumerate()
        .filter(|(_, way)| !ends(way).iter().any(|end| doubted.contains(*end)))
        .filter_map(|(index, way)| {
            let there = leg(topology, way, &way.path.from_site, via)?;
            let onwards = leg(topology, way, via, &way.path.to_site)?;
            let km = there.route_km + onwards.route_km;
            let fixed = fixed(&[there, onwards]);
            (fixed.times(2) >= way.path.target.times(DETOUR_HALVES)).then_some((index, fixed, km))
        })
        .collect();
    let choice = mixed(seed, 2_000_000) % (candidates.len().max(1) as u64);
    let &(index, fixed, km) = candidates.get(choice as usize)?;
    let way = ways.get_mut(index)?;
    way.link.propagation_ns = fixed.0.max(0) as u64;
    Some(Trouble::Detour {
        path: way.path.id.clone(),
        via: via.to_string(),
        route_km: km.round() as u64,
    })
}

fn leg<'t>(topology: &'t Topology, way: &Way, from: &SiteId, to: &SiteId) -> Option<Route<'t>> {
    let route = topology.route(from, to, &way.path.from_carrier)?;
    (!route.links.is_empty()).then_some(route)
}

/// Lengthens the path that is nearest to its target anyhow until its 95th percentile lies on it.
fn plant_near(ways: &mut [Way], doubted: &BTreeSet<String>, detour: &Trouble) -> Option<String> {
    let troubled: Vec<String> = ways
        .iter()
        .filter(|way| detour.touches(&way.path))
        .flat_map(|way| ends(way).map(str::to_owned))
        .collect();
    let free = |way: &&mut Way| {
        !ends(way)
            .iter()
            .any(|end| doubted.contains(*end) || troubled.iter().any(|other| other == end))
            && p95(&way.link) < way.path.target
    };
    let share = |way: &&mut Way| {
        (way.link.propagation_ns as i128) * 1_000_000 / i128::from(way.path.target.0.max(1))
    };
    let way = ways.iter_mut().filter(free).max_by_key(share)?;
    let queueing_ns = NEAR_QUEUEING.0 as u64;
    // ln 20 = 2.996: the exact factor here, since this one must lie on the target.
    let queueing_p95_ns = queueing_ns * 2_996 / 1_000;
    way.link = Link {
        propagation_ns: (way.path.target.0 as u64).saturating_sub(queueing_p95_ns),
        queueing_mean_ns: queueing_ns,
        loss_ppm: 0,
        reorder_ppm: 0,
        ..way.link
    };
    way.held_at = Some(way.path.target);
    Some(way.path.id.clone())
}

/// A number drawn from a seed and a position (the finaliser of SplitMix64).
fn mixed(seed: u64, position: u64) -> u64 {
    let mut z = seed.wrapping_add(position.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn between(drawn: u64, (least, most): (u64, u64)) -> u64 {
    least + drawn % (most - least + 1)
}

/// A span between −`most` and `most`.
fn within(drawn: u64, most: i64) -> Nanos {
    Nanos((drawn % (2 * most.max(0) as u64 + 1)) as i64 - most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(seed: u64) -> Truth {
        Truth::draw(Topology::yancheng(), seed).unwrap()
    }

    #[test]
    fn every_path_has_a_link_that_is_slower_than_light_and_every_probe_a_clock() {
        for seed in 0..50 {
            let truth = truth(seed);
            assert_eq!(truth.ways.len(), truth.topology.paths().len());
            assert_eq!(truth.clocks.len(), truth.topology.probes.len());
            for way in &truth.ways {
                assert!(
                    way.link.propagation_ns as i64 > way.path.floor_forward.0,
                    "seed {seed}: {}",
                    way.path.id
                );
                assert!(way.link.loss_ppm <= 1_000, "seed {seed}: {}", way.path.id);
            }
        }
    }

    #[test]
    fn one_seed_is_one_network() {
        let links = |seed| {
            truth(seed)
                .ways
                .iter()
                .map(|way| (way.link, way.seed))
                .collect::<Vec<_>>()
        };
        assert_eq!(links(3), links(3));
        assert_ne!(links(3), links(4));
    }

    #[test]
    fn only_the_troubled_paths_miss_their_targets() {
        for seed in 0..50 {
            let truth = truth(seed);
            let [
                Trouble::Detour { path: detour, .. },
                Trouble::Lie { .. },
                Trouble::Near { path: near, .. },
            ] = &truth.troubles[..]
            else {
                panic!("seed {seed}: {:?}", truth.troubles);
            };
            for way in &truth.ways {
                let (id, p95) = (&way.path.id, p95(&way.link));
                if id == detour {
                    assert!(
                        p95.times(2) > way.path.target.times(3),
                        "seed {seed}: {id} {p95}"
                    );
                } else if id == near {
                    assert!(
                        (p95 - way.path.target).abs() < Nanos::from_micros(10),
                        "seed {seed}: {id} {p95}"
                    );
                } else {
                    assert!(
                        p95 + BOUND.times(4) <= way.path.target,
                        "seed {seed}: {id} {p95}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_liar_shares_no_session_with_the_other_two_troubles() {
        for seed in 0..50 {
            let truth = truth(seed);
            let [
                Trouble::Detour { path: detour, .. },
                Trouble::Lie { probe, by },
                Trouble::Near { path: near, .. },
            ] = &truth.troubles[..]
            else {
                panic!("seed {seed}: {:?}", truth.troubles);
            };
            assert_eq!(
                truth.clocks[probe],
                LabClock {
                    bound: BOUND,
                    error: *by
                }
            );
            let doubted = neighbourhood(&truth.ways, probe);
            for path in [detour, near] {
                assert!(
                    path.split('~').all(|end| !doubted.contains(end)),
                    "seed {seed}: {path} {probe}"
                );
            }
            for (id, clock) in truth.clocks.iter().filter(|(id, _)| *id != probe) {
                assert!(
                    clock.error.abs() <= clock.bound,
                    "seed {seed}: {id} {clock:?}"
                );
            }
        }
    }
}
