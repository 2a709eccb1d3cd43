//! What an agent lets ask: a file that is referred to, and never the secret itself.

use std::fmt;
use std::path::{Path, PathBuf};

use owl_protocol::snmp::usm::{MasterKeys, ShortPassphrase};
use serde::Deserialize;

use crate::secret::{self, SecretFileError};

/// The longest community and the longest user name that are spoken (RFC 3414, section 5: 32 octets for the latter).
const NAME_OCTETS_MAX: usize = 255;

/// What an agent lets ask.
#[derive(Clone)]
pub enum Credentials {
    /// SNMPv2c: a word in clear text.
    Community(Vec<u8>),
    /// SNMPv3: a user with HMAC-SHA-256 and, with a second pass phrase, AES-128.
    User {
        /// The name.
        name: String,
        /// The keys, before they are made those of one agent.
        keys: MasterKeys,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Community(_) => "SNMPv2c",
            Self::User { .. } => "SNMPv3",
        })
    }
}

/// The file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    community: Option<String>,
    user: Option<String>,
    authentication: Option<String>,
    privacy: Option<String>,
}

/// A file that lets nobody ask.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// It cannot be read, or others can.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// It is no TOML, or has other keys. What stands in it is not repeated.
    #[error("cannot understand {file}: it is no TOML with community, or user, authentication and privacy", file = .file.display())]
    Form {
        /// Which.
        file: PathBuf,
    },
    /// It has neither a community nor a user with a pass phrase, or both.
    #[error("cannot use {file}: it must have either community, or user and authentication", file = .file.display())]
    Neither {
        /// Which.
        file: PathBuf,
    },
    /// A pass phrase is too short.
    #[error("cannot use {file}", file = .file.display())]
    Short {
        /// Which.
        file: PathBuf,
        /// How short.
        source: ShortPassphrase,
    },
}

impl CredentialsError {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Form { .. } | Self::Neither { .. } => Some(
                "community = \"…\" asks by SNMPv2c; user, authentication and privacy (two pass phrases) by SNMPv3"
                    .to_owned(),
            ),
            Self::Short { .. } => None,
        }
    }
}

impl Credentials {
    /// Those of a file, which only its owner and its group may read.
    ///
    /// # Errors
    /// When the file cannot be read, lets others read it, or does not say who asks.
    pub fn read(file: &Path) -> Result<Self, CredentialsError> {
        Self::from_text(&secret::read(file)?, file)
    }

    fn from_text(text: &str, file: &Path) -> Result<Self, CredentialsError> {
        let named = || file.to_path_buf();
        let read: File =
            toml::from_str(text).map_err(|_| CredentialsError::Form { file: named() })?;
        match read {
            File {
                community: Some(community),
                user: None,
                authentication: None,
                privacy: None,
            } if (1..=NAME_OCTETS_MAX).contains(&community.len()) => {
                Ok(Self::Community(community.into_bytes()))
            }
            File {
                community: None,
                user: Some(name),
                authentication: Some(authentication),
                privacy,
            } if (1..=NAME_OCTETS_MAX).contains(&name.len()) => {
                let privacy = privacy.as_ref().map(String::as_bytes);
                let keys =
                    MasterKeys::new(authentication.as_bytes(), privacy).map_err(|source| {
                        CredentialsError::Short {
                            file: named(),
                            source,
                        }
                    })?;
                Ok(Self::User { name, keys })
            }
            _ => Err(CredentialsError::Neither { file: named() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_one_way_to_ask_and_no_message_repeats_a_secret() {
        let read = |text: &str| Credentials::from_text(text, Path::new("olt.toml"));
        let shown = |text: &str| match read(text) {
            Ok(credentials) => format!("{credentials:?}"),
            Err(error) => error.to_string(),
        };
        let v3 = "user = \"owl\"\nauthentication = \"maplesyrup\"\n";
        assert_eq!(shown("community = \"hidden\""), "SNMPv2c");
        assert_eq!(shown(v3), "SNMPv3");
        assert_eq!(shown(&format!("{v3}privacy = \"maplesyrup\"")), "SNMPv3");
        for text in [
            "",
            "community = \"\"",
            "community = \"hidden\"\nuser = \"owl\"",
            "user = \"hidden\"",
            "community = hidden",
            "communities = \"hidden\"",
            "user = \"owl\"\nauthentication = \"hidden\"",
        ] {
            let message = shown(text);
            assert!(message.starts_with("cannot"), "{message}");
            assert!(!message.contains("hidden"), "{message}");
        }
    }
}
