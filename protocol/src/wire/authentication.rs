//! STAMP test packets, authenticated mode (RFC 8762, sections 4.2.2, 4.3.2 and
//! 4.4), and the keys for it and for the HMAC TLV (RFC 8972, section 4.8).
//!
//! 112 octets each way, the last 16 an HMAC-SHA-256 over the first 96, cut to
//! its first 128 bits. It is checked before anything else of a packet is
//! believed, and in constant time.

mod key_store;

pub use key_store::{KeyEntry, KeyStore};

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::stamp::{ReflectorPacket, SenderPacket};
use super::{ErrorEstimate, Reader, TooShort, WireTimestamp};

/// Length of an authenticated test packet without TLVs.
pub const AUTHENTICATED_OCTETS: usize = 112;
/// Where the HMAC begins, and so how much it covers.
const HMAC_AT: usize = 96;
/// Length of a cut HMAC.
pub const HMAC_OCTETS: usize = 16;
/// The shortest secret: as long as the HMAC that it makes. RFC 2104 recommends 32 octets for SHA-256.
const SECRET_OCTETS_MIN: usize = 16;

/// A secret too short to keep anyone out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot use a key of {octets} octets; {SECRET_OCTETS_MIN} are needed")]
pub struct WeakKey {
    /// How long it is.
    pub octets: usize,
}

/// A key, ready to use. Copies share it.
#[derive(Clone)]
pub struct Key(Arc<Hmac<Sha256>>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}

impl Key {
    /// Of a secret of 16 octets at least.
    ///
    /// # Errors
    /// When it is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, WeakKey> {
        let weak = WeakKey {
            octets: secret.len(),
        };
        if secret.len() < SECRET_OCTETS_MIN {
            return Err(weak);
        }
        let hmac = Hmac::new_from_slice(secret).map_err(|_| weak)?;
        Ok(Self(Arc::new(hmac)))
    }

    /// HMAC-SHA-256 over the parts, one after the other, cut to 128 bits.
    pub fn sign(&self, parts: [&[u8]; 2]) -> [u8; HMAC_OCTETS] {
        let digest = self.over(parts).finalize().into_bytes();
        std::array::from_fn(|k| digest[k])
    }

    /// Whether this is the HMAC over the parts; takes as long for a wrong one as for the right one.
    pub fn verifies(&self, parts: [&[u8]; 2], hmac: &[u8; HMAC_OCTETS]) -> bool {
        self.over(parts).verify_truncated_left(hmac).is_ok()
    }

    fn over(&self, parts: [&[u8]; 2]) -> Hmac<Sha256> {
        let mut hmac = (*self.0).clone();
        for part in parts {
            hmac.update(part);
        }
        hmac
    }
}

/// Why a packet is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthentic {
    /// It ends before its HMAC does.
    #[error(transparent)]
    TooShort(#[from] TooShort),
    /// There is no key for its session.
    #[error("no key for session identifier {ssid}")]
    NoKey {
        /// The identifier that it claims.
        ssid: u16,
    },
    /// Its HMAC is wrong.
    #[error("the HMAC of a packet of session identifier {ssid} is wrong")]
    Forged {
        /// The identifier that it claims.
        ssid: u16,
    },
}

/// The key that made the packet's HMAC.
fn authentic<'k>(
    datagram: &[u8],
    ssid: u16,
    keys: impl IntoIterator<Item = &'k Key>,
) -> Result<&'k Key, Unauthentic> {
    let too_short = TooShort {
        octets: datagram.len(),
        needed: AUTHENTICATED_OCTETS,
    };
    let (covered, rest) = datagram.split_first_chunk::<HMAC_AT>().ok_or(too_short)?;
    let hmac = rest.first_chunk::<HMAC_OCTETS>().ok_or(too_short)?;
    let mut refusal = Unauthentic::NoKey { ssid };
    for key in keys {
        if key.verifies([covered, &[]], hmac) {
            return Ok(key);
        }
        refusal = Unauthentic::Forged { ssid };
    }
    Err(refusal)
}

/// Writes T3 and the HMAC into an encoded reply: the last thing before it is sent.
pub fn seal(packet: &mut [u8; AUTHENTICATED_OCTETS], sent_at: WireTimestamp, key: &Key) {
    packet[16..24].copy_from_slice(&sent_at.0.to_be_bytes());
    let hmac = key.sign([&packet[..HMAC_AT], &[]]);
    packet[HMAC_AT..].copy_from_slice(&hmac);
}

impl SenderPacket {
    /// The session identifier of an authenticated packet, not yet believed.
    ///
    /// # Errors
    /// When the datagram ends before it does.
    pub fn claimed_ssid(datagram: &[u8]) -> Result<u16, TooShort> {
        let mut fields = Reader::new(datagram);
        let _ = fields.take::<26>()?;
        fields.u16()
    }

    /// Checks and reads an authenticated test packet; also tells which of the keys made it.
    ///
    /// # Errors
    /// When it is not authentic. Zero fields are covered by the HMAC and otherwise ignored (RFC 8762, section 4.2.2).
    pub fn decode_authenticated<'k>(
        datagram: &[u8],
        keys: impl IntoIterator<Item = &'k Key>,
    ) -> Result<(Self, &'k Key), Unauthentic> {
        let key = authentic(datagram, Self::claimed_ssid(datagram)?, keys)?;
        let mut fields = Reader::new(datagram);
        let sequence = fields.u32()?;
        let _zero = fields.take::<12>()?;
        let packet = Self {
            sequence,
            sent_at: WireTimestamp(fields.u64()?),
            error_estimate: ErrorEstimate(fields.u16()?),
            ssid: fields.u16()?,
        };
        Ok((packet, key))
    }

    /// The 112 octets of the packet.
    pub fn encode_authenticated(&self, key: &Key) -> [u8; AUTHENTICATED_OCTETS] {
        let mut packet = [0; AUTHENTICATED_OCTETS];
        packet[0..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[24..26].copy_from_slice(&self.error_estimate.0.to_be_bytes());
        packet[26..28].copy_from_slice(&self.ssid.to_be_bytes());
        // T1 stands where T3 does in a reply.
        seal(&mut packet, self.sent_at, key);
        packet
    }
}

impl ReflectorPacket {
    /// Checks and reads an authenticated reply.
    ///
    /// # Errors
    /// When none of the keys made it.
    pub fn decode_authenticated<'k>(
        datagram: &[u8],
        keys: impl IntoIterator<Item = &'k Key>,
    ) -> Result<Self, Unauthentic> {
        authentic(datagram, SenderPacket::claimed_ssid(datagram)?, keys)?;
        Ok(Self::decode_unsealed(datagram)?)
    }

    /// Reads the fields of an authenticated reply without asking who wrote them.
    pub(crate) fn decode_unsealed(datagram: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(datagram);
        let sequence = fields.u32()?;
        let _zero = fields.take::<12>()?;
        let sent_at = WireTimestamp(fields.u64()?);
        let error_estimate = ErrorEstimate(fields.u16()?);
        let ssid = fields.u16()?;
        let _zero = fields.take::<4>()?;
        let received_at = WireTimestamp(fields.u64()?);
        let _zero = fields.take::<8>()?;
        let sender_sequence = fields.u32()?;
        let _zero = fields.take::<12>()?;
        let sender_sent_at = WireTimestamp(fields.u64()?);
        let sender_error_estimate = ErrorEstimate(fields.u16()?);
        let _zero = fields.take::<6>()?;
        let sender_ttl = fields.u8()?;
        Ok(Self {
            sequence,
            sent_at,
            error_estimate,
            ssid,
            received_at,
            sender_sequence,
            sender_sent_at,
            sender_error_estimate,
            sender_ttl,
        })
    }

    /// The 112 octets of the packet, its HMAC still zero: [`seal`] makes it.
    pub fn encode_unsealed(&self) -> [u8; AUTHENTICATED_OCTETS] {
        let mut packet = [0; AUTHENTICATED_OCTETS];
        packet[0..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[16..24].copy_from_slice(&self.sent_at.0.to_be_bytes());
        packet[24..26].copy_from_slice(&self.error_estimate.0.to_be_bytes());
        packet[26..28].copy_from_slice(&self.ssid.to_be_bytes());
        packet[32..40].copy_from_slice(&self.received_at.0.to_be_bytes());
        packet[48..52].copy_from_slice(&self.sender_sequence.to_be_bytes());
        packet[64..72].copy_from_slice(&self.sender_sent_at.0.to_be_bytes());
        packet[72..74].copy_from_slice(&self.sender_error_estimate.0.to_be_bytes());
        packet[80] = self.sender_ttl;
        packet
    }
}

#[cfg(test)]
mod tests;
