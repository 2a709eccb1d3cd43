//! The keys of a connection (RFC 4656, section 3.1): the Control-Client
//! makes them up, and hands them over encrypted with a key that both
//! sides derive from their shared secret. The keys of a test session follow
//! from them (section 4.1.2).

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit};
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt};
use sha1::Sha1;

use super::{ServerGreeting, Sid};

/// Fewer rounds of key derivation than this are refused (RFC 4656, section 3.1).
pub const COUNT_MIN: u32 = 1024;

/// More rounds than this are refused: a server could make its peers reckon for hours.
pub const COUNT_MAX: u32 = 1 << 20;

/// Length of the encrypted challenge and keys.
const TOKEN_OCTETS: usize = 64;

/// A secret that both sides know.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Vec<u8>);

impl Passphrase {
    /// From its octets; `None` when it has a line break (RFC 4656, section 3.1).
    pub fn new(octets: &[u8]) -> Option<Self> {
        let one_line = !octets.iter().any(|octet| matches!(octet, b'\n' | b'\r'));
        one_line.then(|| Self(octets.to_vec()))
    }

    /// Salt and rounds are the server's.
    fn key(&self, greeting: &ServerGreeting) -> [u8; 16] {
        pbkdf2::pbkdf2_hmac_array::<Sha1, 16>(&self.0, &greeting.salt, greeting.count)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// A key to encrypt with, and one to authenticate with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionKeys {
    /// For AES.
    pub aes: [u8; 16],
    /// For HMAC-SHA1.
    pub hmac: [u8; 32],
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys(…)")
    }
}

impl SessionKeys {
    /// Encrypts them, with the challenge before them, for who knows the secret.
    pub fn to_token(self, greeting: &ServerGreeting, secret: &Passphrase) -> [u8; TOKEN_OCTETS] {
        let mut token = [0; TOKEN_OCTETS];
        token[0..16].copy_from_slice(&greeting.challenge);
        token[16..32].copy_from_slice(&self.aes);
        token[32..64].copy_from_slice(&self.hmac);
        encrypt(secret.key(greeting), &mut token);
        token
    }

    /// Decrypts them; `None` when the challenge does not come out, and so another secret was used.
    pub fn from_token(
        token: &[u8; TOKEN_OCTETS],
        greeting: &ServerGreeting,
        secret: &Passphrase,
    ) -> Option<Self> {
        let mut clear = *token;
        let mut cipher =
            cbc::Decryptor::<Aes128>::new(&secret.key(greeting).into(), &[0; 16].into());
        for block in clear.as_chunks_mut::<16>().0 {
            cipher.decrypt_block(block.into());
        }
        let (challenge, keys) = clear.split_first_chunk::<16>()?;
        let (aes, hmac) = keys.split_first_chunk::<16>()?;
        // Each try costs a connection and a new challenge, so the time of this comparison tells nothing.
        (*challenge == greeting.challenge).then_some(Self {
            aes: *aes,
            hmac: *hmac.first_chunk()?,
        })
    }

    /// The keys of the test packets of one session.
    pub fn of_test(self, sid: Sid) -> Self {
        let mut keys = self;
        Aes128::new(&sid.0.into()).encrypt_block((&mut keys.aes).into());
        encrypt(sid.0, &mut keys.hmac);
        keys
    }
}

/// AES-128 in CBC mode from an initial vector of zero, for whole blocks.
fn encrypt(key: [u8; 16], octets: &mut [u8]) {
    let mut cipher = cbc::Encryptor::<Aes128>::new(&key.into(), &[0; 16].into());
    for block in octets.as_chunks_mut::<16>().0 {
        cipher.encrypt_block(block.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::owamp::Modes;

    fn greeting(count: u32) -> ServerGreeting {
        ServerGreeting {
            modes: Modes::AUTHENTICATED,
            challenge: *b"challenge-octets",
            salt: *b"the-salt-octets!",
            count,
        }
    }

    const KEYS: SessionKeys = SessionKeys {
        aes: *b"sixteen octets!!",
        hmac: *b"and thirty-two to authenticate..",
    };

    #[test]
    fn the_key_derivation_gives_the_vectors_of_rfc_6070() {
        let check = |rounds, expected: [u8; 20]| {
            let key = pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(b"password", b"salt", rounds);
            assert_eq!(key, expected, "{rounds} rounds");
        };
        check(
            1,
            *b"\x0c\x60\xc8\x0f\x96\x1f\x0e\x71\xf3\xa9\xb5\x24\xaf\x60\x12\x06\x2f\xe0\x37\xa6",
        );
        check(
            4096,
            *b"\x4b\x00\x79\x01\xb7\x65\x48\x9a\xbe\xad\x49\xd9\x26\xf7\x21\xd0\x65\xa4\x29\xc1",
        );
    }

    #[test]
    fn encryption_gives_the_vectors_of_sp_800_38a() {
        let key = *b"\x2b\x7e\x15\x16\x28\xae\xd2\xa6\xab\xf7\x15\x88\x09\xcf\x4f\x3c";
        // F.1.1, ECB-AES128: one block from a zero vector is the same.
        let mut block = *b"\x6b\xc1\xbe\xe2\x2e\x40\x9f\x96\xe9\x3d\x7e\x11\x73\x93\x17\x2a";
        encrypt(key, &mut block);
        assert_eq!(
            block,
            *b"\x3a\xd7\x7b\xb4\x0d\x7a\x36\x60\xa8\x9e\xca\xf3\x24\x66\xef\x97"
        );
    }

    #[test]
    fn only_the_same_secret_salt_count_and_challenge_open_a_token() {
        let secret = Passphrase::new(b"jiuzi").unwrap();
        let token = KEYS.to_token(&greeting(1024), &secret);
        let open = |greeting: &ServerGreeting, secret: &[u8]| {
            SessionKeys::from_token(&token, greeting, &Passphrase::new(secret).unwrap())
        };
        assert_eq!(open(&greeting(1024), b"jiuzi"), Some(KEYS));
        assert_eq!(open(&greeting(1024), b"jiuzj"), None);
        assert_eq!(open(&greeting(2048), b"jiuzi"), None);
        let mut other = greeting(1024);
        other.salt[0] ^= 1;
        assert_eq!(open(&other, b"jiuzi"), None);
        let mut other = greeting(1024);
        other.challenge[15] ^= 1;
        assert_eq!(open(&other, b"jiuzi"), None);
    }

    #[test]
    fn test_keys_are_the_control_keys_encrypted_with_the_session_identifier() {
        // With the SP 800-38A key as identifier, blocks 1 of ECB and CBC with a zero vector are the same.
        let sid = Sid(*b"\x2b\x7e\x15\x16\x28\xae\xd2\xa6\xab\xf7\x15\x88\x09\xcf\x4f\x3c");
        let plain = *b"\x6b\xc1\xbe\xe2\x2e\x40\x9f\x96\xe9\x3d\x7e\x11\x73\x93\x17\x2a";
        let mut hmac = [0; 32];
        hmac[..16].copy_from_slice(&plain);
        let keys = SessionKeys { aes: plain, hmac }.of_test(sid);
        let sealed = *b"\x3a\xd7\x7b\xb4\x0d\x7a\x36\x60\xa8\x9e\xca\xf3\x24\x66\xef\x97";
        assert_eq!(keys.aes, sealed);
        assert_eq!(keys.hmac[..16], sealed);
        assert_ne!(keys.hmac[16..], hmac[16..]);
        assert_ne!(KEYS.of_test(Sid([1; 16])), KEYS.of_test(Sid([2; 16])));
    }

    #[test]
    fn secrets_are_of_one_line_and_never_printed() {
        assert_eq!(Passphrase::new(b"two\nlines"), None);
        let shown = format!("{:?} {KEYS:?}", Passphrase::new(b"jiuzi"));
        assert!(
            !shown.contains("jiuzi") && !shown.contains("thirty"),
            "{shown}"
        );
    }
}
