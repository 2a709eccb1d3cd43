//! Where the binary `owl` is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The binary `owl` that belongs to the sources: the one that `OWL_BINARY` names, or else built now.
///
/// Built with the whole workspace's features and into the target folder and profile of the running test,
/// so nothing is compiled twice; when nothing changed this takes a fraction of a second.
///
/// # Panics
/// When it cannot be built: no test of the appliance means anything then.
pub fn owl_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("OWL_BINARY") {
        Some(path) => path.into(),
        None => built(),
    })
}

fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a running test knows its own file");
    // target/PROFILE/deps/TEST
    let profile = test
        .ancestors()
        .nth(2)
        .expect("Cargo puts tests two folders below the target folder's profile");
    let target = profile
        .parent()
        .expect("a profile's folder lies in the target folder");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(crate::repository())
        .args(["build", "--quiet", "--workspace", "--bins", "--target-dir"])
        .arg(target);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let status = build
        .status()
        .expect("cargo runs this test, so it can be started");
    assert!(status.success(), "cannot build the binary owl: {status}");
    profile.join("owl")
}
