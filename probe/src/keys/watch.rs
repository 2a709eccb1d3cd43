//! A key file that is looked at again while its keys are in use.
//!
//! Changed keys are used from then on. A file that cannot be used changes
//! nothing, and that is said once for each change of it, not at each look.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{KeyFileError, LiveKeys, read};

/// What tells one content of a file from the next: device, inode, octets, and when it was written and changed.
type Print = (u64, u64, u64, (i64, i64), (i64, i64));

/// A key file, and the keys of it that are in use.
#[derive(Debug)]
pub struct KeyWatch {
    file: PathBuf,
    /// `None` while there is no file.
    looked: Option<Print>,
    live: Arc<LiveKeys>,
}

fn print(file: &Path) -> Option<Print> {
    let meta = fs::metadata(file).ok()?;
    Some((
        meta.dev(),
        meta.ino(),
        meta.size(),
        (meta.mtime(), meta.mtime_nsec()),
        (meta.ctime(), meta.ctime_nsec()),
    ))
}

impl KeyWatch {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(file: &Path) -> Result<Self, KeyFileError> {
        // Before it is read: a change in between is seen at the next look.
        let looked = print(file);
        Ok(Self {
            file: file.into(),
            looked,
            live: Arc::new(LiveKeys::new(read(file)?)),
        })
    }

    /// The keys, for who uses them.
    pub fn live(&self) -> Arc<LiveKeys> {
        Arc::clone(&self.live)
    }

    /// Reads the file again if it has changed since the last look; whether the keys in use are others now. What happened
    /// is logged.
    pub fn look(&mut self) -> bool {
        let now = print(&self.file);
        if now == self.looked {
            return false;
        }
        self.looked = now;
        self.reload()
    }

    /// Reads the file again, whether it has changed or not; whether the keys in use are others now. What happened is
    /// logged.
    pub fn reload(&mut self) -> bool {
        let file = self.file.display();
        match read(&self.file) {
            Ok(store) => {
                self.live.replace(store);
                tracing::info!(%file, "keys were read again");
                true
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "the keys of before stay in use");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn write(file: &Path, text: &str) {
        // As an editor does it: a new file in place of the old one.
        let new = file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, file).unwrap();
    }

    fn entry(octet: &str) -> String {
        format!("[[session]]\nkey = \"{}\"\n", octet.repeat(16))
    }

    #[test]
    fn a_bad_file_keeps_the_keys_and_is_tried_once_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.toml");
        write(&file, &entry("01"));
        let mut watch = KeyWatch::open(&file).unwrap();
        let live = watch.live();
        let mut seen = 0;
        assert!(!watch.look(), "nothing has changed");
        write(&file, &entry("02"));
        assert!(watch.look() && live.since(&mut seen).is_some());
        for bad in ["", "[[session]]\nkey = \"02\"\n", "colour = 1\n"] {
            write(&file, bad);
            assert!(!watch.look() && live.since(&mut seen).is_none(), "{bad}");
            assert!(!live.current().is_empty());
        }
        fs::remove_file(&file).unwrap();
        assert!(!watch.look());
        assert!(
            !live.current().is_empty(),
            "a file that went away is no new key"
        );
        write(&file, &entry("03"));
        assert!(watch.look() && live.since(&mut seen).is_some());
        assert!(watch.reload(), "SIGHUP reads it however it looks");
    }
}
