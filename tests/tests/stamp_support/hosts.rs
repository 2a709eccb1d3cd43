//! Two hosts that are network namespaces, joined by a veth pair.

use std::fs;
use std::process::{Command, Stdio};

use owl_tests::{installed, skip};

use crate::stamp_support::owl;

/// Two namespaces and what joins them; gone when dropped.
pub(crate) struct Hosts {
    pub(crate) near: String,
    pub(crate) far: String,
}

/// Runs `ip` with these arguments.
pub(crate) fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "ip {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
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
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", host])
            .arg(owl.get_program())
            .args(owl.get_args());
        command
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in [&self.near, &self.far] {
            // One that was never made cannot be removed, which is as good.
            let _ = Command::new("ip")
                .args(["netns", "delete", host])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// The two hosts; `None` when the test has been said to be skipped.
pub(crate) fn hosts(test: &str) -> Option<Hosts> {
    if !installed("ip") {
        return None;
    }
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !is_root {
        skip("network namespaces need root");
        return None;
    }
    match Hosts::new(test) {
        Ok(hosts) => Some(hosts),
        Err(why) => {
            skip(format_args!("no network namespaces here: {why}"));
            None
        }
    }
}
