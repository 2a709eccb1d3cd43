//! The rules by which windows are judged: everything but the reports that a verdict depends on.
//!
//! Targets, profiles, light floors and the coordinates behind them, of all
//! paths at once, because a clock's claim is refuted on any path of its probe.
//! A rulebook is named by the SHA-256 of its text and kept in the store beside
//! the verdicts, which name it; so a topology that changes changes nothing of
//! what is told of an old verdict.

use std::collections::BTreeMap;
use std::fmt;

use owl_measure::delay::Floors;
use owl_measure::implied::Declared;
use owl_measure::time::Nanos;
use owl_measure::verdict::Profile;
use owl_topology::{Path, Topology};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Which judge this is. It counts up when the same reports and rules would be judged otherwise than before.
const METHOD: u32 = 2;

/// SHA-256, in hexadecimal.
pub(crate) fn sha256_hex(octets: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(octets))
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The rules of all judged paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// Which judge applies them.
    pub(crate) method: u32,
    /// The name of the topology that they come from.
    pub(crate) topology: String,
    /// SHA-256 of its files.
    pub(crate) generation: String,
    /// Its time zone.
    pub(crate) timezone: String,
    /// Sites of judged paths, by id.
    pub(crate) sites: BTreeMap<String, SiteRule>,
    /// Profiles of judged paths, by id.
    pub(crate) profiles: BTreeMap<String, Profile>,
    /// By id, `FROM~TO`.
    pub(crate) paths: BTreeMap<String, PathRule>,
}

/// Where a site is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct SiteRule {
    /// Degrees north (WGS-84).
    pub(crate) lat: f64,
    /// Degrees east (WGS-84).
    pub(crate) lon: f64,
    /// It lies within this many kilometres of the point.
    pub(crate) accuracy_km: f64,
}

/// What holds for one path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PathRule {
    /// The path class that sets the target.
    pub(crate) class: String,
    /// The most that its one-way delay may be.
    #[serde(rename = "target_ns")]
    pub(crate) target: Nanos,
    /// The id of its profile.
    pub(crate) profile: String,
    /// The site that it begins at.
    pub(crate) from_site: String,
    /// The site that it ends at.
    pub(crate) to_site: String,
    /// What is declared of its route.
    pub(crate) declared: Declared,
    /// The light floors, seen along the path.
    pub(crate) floors: Floors,
}

/// A rule with its profile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule<'a> {
    /// Of the path.
    pub(crate) path: &'a PathRule,
    /// How it is judged.
    pub(crate) profile: &'a Profile,
}

/// Rules as they are kept: with the text that names them.
#[derive(Clone)]
pub(crate) struct Rulebook {
    /// What stands in it.
    pub(crate) rules: Rules,
    /// JSON.
    pub(crate) text: String,
    /// SHA-256 of the text, in hexadecimal.
    pub(crate) hash: String,
}

/// A rulebook that was kept and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulebookError {
    /// The text is not the one that was kept.
    #[error("its text is not the one that it is named by")]
    Changed,
    /// It is the one, and yet makes no sense here.
    #[error("this version cannot read it")]
    Unreadable,
}

impl fmt::Debug for Rulebook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rulebook({})", self.hash)
    }
}

impl Rules {
    /// The rules of `paths`, which are those of `topology` with the profiles that the collector judges by.
    fn of<'a>(topology: &Topology, paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut rules = Self {
            method: METHOD,
            topology: topology.name.clone(),
            generation: topology.generation.clone(),
            timezone: topology.timezone.clone(),
            sites: BTreeMap::new(),
            profiles: BTreeMap::new(),
            paths: BTreeMap::new(),
        };
        for path in paths {
            for site in [&path.from_site, &path.to_site] {
                let Some(declared) = topology.site(site) else {
                    continue;
                };
                let point = declared.point();
                let rule = SiteRule {
                    lat: point.lat,
                    lon: point.lon,
                    accuracy_km: point.accuracy_km,
                };
                rules.sites.insert(site.to_string(), rule);
            }
            let profile = &path.profile;
            rules
                .profiles
                .entry(profile.id.clone())
                .or_insert_with(|| profile.clone());
            let rule = PathRule {
                class: path.class.to_string(),
                target: path.target,
                profile: profile.id.clone(),
                from_site: path.from_site.to_string(),
                to_site: path.to_site.to_string(),
                declared: path.declared(),
                floors: Floors {
                    forward: path.floor_forward,
                    backward: path.floor_backward,
                },
            };
            rules.paths.insert(path.id.clone(), rule);
        }
        rules
    }

    /// The rule of a path.
    pub(crate) fn path(&self, id: &str) -> Option<Rule<'_>> {
        let path = self.paths.get(id)?;
        let profile = self.profiles.get(&path.profile)?;
        Some(Rule { path, profile })
    }
}

impl Rulebook {
    /// The rules of `paths`, which are those of `topology` with the profiles that the collector judges by.
    pub(crate) fn of<'a>(topology: &Topology, paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let rules = Rules::of(topology, paths);
        let text = serde_json::to_string(&rules)
            .expect("our own structs have string keys and finite numbers");
        let hash = sha256_hex(&text);
        Self { rules, text, hash }
    }

    /// From the text that was kept under `hash`.
    pub(crate) fn read(hash: &str, text: String) -> Result<Self, RulebookError> {
        if sha256_hex(&text) != hash {
            return Err(RulebookError::Changed);
        }
        let rules: Rules = serde_json::from_str(&text).map_err(|_| RulebookError::Unreadable)?;
        Ok(Self {
            rules,
            text,
            hash: hash.to_owned(),
        })
    }

    /// Whether this version judges as the one did that made it.
    pub(crate) fn is_of_this_judge(&self) -> bool {
        self.rules.method == METHOD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in() -> Rulebook {
        let topology = Topology::yancheng();
        Rulebook::of(&topology, &topology.paths())
    }

    #[test]
    fn a_rulebook_is_read_as_it_was_kept_and_no_other_text_passes_for_it() {
        let book = built_in();
        let read = Rulebook::read(&book.hash, book.text.clone()).unwrap();
        assert!(
            read.rules == book.rules,
            "a number was read otherwise than it was written"
        );
        assert!(read.is_of_this_judge());
        let easier = book
            .text
            .replacen("\"target_ns\":1000000", "\"target_ns\":9000000", 1);
        assert_ne!(easier, book.text);
        assert_eq!(
            Rulebook::read(&book.hash, easier).unwrap_err(),
            RulebookError::Changed
        );
        let nonsense = "{}".to_owned();
        assert_eq!(
            Rulebook::read(&sha256_hex(&nonsense), nonsense).unwrap_err(),
            RulebookError::Unreadable
        );
    }

    #[test]
    fn one_topology_has_one_rulebook_and_another_target_another() {
        assert_eq!(built_in().hash, built_in().hash);
        let mut topology = Topology::yancheng();
        topology.classes[0].target = Nanos::from_millis(2);
        let other = Rulebook::of(&topology, &topology.paths());
        assert_ne!(built_in().hash, other.hash);
    }

    #[test]
    fn every_path_finds_its_target_its_profile_and_its_sites() {
        let book = built_in();
        for path in Topology::yancheng().paths() {
            let rule = book.rules.path(&path.id).expect("a rule");
            assert_eq!(
                (rule.path.target, rule.profile),
                (path.target, &path.profile)
            );
            assert!(book.rules.sites.contains_key(&rule.path.from_site));
            assert!(book.rules.sites.contains_key(&rule.path.to_site));
        }
    }
}
