//! The audit of a mesh: whose claims stand, and what follows for the clocks' differences.
//!
//! Window by window, the packets alone prove bounds on the differences of the
//! clocks ([`super::window`]). A claim that these exclude is false, or another
//! one is: the fewest sources that explain all such conflicts are called
//! faulty, as an assumption that is told with its alternatives. A claim that is
//! excluded only if paths are nearly symmetric makes its clock suspect: "clock
//! or access asymmetry" cannot be told apart from inside the mesh. Neither is
//! believed any more; what remains bounds every packet of the run.

use std::collections::BTreeSet;

use super::changes::changes;
use super::crossing::{Ways, ways};
use super::dial::{self, Anchor, SHARES};
use super::matrix::DifferenceBounds;
use super::mesh::{Mesh, StampErrors};
use super::offsets::median;
use super::sources::{Conflict, explain};
use super::suspicion::{ProbeAudit, ProbeVerdict, Suspicion};
use super::timeline::Timeline;
use super::window::{PairPoints, Window};
use crate::time::Nanos;

/// How long a window is.
pub const WINDOW: Nanos = Nanos::from_secs(60);
/// The longest run, in windows: two weeks. A longer one is refused, because a stamp in it is wrong or the file should be cut.
pub const MAX_WINDOWS: usize = 20_160;
/// The most that is kept of all windows together, in pairs of probes: below three gigabytes. More is refused likewise.
pub const MAX_CELLS: usize = 100_000_000;
/// The largest mesh: closing a matrix costs the cube of it, a second and more beyond.
pub const MAX_PROBES: usize = 1_000;

/// Why a mesh cannot be audited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// There are more probes than [`MAX_PROBES`].
    #[error("cannot audit {0} probes at once: {MAX_PROBES} at most; audit parts of the mesh")]
    TooManyProbes(usize),
    /// It lasts longer than [`MAX_WINDOWS`], or than [`MAX_CELLS`] allows for so many probes.
    #[error(
        "cannot audit a run of {0} s at once: two weeks at most, less for more than 70 probes; a stamp is wrong, or the run should be cut"
    )]
    TooLong(u64),
}

/// One window with all that bears on verdicts.
#[derive(Debug, Clone)]
pub(crate) struct AuditedWindow {
    /// Its centre on the common time line.
    pub(crate) centre: f64,
    pub(crate) window: Window,
    /// What each probe claims throughout the window, whether believed or not.
    pub(super) claims: Vec<Option<f64>>,
    /// With the claims that are believed; `None` when even these contradict the packets.
    pub(crate) claimed: Option<DifferenceBounds>,
    /// The least share that a verdict may assume; `None` when nothing fits the packets and the claims.
    pub(super) least_assumed: Option<f64>,
}

/// A mesh, audited.
#[derive(Debug, Clone)]
pub struct Audit {
    /// What is said of each probe.
    pub probes: Vec<ProbeAudit>,
    /// The search for the fewest sources was cut, so there may be simpler explanations.
    pub cut: bool,
    pub(crate) line: Timeline,
    pub(crate) ways: Ways,
    pub(crate) floors: Vec<Vec<Nanos>>,
    pub(crate) stamps: StampErrors,
    pub(crate) windows: Vec<Option<AuditedWindow>>,
    pub(crate) believed: Vec<bool>,
}

/// What the dial must leave besides the share that fits.
const ROOM: f64 = 1.5;
/// The least share that is assumed where enough believed clocks show how asymmetric the paths are.
const ANCHORED_SHARE: f64 = 0.06;
/// How many believed clocks are enough for that.
const ANCHORS: usize = 3;
/// The least share that is assumed where nothing shows what access links do: two fifths of what light leaves open.
pub(crate) const UNANCHORED_SHARE: f64 = 0.4;
/// So many round trips faster than light speak against the place; one may be a clock that stepped meanwhile.
const FASTER_THAN_LIGHT: usize = 3;
/// A round trip may look this much faster than it was because stamps are whole nanoseconds.
pub(super) const STAMP_GRAIN: Nanos = Nanos(8);

impl AuditedWindow {
    pub(crate) fn anchors(&self, line: &Timeline, whose: impl Fn(usize) -> bool) -> Vec<Anchor> {
        let claims = self.claims.iter().enumerate();
        claims
            .filter(|&(clock, _)| whose(clock))
            .filter_map(|(clock, bound)| {
                let (bound, base) = ((*bound)?, line.base(clock) as f64);
                Some(Anchor {
                    clock,
                    at_least: -bound - base,
                    at_most: bound - base,
                })
            })
            .collect()
    }

    /// The bounds if no more than this share of any slack is asymmetric; `None` when the packets speak against that.
    pub(crate) fn assumed(
        &self,
        share: f64,
        line: &Timeline,
        believed: &[bool],
    ) -> Option<DifferenceBounds> {
        if share < self.least_assumed? {
            return None;
        }
        dial::assumed(
            &self.window,
            share,
            &self.anchors(line, |clock| believed[clock]),
        )
    }

    /// The least share that a verdict may assume in this window.
    ///
    /// It must fit the packets and every claim that is not proved false, and leave room: for a claim that fits only with
    /// some asymmetry it is open whether the clock or the path is to blame, and both must be allowed for. Where clocks that
    /// are believed show how asymmetric the paths are, [`ANCHORED_SHARE`] is the least; without them nobody knows what
    /// access links do, and it is [`UNANCHORED_SHARE`].
    fn least_assumed(
        &self,
        line: &Timeline,
        verdicts: &[ProbeVerdict],
        believed: &[Anchor],
    ) -> Option<f64> {
        let disputed = |clock: usize| verdicts[clock] == ProbeVerdict::Faulty;
        let possible = self.anchors(line, |clock| !disputed(clock));
        let place = dial::least_share(&self.window, &possible)
            .or_else(|| dial::least_share(&self.window, believed))?;
        let tight = |anchor: &&Anchor| {
            let slack = median(
                self.window
                    .pairs
                    .iter()
                    .filter(|pair| pair.a == anchor.clock || pair.b == anchor.clock)
                    .map(|pair| pair.slack)
                    .collect(),
            );
            let width = anchor.at_most - anchor.at_least;
            slack.is_some_and(|slack| width <= ANCHORED_SHARE * slack / 2.0)
        };
        let least = if believed.iter().filter(tight).count() >= ANCHORS {
            ANCHORED_SHARE
        } else {
            UNANCHORED_SHARE
        };
        Some(least.max(ROOM * SHARES[place]))
    }

    /// The sum of two clocks' own claims, where both are believed.
    pub(crate) fn claim_of(&self, from: usize, to: usize, believed: &[bool]) -> Option<f64> {
        (believed[from] && believed[to]).then_some(self.claims[from]? + self.claims[to]?)
    }

    /// Pairs whose claims cannot both be true under these bounds.
    pub(super) fn conflicts(&self, bounds: &DifferenceBounds, anchors: &[Anchor]) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        for one in anchors {
            for other in anchors {
                let doubt = self.window.wander[one.clock] + self.window.wander[other.clock];
                let claimed = other.at_least - one.at_most - doubt;
                if one.clock != other.clock
                    && bounds.at_most(one.clock, other.clock) < claimed - 1.0
                {
                    conflicts.push((one.clock, other.clock));
                }
            }
        }
        conflicts
    }
}

/// Audits a mesh.
///
/// # Errors
/// When it is larger or longer than can be audited at once.
pub fn audit(mesh: &Mesh) -> Result<Audit, AuditError> {
    let count = mesh.probes.len();
    if count > MAX_PROBES {
        return Err(AuditError::TooManyProbes(count));
    }
    let line = Timeline::of(mesh);
    let window_count = (line.length() / WINDOW.0 as f64).floor() as usize + 1;
    if window_count > MAX_WINDOWS || window_count * count * count > MAX_CELLS {
        return Err(AuditError::TooLong((line.length() / 1e9) as u64));
    }
    let ways = ways(mesh, &line);
    let (floors, misplaced) = believable_floors(mesh, &ways);
    let mut windows: Vec<Option<AuditedWindow>> = (0..window_count)
        .map(|k| look(mesh, &line, &ways, &floors, k))
        .collect();
    let disciplined: Vec<bool> = mesh
        .probes
        .iter()
        .map(|probe| probe.claims.iter().any(|claim| claim.bound.is_some()))
        .collect();
    let changes = changes(&disciplined, &ways, line.length());
    for change in &changes {
        for (k, window) in windows.iter_mut().enumerate() {
            let from = k as f64 * WINDOW.0 as f64;
            if let Some(window) = window.as_mut()
                && change.steps_within(from, from + WINDOW.0 as f64)
            {
                window.window.note_step(change.clock);
            }
        }
    }
    let sources = mesh.probes.iter().map(|probe| probe.source).collect();
    let mut suspicion = Suspicion::new(sources);
    let open = suspicion.contradicted(&windows, &line, &[]);
    suspicion.doubted(open, &windows, &line);
    let believed: Vec<bool> = (0..count)
        .map(|probe| {
            suspicion.verdicts[probe] == ProbeVerdict::Ok
                && changes.iter().all(|change| {
                    change.clock != probe
                        || change.fits(least_claim(&windows, probe), line.length())
                })
        })
        .collect();
    for window in windows.iter_mut().flatten() {
        let anchors = window.anchors(&line, |clock| believed[clock]);
        window.claimed = dial::anchored(&window.window, &anchors);
        window.least_assumed = window.least_assumed(&line, &suspicion.verdicts, &anchors);
    }
    let offsets = offsets(&windows, &line, &believed, count);
    let mut probes: Vec<ProbeAudit> = offsets
        .into_iter()
        .enumerate()
        .map(|(probe, offsets)| suspicion.told(probe, offsets, misplaced.contains(&probe)))
        .collect();
    for change in &changes {
        Suspicion::changed(&mut probes[change.clock], change, &line);
    }
    Ok(Audit {
        probes,
        cut: suspicion.cut,
        line,
        ways,
        floors,
        stamps: mesh.stamps,
        windows,
        believed,
    })
}

/// The smallest bound that a probe claims for a whole window; infinite when it never does.
fn least_claim(windows: &[Option<AuditedWindow>], probe: usize) -> f64 {
    let claims = windows
        .iter()
        .flatten()
        .filter_map(|window| window.claims[probe]);
    claims.fold(f64::INFINITY, f64::min)
}

/// The floors without those of probes that round trips put elsewhere, and these probes.
///
/// A round trip needs no clock, so one that is faster than light there and back proves that the floors of its pair are
/// wrong. The fewest probes that explain all such pairs are misplaced, and nothing is held against their packets.
fn believable_floors(mesh: &Mesh, ways: &Ways) -> (Vec<Vec<Nanos>>, BTreeSet<usize>) {
    let mut wrong = BTreeSet::new();
    for (&(from, to), way) in ways {
        let light = mesh.floors[from][to] + mesh.floors[to][from];
        let round_trips = way.crossings().filter_map(|crossing| crossing.round_trip);
        let faster = round_trips.filter(|&round_trip| round_trip + STAMP_GRAIN < light);
        if faster.count() >= FASTER_THAN_LIGHT {
            wrong.insert((from.min(to), from.max(to)));
        }
    }
    let misplaced = misplaced(&wrong);
    let mut floors = mesh.floors.clone();
    for (from, row) in floors.iter_mut().enumerate() {
        for (to, floor) in row.iter_mut().enumerate() {
            if misplaced.contains(&from) || misplaced.contains(&to) {
                *floor = Nanos::ZERO;
            }
        }
    }
    (floors, misplaced)
}

/// The fewest probes that explain why the round trips of these pairs are faster than light; all of a group's when the
/// search was cut.
pub(super) fn misplaced(wrong: &BTreeSet<Conflict>) -> BTreeSet<usize> {
    explain(wrong)
        .into_iter()
        .flat_map(|explanation| {
            if explanation.cut {
                explanation.involved
            } else {
                explanation.sets.into_iter().flatten().collect()
            }
        })
        .collect()
}

fn look(
    mesh: &Mesh,
    line: &Timeline,
    ways: &Ways,
    floors: &[Vec<Nanos>],
    k: usize,
) -> Option<AuditedWindow> {
    let length = WINDOW.0 as f64;
    let from = k as f64 * length;
    // The last window ends with the run, so that its centre is among its packets; what was still under way belongs to it.
    let to = (from + length).min(line.length().max(from + 1.0));
    let end = if to < from + length {
        f64::INFINITY
    } else {
        to
    };
    let pairs: Vec<PairPoints> = ways
        .iter()
        .filter(|((a, b), _)| a < b)
        .filter_map(|(&(a, b), way)| {
            let backward = ways.get(&(b, a))?;
            Some(PairPoints {
                a,
                b,
                forward: way.points(from, end, f64::midpoint(from, to)),
                backward: backward.points(from, end, f64::midpoint(from, to)),
                floors: [floors[a][b].0 as f64, floors[b][a].0 as f64],
            })
        })
        .filter(|pair| !pair.forward.is_empty() || !pair.backward.is_empty())
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let claims = (0..mesh.probes.len())
        .map(|probe| {
            let bound = mesh.bound_within(probe, line.local(probe, from), line.local(probe, to))?;
            Some(bound.0 as f64)
        })
        .collect();
    Some(AuditedWindow {
        centre: f64::midpoint(from, to),
        window: Window::of(mesh.probes.len(), to - from, &pairs),
        claims,
        claimed: None,
        least_assumed: None,
    })
}

/// The errors of the clocks by the symmetric guess, window by window.
///
/// The mean, which no pair can tell, is set so that the middle of the believed claims, each weighted by how much it
/// claims to know, is right; without a claim the mean stays zero.
pub(super) fn offsets(
    windows: &[Option<AuditedWindow>],
    line: &Timeline,
    believed: &[bool],
    count: usize,
) -> Vec<Vec<Option<Nanos>>> {
    let mut all = vec![Vec::with_capacity(windows.len()); count];
    for window in windows {
        let guess = |probe: usize| {
            let audited = window.as_ref()?;
            Some(audited.window.offsets[probe]? + line.base(probe) as f64)
        };
        let known: Vec<(f64, f64)> = (0..count)
            .filter_map(|probe| {
                let claims = &window.as_ref()?.claims;
                let weight = match claims[probe] {
                    Some(bound) if believed[probe] => 1.0 / (bound + 1.0),
                    _ => return None,
                };
                Some((guess(probe)?, weight))
            })
            .collect();
        let guesses: Vec<f64> = (0..count).filter_map(guess).collect();
        let zero = weighted_median(known)
            .unwrap_or_else(|| guesses.iter().sum::<f64>() / guesses.len().max(1) as f64);
        for (probe, offsets) in all.iter_mut().enumerate() {
            offsets.push(guess(probe).map(|guess| Nanos((guess - zero).round() as i64)));
        }
    }
    all
}

/// The value with half of the weight on either side.
fn weighted_median(mut values: Vec<(f64, f64)>) -> Option<f64> {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut so_far = 0.0;
    values.into_iter().find_map(|(value, weight)| {
        so_far += weight;
        (so_far >= half).then_some(value)
    })
}

#[cfg(test)]
mod tests;
