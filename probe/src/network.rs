//! A network of hosts, as an operator writes it: `192.0.2.0/24`, or one address.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::Deserialize;

/// An IPv4 or IPv6 network; a single address is one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(pub IpNet);

/// A text that names no network. It is not quoted: it may stand where a secret was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address or a network is wanted, such as 192.0.2.7 or 2001:db8::/32")]
pub struct NoNetwork;

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse()
            .or_else(|_| address())
            .map(Self)
            .map_err(|_| NoNetwork)
    }
}

impl TryFrom<String> for Network {
    type Error = NoNetwork;

    fn try_from(text: String) -> Result<Self, NoNetwork> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_network_of_one() {
        let contains = |net: &str, ip: &str| {
            let Network(net) = net.parse().unwrap();
            net.contains(&ip.parse::<IpAddr>().unwrap())
        };
        assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.8"));
        assert!(contains("2001:db8::/32", "2001:db8:5::1"));
        assert!(
            contains("10.1.2.3/8", "10.9.9.9"),
            "host bits do not matter"
        );
        assert!(
            !contains("0.0.0.0/0", "::1"),
            "one family does not hold the other"
        );
        for bad in ["", "192.0.2.0/33", "192.0.2", "host", "::/129"] {
            assert_eq!(bad.parse::<Network>(), Err(NoNetwork), "{bad}");
        }
    }
}
