//! Who may use a control server, and with which pass-phrase: a TOML file of
//! lines such as `yannan = "four words of it"`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use owl_protocol::session::control::{Identity, Offer};
use owl_protocol::wire::NtpTimestamp;
use owl_protocol::wire::owamp::{KeyId, Modes, Passphrase};

use crate::clock::Clock;

/// Users of one file; a file with more is refused.
const USERS_MAX: usize = 1_000;
/// A pass-phrase file is read so far.
const OCTETS_MAX: u64 = 1 << 20;
/// Rounds of key derivation, a millisecond or so: what a stranger's try costs this host.
const ROUNDS: u32 = 4_096;

/// A file of pass-phrases that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be read.
    #[error("cannot read {file}", file = .file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Everyone on this host can read the pass-phrases.
    #[error("cannot use {file}: everyone on this host can read it; `chmod o-rwx` it", file = .file.display())]
    Exposed {
        /// Which.
        file: PathBuf,
    },
    /// It is no TOML of `NAME = "pass-phrase"`.
    #[error("cannot understand {file}", file = .file.display())]
    Parse {
        /// Which.
        file: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A name or a pass-phrase that the protocol cannot carry.
    #[error("cannot use {file}: {what}", file = .file.display())]
    Refused {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// What a server offers: to its users the `protected` modes alone, to everyone the unauthenticated one when it has none.
pub(crate) fn offer(users: Arc<[Identity]>, protected: Modes, clock: Clock) -> Offer {
    Offer {
        modes: if users.is_empty() {
            Modes::UNAUTHENTICATED
        } else {
            protected
        },
        identities: users,
        count: ROUNDS,
        started_at: NtpTimestamp::from_timestamp(clock.now()),
    }
}

/// Reads the users of a server.
///
/// # Errors
/// When the file cannot be read or understood, is readable by everyone, or has no user or too many.
pub fn read_users(file: &Path) -> Result<Arc<[Identity]>, UsersError> {
    let text = read_secret(file)?;
    let users: BTreeMap<String, String> =
        toml::from_str(&text).map_err(|source| UsersError::Parse {
            file: file.into(),
            source: Box::new(source),
        })?;
    if users.is_empty() || users.len() > USERS_MAX {
        return Err(refused(
            file,
            format!(
                "it has {} users; 1 to {USERS_MAX} are possible",
                users.len()
            ),
        ));
    }
    users
        .iter()
        .map(|(name, secret)| identity(file, name, secret))
        .collect()
}

/// Reads the pass-phrase of one user: the first line of a file.
///
/// # Errors
/// When the file cannot be read, is readable by everyone, or its first line is empty.
pub fn read_pass_phrase(file: &Path, user: &str) -> Result<Identity, UsersError> {
    let text = read_secret(file)?;
    identity(file, user, text.lines().next().unwrap_or_default())
}

fn refused(file: &Path, what: String) -> UsersError {
    UsersError::Refused {
        file: file.into(),
        what,
    }
}

fn identity(file: &Path, name: &str, secret: &str) -> Result<Identity, UsersError> {
    let key_id = KeyId::new(name)
        .filter(|_| !name.is_empty() && !name.contains('\0'))
        .ok_or_else(|| refused(file, format!("the name {name:?} is not of 1 to 80 octets")))?;
    let secret = Passphrase::new(secret.as_bytes())
        .filter(|_| !secret.is_empty())
        .ok_or_else(|| {
            refused(
                file,
                format!("the pass-phrase of {name:?} is empty or has a line break"),
            )
        })?;
    Ok(Identity { key_id, secret })
}

fn read_secret(file: &Path) -> Result<String, UsersError> {
    let read = |source| UsersError::Read {
        file: file.into(),
        source,
    };
    let known = fs::metadata(file).map_err(read)?;
    if known.permissions().mode() & 0o007 != 0 {
        return Err(UsersError::Exposed { file: file.into() });
    }
    if known.len() > OCTETS_MAX {
        return Err(refused(
            file,
            format!("it has more than {OCTETS_MAX} octets"),
        ));
    }
    fs::read_to_string(file).map_err(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn each_line_is_a_name_and_a_pass_phrase() {
        let file = written("yannan = \"four words\"\n\"东台\" = \"nine\"\n", 0o640);
        let users = read_users(file.path()).unwrap();
        assert_eq!(users.len(), 2);
        assert_eq!(Some(users[0].key_id), KeyId::new("yannan"));
        assert_eq!(Some(&users[1].secret), Passphrase::new(b"nine").as_ref());
        let file = written("four words\nand a remark\n", 0o600);
        let user = read_pass_phrase(file.path(), "yannan").unwrap();
        assert_eq!(Some(user.secret), Passphrase::new(b"four words"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_reason() {
        let check = |text: &str, mode, what: &str| {
            let file = written(text, mode);
            let said = read_users(file.path()).unwrap_err().to_string();
            assert!(said.contains(what), "{said}");
        };
        check("a = \"b\"", 0o644, "chmod");
        check("a = 1", 0o600, "understand");
        check("", 0o600, "0 users");
        check("a = \"\"", 0o600, "empty");
        check("a = \"two\\nlines\"", 0o600, "line break");
        check(&format!("{} = \"b\"", "x".repeat(81)), 0o600, "80 octets");
        let file = written("\n", 0o600);
        assert!(read_pass_phrase(file.path(), "a").is_err());
        assert!(read_users(Path::new("/nonexistent")).is_err());
    }
}
