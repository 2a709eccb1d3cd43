//! `[sender]`: how session-senders run, and how they protect their sessions.

use std::path::PathBuf;

use owl_measure::time::Nanos;
use owl_protocol::session::sender::Protection;
use owl_protocol::wire::authentication::Key;
use serde::Deserialize;

/// How session-senders run, and how they protect their sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SenderConfig {
    /// Key file. A session whose reflector has a key there is protected, any other is open.
    pub keys: Option<PathBuf>,
    /// What a key protects.
    pub authentication: Protects,
    /// File of the users as whom TWAMP servers are asked for sessions, and their pass-phrases, for servers to which the
    /// topology gives a `twamp_user`. Read at each connection.
    pub twamp_users: Option<PathBuf>,
    /// The processor that their thread keeps to; it runs where the kernel wants when none is said.
    pub pin: Option<usize>,
    /// Whether it runs before every ordinary thread of the host (`SCHED_FIFO`).
    pub real_time: bool,
    /// For so long before each packet it looks at the clock instead of sleeping, 1 ms at most.
    pub spin: Nanos,
}

/// What a key protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protects {
    /// Packets as a whole: authenticated mode (RFC 8762, section 4.4).
    #[default]
    Whole,
    /// Only their TLVs (RFC 8972, section 4.8).
    Tlv,
}

impl Protects {
    /// The protection with a key.
    pub fn with(self, key: Key) -> Protection {
        match self {
            Self::Whole => Protection::Authenticated(key),
            Self::Tlv => Protection::Tlvs(key),
        }
    }
}
