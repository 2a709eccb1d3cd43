//! One place with all its paths is one alert, not one for each path.
//!
//! Of the paths that show the same thing at once, the place that explains most
//! of them is taken first: the network, a site, one direction of a site, a
//! probe; then the next for those that are left. A place is taken when all its
//! known paths show it and one of them has shown it for long enough; once it
//! was told it stays while half of them do, so it does not fall apart into
//! single paths while it recovers.

use std::collections::{BTreeMap, BTreeSet};

use owl_measure::time::Timestamp;

use super::map::Map;
use super::subject::{Of, Subject};

/// How one path stands to one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Nobody knows.
    Unknown,
    /// It does not show it.
    Well,
    /// It shows it, for too short a time to be told.
    Seen,
    /// It has for long enough.
    Told,
}

/// A place, and those of its paths that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) subject: Subject,
    pub(super) paths: Vec<usize>,
}

/// Puts the paths together: the groups, and then each path that is told and in none of them.
pub(super) fn grouped(
    map: &Map,
    standing: &[Standing],
    known: &BTreeMap<Subject, Timestamp>,
) -> Vec<Group> {
    let is_bad = |k: &usize| standing[*k] >= Standing::Seen;
    let mut left: BTreeSet<usize> = (0..standing.len()).filter(is_bad).collect();
    let mut groups = Vec::new();
    let whole = |(subject, paths): &&(Subject, Vec<usize>)| {
        let of_known = paths.iter().filter(|k| standing[**k] != Standing::Unknown);
        let (all, bad) = (of_known.count(), paths.iter().filter(|k| is_bad(k)).count());
        let is_due = paths.iter().any(|k| standing[*k] == Standing::Told);
        let stays = known.contains_key(subject) && 2 * bad >= all;
        is_due && bad > 1 && (bad == all || stays)
    };
    let mut candidates: Vec<&(Subject, Vec<usize>)> = match standing.contains(&Standing::Told) {
        true => map.wholes.iter().filter(whole).collect(),
        false => Vec::new(),
    };
    loop {
        let explained = |paths: &[usize]| paths.iter().filter(|k| left.contains(*k)).count();
        let best = candidates
            .iter()
            .enumerate()
            .map(|(n, (subject, paths))| (explained(paths), preference(subject.of), n))
            .max_by_key(|&(explained, preference, n)| (explained, preference, usize::MAX - n));
        let Some((explained, _, n)) = best else { break };
        if explained < 2 {
            break;
        }
        let (subject, paths) = candidates.swap_remove(n);
        // Paths that two places explain are named with both.
        let paths: Vec<usize> = paths.iter().copied().filter(is_bad).collect();
        paths.iter().for_each(|k| {
            left.remove(k);
        });
        groups.push(Group {
            subject: subject.clone(),
            paths,
        });
    }
    let single = left.into_iter().filter(|k| standing[*k] == Standing::Told);
    groups.extend(single.map(|k| Group {
        subject: Subject::new(Of::Path, &map.places[k].path),
        paths: vec![k],
    }));
    groups
}

/// Of two places that explain as many paths: which is named.
fn preference(of: Of) -> u8 {
    match of {
        Of::Network => 4,
        Of::Site => 3,
        Of::Probe => 2,
        Of::FromSite | Of::ToSite => 1,
        Of::Path | Of::Pair | Of::Collector => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::testing::{hub, mesh};

    /// Paths `FROM~TO` with their standing; every other path is well. The result names the groups.
    #[track_caller]
    fn check(map: &Map, told: &[&str], seen: &[&str], known: &[Subject], expected: &[&str]) {
        let of = |place: &crate::alert::map::Place, patterns: &[&str]| {
            patterns
                .iter()
                .any(|pattern| match pattern.split_once('~') {
                    Some(("*", "*")) => true,
                    Some(("*", to)) => place.sites[1] == to,
                    Some((from, "*")) => place.sites[0] == from,
                    _ => place.path == *pattern,
                })
        };
        let standing: Vec<Standing> = map
            .places
            .iter()
            .map(|place| match (of(place, told), of(place, seen)) {
                (true, _) => Standing::Told,
                (_, true) => Standing::Seen,
                _ => Standing::Well,
            })
            .collect();
        let known = known.iter().map(|subject| (subject.clone(), Timestamp(0)));
        let groups = grouped(map, &standing, &known.collect());
        let got: Vec<String> = groups
            .iter()
            .map(|group| format!("{} ({})", group.subject, group.paths.len()))
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_site_that_is_down_is_one_alert_not_forty() {
        // Twenty-one sites that all measure each other.
        let map = mesh(21);
        check(&map, &["s3~*", "*~s3"], &[], &[], &["site/s3 (40)"]);
        check(&map, &["s3~*"], &["*~s3"], &[], &["site/s3 (40)"]);
        check(&map, &["*~s3"], &[], &[], &["to-site/s3 (20)"]);
        check(&map, &["*~*"], &[], &[], &["network/net (420)"]);
        check(
            &map,
            &["*~s3", "s3~*", "*~s5", "s5~*"],
            &[],
            &[],
            &["site/s3 (40)", "site/s5 (40)"],
        );
    }

    #[test]
    fn what_no_place_explains_is_told_path_by_path() {
        let map = mesh(5);
        check(
            &map,
            &["s1~s2", "s3~s4"],
            &["s2~s1"],
            &[],
            &["path/s1~s2 (1)", "path/s3~s4 (1)"],
        );
        check(&map, &[], &["s1~*", "*~s1"], &[], &[]);
    }

    #[test]
    fn a_hub_explains_what_only_it_measures() {
        let map = hub(10);
        check(&map, &["*~*"], &[], &[], &["network/net (20)"]);
        check(&map, &["s4~s0", "s0~s4"], &[], &[], &["site/s4 (2)"]);
        check(&map, &["*~s0"], &[], &[], &["to-site/s0 (10)"]);
    }

    #[test]
    fn a_place_that_was_told_stays_while_half_of_its_paths_do() {
        let map = mesh(5);
        let s1 = [Subject::new(Of::Site, "s1")];
        check(&map, &["s1~*"], &[], &[], &["from-site/s1 (4)"]);
        check(&map, &["s1~*", "s2~s1"], &[], &s1, &["site/s1 (5)"]);
        let three = ["s1~s2", "s1~s3", "s2~s1"];
        let single = ["path/s1~s2 (1)", "path/s1~s3 (1)", "path/s2~s1 (1)"];
        check(&map, &three, &[], &s1, &single);
    }
}
