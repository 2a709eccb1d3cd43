//! Who may use a control server, and with which pass-phrase: a TOML file of
//! lines such as `yannan = "four words of it"`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use owl_protocol::session::control::{Identity, Offer};
use owl_protocol::wire::NtpTimestamp;
use owl_protocol::wire::owamp::{KeyId, Modes, Passphrase};
use serde::{Deserialize, Deserializer, de};

use crate::clock::Clock;
use crate::secret::{self, SecretFileError};

/// Users of one file; a file with more is refused.
const USERS_MAX: usize = 1_000;
/// Rounds of key derivation, a millisecond or so: what a stranger's try costs this host.
const ROUNDS: u32 = 4_096;

/// A file of pass-phrases that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be read, or is not to be.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// It is no TOML of `NAME = "pass-phrase"`.
    #[error("cannot use {file}:{line}: {what}", file = .file.display())]
    At {
        /// Which.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there, without quoting it.
        what: String,
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

impl UsersError {
    /// How to mend it.
    pub fn hint(&self) -> String {
        match self {
            Self::File(error) => error.hint(),
            Self::At { .. } | Self::Refused { .. } => None,
        }
        .unwrap_or_else(|| {
            "users are TOML lines of NAME = \"pass-phrase\"; one user's pass-phrase is the first line of a file"
                .to_owned()
        })
    }
}

/// A pass-phrase as it stands in the file. serde's words for a value of another kind would quote it.
struct Secret(String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        const EXPECTED: &str = "a pass-phrase stands in quotes";
        impl de::Visitor<'_> for Visitor {
            type Value = Secret;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a pass-phrase in quotes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret(text.to_owned()))
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
                Err(E::custom(EXPECTED))
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom(EXPECTED))
            }
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
                Err(E::custom(EXPECTED))
            }
            fn visit_i128<E: de::Error>(self, _: i128) -> Result<Secret, E> {
                Err(E::custom(EXPECTED))
            }
            fn visit_u128<E: de::Error>(self, _: u128) -> Result<Secret, E> {
                Err(E::custom(EXPECTED))
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom(EXPECTED))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads the users of a server.
///
/// # Errors
/// When the file cannot be read or understood, is readable by others, or has no user or too many.
pub fn read_users(file: &Path) -> Result<Arc<[Identity]>, UsersError> {
    let text = secret::read(file)?;
    let users: BTreeMap<String, Secret> = toml::from_str(&text).map_err(|error| {
        let (line, what) = secret::place(&text, &error);
        UsersError::At {
            file: file.into(),
            line,
            what,
        }
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
        .map(|(name, secret)| identity(file, name, &secret.0))
        .collect()
}

/// Reads the pass-phrase of one user: the first line of a file.
///
/// # Errors
/// When the file cannot be read, is readable by others, or its first line is empty.
pub fn read_pass_phrase(file: &Path, user: &str) -> Result<Identity, UsersError> {
    let text = secret::read(file)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

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
        check("a = \"b\"", 0o644, "0644");
        check("a = 1", 0o600, ":1: a pass-phrase stands in quotes");
        check("", 0o600, "0 users");
        check("a = \"\"", 0o600, "empty");
        check("a = \"two\\nlines\"", 0o600, "line break");
        check(&format!("{} = \"b\"", "x".repeat(81)), 0o600, "80 octets");
        let file = written("\n", 0o600);
        assert!(read_pass_phrase(file.path(), "a").is_err());
        assert!(read_users(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_never_quoted() {
        for (text, line) in [
            ("a = \"b\"\nc = s3cret words\n", 2),
            ("a = \"s3cret\n", 1),
            ("a = \"b\"\na = \"s3cret\"\n", 2),
            ("\n\na = 53763213\n", 3),
            ("a = 5376.3213\n", 1),
            ("a = 99999999999999999999\n", 1),
            ("a = true\n", 1),
            ("a = [\"s3cret\"]\n", 1),
            ("a = { b = \"s3cret\" }\n", 1),
            ("a = 1987-06-05\n", 1),
            ("s3cret words\n", 1),
        ] {
            let file = written(text, 0o600);
            let error = read_users(file.path()).map(|_| ()).unwrap_err();
            assert!(std::error::Error::source(&error).is_none(), "{error:?}");
            let said = format!("{error} {error:?}");
            assert!(error.to_string().contains(&format!(":{line}: ")), "{said}");
            for secret in ["s3cret", "5376", "9999", "true", "1987"] {
                assert!(!said.contains(secret), "{text}: {said}");
            }
        }
    }

    #[test]
    fn a_pipe_or_a_directory_is_no_file_and_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for path in [pipe.as_path(), folder.path()] {
            for error in [
                read_users(path).map(|_| ()).unwrap_err(),
                read_pass_phrase(path, "a").map(|_| ()).unwrap_err(),
            ] {
                assert!(error.to_string().contains("no regular file"), "{error}");
            }
        }
    }
}
