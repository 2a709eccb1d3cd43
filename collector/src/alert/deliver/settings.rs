//! Who is told: `[[alertmanager]]` and `[[webhook]]` of the configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::post::{Destination, Named};

/// Where an Alertmanager takes alerts, after its own address (API v2).
const ALERTS: &str = "/api/v2/alerts";

/// An Alertmanager, as the configuration names it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertmanagerFile {
    url: String,
    token_file: Option<PathBuf>,
    basic_auth_file: Option<PathBuf>,
    ca: Option<PathBuf>,
}

/// A webhook, as the configuration names it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookFile {
    url: String,
    token_file: Option<PathBuf>,
    basic_auth_file: Option<PathBuf>,
    ca: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

/// How a receiver is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Speech {
    /// Alertmanager's API v2.
    Alertmanager,
    /// What Alertmanager tells a webhook, signed when there is a key.
    Webhook { key: Option<PathBuf> },
}

/// Who is told of alerts.
#[derive(Debug, Clone)]
pub struct AlertReceiver {
    pub(super) destination: Destination,
    pub(super) speech: Speech,
}

impl AlertmanagerFile {
    /// As it is meant; its file names are relative to `base`.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub(crate) fn read(self, base: &Path) -> Result<AlertReceiver, String> {
        let url = self.url.trim_end_matches('/');
        if url.ends_with("/alerts") {
            return Err(format!(
                "url is the address of an Alertmanager, without {ALERTS}"
            ));
        }
        let named = Named {
            url: format!("{url}{ALERTS}"),
            token_file: self.token_file,
            basic_auth_file: self.basic_auth_file,
            ca: self.ca,
        };
        Ok(AlertReceiver {
            destination: named.read(base, "http://127.0.0.1:9093")?,
            speech: Speech::Alertmanager,
        })
    }
}

impl WebhookFile {
    /// As it is meant; its file names are relative to `base`.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub(crate) fn read(self, base: &Path) -> Result<AlertReceiver, String> {
        let named = Named {
            url: self.url,
            token_file: self.token_file,
            basic_auth_file: self.basic_auth_file,
            ca: self.ca,
        };
        Ok(AlertReceiver {
            destination: named.read(base, "https://pager.example/owl")?,
            speech: Speech::Webhook {
                key: self.key_file.map(|file| base.join(file)),
            },
        })
    }
}

impl AlertReceiver {
    /// What it is called in metrics, logs and the store.
    pub(crate) fn name(&self) -> String {
        self.destination.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_are_named_by_their_address_and_slips_are_told() {
        let alertmanager = |text: &str| {
            let file: AlertmanagerFile = toml::from_str(text).map_err(|error| error.to_string())?;
            file.read(Path::new("/etc/owl"))
                .map(|receiver| receiver.name())
        };
        for url in ["http://am:9093", "http://am:9093/"] {
            let name = alertmanager(&format!("url = \"{url}\"")).unwrap();
            assert_eq!(name, "http://am:9093/api/v2/alerts");
        }
        for (text, why) in [
            (
                "url = \"http://am/api/v2/alerts\"",
                "without /api/v2/alerts",
            ),
            ("url = \"am\"", "url: "),
            ("url = \"ftp://am\"", "such as http://127.0.0.1:9093"),
            ("url = \"http://am\"\nkey_file = \"k\"", "unknown field"),
        ] {
            let error = alertmanager(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let text = "url = \"https://pager.example/owl\"\nkey_file = \"hook.key\"";
        let file: WebhookFile = toml::from_str(text).unwrap();
        let speech = file.read(Path::new("/etc/owl")).unwrap().speech;
        let key = Some("/etc/owl/hook.key".into());
        assert_eq!(speech, Speech::Webhook { key });
    }
}
