//! Where to write to: `[[remote_write]]` of the configuration.

use std::path::{Path, PathBuf};

use owl_measure::time::Nanos;
use serde::Deserialize;

use crate::host_name;
use crate::metrics::Part;
use crate::post::{Destination, Named};

/// How often unless told otherwise.
const INTERVAL: Nanos = Nanos::from_secs(15);

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
    instance: Option<String>,
}

/// A receiver of remote write, such as Prometheus, Mimir or VictoriaMetrics.
#[derive(Debug, Clone)]
pub struct Receiver {
    pub(super) destination: Destination,
    pub(super) interval: Nanos,
    pub(super) part: Part,
    /// What this collector is called in series of its own.
    pub(super) instance: String,
}

impl ReceiverFile {
    /// As it is meant; its file names are relative to `base`.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub(crate) fn read(self, base: &Path) -> Result<Receiver, String> {
        let named = Named {
            url: self.url,
            token_file: self.token_file,
            basic_auth_file: self.basic_auth_file,
            ca: self.ca,
        };
        let destination = named.read(base, "http://127.0.0.1:9090/api/v1/write")?;
        let interval = self.interval.unwrap_or(INTERVAL);
        if !(Nanos::from_secs(1)..=Nanos::from_secs(3_600)).contains(&interval) {
            return Err("interval lies between 1s and 1h".into());
        }
        let part = self.shard.as_deref().map_or(Ok(Part::Whole), str::parse);
        Ok(Receiver {
            destination,
            interval,
            part: part.map_err(|error| error.to_string())?,
            instance: self.instance.unwrap_or_else(host_name),
        })
    }
}

impl Receiver {
    /// What it is called in metrics, logs and the store.
    pub(super) fn name(&self) -> String {
        self.destination.name()
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
        assert_eq!(receiver.name(), "https://m.example/api/v1/push");
        assert_eq!((receiver.interval, receiver.part), (INTERVAL, Part::Whole));
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
