//! Files that hold secrets: opened only when they are regular files that others
//! may neither read nor change, read so far, and never quoted in a message.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The largest file that is read.
pub(crate) const FILE_OCTETS_MAX: u64 = 1 << 20;
/// Permissions that a secret file must not have: its group may read it, others nothing.
const FORBIDDEN_MODE: u32 = 0o027;

/// A file of secrets that cannot be read, or is not to be.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("cannot read {file}", file = .file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("cannot use {file}: it is no regular file", file = .file.display())]
    NoFile {
        /// Which.
        file: PathBuf,
    },
    /// Others than its owner and its group may read it, or others than its owner may write it.
    #[error("cannot use {file}: its mode {mode:04o} lets others read or change it", file = .file.display())]
    Exposed {
        /// Which.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is larger than any file of secrets.
    #[error("cannot use {file}: it is larger than {FILE_OCTETS_MAX} octets", file = .file.display())]
    TooLarge {
        /// Which.
        file: PathBuf,
    },
}

impl SecretFileError {
    /// How to mend it, where that has nothing to do with what the file should hold.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { file, source } if source.kind() == ErrorKind::PermissionDenied => {
                Some(format!(
                    "its owner, or a member of its group when the mode is 0640, may read it: `ls -l {}` tells both",
                    file.display()
                ))
            }
            Self::Exposed { file, .. } => Some(format!(
                "`chmod 600 {}` leaves it to its owner",
                file.display()
            )),
            Self::Read { .. } | Self::NoFile { .. } | Self::TooLarge { .. } => None,
        }
    }
}

/// The text of a file of secrets.
///
/// # Errors
/// When it cannot be read, is no regular file, is too large, or lets others read or change it.
pub(crate) fn read(file: &Path) -> Result<String, SecretFileError> {
    let named = || file.to_path_buf();
    let failed = |source| SecretFileError::Read {
        file: named(),
        source,
    };
    // A pipe that nobody writes to would be waited for.
    let opened = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(file)
        .map_err(failed)?;
    // Of what was opened, not of what now has its name.
    let meta = opened.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(SecretFileError::NoFile { file: named() });
    }
    let mode = meta.permissions().mode() & 0o7777;
    if mode & FORBIDDEN_MODE != 0 {
        return Err(SecretFileError::Exposed {
            file: named(),
            mode,
        });
    }
    let mut text = String::new();
    let octets = opened
        .take(FILE_OCTETS_MAX + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if octets as u64 > FILE_OCTETS_MAX {
        return Err(SecretFileError::TooLarge { file: named() });
    }
    Ok(text)
}

/// Where TOML is wrong, counted from line 1, and what is: the Display of the error would quote the line.
pub(crate) fn place(text: &str, error: &toml::de::Error) -> (usize, String) {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.unwrap_or_default().matches('\n').count() + 1;
    (line, error.message().to_owned())
}
