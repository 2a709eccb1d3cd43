//! The set-up of a control connection (RFC 4656, section 3.1): the server
//! greets, the Control-Client chooses a mode and proves that it knows the
//! secret, the server starts.

use std::sync::Arc;

use super::{ControlError, ControlStream};
use crate::wire::NtpTimestamp;
use crate::wire::owamp::{
    Accept, COUNT_MAX, COUNT_MIN, KeyId, Modes, Passphrase, ServerGreeting, ServerStart,
    SessionKeys, SetUpResponse, Sid,
};
use crate::wire::twamp::{TestKeys, TestMode};

/// How a Control-Client wants its connection to be protected.
#[derive(Debug, Clone)]
pub enum Protection {
    /// Not at all.
    None,
    /// By a secret that it shares with the server.
    SharedSecret {
        /// Authenticated, encrypted, mixed, or several of them: the best that the server offers is taken, in this order.
        modes: Modes,
        /// Which secret, by name, and the secret.
        identity: Identity,
        /// Random, and used for this connection only.
        keys: SessionKeys,
        /// Random, and used for this connection only.
        initial_vector: [u8; 16],
    },
}

/// A secret and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub key_id: KeyId,
    /// The secret.
    pub secret: Passphrase,
}

/// What a server offers to those who connect.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The modes it is willing to use.
    pub modes: Modes,
    /// Who may use any but the unauthenticated one.
    pub identities: Arc<[Identity]>,
    /// Rounds of key derivation; a power of 2 from 1024 to 2²⁰ is made of it.
    pub count: u32,
    /// Since when the server has been running.
    pub started_at: NtpTimestamp,
}

/// Random octets for one connection of a server.
#[derive(Debug, Clone, Copy)]
pub struct ServerRandom {
    /// To be sent back encrypted.
    pub challenge: [u8; 16],
    /// For the derivation of the key.
    pub salt: [u8; 16],
    /// Where the encryption starts.
    pub initial_vector: [u8; 16],
}

/// A connection that is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connected {
    /// The mode that was chosen.
    pub mode: Modes,
    /// Whose secret protects it; [`KeyId::NONE`] when none does.
    pub key_id: KeyId,
    /// Since when the server has been running.
    pub server_started_at: NtpTimestamp,
    /// The keys of the connection, from which those of the test packets follow.
    pub keys: Option<SessionKeys>,
}

impl Connected {
    /// How the test packets of a session are protected on this connection (RFC 4656, section 4.1.2).
    pub fn test_mode(&self, sid: Sid) -> TestMode {
        match self.keys {
            Some(keys) if self.mode == Modes::AUTHENTICATED => {
                TestMode::Authenticated(TestKeys::new(keys.of_test(sid)))
            }
            Some(keys) if self.mode == Modes::ENCRYPTED => {
                TestMode::Encrypted(TestKeys::new(keys.of_test(sid)))
            }
            _ => TestMode::Unauthenticated,
        }
    }
}

#[derive(Debug)]
enum ClientStep {
    Greeting,
    Start(Connected),
}

/// The Control-Client's side of it.
#[derive(Debug)]
pub(crate) struct ClientSetUp {
    protection: Protection,
    step: ClientStep,
}

impl ClientSetUp {
    pub(crate) fn new(protection: Protection) -> Self {
        Self {
            protection,
            step: ClientStep::Greeting,
        }
    }

    /// Does what can be done with the octets that have come.
    pub(crate) fn progress(
        &mut self,
        stream: &mut ControlStream,
    ) -> Result<Option<Connected>, ControlError> {
        if let ClientStep::Greeting = self.step {
            let Some(message) = stream.read(ServerGreeting::OCTETS)? else {
                return Ok(None);
            };
            self.step =
                ClientStep::Start(self.respond(&ServerGreeting::decode(&message)?, stream)?);
        }
        let ClientStep::Start(mut connected) = self.step else {
            return Ok(None);
        };
        let Some(message) = stream.peek(ServerStart::OCTETS)? else {
            return Ok(None);
        };
        let refusal = ServerStart::decode(message)?;
        if refusal.accept != Accept::Ok {
            return Err(ControlError::Refused {
                accept: refusal.accept,
            });
        }
        let clear = stream.read(ServerStart::CLEAR_OCTETS)?.unwrap_or_default();
        if let Some(keys) = &connected.keys {
            stream.protect_input(keys, &refusal.server_iv);
        }
        // Encrypted when anything is, and covered by the HMAC of the server's first answer.
        let rest = stream
            .read(ServerStart::OCTETS - ServerStart::CLEAR_OCTETS)?
            .unwrap_or_default();
        connected.server_started_at = ServerStart::decode(&[clear, rest].concat())?.started_at;
        Ok(Some(connected))
    }

    fn respond(
        &self,
        greeting: &ServerGreeting,
        stream: &mut ControlStream,
    ) -> Result<Connected, ControlError> {
        if greeting.modes.is_empty() {
            return Err(ControlError::Unwilling);
        }
        let wanted = match &self.protection {
            Protection::None => Modes::UNAUTHENTICATED,
            Protection::SharedSecret { modes, .. } => *modes,
        };
        let mode = greeting
            .modes
            .best_of(wanted)
            .ok_or(ControlError::NotOffered {
                offered: greeting.modes,
                wanted,
            })?;
        let mut connected = Connected {
            mode,
            key_id: KeyId::NONE,
            server_started_at: NtpTimestamp::default(),
            keys: None,
        };
        match &self.protection {
            Protection::None => stream.write(&SetUpResponse::UNAUTHENTICATED.encode())?,
            Protection::SharedSecret {
                identity,
                keys,
                initial_vector,
                ..
            } => {
                let count = greeting.count;
                if !count.is_power_of_two() || !(COUNT_MIN..=COUNT_MAX).contains(&count) {
                    return Err(ControlError::RoundsNotAccepted { count });
                }
                let response = SetUpResponse {
                    mode,
                    key_id: identity.key_id,
                    token: keys.to_token(greeting, &identity.secret),
                    client_iv: *initial_vector,
                };
                stream.write(&response.encode())?;
                stream.protect_output(keys, initial_vector);
                connected.key_id = identity.key_id;
                connected.keys = Some(*keys);
            }
        }
        Ok(connected)
    }
}

/// The server's side of it.
#[derive(Debug)]
pub(crate) struct ServerSetUp {
    offer: Offer,
    greeting: ServerGreeting,
    initial_vector: [u8; 16],
}

impl ServerSetUp {
    /// Greets.
    pub(crate) fn new(
        offer: Offer,
        random: ServerRandom,
        stream: &mut ControlStream,
    ) -> Result<Self, ControlError> {
        let greeting = ServerGreeting {
            modes: offer.modes,
            challenge: random.challenge,
            salt: random.salt,
            count: offer.count.clamp(COUNT_MIN, COUNT_MAX).next_power_of_two(),
        };
        stream.write(&greeting.encode())?;
        Ok(Self {
            offer,
            greeting,
            initial_vector: random.initial_vector,
        })
    }

    /// Does what can be done with the octets that have come.
    pub(crate) fn progress(
        &mut self,
        stream: &mut ControlStream,
    ) -> Result<Option<Connected>, ControlError> {
        let Some(message) = stream.read(SetUpResponse::OCTETS)? else {
            return Ok(None);
        };
        let response = SetUpResponse::decode(&message)?;
        let wanted = response.mode;
        if !self.offer.modes.offers(wanted) {
            return Err(ControlError::NotWanted { wanted });
        }
        let protected = wanted != Modes::UNAUTHENTICATED;
        let keys = protected.then(|| self.keys(&response)).flatten();
        if protected && keys.is_none() {
            let refusal = ServerStart {
                accept: Accept::Failure,
                server_iv: [0; 16],
                started_at: NtpTimestamp::default(),
            };
            stream.write(&refusal.encode())?;
            return Err(ControlError::SecretUnknown);
        }
        let start = ServerStart {
            accept: Accept::Ok,
            server_iv: if protected {
                self.initial_vector
            } else {
                [0; 16]
            },
            started_at: self.offer.started_at,
        }
        .encode();
        let (clear, rest) = start.split_at(ServerStart::CLEAR_OCTETS);
        stream.write(clear)?;
        if let Some(keys) = &keys {
            stream.protect_input(keys, &response.client_iv);
            stream.protect_output(keys, &self.initial_vector);
        }
        stream.write(rest)?;
        Ok(Some(Connected {
            mode: wanted,
            key_id: if protected {
                response.key_id
            } else {
                KeyId::NONE
            },
            server_started_at: self.offer.started_at,
            keys,
        }))
    }

    /// The keys of whoever knows the secret. A name that is not known takes as long as one that is.
    fn keys(&self, response: &SetUpResponse) -> Option<SessionKeys> {
        let identity = self
            .offer
            .identities
            .iter()
            .find(|identity| identity.key_id == response.key_id);
        let nobody = Passphrase::new(&[])?;
        let secret = identity.map_or(&nobody, |identity| &identity.secret);
        let keys = SessionKeys::from_token(&response.token, &self.greeting, secret)?;
        identity.map(|_| keys)
    }
}

#[cfg(test)]
mod tests;
