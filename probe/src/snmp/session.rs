//! How one agent is spoken to: by SNMPv2c, or by SNMPv3 once it has told who it is.

use owl_measure::time::{Monotonic, Nanos};
use owl_protocol::snmp::ber::{Malformed, Writer};
use owl_protocol::snmp::pdu::{Head, Kind, Pdu};
use owl_protocol::snmp::usm::{self, EngineClock, Keys, MasterKeys, Seal};
use owl_protocol::snmp::{Oid, community};

use super::credentials::Credentials;

/// How far an authentic answer's clock may lie behind ours before it is a replay (RFC 3414, section 3.2.7).
const REPLAY_S: u32 = 150;
/// The largest answer that fits into one datagram of UDP over IPv4.
const LONGEST_ANSWER: i32 = 65_507;

/// How one agent is spoken to.
#[derive(Debug)]
pub(super) enum Session {
    Community(Vec<u8>),
    User(Box<UserSession>),
}

#[derive(Debug)]
pub(super) struct UserSession {
    user: String,
    master: MasterKeys,
    engine: Option<Engine>,
    salt: u64,
}

#[derive(Debug)]
struct Engine {
    id: Vec<u8>,
    keys: Keys,
    clock: EngineClock,
    /// When the agent's clock showed that.
    told_at: Monotonic,
}

impl Engine {
    fn clock_at(&self, now: Monotonic) -> EngineClock {
        let passed = (now - self.told_at).max(Nanos::ZERO).0 / 1_000_000_000;
        EngineClock {
            boots: self.clock.boots,
            time: self
                .clock
                .time
                .saturating_add(u32::try_from(passed).unwrap_or(u32::MAX)),
        }
    }
}

/// What a datagram says.
#[derive(Debug)]
pub(super) enum Heard<'a> {
    /// An answer. `boots` counts the agent's starts.
    Answer { pdu: Pdu<'a>, boots: Option<u32> },
    /// The agent says who it is, or that its clock is another: ask again.
    Introduced,
    /// The agent will not answer this user, or not with these keys.
    Refused(Refusal),
}

/// Why an agent does not answer a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// usmStatsUnknownUserNames.
    #[error("the agent knows no such user")]
    UnknownUser,
    /// usmStatsWrongDigests.
    #[error("the agent has another pass phrase for this user")]
    WrongKeys,
    /// Any other report: an unsupported security level, or a failed decryption.
    #[error("the agent does not speak SHA-256 with AES-128 to this user")]
    Unsupported,
}

/// A datagram that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deaf {
    /// No message of this session's version, or not with its community.
    Malformed,
    /// Not from who has the keys, or old.
    NotAuthentic,
}

impl From<Malformed> for Deaf {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl Session {
    /// `salt` begins at random, so that two processes with one user's keys use different ones.
    pub(super) fn new(credentials: &Credentials, salt: u64) -> Self {
        match credentials {
            Credentials::Community(community) => Self::Community(community.clone()),
            Credentials::User { name, keys } => Self::User(Box::new(UserSession {
                user: name.clone(),
                master: keys.clone(),
                engine: None,
                salt,
            })),
        }
    }

    /// Whether the agent must first be asked who it is.
    pub(super) fn must_introduce(&self) -> bool {
        matches!(self, Self::User(user) if user.engine.is_none())
    }

    /// Writes a request; `bindings` puts them from the last to the first.
    pub(super) fn write(
        &mut self,
        writer: &mut Writer,
        head: Head,
        now: Monotonic,
        bindings: impl FnOnce(&mut Writer),
    ) {
        match self {
            Self::Community(community) => community::write(writer, community, head, bindings),
            Self::User(session) => {
                session.salt = session.salt.wrapping_add(1);
                let seal = match &session.engine {
                    Some(engine) => Seal {
                        id: head.request_id,
                        longest_answer: LONGEST_ANSWER,
                        engine_id: &engine.id,
                        clock: engine.clock_at(now),
                        user: session.user.as_bytes(),
                        keys: Some(&engine.keys),
                        salt: session.salt,
                    },
                    None => Seal {
                        id: head.request_id,
                        longest_answer: LONGEST_ANSWER,
                        engine_id: &[],
                        clock: EngineClock::default(),
                        user: &[],
                        keys: None,
                        salt: 0,
                    },
                };
                usm::write(writer, &seal, head, bindings);
            }
        }
    }

    /// Reads a datagram: the identifier of the request that it answers, and what it says. `room` takes clear text.
    pub(super) fn read<'a>(
        &mut self,
        datagram: &'a [u8],
        room: &'a mut Vec<u8>,
        now: Monotonic,
    ) -> Result<(i32, Heard<'a>), Deaf> {
        match self {
            Self::Community(community) => {
                let message = community::read(datagram)?;
                let pdu = message.pdu;
                if message.community != community.as_slice() || pdu.head.kind != Kind::Response {
                    return Err(Deaf::Malformed);
                }
                Ok((pdu.head.request_id, Heard::Answer { pdu, boots: None }))
            }
            Self::User(session) => session.read(datagram, room, now),
        }
    }
}

impl UserSession {
    fn read<'a>(
        &mut self,
        datagram: &'a [u8],
        room: &'a mut Vec<u8>,
        now: Monotonic,
    ) -> Result<(i32, Heard<'a>), Deaf> {
        let message = usm::read(datagram)?;
        let authentic = match &self.engine {
            Some(engine) if message.claims_authenticity() => {
                if message.engine_id != engine.id || !message.is_authentic(&engine.keys) {
                    return Err(Deaf::NotAuthentic);
                }
                let ours = engine.clock_at(now);
                let theirs = message.clock;
                if theirs.boots < ours.boots
                    || (theirs.boots == ours.boots
                        && theirs.time.saturating_add(REPLAY_S) < ours.time)
                {
                    return Err(Deaf::NotAuthentic);
                }
                true
            }
            _ => false,
        };
        let keys = self.engine.as_ref().map(|engine| &engine.keys);
        let pdu = message.pdu(keys, room)?;
        let id = message.id;
        match (pdu.head.kind, authentic) {
            (Kind::Response, true) if pdu.head.request_id == id => {
                self.set_clock(message.clock, now);
                let boots = Some(message.clock.boots);
                Ok((id, Heard::Answer { pdu, boots }))
            }
            (Kind::Report, _) => {
                let binding = pdu.bindings().next().ok_or(Deaf::Malformed)??;
                let name = Oid::read(binding.name)?.to_string();
                let heard = match (name.as_str(), authentic) {
                    (usm::UNKNOWN_ENGINE_IDS, false) => {
                        if message.engine_id.is_empty() {
                            return Err(Deaf::Malformed);
                        }
                        self.engine = Some(Engine {
                            id: message.engine_id.to_vec(),
                            keys: self.master.localized(message.engine_id),
                            clock: message.clock,
                            told_at: now,
                        });
                        Heard::Introduced
                    }
                    (usm::NOT_IN_TIME_WINDOWS, true) => {
                        self.set_clock(message.clock, now);
                        Heard::Introduced
                    }
                    // Only who has the keys may set our clock.
                    (usm::NOT_IN_TIME_WINDOWS, false) => return Err(Deaf::NotAuthentic),
                    (usm::UNKNOWN_USER_NAMES, _) => Heard::Refused(Refusal::UnknownUser),
                    (usm::WRONG_DIGESTS, _) => Heard::Refused(Refusal::WrongKeys),
                    _ => Heard::Refused(Refusal::Unsupported),
                };
                Ok((id, heard))
            }
            _ => Err(Deaf::NotAuthentic),
        }
    }

    fn set_clock(&mut self, clock: EngineClock, now: Monotonic) {
        if let Some(engine) = &mut self.engine
            && clock >= engine.clock
        {
            engine.clock = clock;
            engine.told_at = now;
        }
    }
}
