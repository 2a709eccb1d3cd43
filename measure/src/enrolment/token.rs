//! What a person carries from the collector to a new probe: one word.
//!
//! It tells the probe who it is, where its collector is, and by which
//! authority it knows the collector at first sight; and it holds the secret by
//! which the collector knows the probe.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use prost::Message as _;

use super::wire;

/// What the written form begins with: the name and the version.
const PREFIX: &str = "owl1";
/// Characters of a written token at most.
const CHARACTERS_MAX: usize = 512;

/// What only the holder of a token knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 20]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// SHA-256 of a certificate in DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// A token, which lets one probe join once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Known to nobody else; the collector keeps its hash only.
    pub secret: Secret,
    /// Of the authority that the collector answers a joining probe with.
    pub fingerprint: Fingerprint,
    /// Whom it is for: an id of the topology.
    pub probe: String,
    /// The collector's intake, as the probe reaches it.
    pub collector: SocketAddr,
}

/// A text that is no token. It is not quoted: it may be most of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin like one.
    #[error("this is no token: a token begins with {PREFIX}")]
    Prefix,
    /// It begins like one, and then it is not.
    #[error("this is no whole token: characters are missing or wrong")]
    Damaged,
}

impl fmt::Display for Token {
    /// The written form, secret included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = wire::Token {
            secret: self.secret.0.to_vec(),
            fingerprint: self.fingerprint.0.to_vec(),
            probe: self.probe.clone(),
            collector: self.collector.to_string(),
        };
        let text = BASE32_NOPAD.encode(&message.encode_to_vec());
        write!(f, "{PREFIX}{}", text.to_ascii_lowercase())
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let body = text.strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        if body.len() > CHARACTERS_MAX {
            return Err(TokenError::Damaged);
        }
        let octets = BASE32_NOPAD
            .decode(body.to_ascii_uppercase().as_bytes())
            .map_err(|_| TokenError::Damaged)?;
        let message = wire::Token::decode(octets.as_slice()).map_err(|_| TokenError::Damaged)?;
        let (secret, fingerprint) = (
            message.secret.as_slice().try_into(),
            message.fingerprint.as_slice().try_into(),
        );
        if message.probe.is_empty() {
            return Err(TokenError::Damaged);
        }
        Ok(Self {
            secret: Secret(secret.map_err(|_| TokenError::Damaged)?),
            fingerprint: Fingerprint(fingerprint.map_err(|_| TokenError::Damaged)?),
            probe: message.probe,
            collector: message.collector.parse().map_err(|_| TokenError::Damaged)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            secret: Secret([0xA5; 20]),
            fingerprint: Fingerprint([3; 32]),
            probe: "p-north".into(),
            collector: "192.0.2.1:4455".parse().unwrap(),
        }
    }

    #[test]
    fn a_token_is_one_word_that_survives_being_carried() {
        let text = token().to_string();
        assert!(
            text.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        );
        assert_eq!(text.parse(), Ok(token()));
        assert_eq!(format!("  {text}\n").parse(), Ok(token()));
    }

    #[test]
    fn no_shorter_or_longer_text_is_taken_for_it() {
        let text = token().to_string();
        for end in 0..text.len() {
            assert!(text[..end].parse::<Token>().is_err(), "{end} characters");
        }
        for wrong in ["owl2abc", "", "owl1!", &"owl1a".repeat(1_000)] {
            assert!(wrong.parse::<Token>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_log_line_of_it_would_not_give_the_secret_away() {
        let said = format!("{:?}", token());
        assert!(
            !said.contains("165") && said.contains("Secret(…)"),
            "{said}"
        );
    }
}
