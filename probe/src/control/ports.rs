//! The UDP ports of test sessions: a range that a firewall lets through, or
//! whatever the system gives.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use serde::Deserialize;

use crate::clock::Clock;
use crate::net::{SocketError, StampedSocket};

/// Where test sessions have their ports. Each new session begins to look behind the one before it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Ports {
    first: u16,
    last: u16,
    next: AtomicU16,
}

impl Ports {
    /// Any port that the system gives.
    pub fn any() -> Self {
        Self::between(0, 0)
    }

    fn between(first: u16, last: u16) -> Self {
        Self {
            first,
            last,
            next: AtomicU16::new(first),
        }
    }

    /// Binds the port that is wanted, if it is one of these and free; else the next that is. Where any port will do, none is
    /// wanted: a stranger chooses no port outside of a range.
    pub(crate) fn bind_preferring(
        &self,
        wanted: u16,
        ip: IpAddr,
        clock: Clock,
    ) -> Result<StampedSocket, SocketError> {
        let among = wanted != 0 && (self.first..=self.last).contains(&wanted);
        among
            .then(|| StampedSocket::bind(SocketAddr::new(ip, wanted), clock).ok())
            .flatten()
            .map_or_else(|| self.bind(ip, clock), Ok)
    }

    /// Binds a test session's socket to an address, each port being tried once.
    pub(crate) fn bind(&self, ip: IpAddr, clock: Clock) -> Result<StampedSocket, SocketError> {
        let mut tries = u32::from(self.last - self.first) + 1;
        loop {
            let port = self.take();
            tries -= 1;
            match StampedSocket::bind(SocketAddr::new(ip, port), clock) {
                Err(SocketError::Bind { source, .. })
                    if tries > 0 && source.kind() == std::io::ErrorKind::AddrInUse => {}
                bound => return bound,
            }
        }
    }

    fn take(&self) -> u16 {
        let after = |port: u16| {
            if port < self.last {
                port + 1
            } else {
                self.first
            }
        };
        // The closure never declines, so there is no error.
        self.next
            .fetch_update(Relaxed, Relaxed, |port| Some(after(port)))
            .unwrap_or(self.first)
    }
}

impl Clone for Ports {
    fn clone(&self) -> Self {
        Self::between(self.first, self.last)
    }
}

impl PartialEq for Ports {
    fn eq(&self, other: &Self) -> bool {
        (self.first, self.last) == (other.first, other.last)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// A text that is no range of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read \"{0}\" as a range of UDP ports such as 8760-8960")]
pub struct ParsePortsError(String);

impl TryFrom<String> for Ports {
    type Error = ParsePortsError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Ports {
    type Err = ParsePortsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParsePortsError(text.to_owned());
        let (first, last) = text.split_once('-').ok_or_else(error)?;
        let port = |text: &str| text.trim().parse().map_err(|_| error());
        let (first, last): (u16, u16) = (port(first)?, port(last)?);
        if first == 0 || last < first {
            return Err(error());
        }
        Ok(Self::between(first, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_taken_in_turn_and_those_in_use_passed_over() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let taken = StampedSocket::bind(SocketAddr::new(local, 0), Clock::honest()).unwrap();
        let port = taken.local().port();
        let text = format!("{port}-{}", port.saturating_add(30));
        let ports: Ports = text.parse().unwrap();
        let bind = || ports.bind(local, Clock::honest());
        let (one, other) = (bind().unwrap(), bind().unwrap());
        assert!(one.local().port() > port && other.local().port() > one.local().port());
        let full: Ports = format!("{port}-{port}").parse().unwrap();
        assert!(full.bind(local, Clock::honest()).is_err());
        assert!(Ports::any().bind(local, Clock::honest()).is_ok());
    }

    #[test]
    fn the_wanted_port_is_bound_only_within_the_range() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let free = StampedSocket::bind(SocketAddr::new(local, 0), Clock::honest()).unwrap();
        let port = free.local().port();
        let ports: Ports = format!("{port}-{port}").parse().unwrap();
        let bound = |wanted| ports.bind_preferring(wanted, local, Clock::honest());
        assert!(bound(port).is_err(), "it is taken");
        drop(free);
        for wanted in [port, 0, 1] {
            assert_eq!(bound(wanted).unwrap().local().port(), port, "{wanted}");
        }
    }

    #[test]
    fn a_range_is_two_ports_in_order() {
        assert_eq!(
            "8760-8960".parse::<Ports>().unwrap().to_string(),
            "8760-8960"
        );
        for bad in ["", "8760", "0-5", "9-8", "1-65536", "a-b"] {
            assert!(bad.parse::<Ports>().is_err(), "{bad}");
        }
    }
}
