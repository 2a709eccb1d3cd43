//! Which protocol is spoken with the far end, and who speaks it.

use std::path::PathBuf;

use clap::ValueEnum;
use owl_measure::words::Lang;
use owl_probe::control::users::read_pass_phrase;
use owl_protocol::session::control::Identity;
use owl_protocol::session::sender::Dialect;
use owl_protocol::wire::twamp::TestMode;

use super::owamp::Way;
use crate::failure::Failure;

/// A protocol of the far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Protocol {
    /// STAMP (RFC 8762), as `owl reflect` and newer routers speak it
    Stamp,
    /// TWAMP Light: test packets of TWAMP without a control connection, to the UDP port that the router is configured to
    TwampLight,
    /// TWAMP (RFC 5357): HOST is asked over TCP to reflect a session
    Twamp,
    /// OWAMP (RFC 4656): HOST is asked over TCP to receive a session and to send one; there is no round trip
    Owamp,
}

impl Protocol {
    /// Its name in JSON and on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stamp => "stamp",
            Self::TwampLight => "twamp-light",
            Self::Twamp => "twamp",
            Self::Owamp => "owamp",
        }
    }
}

/// What is spoken.
#[derive(Debug, clap::Args)]
pub(super) struct Spoken {
    /// Protocol of the far end; with twamp and owamp, PORT is the TCP port of its server, 862 and 861 unless given
    #[arg(long, value_name = "PROTOCOL", value_enum, default_value = "stamp")]
    pub(super) protocol: Protocol,
    /// With owamp: which way to measure; both unless given
    #[arg(long, value_name = "WAY", value_enum)]
    pub(super) direction: Option<Way>,
    /// With twamp and owamp: be this user of the server, in the best protected mode that it offers
    #[arg(long, value_name = "KEYID", requires = "pass_phrase_file")]
    user: Option<String>,
    /// The user's pass-phrase is the first line of this file
    #[arg(long, value_name = "FILE", requires = "user")]
    pass_phrase_file: Option<PathBuf>,
}

impl Spoken {
    /// What test packets are before anything is agreed upon.
    pub(super) fn dialect(&self) -> Dialect {
        match self.protocol {
            Protocol::Stamp => Dialect::Stamp,
            Protocol::TwampLight | Protocol::Twamp | Protocol::Owamp => {
                Dialect::Twamp(TestMode::Unauthenticated)
            }
        }
    }

    pub(super) fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// Who asks a server.
    pub(super) fn identity(&self, lang: Lang) -> Result<Option<Identity>, Failure> {
        let (Some(user), Some(file)) = (&self.user, &self.pass_phrase_file) else {
            return Ok(None);
        };
        read_pass_phrase(file, user).map(Some).map_err(|error| {
            let hint = error.hint();
            Failure::usage(lang.pick(
                format!("cannot take the pass-phrase of {user}"),
                format!("无法取得 {user} 的口令"),
            ))
            .because(error)
            .hint(hint)
        })
    }
}
