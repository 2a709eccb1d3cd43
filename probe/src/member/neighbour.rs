//! The next hop over an interface, and its hardware address, from the tables that Linux shows as text.

use std::net::Ipv4Addr;

use pnet::util::MacAddr;

/// Flags of a route (linux/route.h): it is up, leads to a gateway, or refuses.
const RTF_UP: u32 = 0x1;
const RTF_GATEWAY: u32 = 0x2;
const RTF_REJECT: u32 = 0x200;
/// Flag of a neighbour whose hardware address is known (linux/if_arp.h).
const ATF_COM: u32 = 0x2;

/// A route of the main table.
struct Route {
    destination: u32,
    mask: u32,
    gateway: Option<Ipv4Addr>,
    metric: u32,
}

impl Route {
    /// A line of `/proc/net/route`, when it is a route over this interface that can be used.
    fn read(line: &str, interface: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[over, destination, gateway, flags, _, _, metric, mask, ..] = fields.as_slice() else {
            return None;
        };
        // Addresses stand there as the number that their octets make in memory.
        let address = |text| {
            let number = u32::from_str_radix(text, 16).ok()?;
            Some(Ipv4Addr::from(number.to_ne_bytes()))
        };
        let flags = u32::from_str_radix(flags, 16).ok()?;
        if over != interface || flags & RTF_UP == 0 || flags & RTF_REJECT != 0 {
            return None;
        }
        Some(Self {
            destination: address(destination)?.to_bits(),
            mask: address(mask)?.to_bits(),
            gateway: if flags & RTF_GATEWAY == 0 {
                None
            } else {
                Some(address(gateway)?)
            },
            metric: metric.parse().ok()?,
        })
    }
}

/// Who is next on the way to `destination` over an interface, by the text of `/proc/net/route`: the gateway of its
/// longest prefix, or the destination itself. Where no route leads there, Linux takes it to be on the link.
pub(super) fn next_hop(routes: &str, interface: &str, destination: Ipv4Addr) -> Ipv4Addr {
    let routes = routes
        .lines()
        .filter_map(|line| Route::read(line, interface));
    let best = routes
        .filter(|route| destination.to_bits() & route.mask == route.destination)
        .min_by_key(|route| (route.mask.leading_zeros(), !route.mask, route.metric));
    best.and_then(|route| route.gateway).unwrap_or(destination)
}

/// The hardware address of a neighbour on an interface, by the text of `/proc/net/arp`; `None` while it is not known.
pub(super) fn hardware_address(
    neighbours: &str,
    interface: &str,
    address: Ipv4Addr,
) -> Option<MacAddr> {
    neighbours.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[of, _, flags, mac, _, over] = fields.as_slice() else {
            return None;
        };
        let flags = u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok()?;
        let known = over == interface && of.parse() == Ok(address) && flags & ATF_COM != 0;
        if known { mac.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux prints them on a little-endian machine; on another the octets stand in the other order.
    const ROUTES: &str = "\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
bond0	00000000	010200C0	0003	0	0	100	00000000	0	0	0
bond0	00000000	020200C0	0003	0	0	50	00000000	0	0	0
bond0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
bond0	00006433	090200C0	0003	0	0	0	0000FFFF	0	0	0
bond0	07006433	00000000	0205	0	0	0	FFFFFFFF	0	0	0
eth0	08006433	010113CB	0007	0	0	0	FFFFFFFF	0	0	0
bond0	zz
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_next_hop_is_that_of_the_longest_prefix_over_the_interface() {
        for (interface, destination, expected) in [
            ("bond0", "192.0.2.7", "192.0.2.7"),
            // Of two gateways, the one of the lower metric.
            ("bond0", "198.51.100.1", "192.0.2.2"),
            ("bond0", "51.100.3.4", "192.0.2.9"),
            // A route that refuses, and one over another interface, are none.
            ("bond0", "51.100.0.7", "192.0.2.9"),
            ("bond0", "51.100.0.8", "192.0.2.9"),
            ("eth0", "51.100.0.8", "203.19.1.1"),
            // Without a route it is on the link.
            ("eth0", "198.51.100.1", "198.51.100.1"),
            ("eth1", "192.0.2.7", "192.0.2.7"),
        ] {
            let hop = next_hop(ROUTES, interface, destination.parse().unwrap());
            assert_eq!(hop.to_string(), expected, "{destination} over {interface}");
        }
    }

    #[test]
    fn only_a_neighbour_whose_hardware_address_is_known_on_that_interface_has_one() {
        let neighbours = "\
IP address       HW type     Flags       HW address            Mask     Device
192.0.2.5        0x1         0x0         00:00:00:00:00:00     *        bond0
192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        bond0
192.0.2.3        0x1         0x6         02:fc:00:00:00:07     *        bond0
192.0.2.8        0x1         0x2         not one               *        bond0
";
        for (interface, address, expected) in [
            ("bond0", "192.0.2.1", Some("02:fc:00:00:00:05")),
            ("bond0", "192.0.2.3", Some("02:fc:00:00:00:07")),
            ("bond0", "192.0.2.5", None),
            ("bond0", "192.0.2.8", None),
            ("bond0", "192.0.2.11", None),
            ("eth0", "192.0.2.1", None),
        ] {
            let found = hardware_address(neighbours, interface, address.parse().unwrap());
            let found = found.map(|mac| mac.to_string());
            assert_eq!(found.as_deref(), expected, "{address} on {interface}");
        }
    }
}
