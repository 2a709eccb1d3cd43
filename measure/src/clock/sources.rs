//! The fewest time sources whose failure explains all conflicts.
//!
//! A conflict proves that one of two clocks claims falsely, not which. The
//! smallest set of sources that touches every conflict is the simplest
//! explanation; it is an assumption, so every other set of that size is told
//! too. Finding it is the vertex cover problem, hence the bound on the search.

use std::collections::{BTreeMap, BTreeSet};

/// Two sources of which at least one fails.
pub type Conflict = (usize, usize);

/// How many branches are tried for each group of conflicts before the search is cut.
const BRANCHES: u32 = 100_000;
/// How many smallest sets are told; when there are more, the search counts as cut.
const SETS: usize = 64;

/// What explains the conflicts of sources that are joined by conflicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Every source that has a conflict in this group.
    pub involved: BTreeSet<usize>,
    /// Every smallest set of sources that explains the group; more than one means that it cannot be told.
    pub sets: Vec<BTreeSet<usize>>,
    /// The search was cut: there may be smaller sets, and more of them.
    pub cut: bool,
}

/// Explains conflicts, each group of joined ones by itself.
pub fn explain(conflicts: &BTreeSet<Conflict>) -> Vec<Explanation> {
    let mut neighbours: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for &(a, b) in conflicts {
        neighbours.entry(a).or_default().insert(b);
        neighbours.entry(b).or_default().insert(a);
    }
    let mut left: BTreeSet<usize> = neighbours.keys().copied().collect();
    let mut explanations = Vec::new();
    while let Some(first) = left.pop_first() {
        let mut involved = BTreeSet::from([first]);
        let mut reached = vec![first];
        while let Some(source) = reached.pop() {
            for &other in &neighbours[&source] {
                if left.remove(&other) {
                    involved.insert(other);
                    reached.push(other);
                }
            }
        }
        let within: Vec<Conflict> = conflicts
            .iter()
            .filter(|(a, _)| involved.contains(a))
            .copied()
            .collect();
        explanations.push(smallest(involved, &within));
    }
    explanations
}

fn smallest(involved: BTreeSet<usize>, conflicts: &[Conflict]) -> Explanation {
    let mut search = Search {
        conflicts,
        branches: 0,
        found: BTreeSet::new(),
        cut: false,
    };
    for size in 1..=involved.len() {
        search.branch(&mut BTreeSet::new(), size);
        if !search.found.is_empty() || search.cut {
            break;
        }
    }
    Explanation {
        involved,
        sets: search.found.into_iter().collect(),
        cut: search.cut,
    }
}

struct Search<'a> {
    conflicts: &'a [Conflict],
    branches: u32,
    found: BTreeSet<BTreeSet<usize>>,
    cut: bool,
}

impl Search<'_> {
    fn branch(&mut self, chosen: &mut BTreeSet<usize>, room: usize) {
        self.branches += 1;
        if self.branches > BRANCHES || self.found.len() >= SETS {
            self.cut = true;
            return;
        }
        let mut open = self
            .conflicts
            .iter()
            .filter(|(a, b)| !chosen.contains(a) && !chosen.contains(b));
        let Some(&(a, b)) = open.next() else {
            self.found.insert(chosen.clone());
            return;
        };
        // Each chosen source settles no more conflicts than the busiest has; without a match for them all there is no room.
        if room == 0 || disjoint(open, (a, b)) > room {
            return;
        }
        for source in [a, b] {
            chosen.insert(source);
            self.branch(chosen, room - 1);
            chosen.remove(&source);
        }
    }
}

/// How many conflicts share no source with each other, taken greedily: each needs a source of its own.
fn disjoint<'a>(open: impl Iterator<Item = &'a Conflict>, first: Conflict) -> usize {
    let mut touched = BTreeSet::from([first.0, first.1]);
    let mut count = 1;
    for &(a, b) in open {
        if !touched.contains(&a) && !touched.contains(&b) {
            touched.extend([a, b]);
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(conflicts: &[Conflict], sets: &[&[usize]]) {
        let explained = explain(&conflicts.iter().copied().collect());
        assert_eq!(explained.len(), 1);
        let sets: Vec<BTreeSet<usize>> = sets
            .iter()
            .map(|set| set.iter().copied().collect())
            .collect();
        assert_eq!((&explained[0].sets, explained[0].cut), (&sets, false));
    }

    #[test]
    fn the_clock_that_everybody_contradicts_is_the_one() {
        check(&[(0, 3), (1, 3), (2, 3)], &[&[3]]);
        check(&[(0, 3), (1, 3), (3, 4), (2, 4), (0, 4)], &[&[3, 4]]);
    }

    #[test]
    fn one_conflict_names_nobody() {
        check(&[(0, 1)], &[&[0], &[1]]);
        check(&[(0, 1), (1, 2), (0, 2)], &[&[0, 1], &[0, 2], &[1, 2]]);
    }

    #[test]
    fn conflicts_that_share_nobody_are_explained_apart() {
        let explained = explain(&BTreeSet::from([(0, 1), (2, 3), (2, 4)]));
        assert_eq!(explained.len(), 2);
        assert_eq!(explained[0].sets.len(), 2);
        assert_eq!(explained[1].sets, [BTreeSet::from([2])]);
        assert!(explain(&BTreeSet::new()).is_empty());
    }

    #[test]
    fn a_search_that_grows_too_large_is_cut_and_says_so() {
        // Forty pairs, joined into one group: 2 to the 40th sets.
        let mut conflicts = BTreeSet::new();
        for pair in 0..40 {
            conflicts.insert((2 * pair, 2 * pair + 1));
            conflicts.insert((2 * pair + 1, (2 * pair + 2) % 80));
        }
        let explained = explain(&conflicts);
        assert_eq!(explained.len(), 1);
        assert!(!explained[0].cut && explained[0].sets.len() == 2);
        for pair in 0..40 {
            conflicts.insert((200 + pair, 300 + pair));
            conflicts.insert((300 + pair, 0));
        }
        assert!(
            explain(&conflicts)
                .iter()
                .any(|explanation| explanation.cut)
        );
    }
}
