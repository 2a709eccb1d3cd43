//! How the pages are served, and who may read metrics without a token: `[pages]`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;

/// Networks, and names of a certificate, that can be given.
const GIVEN_MAX: usize = 64;

/// What a collector is told of its pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// The certificate that is shown; without one the collector's own authority signs one, where one is needed.
    pub certificate: Option<PageCertificate>,
    /// The names and addresses by which browsers and Prometheus reach the pages; they stand in the certificate.
    pub names: Vec<String>,
    /// From where metrics are read without a token.
    pub metrics_from: Vec<IpNet>,
    /// Proxies that speak TLS in the collector's place, and say in `X-Forwarded-For` who calls.
    pub proxies: Vec<IpNet>,
}

/// A certificate that was made elsewhere. Both files are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCertificate {
    /// PEM file with the certificate and those that lead to its authority.
    pub chain: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    names: Option<Vec<String>>,
    metrics_from: Option<Vec<IpNet>>,
    proxies: Option<Vec<IpNet>>,
}

/// This host, by both protocols.
fn this_host() -> Vec<IpNet> {
    let addresses = [
        IpAddr::from([127, 0, 0, 1]),
        IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
    ];
    let lengths = [8, 128];
    let networks = addresses.into_iter().zip(lengths);
    networks
        .filter_map(|(address, length)| IpNet::new(address, length).ok())
        .collect()
}

impl Table {
    /// Holds it against itself; file names are relative to `base`.
    pub(super) fn read(self, base: &Path) -> Result<Pages, String> {
        let certificate = match (self.certificate, self.key) {
            (Some(chain), Some(key)) => Some(PageCertificate {
                chain: base.join(chain),
                key: base.join(key),
            }),
            (None, None) => None,
            _ => return Err("certificate and key of [pages] belong together".to_owned()),
        };
        let names = self.names.unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || "-.:*".contains(c);
        if let Some(name) = names
            .iter()
            .find(|name| name.is_empty() || name.len() > 253 || !name.chars().all(fits))
        {
            return Err(format!("\"{name}\" is no name of a host and no address"));
        }
        let metrics_from = self.metrics_from.unwrap_or_else(this_host);
        let proxies = self.proxies.unwrap_or_default();
        let most = names.len().max(metrics_from.len()).max(proxies.len());
        if most > GIVEN_MAX {
            return Err(format!("[pages] takes lists of {GIVEN_MAX} at most"));
        }
        Ok(Pages {
            certificate,
            names,
            metrics_from,
            proxies,
        })
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            certificate: None,
            names: Vec::new(),
            metrics_from: this_host(),
            proxies: Vec::new(),
        }
    }
}

/// How the pages are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transport {
    /// HTTP: nobody but this host, or the proxies, can call.
    Plain,
    /// HTTPS with the certificate of the configuration.
    Given(PageCertificate),
    /// HTTPS with a certificate of the collector's own authority, for these names.
    Own(Vec<String>),
}

impl Pages {
    /// What they ask for where the pages are bound to `address`: never a password over a network in the clear.
    pub(crate) fn transport(&self, address: IpAddr) -> Transport {
        match &self.certificate {
            Some(given) => Transport::Given(given.clone()),
            None if self.names.is_empty()
                && (address.is_loopback() || !self.proxies.is_empty()) =>
            {
                Transport::Plain
            }
            None => {
                let mut names = self.names.clone();
                if !address.is_unspecified() {
                    names.push(address.to_string());
                }
                names.dedup();
                Transport::Own(names)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Pages, String> {
        let table: Table = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        table.read(Path::new("/etc/owl"))
    }

    #[test]
    fn plain_http_is_for_this_host_and_for_proxies_only() {
        let own = |names: &[&str]| Transport::Own(names.iter().map(|&n| n.to_owned()).collect());
        let given = Transport::Given(PageCertificate {
            chain: "/etc/owl/c.pem".into(),
            key: "/etc/owl/k.pem".into(),
        });
        for (text, address, expected) in [
            ("", "127.0.0.1", Transport::Plain),
            ("", "::1", Transport::Plain),
            ("", "192.0.2.1", own(&["192.0.2.1"])),
            ("", "0.0.0.0", own(&[])),
            (
                "names = [\"owl.example\"]",
                "127.0.0.1",
                own(&["owl.example", "127.0.0.1"]),
            ),
            (
                "names = [\"owl.example\"]",
                "0.0.0.0",
                own(&["owl.example"]),
            ),
            (
                "proxies = [\"192.0.2.9/32\"]",
                "192.0.2.1",
                Transport::Plain,
            ),
            ("certificate = \"c.pem\"\nkey = \"k.pem\"", "0.0.0.0", given),
        ] {
            let pages = read(text).unwrap();
            assert_eq!(
                pages.transport(address.parse().unwrap()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_said_is_the_default_and_a_slip_is_told() {
        assert_eq!(read(""), Ok(Pages::default()));
        assert_eq!(read("metrics_from = []").unwrap().metrics_from, []);
        for (text, expected) in [
            ("certificate = \"c.pem\"", "belong together"),
            ("names = [\"a b\"]", "\"a b\" is no name"),
            ("metrics_from = [\"10.0.0.0\"]", "invalid"),
            ("colour = 1", "unknown field `colour`"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
