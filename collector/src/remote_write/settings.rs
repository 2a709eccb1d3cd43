//! Where to write to: `[[remote_write]]` of the configuration.

use std::path::{Path, PathBuf};

use hyper::Uri;
use owl_measure::time::Nanos;
use serde::Deserialize;

use crate::metrics::Part;

/// How often unless told otherwise.
const INTERVAL: Nanos = Nanos::from_secs(15);
/// Authorities of a Debian host.
const CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A receiver, as the configuration names it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceiverFile {
    url: String,
    token_file: Option<PathBuf>,
    basic_auth_file: Option<PathBuf>,
    ca: Option<PathBuf>,
    interval: Option<Nanos>,
    shard: Option<String>,
}

/// How a receiver knows us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Login {
    /// It need not.
    Open,
    /// A file with a token (RFC 6750).
    Token(PathBuf),
    /// A file with NAME:PASSWORD (RFC 7617).
    Basic(PathBuf),
}

/// A receiver of remote write, such as Prometheus, Mimir or VictoriaMetrics.
#[derive(Debug, Clone)]
pub struct Receiver {
    pub(super) url: Uri,
    pub(super) login: Login,
    pub(super) ca: PathBuf,
    pub(super) interval: Nanos,
    pub(super) part: Part,
}

impl ReceiverFile {
    /// As it is meant; its file names are relative to `base`.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub(crate) fn read(self, base: &Path) -> Result<Receiver, String> {
        let url: Uri = self.url.parse().map_err(|error| format!("url: {error}"))?;
        let known = matches!(url.scheme_str(), Some("http" | "https"));
        if !known || url.host().is_none_or(str::is_empty) {
            return Err(
                "url is the address of a receiver, such as http://127.0.0.1:9090/api/v1/write"
                    .into(),
            );
        }
        if url
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err("a name and a password do not belong into url: put NAME:PASSWORD into a file and name it in basic_auth_file".into());
        }
        let login = match (self.token_file, self.basic_auth_file) {
            (None, None) => Login::Open,
            (Some(file), None) => Login::Token(base.join(file)),
            (None, Some(file)) => Login::Basic(base.join(file)),
            (Some(_), Some(_)) => {
                return Err("token_file and basic_auth_file exclude each other".into());
            }
        };
        let interval = self.interval.unwrap_or(INTERVAL);
        if !(Nanos::from_secs(1)..=Nanos::from_secs(3_600)).contains(&interval) {
            return Err("interval lies between 1s and 1h".into());
        }
        let part = self.shard.as_deref().map_or(Ok(Part::Whole), str::parse);
        Ok(Receiver {
            url,
            login,
            ca: base.join(self.ca.unwrap_or_else(|| CA.into())),
            interval,
            part: part.map_err(|error| error.to_string())?,
        })
    }
}

impl Receiver {
    /// What it is called in metrics, logs and the store.
    pub(super) fn name(&self) -> String {
        self.url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(text: &str) -> Result<Receiver, String> {
        let file: ReceiverFile = toml::from_str(text).map_err(|error| error.to_string())?;
        file.read(Path::new("/etc/owl"))
    }

    #[test]
    fn what_is_not_said_has_a_default_and_slips_are_told() {
        let receiver = read("url = \"https://m.example/api/v1/push\"\ntoken_file = \"t\"").unwrap();
        assert_eq!(receiver.login, Login::Token("/etc/owl/t".into()));
        assert_eq!((receiver.interval, receiver.part), (INTERVAL, Part::Whole));
        assert_eq!(receiver.ca, Path::new(CA));
        for (text, why) in [
            ("url = \"ftp://a/\"", "url is the address"),
            ("url = \"nowhere\"", "url is the address"),
            ("url = \"http://n:p@a/\"", "basic_auth_file"),
            (
                "url = \"http://a/\"\ninterval = \"1ms\"",
                "between 1s and 1h",
            ),
            ("url = \"http://a/\"\nshard = \"5/4\"", "K/N"),
            (
                "url = \"http://a/\"\ntoken_file = \"a\"\nbasic_auth_file = \"b\"",
                "exclude",
            ),
            ("url = \"http://a/\"\npassword = \"x\"", "unknown field"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
