//! TWAMP-Test packets in each mode (RFC 5357, sections 4.1.2 and 4.2.1; RFC
//! 4656, section 4.1.2).
//!
//! Their fields are STAMP's. In authenticated mode the first block of 16 octets
//! is encrypted, which holds the sequence number, and the HMAC-SHA1, cut to 16
//! octets, covers that block alone: timestamps stay clear and unprotected, so
//! that nobody has to encrypt between reading the clock and sending. In
//! encrypted mode both reach over all fields: two blocks of a request, six of a
//! reply. Each packet is its own CBC chain from a vector of zero; of one block
//! that is ECB.

use std::fmt;
use std::sync::Arc;

use aes::Aes128;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit as _};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use crate::wire::owamp::{BLOCK_OCTETS, SessionKeys, TestPacket};
use crate::wire::stamp::{ReflectorPacket, SenderPacket};
use crate::wire::{ErrorEstimate, Reader, TooShort, WireTimestamp};

/// Where the HMAC stands in a protected request and in a protected reply.
const REQUEST_HMAC_AT: usize = 32;
const REPLY_HMAC_AT: usize = 96;
const REQUEST_OCTETS: usize = REQUEST_HMAC_AT + BLOCK_OCTETS;
const REPLY_OCTETS: usize = REPLY_HMAC_AT + BLOCK_OCTETS;
/// A reply in unauthenticated mode, without padding.
const CLEAR_REPLY_OCTETS: usize = 41;

/// The keys of one test session, made ready once. Copies share them.
#[derive(Clone)]
pub struct TestKeys(Arc<Ready>);

struct Ready {
    aes: Aes128,
    hmac: Hmac<Sha1>,
}

impl TestKeys {
    /// From what [`SessionKeys::of_test`] gives.
    pub fn new(keys: SessionKeys) -> Self {
        Self(Arc::new(Ready {
            aes: Aes128::new(&keys.aes.into()),
            hmac: Hmac::new_from_slice(&keys.hmac).expect("an HMAC takes a key of any length"),
        }))
    }

    /// Writes the HMAC of the first `blocks`, and encrypts them.
    fn seal(&self, packet: &mut [u8], blocks: usize, hmac_at: usize) {
        let (covered, rest) = packet.split_at_mut(blocks * BLOCK_OCTETS);
        let mut mac = self.0.hmac.clone();
        mac.update(covered);
        let at = hmac_at - covered.len();
        let digest = mac.finalize().into_bytes();
        rest[at..at + BLOCK_OCTETS].copy_from_slice(&digest[..BLOCK_OCTETS]);
        let mut cipher = cbc::Encryptor::inner_iv_init(&self.0.aes, &[0; BLOCK_OCTETS].into());
        for block in covered.as_chunks_mut::<BLOCK_OCTETS>().0 {
            cipher.encrypt_block(block.into());
        }
    }

    /// Decrypts the first `blocks`; whether their HMAC is right, which takes the same time whatever it is.
    fn open(&self, packet: &mut [u8], blocks: usize, hmac_at: usize) -> bool {
        let (covered, rest) = packet.split_at_mut(blocks * BLOCK_OCTETS);
        let mut cipher = cbc::Decryptor::inner_iv_init(&self.0.aes, &[0; BLOCK_OCTETS].into());
        for block in covered.as_chunks_mut::<BLOCK_OCTETS>().0 {
            cipher.decrypt_block(block.into());
        }
        let mut mac = self.0.hmac.clone();
        mac.update(covered);
        let at = hmac_at - covered.len();
        mac.verify_truncated_left(&rest[at..at + BLOCK_OCTETS])
            .is_ok()
    }
}

impl fmt::Debug for TestKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestKeys(…)")
    }
}

/// How the test packets of a session are protected.
#[derive(Debug, Clone)]
pub enum TestMode {
    /// Not at all; so it is in mixed mode too (RFC 5618).
    Unauthenticated,
    /// Sequence numbers are encrypted and authenticated.
    Authenticated(TestKeys),
    /// All fields are.
    Encrypted(TestKeys),
}

impl TestMode {
    /// Octets of a request before its padding: 14 or 48.
    pub fn request_octets(&self) -> usize {
        match self {
            Self::Unauthenticated => TestPacket::OCTETS,
            Self::Authenticated(_) | Self::Encrypted(_) => REQUEST_OCTETS,
        }
    }

    /// Octets of a reply before its padding: 41 or 112.
    pub fn reply_octets(&self) -> usize {
        match self {
            Self::Unauthenticated => CLEAR_REPLY_OCTETS,
            Self::Authenticated(_) | Self::Encrypted(_) => REPLY_OCTETS,
        }
    }

    /// The keys, and how many blocks of a request and of a reply they protect.
    fn protection(&self) -> Option<(&TestKeys, usize, usize)> {
        match self {
            Self::Unauthenticated => None,
            Self::Authenticated(keys) => Some((keys, 1, 1)),
            Self::Encrypted(keys) => Some((
                keys,
                REQUEST_HMAC_AT / BLOCK_OCTETS,
                REPLY_HMAC_AT / BLOCK_OCTETS,
            )),
        }
    }

    /// Writes a request before its padding, over the first octets of `packet`; its session identifier is left out.
    ///
    /// # Errors
    /// When the packet is too short for it.
    pub fn write_request(&self, request: &SenderPacket, packet: &mut [u8]) -> Result<(), TooShort> {
        let head = head(packet, self.request_octets())?;
        let Some((keys, blocks, _)) = self.protection() else {
            head.copy_from_slice(&request.encode()[..TestPacket::OCTETS]);
            return Ok(());
        };
        head.fill(0);
        head[0..4].copy_from_slice(&request.sequence.to_be_bytes());
        head[16..24].copy_from_slice(&request.sent_at.0.to_be_bytes());
        head[24..26].copy_from_slice(&request.error_estimate.0.to_be_bytes());
        keys.seal(head, blocks, REQUEST_HMAC_AT);
        Ok(())
    }

    /// Reads a request; what was encrypted in it is clear then. `Ok(None)` when it is not authentic.
    ///
    /// # Errors
    /// When it ends before its fields do.
    pub fn read_request(&self, packet: &mut [u8]) -> Result<Option<SenderPacket>, TooShort> {
        let head = head(packet, self.request_octets())?;
        let Some((keys, blocks, _)) = self.protection() else {
            // What follows is padding, and no session identifier.
            return SenderPacket::decode(head).map(Some);
        };
        if !keys.open(head, blocks, REQUEST_HMAC_AT) {
            return Ok(None);
        }
        let mut fields = Reader::new(head);
        let sequence = fields.u32()?;
        let _zero = fields.take::<12>()?;
        Ok(Some(SenderPacket {
            sequence,
            sent_at: WireTimestamp(fields.u64()?),
            error_estimate: ErrorEstimate(fields.u16()?),
            ssid: 0,
        }))
    }

    /// Writes a reply before its padding, over the first octets of `packet`: [`TestMode::seal_reply`] is the last thing
    /// that it lacks.
    ///
    /// # Errors
    /// When the packet is too short for it.
    pub fn write_reply(&self, reply: &ReflectorPacket, packet: &mut [u8]) -> Result<(), TooShort> {
        let reply = ReflectorPacket { ssid: 0, ..*reply };
        let head = head(packet, self.reply_octets())?;
        match self {
            Self::Unauthenticated => head.copy_from_slice(&reply.encode()[..CLEAR_REPLY_OCTETS]),
            Self::Authenticated(_) | Self::Encrypted(_) => {
                head.copy_from_slice(&reply.encode_unsealed());
            }
        }
        Ok(())
    }

    /// Writes T3 and protects the reply: as late as can be, right before sending. Nothing happens to what is no reply.
    pub fn seal_reply(&self, packet: &mut [u8], sent_at: WireTimestamp) {
        let Ok(head) = head(packet, self.reply_octets()) else {
            return;
        };
        match self.protection() {
            None => head[4..12].copy_from_slice(&sent_at.0.to_be_bytes()),
            Some((keys, _, blocks)) => {
                head[16..24].copy_from_slice(&sent_at.0.to_be_bytes());
                keys.seal(head, blocks, REPLY_HMAC_AT);
            }
        }
    }

    /// Reads a reply. `Ok(None)` when it is not authentic. Unauthenticated ones may also have 38 or 40 octets, as some
    /// TWAMP-Light reflectors send them.
    ///
    /// # Errors
    /// When it ends before its fields do.
    pub fn read_reply(&self, datagram: &[u8]) -> Result<Option<ReflectorPacket>, TooShort> {
        let Some((keys, _, blocks)) = self.protection() else {
            let reply = ReflectorPacket::decode(datagram)?;
            return Ok(Some(ReflectorPacket { ssid: 0, ..reply }));
        };
        let mut head: [u8; REPLY_OCTETS] = Reader::new(datagram).take()?;
        if !keys.open(&mut head, blocks, REPLY_HMAC_AT) {
            return Ok(None);
        }
        let reply = ReflectorPacket::decode_unsealed(&head)?;
        Ok(Some(ReflectorPacket { ssid: 0, ..reply }))
    }
}

fn head(packet: &mut [u8], needed: usize) -> Result<&mut [u8], TooShort> {
    let octets = packet.len();
    packet.get_mut(..needed).ok_or(TooShort { octets, needed })
}

#[cfg(test)]
mod tests;
