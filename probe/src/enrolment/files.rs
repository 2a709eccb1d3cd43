//! Files that are replaced as a whole, and are on the disk before their name is.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {file}", file = .file.display())]
pub struct FileError {
    /// Which.
    pub file: PathBuf,
    /// Why not.
    pub source: io::Error,
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readable {
    /// Its owner alone.
    Owner,
    /// Everybody.
    All,
}

/// Replaces a file, or makes it.
pub(super) fn replace(file: &Path, text: &str, readable: Readable) -> Result<(), FileError> {
    let fault = |source| FileError {
        file: file.to_owned(),
        source,
    };
    // What a link leads to is replaced, not the link.
    let file = match fs::canonicalize(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => file.to_owned(),
        found => found.map_err(fault)?,
    };
    let directory = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = directory.join(name);
    let written = || -> io::Result<()> {
        // Anew, so that its mode is ours; what an earlier attempt left goes.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mode = match readable {
            Readable::Owner => 0o600,
            Readable::All => 0o644,
        };
        let mut options = File::options();
        let mut opened = options.write(true).create_new(true).mode(mode).open(&new)?;
        opened.write_all(text.as_bytes())?;
        hand_over(&new, directory)?;
        opened.sync_all()?;
        fs::rename(&new, &file)?;
        File::open(directory)?.sync_all()
    };
    written().map_err(fault)
}

/// Makes a directory with those above it, where it is not there.
pub(super) fn directory(directory: &Path) -> Result<(), FileError> {
    fs::create_dir_all(directory).map_err(|source| FileError {
        file: directory.to_owned(),
        source,
    })
}

/// Takes a file away, if it is there.
pub(super) fn remove(file: &Path) -> Result<(), FileError> {
    match fs::remove_file(file) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(FileError {
            file: file.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Gives what root made to whom the directory belongs, so that the probe can use it. Who is not allowed to has nothing to
/// give: his files are his own.
fn hand_over(made: &Path, directory: &Path) -> io::Result<()> {
    let (made_by, owner) = (fs::metadata(made)?, fs::metadata(directory)?);
    if (made_by.uid(), made_by.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    match std::os::unix::fs::chown(made, Some(owner.uid()), Some(owner.gid())) {
        Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_a_link_to_it_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("a"), directory.path().join("b"));
        symlink(&file, &link).unwrap();
        let mode = |file: &Path| fs::metadata(file).unwrap().permissions().mode() & 0o777;
        replace(&file, "one", Readable::All).unwrap();
        fs::write(directory.path().join("a.new"), "left by an earlier attempt").unwrap();
        replace(&link, "two", Readable::Owner).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(mode(&file), 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let left = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 2, "nothing else is left");
        remove(&file).unwrap();
        remove(&file).unwrap();
        let error = replace(&directory.path().join("no/a"), "", Readable::All).unwrap_err();
        assert!(error.to_string().contains("no/a"), "{error}");
    }
}
