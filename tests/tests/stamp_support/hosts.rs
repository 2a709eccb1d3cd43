//! Two hosts that are network namespaces, joined by a veth pair.

use std::process::Command;

use crate::namespaces::{delete, inside, ip, made};
use crate::stamp_support::owl;

/// Two namespaces and what joins them; gone when dropped.
pub(crate) struct Hosts {
    pub(crate) near: String,
    pub(crate) far: String,
}

impl Hosts {
    fn new(test: &str) -> Result<Self, String> {
        let name = |end: &str| format!("owl-t-{}-{test}-{end}", std::process::id());
        let hosts = Self {
            near: name("a"),
            far: name("b"),
        };
        for host in [&hosts.near, &hosts.far] {
            ip(&["netns", "add", host])?;
        }
        ip(&[
            "-n",
            &hosts.near,
            "link",
            "add",
            "veth0",
            "type",
            "veth",
            "peer",
            "name",
            "veth0",
            "netns",
            &hosts.far,
        ])?;
        for (host, v4, v6) in [
            (&hosts.near, "192.0.2.1/24", "2001:db8::1/64"),
            (&hosts.far, "192.0.2.2/24", "2001:db8::2/64"),
        ] {
            ip(&["-n", host, "address", "add", v4, "dev", "veth0"])?;
            ip(&["-n", host, "address", "add", v6, "dev", "veth0", "nodad"])?;
            for link in ["lo", "veth0"] {
                ip(&["-n", host, "link", "set", link, "up"])?;
            }
        }
        Ok(hosts)
    }

    /// `owl` with these arguments on one of them.
    pub(crate) fn owl(&self, host: &str, arguments: &[&str]) -> Command {
        let owl = owl(&[&["--lang", "en"], arguments].concat());
        inside(host, &owl)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in [&self.near, &self.far] {
            delete(host);
        }
    }
}

/// The two hosts; `None` when the test has been said to be skipped.
pub(crate) fn hosts(test: &str) -> Option<Hosts> {
    made(|| Hosts::new(test))
}
