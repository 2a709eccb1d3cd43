//! The protection of a control connection in any but the unauthenticated mode
//! (RFC 4656, sections 3.1 and 3.2).
//!
//! Each direction is one stream of AES-128-CBC blocks from its own initial
//! vector. Each HMAC is HMAC-SHA1 cut to 16 octets over all clear octets since
//! the one before it, and is encrypted with the rest.

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::{BLOCK_OCTETS, SessionKeys};

type HmacSha1 = Hmac<Sha1>;

/// What authenticates one direction.
#[derive(Clone)]
struct Authenticator {
    fresh: HmacSha1,
    running: HmacSha1,
}

impl Authenticator {
    fn new(keys: &SessionKeys) -> Self {
        let fresh =
            HmacSha1::new_from_slice(&keys.hmac).expect("an HMAC takes a key of any length");
        Self {
            running: fresh.clone(),
            fresh,
        }
    }

    /// Closes what has gone by, and begins anew.
    fn finish(&mut self) -> HmacSha1 {
        std::mem::replace(&mut self.running, self.fresh.clone())
    }
}

/// The way out: clear octets to encrypted ones.
pub struct Sealer {
    cipher: cbc::Encryptor<Aes128>,
    authenticator: Authenticator,
}

impl Sealer {
    /// From this initial vector on.
    pub fn new(keys: &SessionKeys, initial_vector: &[u8; 16]) -> Self {
        Self {
            cipher: cbc::Encryptor::new(&keys.aes.into(), initial_vector.into()),
            authenticator: Authenticator::new(keys),
        }
    }

    /// Encrypts a block, and counts it into the next HMAC.
    pub fn seal(&mut self, block: &mut [u8; BLOCK_OCTETS]) {
        self.authenticator.running.update(block);
        self.cipher.encrypt_block(block.into());
    }

    /// The HMAC over all blocks since the last one, encrypted.
    pub fn seal_hmac(&mut self) -> [u8; BLOCK_OCTETS] {
        let digest = self.authenticator.finish().finalize().into_bytes();
        let mut block = [0; BLOCK_OCTETS];
        block.copy_from_slice(&digest[..BLOCK_OCTETS]);
        self.cipher.encrypt_block((&mut block).into());
        block
    }
}

/// The way in: encrypted octets to clear ones.
pub struct Opener {
    cipher: cbc::Decryptor<Aes128>,
    authenticator: Authenticator,
}

impl Opener {
    /// From this initial vector on.
    pub fn new(keys: &SessionKeys, initial_vector: &[u8; 16]) -> Self {
        Self {
            cipher: cbc::Decryptor::new(&keys.aes.into(), initial_vector.into()),
            authenticator: Authenticator::new(keys),
        }
    }

    /// Decrypts a block. Not before [`Self::verify`] is known who wrote it.
    pub fn open(&mut self, block: &mut [u8; BLOCK_OCTETS]) {
        self.cipher.decrypt_block(block.into());
    }

    /// Counts clear octets into the next HMAC.
    pub fn authenticate(&mut self, clear: &[u8]) {
        self.authenticator.running.update(clear);
    }

    /// Whether this clear HMAC is that of all octets since the last one; takes the same time whatever it is.
    pub fn verify(&mut self, hmac: &[u8]) -> bool {
        hmac.len() == BLOCK_OCTETS
            && self
                .authenticator
                .finish()
                .verify_truncated_left(hmac)
                .is_ok()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = *b"\x2b\x7e\x15\x16\x28\xae\xd2\xa6\xab\xf7\x15\x88\x09\xcf\x4f\x3c";
    const KEYS: SessionKeys = SessionKeys {
        aes: KEY,
        hmac: [7; 32],
    };
    const VECTOR: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    #[test]
    fn blocks_are_chained_as_in_sp_800_38a() {
        // F.2.1, CBC-AES128.Encrypt, blocks 1 and 2.
        let clear = [
            *b"\x6b\xc1\xbe\xe2\x2e\x40\x9f\x96\xe9\x3d\x7e\x11\x73\x93\x17\x2a",
            *b"\xae\x2d\x8a\x57\x1e\x03\xac\x9c\x9e\xb7\x6f\xac\x45\xaf\x8e\x51",
        ];
        let sealed = [
            *b"\x76\x49\xab\xac\x81\x19\xb2\x46\xce\xe9\x8e\x9b\x12\xe9\x19\x7d",
            *b"\x50\x86\xcb\x9b\x50\x72\x19\xee\x95\xdb\x11\x3a\x91\x76\x78\xb2",
        ];
        let mut sealer = Sealer::new(&KEYS, &VECTOR);
        let mut opener = Opener::new(&KEYS, &VECTOR);
        for (clear, sealed) in clear.into_iter().zip(sealed) {
            let mut block = clear;
            sealer.seal(&mut block);
            assert_eq!(block, sealed);
            opener.open(&mut block);
            assert_eq!(block, clear);
        }
    }

    #[test]
    fn authentication_gives_the_vector_of_rfc_2202() {
        let mut mac = HmacSha1::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        assert_eq!(
            mac.finalize().into_bytes()[..16],
            *b"\xef\xfc\xdf\x6a\xe5\xeb\x2f\xa2\xd2\x74\x16\xd5\xf1\x84\xdf\x9c"
        );
    }

    #[test]
    fn each_hmac_covers_what_went_by_since_the_last_one() {
        let mut sealer = Sealer::new(&KEYS, &VECTOR);
        let mut opener = Opener::new(&KEYS, &VECTOR);
        for round in 0..3 {
            for k in 0..=round {
                let clear = [k; 16];
                let mut block = clear;
                sealer.seal(&mut block);
                opener.open(&mut block);
                assert_eq!(block, clear);
                opener.authenticate(&block);
            }
            let mut hmac = sealer.seal_hmac();
            opener.open(&mut hmac);
            if round == 2 {
                hmac[15] ^= 1;
            }
            assert_eq!(opener.verify(&hmac), round < 2, "round {round}");
        }
        assert!(!opener.verify(&[]) && !opener.verify(&[0]));
    }
}
