//! The audit of a mesh in one judged window, from what its reports hold.
//!
//! The same proofs as the audit of raw samples ([`super::audit`]), from the
//! lower-envelope points of each direction instead of every packet: fewer
//! packets state fewer bounds, and every one of them holds. Nothing is carried
//! from one window to the next, so a window that is audited again, with the
//! same reports, gets the same answer to the last bit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::audit::{AuditedWindow, STAMP_GRAIN, WINDOW, misplaced, offsets};
use super::dial;
use super::envelope::Point;
use super::matrix::DifferenceBounds;
use super::moved::{Moved, astray, moved};
use super::sources::Conflict;
use super::suspicion::{ProbeKind, ProbeVerdict, Suspicion};
use super::timeline::Timeline;
use super::window::{PairPoints, Window};
use crate::delay::{ClockDifference, Floors};
use crate::summary::EnvelopePoint;
use crate::time::{Nanos, Timestamp};

/// The largest mesh whose bounds are closed (that costs the cube of it). In a larger one, claims are only held against the
/// packets between the two probes themselves, and nothing is proved by way of a third.
pub const PROBES_MAX: usize = 400;

/// So many pairs must doubt a clock before its claim is not used: one pair alone is as likely a path of unequal ways.
const DOUBTING: usize = 2;

/// What one session saw in a window, and what the clocks of its two ends claimed.
#[derive(Debug, Clone, Copy)]
pub struct Sighting<'a> {
    /// The probe with the session-sender.
    pub from: &'a str,
    /// The probe with the session-reflector.
    pub to: &'a str,
    /// The lower envelope of T2 − T1.
    pub forward: &'a [EnvelopePoint],
    /// The lower envelope of T4 − T3.
    pub backward: &'a [EnvelopePoint],
    /// The smallest round trip; `None` without one.
    pub round_trip: Option<Nanos>,
    /// The light floors, seen forward.
    pub floors: Floors,
    /// How far from UTC the session-sender's clock claims to be at most for all of the window, three standard deviations
    /// of what is random included, and the same of what is known of the session-reflector's.
    pub claims: [Option<Nanos>; 2],
}

/// When a window began, by whichever clock, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its begin.
    pub start: Timestamp,
    /// Its length.
    pub length: Nanos,
}

/// What is known of the difference of a session's two clocks, the session-reflector's error less the session-sender's, at
/// every moment of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MeshBounds {
    /// By packets and light alone, of whichever pairs of the mesh: no clock's claim is used. `None` when nothing follows.
    pub proved: Option<ClockDifference>,
    /// With the believed claims of whichever clocks of the mesh. `None` when none is believed, or when even the believed
    /// ones contradict the packets.
    pub claimed: Option<ClockDifference>,
    /// How much of the width of `proved` is the clocks' own moving in the window and the doubt about it: the rest is what an
    /// asymmetry may be.
    pub moving: Nanos,
}

/// What the window says of one probe's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockFinding {
    /// The probe.
    pub probe: String,
    /// The largest bound that it claimed in the window; `None` when it claimed nothing for a part of it.
    pub claim: Option<Nanos>,
    /// What is said of it.
    pub verdict: ProbeVerdict,
    /// Whether its claim is used; of a clock that claims nothing, whether one would be. It is not when it is contradicted,
    /// or doubted on several of its pairs; a doubt on a single pair speaks of the path as well.
    pub stands: bool,
    /// What seems wrong; `None` when nothing does.
    pub kind: Option<ProbeKind>,
    /// Its error by the symmetric guess, in the middle of the window; `None` without packets both ways.
    pub offset: Option<Nanos>,
    /// Between which its error lies by packets, light and the claims of the others that are believed; `None` when they
    /// say nothing.
    pub error: Option<(Nanos, Nanos)>,
    /// The other probes that would explain the conflicts as well.
    pub alternatives: Vec<String>,
}

/// Two clocks that cannot both be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockConflict {
    /// The one.
    pub a: String,
    /// The other.
    pub b: String,
    /// How far they are apart at least, by packets and light.
    #[serde(rename = "apart_ns")]
    pub apart: Nanos,
    /// How far they may be apart as they claim.
    #[serde(rename = "claimed_ns")]
    pub claimed: Nanos,
}

/// What a mesh tells of its clocks in one window.
#[derive(Debug, Clone, Default)]
pub struct MeshFindings {
    /// Of each probe that was seen, by name.
    pub probes: BTreeMap<String, ClockFinding>,
    /// Pairs whose claims exclude each other, proved by packets and light.
    pub conflicts: Vec<ClockConflict>,
    /// Probes whose round trips are faster than light: their coordinates are wrong, and no floor of theirs is used.
    pub misplaced: BTreeSet<String>,
    /// The search for the fewest sources was cut, so there may be simpler explanations.
    pub cut: bool,
    bounds: BTreeMap<(String, String), MeshBounds>,
}

impl MeshFindings {
    /// What is known of the clocks of the session from one probe to another, seen forward.
    pub fn bounds(&self, from: &str, to: &str) -> MeshBounds {
        let key = (from.to_owned(), to.to_owned());
        self.bounds.get(&key).copied().unwrap_or_default()
    }

    /// Whether the claim of a probe's clock stands, or would if it made one.
    pub fn stands(&self, probe: &str) -> bool {
        self.probes.get(probe).is_none_or(|found| found.stands)
    }
}

/// Audits the meshes that some sessions form, each by itself, in one window.
///
/// The order of the sessions does not matter.
pub fn audit_window(span: Span, sightings: &[Sighting<'_>]) -> MeshFindings {
    let mut ordered: Vec<Sighting<'_>> = sightings
        .iter()
        .filter(|sighting| sighting.from != sighting.to)
        .copied()
        .collect();
    ordered.sort_by_key(|sighting| (sighting.from, sighting.to));
    let mut findings = MeshFindings::default();
    for part in parts(&ordered) {
        Mesh::of(span, part).tell(&mut findings);
    }
    findings
}

/// The sessions of each connected part, parts and sessions in the order of names.
fn parts<'a>(sightings: &[Sighting<'a>]) -> Vec<Vec<Sighting<'a>>> {
    let mut neighbours: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for sighting in sightings {
        neighbours
            .entry(sighting.from)
            .or_default()
            .push(sighting.to);
        neighbours
            .entry(sighting.to)
            .or_default()
            .push(sighting.from);
    }
    let mut part_of: BTreeMap<&str, usize> = BTreeMap::new();
    let mut count = 0;
    for &first in neighbours.keys() {
        if part_of.contains_key(first) {
            continue;
        }
        let mut reached = vec![first];
        while let Some(probe) = reached.pop() {
            if part_of.insert(probe, count).is_none() {
                reached.extend(&neighbours[probe]);
            }
        }
        count += 1;
    }
    let mut parts = vec![Vec::new(); count];
    for sighting in sightings {
        parts[part_of[sighting.from]].push(*sighting);
    }
    parts
}

/// One connected part in one window.
struct Mesh<'a> {
    span: Span,
    names: Vec<&'a str>,
    /// From and to as places in `names`.
    sightings: Vec<(usize, usize, Sighting<'a>)>,
    /// Each clock's rough error against the middle one.
    bases: Vec<i64>,
    claims: Vec<Option<Nanos>>,
    misplaced: BTreeSet<usize>,
}

impl<'a> Mesh<'a> {
    fn of(span: Span, sightings: Vec<Sighting<'a>>) -> Self {
        let names: Vec<&str> = sightings
            .iter()
            .flat_map(|sighting| [sighting.from, sighting.to])
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let place = |name: &str| {
            names
                .binary_search(&name)
                .expect("every name of a session was collected")
        };
        let sightings: Vec<(usize, usize, Sighting<'a>)> = sightings
            .into_iter()
            .map(|sighting| (place(sighting.from), place(sighting.to), sighting))
            .collect();
        let wrong = sightings
            .iter()
            .filter(|(.., sighting)| sighting.is_faster_than_light())
            .map(|&(from, to, _)| (from.min(to), from.max(to)))
            .collect();
        Self {
            span,
            bases: bases(names.len(), &sightings),
            claims: claims(names.len(), &sightings),
            misplaced: misplaced(&wrong),
            names,
            sightings,
        }
    }

    fn floors(&self, from: usize, to: usize, told: Floors) -> Floors {
        if self.misplaced.contains(&from) || self.misplaced.contains(&to) {
            Floors::default()
        } else {
            told
        }
    }

    /// The points of both sessions of each pair, from the middle of the window on the common time line.
    fn pairs(&self) -> Vec<PairPoints> {
        let centre = self.span.start.0.saturating_add(self.span.length.0 / 2);
        let mut pairs: BTreeMap<(usize, usize), PairPoints> = BTreeMap::new();
        for &(from, to, ref sighting) in &self.sightings {
            let origin = centre.saturating_add(self.bases[from]);
            let apart = self.bases[to].saturating_sub(self.bases[from]);
            let points = |envelope: &[EnvelopePoint], apart: i64| -> Vec<Point> {
                envelope
                    .iter()
                    .map(|point| Point {
                        at: point.at.0.saturating_sub(origin) as f64,
                        raw: point.raw.0.saturating_sub(apart) as f64,
                    })
                    .collect()
            };
            let forward = points(sighting.forward, apart);
            let backward = points(sighting.backward, apart.saturating_neg());
            let floors = self.floors(from, to, sighting.floors);
            let [there, back] = [floors.forward.0 as f64, floors.backward.0 as f64];
            let pair = pairs
                .entry((from.min(to), from.max(to)))
                .or_insert_with(|| PairPoints {
                    a: from.min(to),
                    b: from.max(to),
                    forward: Vec::new(),
                    backward: Vec::new(),
                    floors: if from < to {
                        [there, back]
                    } else {
                        [back, there]
                    },
                });
            let (out, home) = if from < to {
                (forward, backward)
            } else {
                (backward, forward)
            };
            pair.forward.extend(out);
            pair.backward.extend(home);
        }
        let mut pairs: Vec<PairPoints> = pairs.into_values().collect();
        for points in pairs
            .iter_mut()
            .flat_map(|pair| [&mut pair.forward, &mut pair.backward])
        {
            points.sort_by(|one, other| one.at.total_cmp(&other.at));
        }
        pairs
    }

    /// Pairs between whom a packet was faster than light if both clocks were right: known without any model of a clock.
    fn contradictions(&self) -> Vec<(Conflict, Nanos, Nanos)> {
        let contradiction = |&(from, to, ref sighting): &(usize, usize, Sighting<'_>)| {
            let [Some(own), Some(peer)] = sighting.claims else {
                return None;
            };
            let claimed = own.abs() + peer.abs();
            let floors = self.floors(from, to, sighting.floors);
            let lead = |envelope: &[EnvelopePoint], floor: Nanos| {
                let least = envelope.iter().map(|point| point.raw).min()?;
                Some(floor - least)
            };
            let apart = lead(sighting.forward, floors.forward)
                .into_iter()
                .chain(lead(sighting.backward, floors.backward))
                .max()?;
            (apart > claimed).then_some(((from, to), apart, claimed))
        };
        self.sightings.iter().filter_map(contradiction).collect()
    }

    fn tell(&self, findings: &mut MeshFindings) {
        let count = self.names.len();
        let line = Timeline::of_bases(&self.bases);
        let length = self.span.length.0.max(1) as f64;
        let claims: Vec<Option<f64>> = self
            .claims
            .iter()
            .map(|claim| claim.map(|claim| claim.0 as f64))
            .collect();
        let pairs = if count <= PROBES_MAX {
            self.pairs()
        } else {
            Vec::new()
        };
        let mut moves = moved(&pairs, &claims, length);
        let window = (count <= PROBES_MAX).then(|| {
            let window = Window::of(count, length, &pairs);
            moves.splice(0..0, astray(&window, &pairs, &claims, length));
            AuditedWindow {
                centre: 0.0,
                window,
                claims,
                claimed: None,
                least_assumed: None,
            }
        });
        let windows = [window];
        let direct = self.contradictions();
        let known: Vec<Conflict> = direct.iter().map(|(conflict, ..)| *conflict).collect();
        let mut suspicion = Suspicion::new(vec![None; count]);
        let open = suspicion.contradicted(&windows, &line, &known);
        let doubts = suspicion.doubted(open, &windows, &line);
        for &Moved { clock, kind } in &moves {
            suspicion.moved(clock, kind);
        }
        let believed: Vec<bool> = (0..count)
            .map(
                |probe| match (suspicion.verdicts[probe], suspicion.kinds[probe]) {
                    (ProbeVerdict::Ok, _) => true,
                    (_, Some(ProbeKind::ClockOrAccessAsymmetry)) => !self.doubted(probe, &doubts),
                    _ => false,
                },
            )
            .collect();
        let guesses = offsets(&windows, &line, &believed, count);
        let window = windows.into_iter().flatten().next();
        let claimed = window.as_ref().and_then(|window| {
            let anchors = window.anchors(&line, |clock| believed[clock]);
            if anchors.is_empty() {
                return None;
            }
            dial::anchored(&window.window, &anchors)
        });
        self.tell_conflicts(window.as_ref(), &direct, &line, findings);
        if let Some(window) = &window {
            self.tell_bounds(&window.window, claimed.as_ref(), findings);
        }
        findings.cut |= suspicion.cut;
        for (probe, guess) in guesses.into_iter().enumerate() {
            let error = window
                .as_ref()
                .zip(claimed.as_ref())
                .and_then(|(window, claimed)| self.error(&window.window, claimed, probe));
            let told = suspicion.told(probe, guess, self.misplaced.contains(&probe));
            let name = self.names[probe].to_owned();
            if self.misplaced.contains(&probe) {
                findings.misplaced.insert(name.clone());
            }
            findings.probes.insert(
                name.clone(),
                ClockFinding {
                    probe: name,
                    claim: self.claims[probe],
                    verdict: told.verdict,
                    stands: believed[probe],
                    kind: told.kind,
                    offset: told.offsets.into_iter().flatten().next(),
                    error,
                    alternatives: told
                        .alternatives
                        .iter()
                        .map(|&other| self.names[other].to_owned())
                        .collect(),
                },
            );
        }
    }

    /// Whether a clock is doubted on so many of its own pairs that it is not just one path that is asymmetric.
    fn doubted(&self, probe: usize, doubts: &BTreeSet<Conflict>) -> bool {
        let against: BTreeSet<usize> = self
            .sightings
            .iter()
            .filter(|&&(from, to, _)| doubts.contains(&(from, to)) || doubts.contains(&(to, from)))
            .filter_map(|&(from, to, _)| match probe {
                _ if probe == from => Some(to),
                _ if probe == to => Some(from),
                _ => None,
            })
            .collect();
        against.len() >= DOUBTING
    }

    fn tell_conflicts(
        &self,
        window: Option<&AuditedWindow>,
        direct: &[(Conflict, Nanos, Nanos)],
        line: &Timeline,
        findings: &mut MeshFindings,
    ) {
        let mut told: BTreeMap<Conflict, (Nanos, Nanos)> = BTreeMap::new();
        let mut tell = |(a, b): Conflict, apart: Nanos, claimed: Nanos| {
            let known = told.entry((a.min(b), a.max(b))).or_insert((apart, claimed));
            known.0 = known.0.max(apart);
        };
        for &(conflict, apart, claimed) in direct {
            tell(conflict, apart, claimed);
        }
        if let Some(window) = window
            && let Some(proved) = &window.window.proved
        {
            for (one, other) in window.conflicts(proved, &window.anchors(line, |_| true)) {
                let (Some(a), Some(b)) = (self.claims[one], self.claims[other]) else {
                    continue;
                };
                let (_, most) = self.difference(&window.window, proved, (one, other), (0.0, 0.0));
                tell((one, other), -most, a + b);
            }
        }
        findings
            .conflicts
            .extend(
                told.into_iter()
                    .map(|((a, b), (apart, claimed))| ClockConflict {
                        a: self.names[a].to_owned(),
                        b: self.names[b].to_owned(),
                        apart,
                        claimed,
                    }),
            );
    }

    fn tell_bounds(
        &self,
        window: &Window,
        claimed: Option<&DifferenceBounds>,
        findings: &mut MeshFindings,
    ) {
        // A quartz is taken to keep its rate for a minute; over more of them nothing is told of the differences.
        if self.span.length > WINDOW {
            return;
        }
        for &(from, to, _) in &self.sightings {
            // The session's packets were sent in the window by its own clock.
            let half = (self.span.length.0 / 2) as f64;
            let ahead = self.bases[from] as f64;
            let during = (-half - ahead, half - ahead);
            let of = |bounds: &DifferenceBounds| {
                let (least, most) = self.difference(window, bounds, (from, to), during);
                (least > Nanos::MIN && most < Nanos::MAX && least <= most).then_some(
                    ClockDifference {
                        at_least: least,
                        at_most: most,
                    },
                )
            };
            let proved = window.proved.as_ref().and_then(of);
            let moving = window.proved.as_ref().zip(proved).map(|(bounds, proved)| {
                let slack = bounds.at_most(from, to) + bounds.at_most(to, from);
                (proved.at_most - proved.at_least - Nanos(slack.floor() as i64)).max(Nanos::ZERO)
            });
            findings.bounds.insert(
                (self.names[from].to_owned(), self.names[to].to_owned()),
                MeshBounds {
                    proved,
                    claimed: claimed.and_then(of),
                    moving: moving.unwrap_or(Nanos::ZERO),
                },
            );
        }
    }

    /// The difference of two clocks over a span of the time line, from the centre: at least, at most.
    fn difference(
        &self,
        window: &Window,
        bounds: &DifferenceBounds,
        (from, to): (usize, usize),
        during: (f64, f64),
    ) -> (Nanos, Nanos) {
        // What holds at both ends of a span holds within it: the upper bound is convex in time, the lower one concave.
        let ends = [during.0, during.1].map(|at| window.difference(bounds, from, to, at));
        let least = ends[0].0.min(ends[1].0);
        let most = ends[0].1.max(ends[1].1);
        let base = Nanos(self.bases[to].saturating_sub(self.bases[from]));
        outwards(least, most, base)
    }

    /// Between which a clock's error lies at the centre, by the believed claims.
    fn error(
        &self,
        window: &Window,
        claimed: &DifferenceBounds,
        probe: usize,
    ) -> Option<(Nanos, Nanos)> {
        let utc = window.utc();
        let doubt = window.wander[probe];
        let (least, most) = (
            -claimed.at_most(probe, utc) - doubt,
            claimed.at_most(utc, probe) + doubt,
        );
        (least.is_finite() && most.is_finite() && !window.stepped[probe])
            .then(|| outwards(least, most, Nanos(self.bases[probe])))
    }
}

impl Sighting<'_> {
    fn is_faster_than_light(&self) -> bool {
        let light = self.floors.forward + self.floors.backward;
        self.round_trip
            .is_some_and(|round_trip| round_trip + STAMP_GRAIN < light)
    }
}

/// Whole nanoseconds around an interval of floats, one more on either side for the sums of floats behind it; an end that is
/// infinite stays without bound.
fn outwards(least: f64, most: f64, base: Nanos) -> (Nanos, Nanos) {
    let low = if least.is_finite() {
        Nanos(least.floor() as i64) - Nanos(1) + base
    } else {
        Nanos::MIN
    };
    let high = if most.is_finite() {
        Nanos(most.ceil() as i64) + Nanos(1) + base
    } else {
        Nanos::MAX
    };
    (low, high)
}

/// The largest claim of each clock, in its own reports or as others were told; `None` where neither holds for all of the
/// window.
fn claims(count: usize, sightings: &[(usize, usize, Sighting<'_>)]) -> Vec<Option<Nanos>> {
    // Per clock: own words, what others were told.
    let mut heard: Vec<[Option<Option<Nanos>>; 2]> = vec![[None, None]; count];
    let worse = |known: Option<Option<Nanos>>, new: Option<Nanos>| {
        Some(known.map_or(new, |known| Some(known?.max(new?))))
    };
    for &(from, to, ref sighting) in sightings {
        // Without a packet that came back there were no clocks to compare.
        if sighting.round_trip.is_some() {
            heard[from][0] = worse(heard[from][0], sighting.claims[0]);
            heard[to][1] = worse(heard[to][1], sighting.claims[1]);
        }
    }
    heard
        .into_iter()
        .map(|[own, told]| match (own.flatten(), told.flatten()) {
            (Some(own), Some(told)) => Some(own.max(told)),
            (own, told) => own.or(told),
        })
        .map(|claim| claim.map(Nanos::abs))
        .collect()
}

/// Each clock's rough error against the middle of all, in nanoseconds: from neighbour to neighbour, breadth first, half of
/// what the fastest packets of the two ways differ by.
fn bases(count: usize, sightings: &[(usize, usize, Sighting<'_>)]) -> Vec<i64> {
    let mut neighbours = vec![Vec::new(); count];
    for &(from, to, ref sighting) in sightings {
        let least = |envelope: &[EnvelopePoint]| envelope.iter().map(|point| point.raw.0).min();
        if let (Some(there), Some(back)) = (least(sighting.forward), least(sighting.backward)) {
            let apart = there / 2 - back / 2;
            neighbours[from].push((to, apart));
            neighbours[to].push((from, apart.saturating_neg()));
        }
    }
    let mut bases: Vec<Option<i64>> = vec![None; count];
    for root in 0..count {
        if bases[root].is_some() {
            continue;
        }
        let mut part = vec![root];
        bases[root] = Some(0);
        let mut queue = VecDeque::from([(root, 0_i64)]);
        while let Some((near, base)) = queue.pop_front() {
            for &(far, apart) in &neighbours[near] {
                if bases[far].is_none() {
                    let there = base.saturating_add(apart);
                    bases[far] = Some(there);
                    part.push(far);
                    queue.push_back((far, there));
                }
            }
        }
        let mut all: Vec<i64> = part.iter().filter_map(|&probe| bases[probe]).collect();
        all.sort_unstable();
        let middle = all[all.len() / 2];
        for probe in part {
            bases[probe] = bases[probe].map(|base| base.saturating_sub(middle));
        }
    }
    bases.into_iter().map(Option::unwrap_or_default).collect()
}
