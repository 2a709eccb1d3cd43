//! From a kind and a seed to a run.

use super::site::{SITES, great_circle_km};
use super::{
    Claim, Exchange, Kind, PathTruth, Scenario, Seen, Site, Stamps, TrueClock, TruePath, Truth,
};
use crate::random::Random;

const SECOND: i64 = 1_000_000_000;
/// When every run begins: 2026-11-02 00:00 UTC.
const EPOCH_NS: i64 = 1_793_577_600 * SECOND;
/// How long it lasts.
const LENGTH_NS: i64 = 360 * SECOND;
/// Between two packets of a session.
const INTERVAL_NS: i64 = 2 * SECOND;
/// Between two claims of a probe.
const CLAIM_INTERVAL_NS: i64 = 10 * SECOND;
/// Light in glass, in nanoseconds for a kilometre.
const FIBRE_NS_PER_KM: f64 = 4_900.0;
/// The straight line is never shorter than this share of the great circle of a sphere.
const ELLIPSOID_SHARE: f64 = 0.995;

/// A run in the making.
pub(super) struct Draft {
    pub(super) random: Random,
    pub(super) sites: Vec<Site>,
    stamps: Stamps,
    pub(super) clocks: Vec<TrueClock>,
    /// What each claims, and from when on it claims nothing more.
    bounds: Vec<Option<i64>>,
    pub(super) silent_from: Vec<i64>,
    pub(super) paths: Vec<Vec<TruePath>>,
    pub(super) asymmetry_bound_ns: f64,
    pub(super) event_ns: Option<i64>,
    pub(super) troubled: Option<usize>,
    /// Sessions only between this probe and the others.
    pub(super) hub: Option<usize>,
    pub(super) near: Option<(f64, f64)>,
}

/// Which clocks, stamps and paths a kind is built on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ground {
    Hardware,
    Software,
    Free,
}

fn ground(kind: Kind) -> Ground {
    match kind {
        Kind::CleanSoftware | Kind::Slewing => Ground::Software,
        Kind::Unsynchronised | Kind::NearUnsynchronised | Kind::AsymmetricAccessUnsynchronised => {
            Ground::Free
        }
        _ => Ground::Hardware,
    }
}

pub(super) fn scenario(kind: Kind, seed: u64) -> Scenario {
    let mut draft = Draft::new(ground(kind), seed);
    draft.trouble(kind);
    draft.run(kind)
}

impl Draft {
    fn new(ground: Ground, seed: u64) -> Self {
        let mut random = Random::seeded(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let sites = SITES.to_vec();
        let clocks = sites
            .iter()
            .map(|_| match ground {
                Ground::Hardware => TrueClock {
                    offset_ns: random.between(-50.0, 50.0),
                    wave_ns: random.between(5.0, 30.0),
                    wave_period_s: random.between(200.0, 900.0),
                    wave_phase: random.between(0.0, 1.0),
                    ..TrueClock::default()
                },
                Ground::Software => TrueClock {
                    offset_ns: random.between(-200e3, 200e3),
                    wave_ns: random.between(5e3, 15e3),
                    wave_period_s: random.between(500.0, 1_500.0),
                    wave_phase: random.between(0.0, 1.0),
                    ..TrueClock::default()
                },
                Ground::Free => TrueClock {
                    offset_ns: random.between(-200e6, 200e6),
                    skew_ppb: random.between(-8_000.0, 8_000.0),
                    wave_ns: random.between(0.0, 200.0),
                    wave_period_s: random.between(200.0, 900.0),
                    ..TrueClock::default()
                },
            })
            .collect();
        let bounds = sites
            .iter()
            .map(|_| match ground {
                Ground::Hardware => Some(random.between(200.0, 1_000.0) as i64),
                Ground::Software => Some(random.between(1e6, 2e6) as i64),
                Ground::Free => None,
            })
            .collect();
        let mut draft = Self {
            silent_from: vec![i64::MAX; sites.len()],
            paths: vec![vec![TruePath::default(); sites.len()]; sites.len()],
            random,
            sites,
            stamps: if ground == Ground::Hardware {
                Stamps::Hardware
            } else {
                Stamps::Software
            },
            clocks,
            bounds,
            asymmetry_bound_ns: 0.0,
            event_ns: None,
            troubled: None,
            hub: None,
            near: None,
        };
        draft.lay_fibre();
        draft
    }

    /// A route 1.25 to 1.6 times the straight line, and 20 to 80 µs of equipment; the same both ways.
    pub(super) fn lay_fibre(&mut self) {
        for a in 0..self.sites.len() {
            for b in a + 1..self.sites.len() {
                let km = great_circle_km(&self.sites[a], &self.sites[b]);
                let route = self.random.between(1.25, 1.6) * km * FIBRE_NS_PER_KM;
                let path = TruePath {
                    floor_ns: route + self.random.between(20e3, 80e3),
                    change: None,
                    queued_ppm: 350_000,
                    queue_ns: self.random.between(4e3, 25e3) as u64,
                    loss_ppm: 500,
                };
                self.paths[a][b] = path.clone();
                self.paths[b][a] = path;
            }
        }
    }

    pub(super) fn each_path(&mut self, mut change: impl FnMut(&mut TruePath, &mut Random)) {
        for a in 0..self.sites.len() {
            for b in 0..self.sites.len() {
                if a != b {
                    change(&mut self.paths[a][b], &mut self.random);
                }
            }
        }
    }

    /// How early on transmit and how late on receipt.
    fn stamp_error(&mut self) -> i64 {
        (match self.stamps {
            Stamps::Hardware => self.random.between(0.0, 30.0),
            Stamps::Software => {
                let usual = 1_000.0 + self.random.exponential_ns(2_500) as f64;
                let rare = self.random.happens(5_000);
                let busy = self.random.exponential_ns(60_000) as f64;
                usual + if rare { busy } else { 0.0 }
            }
        }) as i64
    }

    fn run(mut self, kind: Kind) -> Scenario {
        let count = self.sites.len();
        let mut delays = vec![vec![Vec::new(); count]; count];
        let mut exchanges = Vec::new();
        for a in 0..count {
            for b in a + 1..count {
                if self.hub.is_some_and(|hub| hub != a && hub != b) {
                    continue;
                }
                // Who asks whom is nobody's trouble; half of the sessions run the other way.
                let (from, to) = if self.random.happens(500_000) {
                    (a, b)
                } else {
                    (b, a)
                };
                let mut at = self.random.between(0.0, INTERVAL_NS as f64) as i64;
                let mut sequence = 0;
                while at < LENGTH_NS {
                    exchanges.push(self.exchange(from, to, sequence, at, &mut delays));
                    sequence += 1;
                    at += INTERVAL_NS + self.random.between(-5e6, 5e6) as i64;
                }
            }
        }
        let claims = self.claims();
        let paths: Vec<Vec<PathTruth>> = self
            .paths
            .iter()
            .zip(delays)
            .map(|(paths, delays)| {
                paths
                    .iter()
                    .zip(delays)
                    .map(|(path, delays_ns)| PathTruth {
                        delays_ns,
                        path: path.clone(),
                    })
                    .collect()
            })
            .collect();
        let targets_ns = self.targets(&paths);
        let plan_targets_ns = (0..count)
            .map(|a| {
                (0..count)
                    .map(|b| {
                        let measured = !paths[a][b].delays_ns.is_empty();
                        measured.then(|| class_target(a, b))
                    })
                    .collect()
            })
            .collect();
        let min_km = self
            .sites
            .iter()
            .map(|a| {
                self.sites
                    .iter()
                    .map(|b| ELLIPSOID_SHARE * great_circle_km(a, b))
                    .collect()
            })
            .collect();
        let truth = self.truth(kind, paths);
        Scenario {
            seen: Seen {
                probes: self.sites,
                exchanges,
                claims,
                min_km,
                targets_ns,
                plan_targets_ns,
                stamps: self.stamps,
            },
            truth,
        }
    }

    fn exchange(
        &mut self,
        from: usize,
        to: usize,
        sequence: u32,
        sent_ns: i64,
        delays: &mut [Vec<Vec<Option<i64>>>],
    ) -> Exchange {
        let stamped = |clock: &TrueClock, at_ns: i64| EPOCH_NS + clock.read(at_ns);
        let mut exchange = Exchange {
            from,
            to,
            sequence,
            t1_ns: stamped(&self.clocks[from], sent_ns) - self.stamp_error(),
            t2_ns: None,
            t3_ns: None,
            t4_ns: None,
        };
        let there = self.paths[from][to].cross(sent_ns, &mut self.random);
        delays[from][to].push(there);
        let Some(there) = there else {
            return exchange;
        };
        let reached = sent_ns + there;
        let answered = reached + self.random.between(5e3, 60e3) as i64;
        exchange.t2_ns = Some(stamped(&self.clocks[to], reached) + self.stamp_error());
        exchange.t3_ns = Some(stamped(&self.clocks[to], answered) - self.stamp_error());
        let back = self.paths[to][from].cross(answered, &mut self.random);
        delays[to][from].push(back);
        exchange.t4_ns =
            back.map(|back| stamped(&self.clocks[from], answered + back) + self.stamp_error());
        exchange
    }

    fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        for (probe, clock) in self.clocks.iter().enumerate() {
            let mut at = 0;
            while at <= LENGTH_NS {
                let bound_ns = self.bounds[probe].filter(|_| at < self.silent_from[probe]);
                claims.push(Claim {
                    probe,
                    at_ns: EPOCH_NS + clock.read(at),
                    bound_ns,
                });
                at += CLAIM_INTERVAL_NS;
            }
        }
        claims
    }

    /// The plan's targets; for half of the pairs, and for all where the kind says so, one near the truth instead.
    fn targets(&mut self, paths: &[Vec<PathTruth>]) -> Vec<Vec<Option<i64>>> {
        let count = self.sites.len();
        let mut targets = vec![vec![None; count]; count];
        for a in 0..count {
            for b in 0..count {
                let class = class_target(a, b);
                let (low, high) = self.near.unwrap_or((30e3, 300e3));
                let near = self.either_way(low, high) as i64;
                let by_class = self.near.is_none() && self.random.happens(500_000);
                targets[a][b] = match paths[a][b].p95_ns() {
                    Some(p95) if !by_class => Some(p95 + near),
                    _ => (!paths[a][b].delays_ns.is_empty()).then_some(class),
                };
            }
        }
        targets
    }

    fn truth(&self, kind: Kind, paths: Vec<Vec<PathTruth>>) -> Truth {
        let count = self.sites.len();
        let broken_since_ns = (0..count)
            .map(|probe| {
                let bound = self.bounds[probe]? as f64;
                let until = self.silent_from[probe].min(LENGTH_NS);
                (0..until)
                    .step_by(100_000_000)
                    .find(|&at| self.clocks[probe].error_ns(at).abs() > bound)
            })
            .collect();
        let unsilenced = |probe: usize| self.silent_from[probe] == i64::MAX;
        let one_sided = |a: usize, b: usize| match (kind, self.troubled) {
            (Kind::AsymmetricAccess | Kind::AsymmetricAccessUnsynchronised, Some(one)) => {
                one == a || one == b
            }
            (Kind::RouteChange, _) => {
                self.paths[a][b].change.is_some() || self.paths[b][a].change.is_some()
            }
            _ => true,
        };
        Truth {
            span_ns: (EPOCH_NS, EPOCH_NS + LENGTH_NS),
            clocks: self.clocks.clone(),
            broken_since_ns,
            claims: self.bounds.iter().map(Option::is_some).collect(),
            event_ns: self.event_ns,
            troubled: self.troubled,
            asymmetry_bound_ns: (0..count)
                .map(|a| {
                    (0..count)
                        .map(|b| {
                            if one_sided(a, b) {
                                self.asymmetry_bound_ns
                            } else {
                                0.0
                            }
                        })
                        .collect()
                })
                .collect(),
            bound_ns: (0..count)
                .map(|probe| self.bounds[probe].filter(|_| unsilenced(probe)))
                .collect(),
            stamp_error_ns: match self.stamps {
                Stamps::Hardware => 60.0,
                Stamps::Software => 15e3,
            },
            paths,
        }
    }
}

/// 1 ms in the city, 4 ms to Shanghai, 6 ms in the region.
fn class_target(a: usize, b: usize) -> i64 {
    match a.max(b) {
        0..=4 => 1_000_000,
        5 => 4_000_000,
        _ => 6_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_and_seed_is_one_run() {
        for kind in [Kind::Load90, Kind::Loss] {
            let run = |seed| Scenario::of(kind, seed).seen.exchanges;
            assert_eq!(run(3), run(3));
            assert_ne!(run(3), run(4));
        }
    }

    #[test]
    fn every_stamp_is_the_truth_plus_the_error_of_its_clock_and_of_its_stamping() {
        for kind in Kind::ALL {
            let Scenario { seen, truth } = Scenario::of(kind, 1);
            let slack = match seen.stamps {
                Stamps::Hardware => 62.0,
                Stamps::Software => 1e6,
            };
            let mut next = vec![vec![0; seen.probes.len()]; seen.probes.len()];
            for exchange in &seen.exchanges {
                let (a, b) = (exchange.from, exchange.to);
                let delay = truth.paths[a][b].delays_ns[next[a][b]];
                next[a][b] += 1;
                let (Some(delay), Some(t2)) = (delay, exchange.t2_ns) else {
                    assert_eq!((delay, exchange.t2_ns), (None, None), "{kind:?}");
                    continue;
                };
                let at = exchange.t1_ns - EPOCH_NS - truth.clocks[a].error_ns(0) as i64;
                let theta = truth.clocks[b].error_ns(at) - truth.clocks[a].error_ns(at);
                let excess = (t2 - exchange.t1_ns) as f64 - theta - delay as f64;
                // A packet under way while its clocks drift, or just when one steps.
                let moved = if kind == Kind::Step { 501e3 } else { 100.0 };
                assert!(
                    excess > -moved && excess < slack + moved,
                    "{kind:?}: {excess} ns"
                );
            }
        }
    }

    #[test]
    fn no_packet_is_faster_than_light_but_where_the_coordinates_are_wrong() {
        for kind in Kind::ALL {
            let Scenario { seen, truth } = Scenario::of(kind, 2);
            let mut faster = 0;
            for (a, row) in seen.min_km.iter().enumerate() {
                for (b, km) in row.iter().enumerate() {
                    let light = km / 299_792.458 * 1e9;
                    let fastest = truth.paths[a][b].delays_ns.iter().flatten().min();
                    faster += usize::from(fastest.is_some_and(|&ns| (ns as f64) < light));
                }
            }
            assert_eq!(faster > 0, kind == Kind::WrongCoordinates, "{kind:?}");
        }
    }

    #[test]
    fn a_claim_is_broken_in_the_kinds_that_say_so_and_in_no_other() {
        for kind in Kind::ALL {
            let truth = Scenario::of(kind, 5).truth;
            let broken = (0..8).filter(|&probe| truth.lies(probe)).count();
            let expected = match kind {
                Kind::Liar | Kind::SmallLiar | Kind::Drift | Kind::Step | Kind::HubLiar => 1,
                Kind::NearLying | Kind::BelowLight | Kind::OneRack | Kind::WrongTimescale => 1,
                Kind::TwoLiars | Kind::SameWayTwo => 2,
                Kind::SameWayThree => 3,
                Kind::SameWayFive => 5,
                _ => 0,
            };
            assert_eq!(broken, expected, "{kind:?}");
        }
    }
}
