//! What the collector knows of its probes' certificates, on the disk.
//!
//! `identity/` in the state directory holds `authority.pem` (the key that
//! signs, and its certificate) and `probes.json` (the roll). A running
//! collector and the commands share them: whoever changes something holds the
//! lock meanwhile, and a file is replaced as a whole, on the disk before its
//! name is.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::authority::{Authority, SigningError};
use super::roll::Roll;
use crate::now::now;

/// The version of `probes.json`.
const VERSION: u32 = 1;
/// How long the lock is waited for; it is held for the time of two writes.
const LOCK: Duration = Duration::from_secs(10);
/// How often it is tried.
const LOCK_AGAIN: Duration = Duration::from_millis(5);
/// The largest file that is read: a hundred thousand probes.
const FILE_OCTETS_MAX: u64 = 64 << 20;

/// What is known of probes' certificates cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A file cannot be read.
    #[error("cannot read {file}", file = .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {file}", file = .file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process holds the lock and does not let go.
    #[error("cannot lock {file}: another owl holds it", file = .file.display())]
    Locked {
        /// The lock's file.
        file: PathBuf,
    },
    /// The roll is no JSON, or not what was written there.
    #[error("cannot understand {file}", file = .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The roll was written by another version.
    #[error("cannot use {file}: it is version {found}, and this collector knows version {VERSION}", file = .file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The authority cannot be made or used.
    #[error("cannot use the authority {file}", file = .file.display())]
    Authority {
        /// Its file.
        file: PathBuf,
        /// Why.
        source: SigningError,
    },
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    #[serde(flatten)]
    roll: Roll,
}

/// Tells one content of the roll from the next without reading it: every change is another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edition {
    inode: u64,
    changed_s: i64,
    changed_ns: i64,
    octets: u64,
}

/// The directory.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    directory: PathBuf,
}

/// The lock, held while this lives.
struct Held(#[expect(dead_code, reason = "the lock is the file's, and ends with it")] File);

impl Registry {
    /// The registry of a state directory, made where it is not there; others than its owner may not look into it.
    pub(crate) fn open(state: &Path) -> Result<Self, RegistryError> {
        let directory = state.join("identity");
        let write = |source| RegistryError::Write {
            file: directory.clone(),
            source,
        };
        fs::create_dir_all(state).map_err(write)?;
        match fs::DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => hand_over(&directory, state).map_err(write)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(write(error)),
        }
        Ok(Self { directory })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The authority; drawn now where there is none.
    pub(crate) fn authority(&self) -> Result<Authority, RegistryError> {
        let file = self.file("authority.pem");
        let fault = |source| RegistryError::Authority {
            file: file.clone(),
            source,
        };
        if let Some(text) = read(&file)? {
            return Authority::read(&text).map_err(fault);
        }
        let _held = self.lock()?;
        // Somebody else may have been here first.
        let text = match read(&file)? {
            Some(text) => text,
            None => {
                let text = Authority::make(now()).map_err(fault)?;
                self.replace(&file, &text)?;
                text
            }
        };
        Authority::read(&text).map_err(fault)
    }

    /// The key that signs plans: the kept one as long as it `serves`, else one that is made now. `read` makes it usable.
    pub(crate) fn plan_key<T>(
        &self,
        serves: impl Fn(&str) -> bool,
        make: impl FnOnce() -> Result<String, SigningError>,
        read_key: impl FnOnce(&str) -> Result<T, SigningError>,
    ) -> Result<T, RegistryError> {
        let file = self.file("plan.pem");
        let fault = |source| RegistryError::Authority {
            file: file.clone(),
            source,
        };
        if let Some(text) = read(&file)?.filter(|text| serves(text)) {
            return read_key(&text).map_err(fault);
        }
        let _held = self.lock()?;
        // Somebody else may have been here first.
        let text = match read(&file)?.filter(|text| serves(text)) {
            Some(text) => text,
            None => {
                let text = make().map_err(fault)?;
                self.replace(&file, &text)?;
                text
            }
        };
        read_key(&text).map_err(fault)
    }

    /// The roll as it is.
    pub(crate) fn roll(&self) -> Result<Roll, RegistryError> {
        let file = self.file("probes.json");
        let Some(text) = read(&file)? else {
            return Ok(Roll::default());
        };
        let stored: Stored =
            serde_json::from_str(&text).map_err(|source| RegistryError::Damaged {
                file: file.clone(),
                source,
            })?;
        if stored.version == VERSION {
            Ok(stored.roll)
        } else {
            Err(RegistryError::Version {
                file,
                found: stored.version,
            })
        }
    }

    /// Which content the roll has; `None` while there is none.
    pub(crate) fn edition(&self) -> Result<Option<Edition>, RegistryError> {
        let file = self.file("probes.json");
        match fs::metadata(&file) {
            Ok(found) => Ok(Some(Edition {
                inode: found.ino(),
                changed_s: found.ctime(),
                changed_ns: found.ctime_nsec(),
                octets: found.len(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RegistryError::Read { file, source }),
        }
    }

    /// Changes the roll, with nobody else between reading and writing. What `change` refuses is not written; what it
    /// changes is on the disk when this returns.
    pub(crate) fn change<T, E>(
        &self,
        change: impl FnOnce(&mut Roll) -> Result<T, E>,
    ) -> Result<Result<T, E>, RegistryError> {
        let _held = self.lock()?;
        let mut roll = self.roll()?;
        let answer = change(&mut roll);
        if answer.is_ok() {
            let stored = Stored {
                version: VERSION,
                roll,
            };
            let text = serde_json::to_string_pretty(&stored)
                .expect("our own structs have string keys and no floats");
            self.replace(&self.file("probes.json"), &text)?;
        }
        Ok(answer)
    }

    fn lock(&self) -> Result<Held, RegistryError> {
        let file = self.file("lock");
        let fault = |source| RegistryError::Write {
            file: file.clone(),
            source,
        };
        let lock = private().open(&file).map_err(fault)?;
        hand_over(&file, &self.directory).map_err(fault)?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Held(lock)),
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCK => {
                    thread::sleep(LOCK_AGAIN);
                }
                Err(TryLockError::WouldBlock) => return Err(RegistryError::Locked { file }),
                Err(TryLockError::Error(error)) => return Err(fault(error)),
            }
        }
    }

    /// Replaces a file as a whole. The lock is held, so nobody else uses the same name meanwhile.
    fn replace(&self, file: &Path, text: &str) -> Result<(), RegistryError> {
        let new = file.with_extension("new");
        let written = || -> io::Result<()> {
            let mut opened = private().truncate(true).open(&new)?;
            opened.write_all(text.as_bytes())?;
            hand_over(&new, &self.directory)?;
            opened.sync_all()?;
            fs::rename(&new, file)?;
            File::open(&self.directory)?.sync_all()
        };
        written().map_err(|source| RegistryError::Write {
            file: file.to_owned(),
            source,
        })
    }
}

/// For files that hold secrets: their owner's alone.
fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true).create(true).mode(0o600);
    options
}

/// Gives what the administrator's command made to whom the directory belongs, so that the collector can use it. Who is
/// not allowed to has nothing to give: his files are his own.
pub(crate) fn hand_over(made: &Path, like: &Path) -> io::Result<()> {
    let (made_by, owner) = (fs::metadata(made)?, fs::metadata(like)?);
    if (made_by.uid(), made_by.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    match std::os::unix::fs::chown(made, Some(owner.uid()), Some(owner.gid())) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

/// The text of a file; `None` when it is not there.
fn read(file: &Path) -> Result<Option<String>, RegistryError> {
    let mut text = String::new();
    let outcome = File::open(file).and_then(|opened| {
        let octets = opened.take(FILE_OCTETS_MAX + 1).read_to_string(&mut text)?;
        if octets as u64 > FILE_OCTETS_MAX {
            return Err(io::Error::other("it is too large"));
        }
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RegistryError::Read {
            file: file.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use owl_measure::time::Timestamp;

    use super::*;

    #[test]
    fn what_is_changed_is_read_again_and_what_is_refused_is_not_written() {
        let state = tempfile::tempdir().unwrap();
        let registry = Registry::open(state.path()).unwrap();
        assert_eq!(registry.roll().unwrap(), Roll::default());
        assert_eq!(registry.edition().unwrap(), None);
        let revoke = |probe: &'static str| {
            move |roll: &mut Roll| {
                roll.revoke(probe, Timestamp(7));
                Ok::<_, ()>(())
            }
        };
        registry.change(revoke("p")).unwrap().unwrap();
        let first = registry.edition().unwrap();
        let refused = registry.change(|roll| {
            roll.revoke("r", Timestamp(8));
            Err::<(), _>("no")
        });
        assert_eq!(refused.unwrap(), Err("no"));
        assert_eq!(registry.edition().unwrap(), first);
        registry.change(revoke("q")).unwrap().unwrap();
        assert_ne!(registry.edition().unwrap(), first);
        let known: Vec<String> = registry.roll().unwrap().probes.into_keys().collect();
        assert_eq!(known, ["p", "q"]);
    }

    #[test]
    fn the_authority_is_drawn_once_however_many_come_at_once() {
        let state = tempfile::tempdir().unwrap();
        let registry = Registry::open(state.path()).unwrap();
        let drawn: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| registry.authority().unwrap().fingerprint()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(drawn.iter().all(|fingerprint| *fingerprint == drawn[0]));
    }

    #[test]
    fn nobody_else_may_read_any_of_it() {
        let state = tempfile::tempdir().unwrap();
        let registry = Registry::open(state.path()).unwrap();
        registry.authority().unwrap();
        registry.change(|_| Ok::<_, ()>(())).unwrap().unwrap();
        let mut files = vec![registry.directory.clone()];
        let inside = fs::read_dir(&registry.directory).unwrap();
        files.extend(inside.map(|entry| entry.unwrap().path()));
        assert_eq!(files.len(), 4, "{files:?}");
        for file in files {
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", file.display());
        }
    }

    #[test]
    fn a_roll_that_cannot_be_understood_lets_nobody_in_and_is_named() {
        let state = tempfile::tempdir().unwrap();
        let registry = Registry::open(state.path()).unwrap();
        for (text, expected) in [
            ("{", "cannot understand"),
            ("{\"version\": 2, \"probes\": {}}", "is version 2"),
            ("{\"version\": 1}", "cannot understand"),
        ] {
            fs::write(registry.file("probes.json"), text).unwrap();
            let error = registry.roll().unwrap_err().to_string();
            assert!(
                error.contains(expected) && error.contains("probes.json"),
                "{error}"
            );
            assert!(registry.change(|_| Ok::<_, ()>(())).is_err());
        }
    }
}
