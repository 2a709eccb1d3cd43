//! `HOST` or `HOST:PORT` of an SNMP agent.

use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

/// SNMP's port (RFC 3417, section 3.1).
const PORT: u16 = 161;

/// An agent as a person names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agent {
    text: String,
    host: String,
    port: u16,
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Agent {
    /// The first address of the name.
    ///
    /// # Errors
    /// When the name is not known.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        let mut known = (self.host.as_str(), self.port).to_socket_addrs()?;
        known
            .next()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    }
}

impl FromStr for Agent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.parse::<Ipv6Addr>().is_ok();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !bare && !text.ends_with(']') => (
                host,
                port.parse().map_err(|_| format!("{port:?} is no port"))?,
            ),
            _ => (text, PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || port == 0 {
            return Err("an agent is HOST or HOST:PORT".to_owned());
        }
        Ok(Self {
            text: text.to_owned(),
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("olt-1", "olt-1", 161),
            ("192.0.2.1:1161", "192.0.2.1", 1_161),
            ("2001:db8::1", "2001:db8::1", 161),
            ("[2001:db8::1]", "2001:db8::1", 161),
            ("[2001:db8::1]:1161", "2001:db8::1", 1_161),
        ] {
            let agent: Agent = text.parse().unwrap();
            assert_eq!((agent.host.as_str(), agent.port), (host, port), "{text}");
        }
        for text in ["", ":161", "olt:x", "olt:0", "olt:70000"] {
            assert!(text.parse::<Agent>().is_err(), "{text}");
        }
    }
}
