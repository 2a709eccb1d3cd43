//! The three messages of the connection set-up (RFC 4656, section 3.1), the
//! same for TWAMP: Server Greeting, Set-Up-Response, Server-Start.

use std::fmt;

use super::Accept;
use crate::wire::{NtpTimestamp, Reader, TooShort};

/// Ways to protect a connection and its test packets, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Modes(pub u32);

impl Modes {
    /// Nothing is protected.
    pub const UNAUTHENTICATED: Self = Self(1);
    /// Control is encrypted, test packets are authenticated.
    pub const AUTHENTICATED: Self = Self(2);
    /// Control and test packets are encrypted.
    pub const ENCRYPTED: Self = Self(4);
    /// Control is encrypted, test packets are not protected (RFC 5618).
    pub const MIXED: Self = Self(8);

    /// Whether there is no mode at all: the server does not wish to talk.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it is exactly one mode, and one of these.
    pub fn offers(self, mode: Self) -> bool {
        mode.0.count_ones() == 1 && self.0 & mode.0 != 0
    }

    /// The best mode that is offered here and wanted there: authenticated, whose timestamps nobody has to encrypt between
    /// reading the clock and sending, before encrypted, mixed, and unauthenticated.
    pub fn best_of(self, wanted: Self) -> Option<Self> {
        let common = Self(self.0 & wanted.0);
        [
            Self::AUTHENTICATED,
            Self::ENCRYPTED,
            Self::MIXED,
            Self::UNAUTHENTICATED,
        ]
        .into_iter()
        .find(|&mode| common.offers(mode))
    }

    /// These and those.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Modes {
    /// In words, with "or" between several.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::UNAUTHENTICATED, "unauthenticated"),
            (Self::AUTHENTICATED, "authenticated"),
            (Self::ENCRYPTED, "encrypted"),
            (Self::MIXED, "mixed"),
        ];
        let mut rest = self.0;
        let mut between = "";
        for (mode, name) in names {
            if rest & mode.0 != 0 {
                write!(f, "{between}{name}")?;
                between = " or ";
            }
            rest &= !mode.0;
        }
        if rest != 0 || self.is_empty() {
            write!(f, "{between}{rest:#x}")?;
        }
        Ok(())
    }
}

/// The first message: what the server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerGreeting {
    /// The modes it is willing to use.
    pub modes: Modes,
    /// Random; whoever knows the shared secret can prove it by sending this back encrypted.
    pub challenge: [u8; 16],
    /// Random; for the derivation of the key.
    pub salt: [u8; 16],
    /// Rounds of the derivation: a power of 2, at least 1024.
    pub count: u32,
}

impl ServerGreeting {
    /// Length of the message.
    pub const OCTETS: usize = 64;

    /// Reads the message.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(message: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(message);
        fields.take::<12>()?;
        let greeting = Self {
            modes: Modes(fields.u32()?),
            challenge: fields.take()?,
            salt: fields.take()?,
            count: fields.u32()?,
        };
        fields.take::<12>()?;
        Ok(greeting)
    }

    /// The octets of the message.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut message = [0; Self::OCTETS];
        message[12..16].copy_from_slice(&self.modes.0.to_be_bytes());
        message[16..32].copy_from_slice(&self.challenge);
        message[32..48].copy_from_slice(&self.salt);
        message[48..52].copy_from_slice(&self.count.to_be_bytes());
        message
    }
}

/// The name of a shared secret: UTF-8 of at most 80 octets, the rest zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub [u8; 80]);

impl KeyId {
    /// Nobody: what an unauthenticated connection names.
    pub const NONE: Self = Self([0; 80]);

    /// From text; `None` when it is longer than 80 octets.
    pub fn new(name: &str) -> Option<Self> {
        let mut octets = [0; 80];
        octets
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        Some(Self(octets))
    }
}

/// The second message: the mode that is chosen, and the proof of knowing the secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetUpResponse {
    /// One of the modes that were offered; none when the connection is given up.
    pub mode: Modes,
    /// Which secret is shared.
    pub key_id: KeyId,
    /// Challenge and session keys, encrypted with the shared secret.
    pub token: [u8; 64],
    /// Where the encryption of the way to the server starts.
    pub client_iv: [u8; 16],
}

impl SetUpResponse {
    /// Length of the message.
    pub const OCTETS: usize = 164;

    /// Chooses the unauthenticated mode; the other fields are unused then.
    pub const UNAUTHENTICATED: Self = Self {
        mode: Modes::UNAUTHENTICATED,
        key_id: KeyId::NONE,
        token: [0; 64],
        client_iv: [0; 16],
    };

    /// Reads the message.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(message: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(message);
        Ok(Self {
            mode: Modes(fields.u32()?),
            key_id: KeyId(fields.take()?),
            token: fields.take()?,
            client_iv: fields.take()?,
        })
    }

    /// The octets of the message.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut message = [0; Self::OCTETS];
        message[0..4].copy_from_slice(&self.mode.0.to_be_bytes());
        message[4..84].copy_from_slice(&self.key_id.0);
        message[84..148].copy_from_slice(&self.token);
        message[148..164].copy_from_slice(&self.client_iv);
        message
    }
}

/// The third message: whether the connection is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerStart {
    /// Whether it is.
    pub accept: Accept,
    /// Where the encryption of the way from the server starts: with the octets behind this field.
    pub server_iv: [u8; 16],
    /// Since when the server has been running; zero when it refuses.
    pub started_at: NtpTimestamp,
}

impl ServerStart {
    /// Length of the message.
    pub const OCTETS: usize = 48;
    /// How much of it is never encrypted.
    pub const CLEAR_OCTETS: usize = 32;

    /// Reads the message.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn decode(message: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Reader::new(message);
        fields.take::<15>()?;
        let start = Self {
            accept: Accept::from_octet(fields.u8()?),
            server_iv: fields.take()?,
            started_at: NtpTimestamp(fields.u64()?),
        };
        fields.take::<8>()?;
        Ok(start)
    }

    /// The octets of the message.
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut message = [0; Self::OCTETS];
        message[15] = self.accept.to_octet();
        message[16..32].copy_from_slice(&self.server_iv);
        message[32..40].copy_from_slice(&self.started_at.0.to_be_bytes());
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unused, modes 1 + 2 + 8, challenge, salt, count 2048, zero.
    const GREETING: &[u8; 64] = b"\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0b\
        challenge-octets\
        the-salt-octets!\
        \0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0";

    #[test]
    fn the_golden_greeting_is_read_and_written_back() {
        let greeting = ServerGreeting::decode(GREETING).unwrap();
        let modes = Modes::UNAUTHENTICATED
            .and(Modes::AUTHENTICATED)
            .and(Modes::MIXED);
        assert_eq!((greeting.modes, greeting.count), (modes, 2048));
        assert_eq!(&greeting.challenge, b"challenge-octets");
        assert_eq!(&greeting.salt, b"the-salt-octets!");
        assert_eq!(&greeting.encode(), GREETING);
        for end in 0..64 {
            assert!(ServerGreeting::decode(&GREETING[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn the_golden_response_is_read_and_written_back() {
        let mut golden = [0; 164];
        golden[3] = 2;
        golden[4..9].copy_from_slice(b"jiuzi");
        golden[84..148].copy_from_slice(&[0xA5; 64]);
        golden[148..164].copy_from_slice(b"initial-vector-c");
        let response = SetUpResponse::decode(&golden).unwrap();
        assert_eq!(response.mode, Modes::AUTHENTICATED);
        assert_eq!(Some(response.key_id), KeyId::new("jiuzi"));
        assert_eq!(response.token, [0xA5; 64]);
        assert_eq!(&response.client_iv, b"initial-vector-c");
        assert_eq!(response.encode(), golden);
        for end in 0..164 {
            assert!(SetUpResponse::decode(&golden[..end]).is_err(), "{end}");
        }
        assert_eq!(SetUpResponse::UNAUTHENTICATED.encode()[3], 1);
        assert_eq!(KeyId::new(&"x".repeat(81)), None);
    }

    #[test]
    fn the_golden_server_start_is_read_and_written_back() {
        const GOLDEN: &[u8; 48] = b"\
            \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
            initial-vector-s\
            \xeb\x0f\x12\x34\x80\0\0\0\0\0\0\0\0\0\0\0";
        let start = ServerStart::decode(GOLDEN).unwrap();
        assert_eq!(start.accept, Accept::Ok);
        assert_eq!(&start.server_iv, b"initial-vector-s");
        assert_eq!(start.started_at, NtpTimestamp(0xEB0F_1234_8000_0000));
        assert_eq!(&start.encode(), GOLDEN);
        for end in 0..48 {
            assert!(ServerStart::decode(&GOLDEN[..end]).is_err(), "{end}");
        }
        let refused = ServerStart {
            accept: Accept::Failure,
            ..start
        };
        assert_eq!(
            refused.encode()[..16],
            *b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
        );
    }

    #[test]
    fn the_best_mode_that_both_know_is_taken() {
        for (offered, wanted, best) in [
            (1 | 2 | 4 | 8, 2 | 4 | 8, Some(2)),
            (1 | 4 | 8, 2 | 4 | 8, Some(4)),
            (1 | 8, 2 | 4 | 8, Some(8)),
            (1, 2 | 4 | 8, None),
            (0, 1, None),
            (0x1E1, 1, Some(1)),
            (16, 16, None),
        ] {
            let best = best.map(Modes);
            assert_eq!(Modes(offered).best_of(Modes(wanted)), best, "{offered}");
        }
        assert_eq!(Modes(1 | 8).to_string(), "unauthenticated or mixed");
        assert_eq!(Modes(2 | 32).to_string(), "authenticated or 0x20");
        assert_eq!(Modes(0).to_string(), "0x0");
    }

    #[test]
    fn only_one_mode_can_be_chosen_and_only_one_that_was_offered() {
        let offered = Modes::UNAUTHENTICATED.and(Modes::MIXED);
        for (mode, chosen) in [
            (0, false),
            (1, true),
            (2, false),
            (4, false),
            (8, true),
            (9, false),
        ] {
            assert_eq!(offered.offers(Modes(mode)), chosen, "{mode}");
        }
    }
}
