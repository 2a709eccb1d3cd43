//! The key file: which key protects which session.
//!
//! ```toml
//! [[session]]
//! peer = "192.0.2.7"                          # address or network of the other host, or a list; anywhere without it
//! ssid = 7                                    # session identifier, a range "100-199", or "any", as without it
//! key = "00112233445566778899aabbccddeeff"    # 16 octets at least, hexadecimal, or "base64:ABEiM0RVZneImaq7zN3u/w=="
//! accept = "ffeeddccbbaa99887766554433221100" # believed too, while keys change
//! ```
//!
//! The first table that fits a session counts. No message about the file quotes
//! it: it holds secrets.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use ipnet::IpNet;
use owl_protocol::wire::authentication::{Key, KeyEntry, KeyStore};
use serde::{Deserialize, Deserializer, de};

use crate::network::Network;
use crate::secret::{self, SecretFileError};

/// Tables that a file may hold. They are looked through for each packet that needs a key.
pub const ENTRIES_MAX: usize = 1_024;
/// Networks that one table may name.
const PEERS_MAX: usize = 64;

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read, or is not to be.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// It is no TOML, or says something that is no key.
    #[error("cannot use the key file {file}:{line}: {what}", file = .file.display())]
    At {
        /// Which.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// It names too many sessions, or none.
    #[error("cannot use the key file {file}: it has {entries} [[session]] tables; 1 to {ENTRIES_MAX} are possible", file = .file.display())]
    Entries {
        /// Which.
        file: PathBuf,
        /// How many.
        entries: usize,
    },
}

impl KeyFileError {
    /// How to mend it.
    pub fn hint(&self) -> String {
        match self {
            Self::File(error) => error.hint().unwrap_or_else(|| {
                "a key file is TOML: [[session]] tables with key = \"…\", and peer and ssid where they matter"
                    .to_owned()
            }),
            Self::Entries { .. } => {
                "one table may serve many sessions: ssid = \"100-199\", or a network as peer".to_owned()
            }
            Self::At { .. } => {
                "a new key of 32 octets: `openssl rand -hex 32`".to_owned()
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(default)]
    session: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    peer: Peers,
    #[serde(default)]
    ssid: Ssids,
    key: Secret,
    accept: Option<Secret>,
}

/// Anywhere, one network, or several.
#[derive(Default)]
struct Peers(Vec<IpNet>);

impl<'de> Deserialize<'de> for Peers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Peers;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an address, a network, or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Peers, E> {
                let Network(net) = text.parse().map_err(E::custom)?;
                Ok(Peers(vec![net]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Peers, A::Error> {
                let mut peers = Vec::new();
                while let Some(Network(net)) = list.next_element()? {
                    if peers.len() >= PEERS_MAX {
                        return Err(de::Error::custom(format!(
                            "{PEERS_MAX} networks at most are possible"
                        )));
                    }
                    peers.push(net);
                }
                // An empty list would mean anywhere.
                if peers.is_empty() {
                    return Err(de::Error::custom("a list names one network at least"));
                }
                Ok(Peers(peers))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Session identifiers, without gaps.
struct Ssids(RangeInclusive<u16>);

impl Default for Ssids {
    fn default() -> Self {
        Self(0..=u16::MAX)
    }
}

impl<'de> Deserialize<'de> for Ssids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        const EXPECTED: &str = "a number from 0 to 65535, a range such as \"100-199\", or \"any\"";
        impl de::Visitor<'_> for Visitor {
            type Value = Ssids;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(EXPECTED)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Ssids, E> {
                let ssid = u16::try_from(number)
                    .map_err(|_| E::custom(format!("a session identifier is {EXPECTED}")))?;
                Ok(Ssids(ssid..=ssid))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ssids, E> {
                if text == "any" {
                    return Ok(Ssids::default());
                }
                let range = text.split_once('-').and_then(|(first, last)| {
                    let first: u16 = first.trim().parse().ok()?;
                    let last: u16 = last.trim().parse().ok()?;
                    (first <= last).then_some(first..=last)
                });
                range
                    .map(Ssids)
                    .ok_or_else(|| E::custom(format!("a session identifier is {EXPECTED}")))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

struct Secret(Key);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Secret;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a key in quotes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                let octets = match text.strip_prefix("base64:") {
                    Some(text) => BASE64.decode(text.as_bytes()).ok(),
                    None => HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok(),
                };
                let octets = octets.ok_or_else(|| {
                    E::custom("a key is an even number of hexadecimal digits, or \"base64:…\" with its padding")
                })?;
                Key::new(&octets).map(Secret).map_err(E::custom)
            }
            // The words of serde for a value of another kind would quote it.
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom("a key stands in quotes"))
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom("a key stands in quotes"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads a key file.
///
/// # Errors
/// When it cannot be read, when others may read or change it, or when it says something that is no key; the message
/// tells the line and quotes nothing.
pub fn read(file: &Path) -> Result<KeyStore, KeyFileError> {
    parse(file, &secret::read(file)?)
}

fn parse(file: &Path, text: &str) -> Result<KeyStore, KeyFileError> {
    let contents: Contents = toml::from_str(text).map_err(|error| {
        let (line, what) = secret::place(text, &error);
        KeyFileError::At {
            file: file.into(),
            line,
            what,
        }
    })?;
    let entries = contents.session.len();
    if !(1..=ENTRIES_MAX).contains(&entries) {
        return Err(KeyFileError::Entries {
            file: file.into(),
            entries,
        });
    }
    Ok(KeyStore::new(contents.session.into_iter().map(|entry| {
        KeyEntry {
            ssids: entry.ssid.0,
            peers: entry.peer.0,
            key: entry.key.0,
            accept: entry.accept.map(|secret| secret.0),
        }
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::FILE_OCTETS_MAX;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f";

    fn said(text: &str) -> String {
        parse(Path::new("k.toml"), text).map_or_else(|error| error.to_string(), |_| String::new())
    }

    fn sign(key: &Key) -> [u8; 16] {
        key.sign([b"x", b""])
    }

    #[test]
    fn hexadecimal_and_base64_are_the_same_octets() {
        let text = format!(
            "[[session]]\nssid = 7\nkey = \"{HEX}\"\naccept = \"base64:AAECAwQFBgcICQoLDA0ODw==\"\n"
        );
        let store = parse(Path::new("k"), &text).unwrap();
        let octets: Vec<u8> = (0..16).collect();
        let expected = sign(&Key::new(&octets).unwrap());
        let found: Vec<_> = store.of([192, 0, 2, 1].into(), 7).map(sign).collect();
        assert_eq!(found, [expected, expected]);
        assert_eq!(store.of([192, 0, 2, 1].into(), 8).count(), 0);
    }

    #[test]
    fn sessions_are_named_by_peer_and_identifier() {
        let text = format!(
            "[[session]]\npeer = \"192.0.2.7\"\nkey = \"{HEX}\"\n\
             [[session]]\npeer = [\"2001:db8::/32\", \"10.0.0.0/8\"]\nssid = \"100-199\"\nkey = \"{HEX}\"\n\
             [[session]]\nssid = \"any\"\npeer = \"198.51.100.0/24\"\nkey = \"{HEX}\"\n"
        );
        let store = parse(Path::new("k"), &text).unwrap();
        for (peer, ssid, keys) in [
            ("192.0.2.7", 5, 1),
            ("192.0.2.8", 5, 0),
            ("2001:db8::1", 100, 1),
            ("10.1.2.3", 199, 1),
            ("10.1.2.3", 200, 0),
            ("198.51.100.9", 0, 1),
        ] {
            let found = store.of(peer.parse().unwrap(), ssid).count();
            assert_eq!(found, keys, "{peer} {ssid}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_line_and_nothing_is_quoted() {
        for (text, line, what) in [
            ("[[session]]\nkey = \"5ec4e7\"\n", 2, "16 are needed"),
            (
                "[[session]]\nkey = \"5ec4e7 5ec4e7\"\n",
                2,
                "hexadecimal digits",
            ),
            (
                "[[session]]\nkey = \"base64:5ec4e7\"\n",
                2,
                "hexadecimal digits",
            ),
            ("[[session]]\nkey = 5123456\n", 2, "in quotes"),
            ("\n\n[[session]]\nssid = 65536\n", 4, "0 to 65535"),
            ("[[session]]\nssid = \"9-8\"\n", 2, "0 to 65535"),
            ("[[session]]\nssid = \"5ec4e7\"\n", 2, "0 to 65535"),
            (
                "[[session]]\npeer = \"5ec4e7\"\n",
                2,
                "address or a network",
            ),
            ("[[session]]\npeer = []\n", 2, "one network at least"),
            ("[[session]]\nsecret = \"5ec4e7\"\n", 2, "unknown field"),
            ("[[session]]\nssid = 7\n", 1, "missing field `key`"),
            ("[[session]]\nkey = \"5ec4e7\n", 2, ""),
        ] {
            let said = said(text);
            assert!(
                said.contains(&format!("k.toml:{line}: ")) && said.contains(what),
                "{text}: {said}"
            );
            assert!(!said.contains("5ec") && !said.contains("512"), "{said}");
        }
        assert!(said("").contains("0 [[session]] tables"));
        let many = format!("[[session]]\nkey = \"{HEX}\"\n").repeat(ENTRIES_MAX + 1);
        assert!(said(&many).contains("1025 [[session]] tables"));
    }

    #[test]
    fn a_file_that_others_may_read_or_change_is_refused_with_the_mend() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.toml");
        fs::write(&file, format!("[[session]]\nkey = \"{HEX}\"\n")).unwrap();
        for (mode, usable) in [
            (0o600, true),
            (0o400, true),
            (0o640, true),
            (0o644, false),
            (0o660, false),
            (0o604, false),
            (0o602, false),
        ] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            match read(&file) {
                Ok(_) => assert!(usable, "{mode:o}"),
                Err(error) => {
                    assert!(!usable && error.to_string().contains(&format!("{mode:04o}")));
                    assert!(error.hint().contains("chmod 600"), "{}", error.hint());
                }
            }
        }
    }

    #[test]
    fn what_is_no_file_or_has_no_end_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            read(folder.path()),
            Err(KeyFileError::File(SecretFileError::NoFile { .. }))
        ));
        let none = folder.path().join("none");
        assert!(matches!(
            read(&none),
            Err(KeyFileError::File(SecretFileError::Read { .. }))
        ));
        let large = folder.path().join("large");
        fs::write(&large, vec![b'#'; FILE_OCTETS_MAX as usize + 1]).unwrap();
        fs::set_permissions(&large, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(
            read(&large),
            Err(KeyFileError::File(SecretFileError::TooLarge { .. }))
        ));
    }
}
