//! Secrets that a machine carries: the value of a token, and of a session's cookie.
//!
//! 192 random bits each, so nobody guesses one and a plain hash is enough to
//! keep. Whoever reads the store learns no value that would be let in.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};

use crate::identity::{SigningError, random};

/// 192 bits.
const OCTETS: usize = 24;
/// How the value of a token begins, so that one that lies about is recognised as what it is.
const TOKEN_MARK: &str = "owl_";
/// The value itself, as it is carried. Shown once, and kept nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// What is kept of it: SHA-256, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SecretHash(pub(crate) String);

impl Secret {
    fn draw(mark: &str) -> Result<Self, SigningError> {
        let octets: [u8; OCTETS] = random()?;
        Ok(Self(format!("{mark}{}", BASE64URL_NOPAD.encode(&octets))))
    }

    /// The value of a new token.
    pub(crate) fn token() -> Result<Self, SigningError> {
        Self::draw(TOKEN_MARK)
    }

    /// The value of a new session's cookie.
    pub(crate) fn session() -> Result<Self, SigningError> {
        Self::draw("")
    }

    /// The text that is carried.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl SecretHash {
    /// Of what somebody shows.
    pub(crate) fn of(shown: &str) -> Self {
        Self(HEXLOWER.encode(&Sha256::digest(shown.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_192_random_bits_and_is_not_printed_by_accident() {
        let (one, other) = (Secret::token().unwrap(), Secret::token().unwrap());
        assert_ne!(one, other);
        let value = one.reveal().strip_prefix("owl_").unwrap();
        assert_eq!(value.len() * 6, 192);
        assert!(BASE64URL_NOPAD.decode(value.as_bytes()).is_ok());
        assert_eq!(format!("{one:?}"), "Secret");
        assert_eq!(one.hash(), SecretHash::of(one.reveal()));
        assert_ne!(one.hash(), other.hash());
        assert_eq!(one.hash().0.len(), 64);
        assert!(!Secret::session().unwrap().reveal().starts_with("owl_"));
    }
}
