//! From where a request comes, and whether it came unseen by others.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// The connection that a request came over; set by who accepted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// It speaks TLS.
    pub(crate) tls: bool,
}

/// Who asks, as far as the connection tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) address: IpAddr,
    /// Nobody between could read it: TLS, a proxy that speaks it, or this host itself.
    pub(crate) confidential: bool,
    /// The address is the caller's own, or was said by a proxy that is known, and no page of somebody else led a browser of
    /// this host here.
    pub(crate) direct: bool,
    /// It comes from this host and asks for it by an address of it, and no proxy says otherwise.
    pub(crate) local: bool,
}

/// What proxies write.
const FORWARDED: [&str; 5] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
];

impl Caller {
    pub(crate) fn of(peer: Peer, headers: &HeaderMap, proxies: &[IpNet]) -> Self {
        let address = peer.address.ip().to_canonical();
        if proxies.iter().any(|network| network.contains(&address)) {
            // The last one is what the proxy itself saw; those before it are what it was told.
            let said = headers.get_all(FORWARDED[2]).iter().next_back();
            let said =
                said.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
            return Self {
                address: said.unwrap_or(address),
                confidential: true,
                direct: said.is_some(),
                local: false,
            };
        }
        let forwarded = FORWARDED
            .iter()
            .any(|name| headers.contains_key(HeaderName::from_static(name)));
        let here = address.is_loopback() && !forwarded;
        Self {
            address,
            confidential: peer.tls || here,
            direct: !forwarded && (!address.is_loopback() || asks_for_this_host(headers)),
            local: here && asks_for_this_host(headers),
        }
    }
}

/// Whether the host that is asked for is this one. A page of somebody else that a browser was led to call on this host
/// asks for another name, whatever that resolves to.
fn asks_for_this_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return true; // HTTP/1.0, which no browser speaks
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost"
        || name
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Whether a request that changes something was made by a page of this collector: what a browser says of itself.
///
/// Every browser of today sends one of the two with a POST; who sends neither is no browser of today, and is refused.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else {
        return false;
    };
    let authority = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    authority == Some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<HeaderName>().unwrap(),
                    value.parse::<header::HeaderValue>().unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn a_caller_is_local_when_nothing_lies_between() {
        #[track_caller]
        fn check(from: &str, tls: bool, said: &[(&str, &str)], confidential: bool, local: bool) {
            let peer = Peer {
                address: SocketAddr::new(from.parse().unwrap(), 1),
                tls,
            };
            let caller = Caller::of(peer, &headers(said), &[]);
            assert_eq!(
                (caller.confidential, caller.local),
                (confidential, local),
                "{from} {said:?}"
            );
        }
        check("127.0.0.1", false, &[], true, true);
        check(
            "127.0.0.1",
            false,
            &[("host", "127.0.0.1:8080")],
            true,
            true,
        );
        check("::1", false, &[("host", "[::1]:8080")], true, true);
        check(
            "::ffff:127.0.0.1",
            false,
            &[("host", "localhost")],
            true,
            true,
        );
        check(
            "127.0.0.1",
            false,
            &[("host", "evil.example:8080")],
            true,
            false,
        );
        check(
            "127.0.0.1",
            false,
            &[("x-forwarded-for", "192.0.2.1")],
            false,
            false,
        );
        check("127.0.0.1", false, &[("via", "1.1 x")], false, false);
        check("192.0.2.1", false, &[("host", "localhost")], false, false);
        check("192.0.2.1", true, &[], true, false);
    }

    #[test]
    fn a_proxy_that_is_known_says_who_calls_and_nobody_else_does() {
        let said = headers(&[("x-forwarded-for", "10.9.9.9, 198.51.100.7")]);
        let of = |from: &str| {
            let address = SocketAddr::new(from.parse().unwrap(), 1);
            let proxies = ["192.0.2.9/32".parse().unwrap()];
            Caller::of(
                Peer {
                    address,
                    tls: false,
                },
                &said,
                &proxies,
            )
        };
        let told = of("192.0.2.9");
        assert_eq!(told.address, "198.51.100.7".parse::<IpAddr>().unwrap());
        assert!(told.confidential && !told.local);
        let stranger = of("192.0.2.8");
        assert_eq!(stranger.address, "192.0.2.8".parse::<IpAddr>().unwrap());
        assert!(!stranger.confidential);
    }

    #[test]
    fn only_a_page_of_this_collector_posts() {
        for (said, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("host", "owl:1"), ("origin", "https://owl:1")], true),
            (&[("host", "owl:1"), ("origin", "https://evil")], false),
            (&[("host", "owl:1"), ("origin", "null")], false),
            (&[("host", "owl:1")], false),
            (&[], false),
        ] {
            assert_eq!(is_same_origin(&headers(said)), expected, "{said:?}");
        }
    }
}
