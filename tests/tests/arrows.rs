//! Which crate may know which: the list of arrows, held against `cargo metadata`.
//!
//! Only our own crates are arrows. What else the pure crates must not know is
//! asserted here too, because it is the same promise.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use owl_tests::repository;
use serde_json::Value;

/// How well a list is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Each arrow is there, and no other.
    Exactly,
    /// No other arrow is there; what stands at the top takes what its commands and suites need.
    AtMost,
}

struct Arrows {
    from: &'static str,
    kept: Kept,
    /// For the crate itself.
    to: &'static [&'static str],
    /// For its tests and benchmarks, besides.
    tests_to: &'static [&'static str],
}

const ARROWS: [Arrows; 11] = [
    Arrows {
        from: "owl-measure",
        kept: Kept::Exactly,
        to: &[],
        tests_to: &["owl-sim"],
    },
    Arrows {
        from: "owl-protocol",
        kept: Kept::Exactly,
        to: &["owl-measure"],
        tests_to: &["owl-sim"],
    },
    Arrows {
        from: "owl-topology",
        kept: Kept::Exactly,
        to: &["owl-measure"],
        tests_to: &["owl-sim"],
    },
    Arrows {
        from: "owl-sim",
        kept: Kept::Exactly,
        to: &[],
        tests_to: &[],
    },
    Arrows {
        from: "owl-probe",
        kept: Kept::Exactly,
        to: &["owl-measure", "owl-protocol", "owl-topology"],
        tests_to: &[],
    },
    Arrows {
        from: "owl-collector",
        kept: Kept::Exactly,
        to: &["owl-measure", "owl-topology"],
        tests_to: &[],
    },
    Arrows {
        from: "owl-lab",
        kept: Kept::AtMost,
        to: &[
            "owl-collector",
            "owl-measure",
            "owl-probe",
            "owl-protocol",
            "owl-sim",
            "owl-topology",
        ],
        tests_to: &[],
    },
    Arrows {
        from: "owl-bench",
        kept: Kept::AtMost,
        to: &[
            "owl-measure",
            "owl-probe",
            "owl-protocol",
            "owl-sim",
            "owl-topology",
        ],
        tests_to: &[
            "owl-collector",
            "owl-measure",
            "owl-probe",
            "owl-protocol",
            "owl-sim",
            "owl-topology",
        ],
    },
    Arrows {
        from: "owl",
        kept: Kept::AtMost,
        to: &[
            "owl-bench",
            "owl-collector",
            "owl-lab",
            "owl-measure",
            "owl-probe",
            "owl-protocol",
            "owl-topology",
        ],
        tests_to: &[],
    },
    Arrows {
        from: "owl-tests",
        kept: Kept::AtMost,
        to: &["owl-lab"],
        tests_to: &["owl-lab"],
    },
    Arrows {
        from: "owl-fuzz",
        kept: Kept::Exactly,
        to: &[
            "owl-collector",
            "owl-measure",
            "owl-protocol",
            "owl-topology",
        ],
        tests_to: &[],
    },
];

/// No socket, file, thread, runtime, environment or "now".
const PURE: [&str; 4] = ["owl-measure", "owl-protocol", "owl-topology", "owl-sim"];

/// What a pure crate would need for any of these, however far away.
const IMPURE: [&str; 9] = [
    "axum", "mio", "nix", "pnet", "quinn", "rusqlite", "rustix", "socket2", "tokio",
];
/// The same, in a crate's own hands; further away it is how a hash asks which instructions the processor has.
const IMPURE_OWN: &str = "libc";

struct Package {
    name: String,
    manifest: PathBuf,
    /// (name, whether it is for tests alone)
    dependencies: Vec<(String, bool)>,
}

fn metadata(options: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .current_dir(repository())
        .args(["metadata", "--format-version", "1"])
        .args(options)
        .output()
        .expect("cargo runs this test, so it can be started");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key]
        .as_array()
        .unwrap_or_else(|| panic!("cargo metadata has no list {key}"))
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key]
        .as_str()
        .unwrap_or_else(|| panic!("cargo metadata has no text {key}"))
}

fn packages() -> Vec<Package> {
    let metadata = metadata(&["--no-deps"]);
    let package = |package| Package {
        name: text(package, "name").to_owned(),
        manifest: text(package, "manifest_path").into(),
        dependencies: list(package, "dependencies")
            .iter()
            .map(|dependency| {
                (
                    text(dependency, "name").to_owned(),
                    dependency["kind"] == "dev",
                )
            })
            .collect(),
    };
    list(&metadata, "packages").iter().map(package).collect()
}

#[test]
fn every_crate_knows_only_what_the_list_allows() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(
        ours,
        ARROWS.iter().map(|arrows| arrows.from).collect(),
        "each crate has its row in the list"
    );
    let mut wrong = Vec::new();
    for arrows in &ARROWS {
        let package = packages
            .iter()
            .find(|package| package.name == arrows.from)
            .unwrap();
        let found = |for_tests: bool| -> BTreeSet<&str> {
            let dependencies = package
                .dependencies
                .iter()
                .filter(|(_, dev)| *dev == for_tests);
            dependencies
                .map(|(name, _)| name.as_str())
                .filter(|name| ours.contains(name))
                .collect()
        };
        let (listed, listed_for_tests) = (
            BTreeSet::from_iter(arrows.to.iter().copied()),
            BTreeSet::from_iter(arrows.tests_to.iter().copied()),
        );
        wrong.extend(
            found(false)
                .difference(&listed)
                .map(|to| format!("{} → {to} is not in the list", arrows.from)),
        );
        wrong.extend(
            found(true)
                .difference(&listed_for_tests)
                .map(|to| format!("{} → {to} for its tests is not in the list", arrows.from)),
        );
        if arrows.kept == Kept::Exactly {
            wrong.extend(
                listed
                    .difference(&found(false))
                    .map(|to| format!("{} → {to} is in the list and not there", arrows.from)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_probe_and_the_collector_never_meet() {
    for (a, b) in [
        ("owl-probe", "owl-collector"),
        ("owl-collector", "owl-probe"),
    ] {
        let reached = reached(a);
        assert!(!reached.contains(b), "{a} reaches {b}");
    }
}

/// Everything that a crate is built with, but for its tests and for the compiler's own plug-ins and build scripts.
fn reached(crate_name: &str) -> BTreeSet<String> {
    let metadata = metadata(&[]);
    let by_id = |list: &'_ [Value]| -> BTreeMap<String, Value> {
        list.iter()
            .map(|entry| (text(entry, "id").to_owned(), entry.clone()))
            .collect()
    };
    let (packages, nodes) = (
        by_id(list(&metadata, "packages")),
        by_id(list(&metadata["resolve"], "nodes")),
    );
    let is_plug_in = |id: &str| {
        let mut kinds = list(&packages[id], "targets")
            .iter()
            .flat_map(|target| list(target, "kind"));
        kinds.any(|kind| kind == "proc-macro")
    };
    let (root, _) = packages
        .iter()
        .find(|(_, package)| package["name"] == crate_name)
        .unwrap_or_else(|| panic!("there is no crate {crate_name}"));
    let mut to_visit = vec![root.as_str()];
    let mut visited = BTreeSet::new();
    while let Some(id) = to_visit.pop() {
        if !visited.insert(id) {
            continue;
        }
        for dependency in list(&nodes[id], "deps") {
            let is_linked = list(dependency, "dep_kinds")
                .iter()
                .any(|kind| kind["kind"].is_null());
            let id = text(dependency, "pkg");
            if is_linked && !is_plug_in(id) {
                to_visit.push(id);
            }
        }
    }
    visited.remove(root.as_str());
    visited
        .into_iter()
        .map(|id| text(&packages[id], "name").to_owned())
        .collect()
}

#[test]
fn a_pure_crate_is_kept_pure_by_its_dependencies_its_compiler_and_its_lints() {
    let packages = packages();
    for name in PURE {
        let reached = reached(name);
        for impure in IMPURE {
            assert!(!reached.contains(impure), "{name} reaches {impure}");
        }
        let package = packages
            .iter()
            .find(|package| package.name == name)
            .unwrap();
        assert!(
            package
                .dependencies
                .iter()
                .all(|(dependency, _)| dependency != IMPURE_OWN),
            "{name} depends on {IMPURE_OWN}"
        );
        let folder = package.manifest.parent().unwrap();
        let read = |path: &Path| {
            fs::read_to_string(folder.join(path))
                .unwrap_or_else(|error| panic!("{name}: {}: {error}", path.display()))
        };
        assert!(
            read(Path::new("src/lib.rs")).contains("#![forbid(unsafe_code)]"),
            "{name} does not forbid unsafe code"
        );
        let lints = read(Path::new("clippy.toml"));
        assert!(
            lints.contains("disallowed-methods = ["),
            "{name} has no list of disallowed methods"
        );
        for method in [
            "std::time::Instant::now",
            "std::time::SystemTime::now",
            "std::thread::spawn",
            "std::net::UdpSocket::bind",
        ] {
            assert!(lints.contains(method), "{name} does not disallow {method}");
        }
    }
}
