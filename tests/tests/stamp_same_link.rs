//! A reply over the link on which its packet came (RFC 9503, section 4.1.1), between two hosts with two links.

#[path = "stamp_support/hosts.rs"]
mod hosts;
#[path = "stamp_support/namespaces.rs"]
mod namespaces;
mod stamp_support;

use std::process::Command;

use hosts::{Hosts, hosts};
use namespaces::ip;
use stamp_support::{delay, reflect};

const PACKETS: u64 = 50;
/// The sender's address, which the reflector reaches over the second link.
const SENDER: &str = "198.51.100.1/32";

/// A second link between the hosts; packets go over the first, and their replies over the second.
fn second_link(hosts: &Hosts) -> Result<(), String> {
    let (near, far) = (hosts.near.as_str(), hosts.far.as_str());
    ip(&[
        "-n", near, "link", "add", "veth1", "type", "veth", "peer", "name", "veth1", "netns", far,
    ])?;
    for (host, address) in [(near, "203.0.113.1/24"), (far, "203.0.113.2/24")] {
        ip(&["-n", host, "address", "add", address, "dev", "veth1"])?;
        ip(&["-n", host, "link", "set", "veth1", "up"])?;
    }
    ip(&["-n", near, "address", "add", SENDER, "dev", "lo"])?;
    ip(&[
        "-n",
        near,
        "route",
        "add",
        "192.0.2.2/32",
        "dev",
        "veth0",
        "src",
        "198.51.100.1",
    ])?;
    ip(&[
        "-n",
        far,
        "route",
        "add",
        SENDER,
        "via",
        "203.0.113.1",
        "dev",
        "veth1",
    ])
}

/// Packets that have come over a link to the sender's host.
fn received_over(hosts: &Hosts, link: &str) -> u64 {
    let file = format!("/sys/class/net/{link}/statistics/rx_packets");
    let output = Command::new("ip")
        .args(["netns", "exec", &hosts.near, "cat", &file])
        .output()
        .expect("ip can be started");
    let count = String::from_utf8_lossy(&output.stdout).trim().parse();
    count.expect("the kernel counts what it receives")
}

#[test]
fn replies_come_over_the_link_of_their_packets_when_they_are_asked_to() {
    let Some(hosts) = hosts("link") else { return };
    second_link(&hosts).expect("a second link like the first");
    let (_reflector, _) = reflect(&mut hosts.owl(
        &hosts.far,
        &["reflect", "--json", "--listen", "0.0.0.0:862"],
    ));
    for (ask, replies_over) in [("location", "veth1"), ("return-path=same-link", "veth0")] {
        let before = received_over(&hosts, replies_over);
        let packets = PACKETS.to_string();
        let (_, lines) = delay(hosts.owl(&hosts.near, &["delay", "192.0.2.2:862"]).args([
            "--json",
            "--count",
            &packets,
            "--interval",
            "5ms",
            "--ask",
            ask,
        ]));
        let result = lines.last().expect("a result");
        assert_eq!(result["packets"]["received"], PACKETS, "{ask}: {result}");
        let over = received_over(&hosts, replies_over) - before;
        assert!(over >= PACKETS, "{ask}: {over} packets over {replies_over}");
    }
}
