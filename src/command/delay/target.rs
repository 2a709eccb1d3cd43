//! `HOST`, `HOST:PORT` or `[IPv6]:PORT`, and the addresses that it may mean.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

use owl_probe::reflector::{HIGH_PORT, STAMP_PORT};

/// Addresses of one name that are tried; a name with more of them is tried no further.
const ADDRESSES_MAX: usize = 4;

/// A session-reflector as a person names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    host: String,
    port: Option<u16>,
}

/// Which addresses of a name count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Any,
    V4,
    V6,
}

impl Family {
    fn has(self, ip: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }
}

impl Target {
    /// Every address of the name, with the port that was given or this one.
    ///
    /// # Errors
    /// When the name is not known.
    pub(super) fn addresses(&self, family: Family, port: u16) -> io::Result<Vec<SocketAddr>> {
        let known = (self.host.as_str(), self.port.unwrap_or(port)).to_socket_addrs()?;
        let mut addresses = Vec::new();
        for address in known.filter(|address| family.has(address.ip())) {
            if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    /// Where its session-reflector may listen: every address of the name, and both ports when none was given.
    ///
    /// # Errors
    /// When the name is not known.
    pub(super) fn candidates(&self, family: Family) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.addresses(family, STAMP_PORT)?;
        let high = addresses
            .iter()
            .filter(|_| self.port.is_none())
            .map(|&address| {
                let mut high = address;
                high.set_port(HIGH_PORT);
                high
            });
        Ok(addresses.iter().copied().chain(high).collect())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// A text that names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseTargetError {
    /// There is no host in it, or more than one port.
    #[error("cannot read \"{0}\" as HOST, HOST:PORT or [IPv6]:PORT")]
    Host(String),
    /// What stands for the port is none.
    #[error("cannot read the port of \"{0}\": a port is a number from 1 to 65535")]
    Port(String),
}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseTargetError::Host(text.to_owned());
        let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, ""))) => (host, None),
            Some(Some((host, rest))) => (host, Some(rest.strip_prefix(':').ok_or_else(error)?)),
            Some(None) => return Err(error()),
            // A bare IPv6 address has colons of its own.
            None if text.matches(':').count() > 1 => (text, None),
            None => text
                .split_once(':')
                .map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map(|port| {
            port.parse()
                .ok()
                .filter(|&port: &u16| port > 0)
                .ok_or_else(|| ParseTargetError::Port(text.to_owned()))
        });
        if host.is_empty() {
            return Err(error());
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, host: &str, port: Option<u16>) {
        assert_eq!(
            text.parse(),
            Ok(Target {
                host: host.to_owned(),
                port
            }),
            "{text}"
        );
    }

    #[test]
    fn a_target_is_a_host_with_or_without_a_port() {
        reads("sh-core", "sh-core", None);
        reads("192.0.2.1:862", "192.0.2.1", Some(862));
        reads("2001:db8::1", "2001:db8::1", None);
        reads("[2001:db8::1]", "2001:db8::1", None);
        reads("[2001:db8::1]:18862", "2001:db8::1", Some(18_862));
        for bad in [
            "",
            ":862",
            "host:",
            "host:0",
            "host:70000",
            "[::1",
            "[::1]862",
            "[]:862",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
        for bad in ["host:0", "host:99999", "[::1]:0"] {
            let said = bad.parse::<Target>().unwrap_err().to_string();
            assert!(said.contains("from 1 to 65535"), "{said}");
        }
    }

    #[test]
    fn without_a_port_both_are_tried_and_862_first() {
        let candidates =
            |text: &str, family| text.parse::<Target>().unwrap().candidates(family).unwrap();
        let ports = |text| {
            candidates(text, Family::Any)
                .iter()
                .map(SocketAddr::port)
                .collect::<Vec<_>>()
        };
        assert_eq!(ports("192.0.2.1"), [862, 18_862]);
        assert_eq!(ports("[2001:db8::1]:5000"), [5_000]);
        assert!(candidates("192.0.2.1", Family::V6).is_empty());
    }
}
