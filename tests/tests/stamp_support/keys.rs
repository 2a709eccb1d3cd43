//! A key file for a test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Writes a key file with one secret, in hexadecimal digits, for every session; a new file in place of an old one.
pub(crate) fn key_file(folder: &Path, secret: &str) -> PathBuf {
    let file = folder.join("keys.toml");
    let new = folder.join("keys.new");
    fs::write(&new, format!("[[session]]\nkey = \"{secret}\"\n")).expect("a folder of our own");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).expect("a file of our own");
    fs::rename(&new, &file).expect("a folder of our own");
    file
}
