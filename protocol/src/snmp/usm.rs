//! Messages of SNMPv3 (RFC 3412) with the user-based security model (RFC 3414): HMAC-SHA-256 cut to 192 bits (RFC 7860)
//! and AES-128 in cipher feedback mode (RFC 3826).
//!
//! The older algorithms (MD5, SHA-1, DES) are left out: an agent that has nothing better is asked by SNMPv2c, which
//! promises nothing.

use std::fmt;

use aes::Aes128;
use cfb_mode::cipher::KeyIvInit as _;
use cfb_mode::{Decryptor, Encryptor};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::ber::{self, Malformed, Reader, Writer};
use super::pdu::{self, Head, Pdu};

/// The number that stands for SNMPv3.
const VERSION: i32 = 3;
/// The number of the user-based security model (RFC 3411, section 5).
const SECURITY_MODEL: i32 = 3;
/// How long the cut HMAC is (RFC 7860, section 4.2.1: usmHMAC192SHA256AuthProtocol).
const AUTHENTICATION_OCTETS: usize = 24;
/// How long a salt is (RFC 3826, section 3.1.2.1).
const SALT_OCTETS: usize = 8;
/// What a pass phrase is repeated to before it is hashed (RFC 3414, appendix A.2.1).
const PASSPHRASE_STRETCHED_OCTETS: usize = 1 << 20;
/// The shortest pass phrase (RFC 3414, section 11.2).
const PASSPHRASE_OCTETS_MIN: usize = 8;
/// The longest engine identifier (RFC 3411, SnmpEngineID).
pub const ENGINE_ID_OCTETS_MAX: usize = 32;
/// msgFlags: what the message is protected by.
const AUTHENTICATED: u8 = 1;
const ENCRYPTED: u8 = 2;
/// msgFlags: an error is answered by a Report.
const REPORTABLE: u8 = 4;

/// usmStatsNotInTimeWindows.0 (RFC 3414, section 5): boots or time of the request were not the agent's.
pub const NOT_IN_TIME_WINDOWS: &str = "1.3.6.1.6.3.15.1.1.2.0";
/// usmStatsUnknownUserNames.0.
pub const UNKNOWN_USER_NAMES: &str = "1.3.6.1.6.3.15.1.1.3.0";
/// usmStatsUnknownEngineIDs.0: how an agent answers to whoever asks who it is.
pub const UNKNOWN_ENGINE_IDS: &str = "1.3.6.1.6.3.15.1.1.4.0";
/// usmStatsWrongDigests.0: the keys differ.
pub const WRONG_DIGESTS: &str = "1.3.6.1.6.3.15.1.1.5.0";

/// A pass phrase too short for any agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot use a pass phrase of {octets} octets; {PASSPHRASE_OCTETS_MIN} are needed (RFC 3414, section 11.2)"
)]
pub struct ShortPassphrase {
    /// How long it is.
    pub octets: usize,
}

/// The keys of a user, before they are made those of one agent. Costs 2 MiB of hashing, so it is made once.
#[derive(Clone)]
pub struct MasterKeys {
    authentication: [u8; 32],
    privacy: Option<[u8; 32]>,
}

impl MasterKeys {
    /// From pass phrases; without the second one nothing is encrypted (authNoPriv).
    ///
    /// # Errors
    /// When one is shorter than eight octets.
    pub fn new(authentication: &[u8], privacy: Option<&[u8]>) -> Result<Self, ShortPassphrase> {
        Ok(Self {
            authentication: stretched(authentication)?,
            privacy: privacy.map(stretched).transpose()?,
        })
    }

    /// As the agent with this engine identifier knows them (RFC 3414, section 2.6).
    pub fn localized(&self, engine_id: &[u8]) -> Keys {
        let localize = |key: &[u8; 32]| -> [u8; 32] {
            Sha256::new()
                .chain_update(key)
                .chain_update(engine_id)
                .chain_update(key)
                .finalize()
                .into()
        };
        let authentication = localize(&self.authentication);
        Keys {
            authentication: Hmac::new_from_slice(&authentication)
                .expect("HMAC takes keys of any length"),
            privacy: self.privacy.as_ref().map(|key| {
                let localized = localize(key);
                std::array::from_fn(|k| localized[k])
            }),
        }
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKeys")
    }
}

fn stretched(passphrase: &[u8]) -> Result<[u8; 32], ShortPassphrase> {
    if passphrase.len() < PASSPHRASE_OCTETS_MIN {
        return Err(ShortPassphrase {
            octets: passphrase.len(),
        });
    }
    let mut hash = Sha256::new();
    let mut left = PASSPHRASE_STRETCHED_OCTETS;
    while left > 0 {
        let part = passphrase.len().min(left);
        hash.update(&passphrase[..part]);
        left -= part;
    }
    Ok(hash.finalize().into())
}

/// The keys of a user at one agent.
#[derive(Clone)]
pub struct Keys {
    authentication: Hmac<Sha256>,
    privacy: Option<[u8; 16]>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    fn authenticate(&self, parts: [&[u8]; 3]) -> Hmac<Sha256> {
        parts
            .iter()
            .fold(self.authentication.clone(), |hmac, part| {
                hmac.chain_update(part)
            })
    }
}

/// The initialisation vector (RFC 3826, section 3.1.2.1).
fn vector(clock: EngineClock, salt: [u8; SALT_OCTETS]) -> [u8; 16] {
    let mut vector = [0; 16];
    vector[..4].copy_from_slice(&clock.boots.to_be_bytes());
    vector[4..8].copy_from_slice(&clock.time.to_be_bytes());
    vector[8..].copy_from_slice(&salt);
    vector
}

/// How often an agent has started, and for how many seconds it has run since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct EngineClock {
    /// snmpEngineBoots.
    pub boots: u32,
    /// snmpEngineTime, s.
    pub time: u32,
}

/// A message, borrowed from the datagram. Nothing in it is to be believed before [`Message::is_authentic`] says so.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// msgID: pairs a message with its answer.
    pub id: i32,
    flags: u8,
    /// Whose agent it is; empty when that is asked.
    pub engine_id: &'a [u8],
    /// The agent's clock.
    pub clock: EngineClock,
    /// For whom.
    pub user: &'a [u8],
    authentication_at: usize,
    authentication: &'a [u8],
    salt: &'a [u8],
    payload: Reader<'a>,
    datagram: &'a [u8],
}

/// Reads a datagram, without believing or decrypting any of it.
///
/// # Errors
/// When it is no message of SNMPv3 with the user-based security model.
pub fn read(datagram: &[u8]) -> Result<Message<'_>, Malformed> {
    let mut message = Reader::new(datagram).expect(ber::SEQUENCE)?;
    if message.integer()? != VERSION {
        return Err(Malformed::Form);
    }
    let mut header = message.expect(ber::SEQUENCE)?;
    let id = header.integer()?;
    let _longest_answer = header.integer()?;
    let &[flags] = header.octets()? else {
        return Err(Malformed::Form);
    };
    if header.integer()? != SECURITY_MODEL {
        return Err(Malformed::Form);
    }
    let mut security = message.expect(ber::OCTETS)?.expect(ber::SEQUENCE)?;
    let engine_id = security.octets()?;
    if engine_id.len() > ENGINE_ID_OCTETS_MAX {
        return Err(Malformed::Form);
    }
    let not_negative = |number: i32| u32::try_from(number).map_err(|_| Malformed::Form);
    let boots = not_negative(security.integer()?)?;
    let time = not_negative(security.integer()?)?;
    let user = security.octets()?;
    let authentication = security.expect(ber::OCTETS)?;
    Ok(Message {
        id,
        flags,
        engine_id,
        clock: EngineClock { boots, time },
        user,
        authentication_at: authentication.position(),
        authentication: authentication.rest(),
        salt: security.octets()?,
        payload: message,
        datagram,
    })
}

impl<'a> Message<'a> {
    /// Whether it claims to be authenticated.
    pub fn claims_authenticity(&self) -> bool {
        self.flags & AUTHENTICATED != 0
    }

    /// Whether who sent it has the keys.
    pub fn is_authentic(&self, keys: &Keys) -> bool {
        let end = self.authentication_at + self.authentication.len();
        if !self.claims_authenticity() || self.authentication.len() != AUTHENTICATION_OCTETS {
            return false;
        }
        let parts = [
            &self.datagram[..self.authentication_at],
            &[0; AUTHENTICATION_OCTETS][..],
            &self.datagram[end..],
        ];
        // Compared in constant time.
        keys.authenticate(parts)
            .verify_truncated_left(self.authentication)
            .is_ok()
    }

    /// What is asked or answered. Where it is encrypted, `room` takes the clear text.
    ///
    /// # Errors
    /// When it is encrypted and the keys do not fit, or are none; or when it is no scoped PDU.
    pub fn pdu<'b>(&self, keys: Option<&Keys>, room: &'b mut Vec<u8>) -> Result<Pdu<'b>, Malformed>
    where
        'a: 'b,
    {
        let mut payload = self.payload;
        let mut scoped = if self.flags & ENCRYPTED == 0 {
            payload.expect(ber::SEQUENCE)?
        } else {
            let key = keys.and_then(|keys| keys.privacy).ok_or(Malformed::Form)?;
            let salt = self.salt.try_into().map_err(|_| Malformed::Form)?;
            room.clear();
            room.extend_from_slice(payload.octets()?);
            Decryptor::<Aes128>::new(&key.into(), &vector(self.clock, salt).into()).decrypt(room);
            Reader::new(room).expect(ber::SEQUENCE)?
        };
        let _context_engine_id = scoped.octets()?;
        let _context_name = scoped.octets()?;
        Pdu::read(&mut scoped)
    }
}

/// What a message is sealed with.
#[derive(Debug, Clone, Copy)]
pub struct Seal<'a> {
    /// msgID.
    pub id: i32,
    /// How large an answer may be, in octets.
    pub longest_answer: i32,
    /// Whose agent it is; empty to ask who it is.
    pub engine_id: &'a [u8],
    /// The agent's clock.
    pub clock: EngineClock,
    /// For whom.
    pub user: &'a [u8],
    /// Without keys the message is neither authenticated nor encrypted.
    pub keys: Option<&'a Keys>,
    /// No two messages of one key and one second of an agent's clock may have the same (RFC 3826, section 3.1.2.1).
    pub salt: u64,
}

/// Writes a message; `bindings` puts them from the last to the first.
pub fn write(writer: &mut Writer, seal: &Seal<'_>, head: Head, bindings: impl FnOnce(&mut Writer)) {
    writer.clear();
    pdu::write(writer, head, bindings);
    writer.value(ber::OCTETS, &[]);
    writer.value(ber::OCTETS, seal.engine_id);
    writer.wrap(ber::SEQUENCE, 0);
    let salt = seal.salt.to_be_bytes();
    let key = seal.keys.and_then(|keys| keys.privacy);
    if let Some(key) = key {
        let vector = vector(seal.clock, salt);
        Encryptor::<Aes128>::new(&key.into(), &vector.into()).encrypt(writer.message_mut());
        writer.wrap(ber::OCTETS, 0);
    }
    let since = writer.len();
    writer.value(ber::OCTETS, if key.is_some() { &salt } else { &[] });
    let authentication_until = writer.len();
    let authentication = match seal.keys {
        Some(_) => &[0; AUTHENTICATION_OCTETS][..],
        None => &[],
    };
    writer.value(ber::OCTETS, authentication);
    writer.value(ber::OCTETS, seal.user);
    writer.unsigned(ber::INTEGER, seal.clock.time.into());
    writer.unsigned(ber::INTEGER, seal.clock.boots.into());
    writer.value(ber::OCTETS, seal.engine_id);
    writer.wrap(ber::SEQUENCE, since);
    writer.wrap(ber::OCTETS, since);
    let since = writer.len();
    let asks = matches!(
        head.kind,
        pdu::Kind::Get | pdu::Kind::GetNext | pdu::Kind::GetBulk
    );
    let set = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
    let flags = set(AUTHENTICATED, seal.keys.is_some())
        | set(ENCRYPTED, key.is_some())
        | set(REPORTABLE, asks);
    writer.signed(ber::INTEGER, SECURITY_MODEL.into());
    writer.value(ber::OCTETS, &[flags]);
    writer.signed(ber::INTEGER, seal.longest_answer.into());
    writer.signed(ber::INTEGER, seal.id.into());
    writer.wrap(ber::SEQUENCE, since);
    writer.signed(ber::INTEGER, VERSION.into());
    writer.wrap(ber::SEQUENCE, 0);
    if let Some(keys) = seal.keys {
        let end = writer.len() - authentication_until;
        let message = writer.message_mut();
        let hmac = keys
            .authenticate([message, &[], &[]])
            .finalize()
            .into_bytes();
        message[end - AUTHENTICATION_OCTETS..end].copy_from_slice(&hmac[..AUTHENTICATION_OCTETS]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::pdu::{Kind, write_binding};
    use super::super::{Oid, Value};
    use super::*;

    const ENGINE: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

    fn sealed(privacy: Option<&[u8]>) -> (Keys, Vec<u8>) {
        let keys = MasterKeys::new(b"maplesyrup", privacy)
            .unwrap()
            .localized(&ENGINE);
        let seal = Seal {
            id: 7,
            longest_answer: 65_507,
            engine_id: &ENGINE,
            clock: EngineClock {
                boots: 3,
                time: 1_000_000,
            },
            user: b"owl",
            keys: Some(&keys),
            salt: 0x0102_0304_0506_0708,
        };
        let head = Head {
            kind: Kind::GetBulk,
            request_id: 99,
            status: 1,
            index: 8,
        };
        let mut writer = Writer::default();
        write(&mut writer, &seal, head, |writer| {
            let name: Oid = "1.3.6.1.2.1.1.3.0".parse().unwrap();
            write_binding(writer, &name, Value::Null);
        });
        let message = writer.message().to_vec();
        (keys, message)
    }

    #[test]
    fn what_is_sealed_is_opened_with_the_same_keys_and_with_no_others() {
        for privacy in [None, Some(&b"maplesyrup"[..])] {
            let (keys, datagram) = sealed(privacy);
            let message = read(&datagram).unwrap();
            assert!(message.is_authentic(&keys));
            assert_eq!((message.id, message.user), (7, &b"owl"[..]));
            assert_eq!((message.clock.boots, message.clock.time), (3, 1_000_000));
            let mut room = Vec::new();
            let pdu = message.pdu(Some(&keys), &mut room).unwrap();
            assert_eq!((pdu.head.request_id, pdu.head.index), (99, 8));
            assert_eq!(pdu.bindings().count(), 1);
            let others = MasterKeys::new(b"maplesyrop", privacy).unwrap();
            assert!(!message.is_authentic(&others.localized(&ENGINE)));
            assert!(message.pdu(None, &mut Vec::new()).is_ok() == privacy.is_none());
        }
    }

    #[test]
    fn one_changed_octet_spoils_the_seal_and_no_octets_can_panic() {
        let (keys, datagram) = sealed(Some(b"maplesyrup"));
        for place in 0..datagram.len() {
            let mut changed = datagram.clone();
            changed[place] ^= 0x10;
            let authentic = read(&changed).is_ok_and(|message| message.is_authentic(&keys));
            assert!(!authentic, "octet {place}");
            assert!(read(&datagram[..place]).is_err(), "prefix {place}");
        }
    }

    #[test]
    fn pass_phrases_are_stretched_as_other_programs_do() {
        // `python3 -c`: hashlib.sha256((b"maplesyrup" * 104858)[:1 << 20]), then with the engine identifier between.
        let keys = MasterKeys::new(b"maplesyrup", None).unwrap();
        let hex = |octets: &[u8]| -> String { octets.iter().map(|o| format!("{o:02x}")).collect() };
        assert_eq!(
            hex(&keys.authentication),
            "ab51014d1e077f6017df2b12bee5f5aa72993177e9bb569c4dff5a4ca0b4afac"
        );
        assert_eq!(
            MasterKeys::new(b"seven77", None).err(),
            Some(ShortPassphrase { octets: 7 })
        );
    }
}
