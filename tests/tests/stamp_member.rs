//! Packets that leave over a named interface whatever the routes say, as over a member link (RFC 9534), between two
//! hosts with two links. A bridge with one port stands for a bond, where that can be made.

#[path = "stamp_support/hosts.rs"]
mod hosts;
#[path = "stamp_support/namespaces.rs"]
mod namespaces;
mod stamp_support;

use std::process::Command;

use hosts::{Hosts, hosts};
use namespaces::ip;
use owl_tests::skip;
use serde_json::Value;
use stamp_support::{delay, reflect};

const PACKETS: u64 = 50;
const REFLECTOR: &str = "192.0.2.2:862";

/// A second link between the hosts, over which no route leads to the reflector.
fn second_link(hosts: &Hosts) -> Result<(), String> {
    let (near, far) = (hosts.near.as_str(), hosts.far.as_str());
    ip(&[
        "-n", near, "link", "add", "veth1", "type", "veth", "peer", "name", "veth1", "netns", far,
    ])?;
    ip(&[
        "-n",
        far,
        "address",
        "add",
        "203.0.113.2/24",
        "dev",
        "veth1",
    ])?;
    for host in [near, far] {
        ip(&["-n", host, "link", "set", "veth1", "up"])?;
    }
    Ok(())
}

fn address(host: &str, address: &str, interface: &str) -> Result<(), String> {
    ip(&["-n", host, "address", "add", address, "dev", interface])
}

/// Packets that have left over a link of the sender's host, whoever sent them: IPv6 and ARP have a few of their own.
fn sent_over(hosts: &Hosts, link: &str) -> u64 {
    let file = format!("/sys/class/net/{link}/statistics/tx_packets");
    let output = Command::new("ip")
        .args(["netns", "exec", &hosts.near, "cat", &file])
        .output()
        .expect("ip can be started");
    let count = String::from_utf8_lossy(&output.stdout).trim().parse();
    count.expect("the kernel counts what it sends")
}

/// Measures with these options: the result, and how many packets left over each link.
fn measured(hosts: &Hosts, options: &[&str]) -> (Value, [u64; 2]) {
    let links = ["veth0", "veth1"];
    let before = links.map(|link| sent_over(hosts, link));
    let packets = PACKETS.to_string();
    let session = ["delay", "--json", "--own", "--interval", "5ms", "--count"];
    let arguments = [&session[..], &[&packets, REFLECTOR], options].concat();
    let (_, mut lines) = delay(&mut hosts.owl(&hosts.near, &arguments));
    let mut sent = links.map(|link| sent_over(hosts, link));
    for (sent, before) in sent.iter_mut().zip(before) {
        *sent -= before;
    }
    (lines.pop().expect("a result"), sent)
}

#[track_caller]
fn check_measured(result: &Value, sent: [u64; 2], replies_over: &str) {
    assert_eq!(result["packets"]["received"], PACKETS, "{result}");
    for stamp in ["t1", "t4"] {
        assert_eq!(result["stamps"][stamp]["kernel"], PACKETS, "{result}");
    }
    let counts = &result["member"]["replies_over"];
    for way in ["interface", "aggregate", "elsewhere"] {
        let expected = if way == replies_over { PACKETS } else { 0 };
        assert_eq!(counts[way], expected, "{way}: {result}");
    }
    assert!(sent[1] >= PACKETS && sent[0] < PACKETS / 2, "{sent:?}");
}

#[test]
fn packets_leave_over_the_named_interface_although_the_route_prefers_another() {
    let Some(hosts) = hosts("member") else { return };
    second_link(&hosts).expect("a second link like the first");
    address(&hosts.near, "203.0.113.1/24", "veth1").expect("an address");
    let listen = ["reflect", "--json", "--listen", "0.0.0.0:862"];
    let (_reflector, _) = reflect(&mut hosts.owl(&hosts.far, &listen));
    let (routed, sent) = measured(&hosts, &[]);
    assert!(routed["member"].is_null(), "{routed}");
    assert!(sent[0] >= PACKETS && sent[1] < PACKETS / 2, "{sent:?}");
    for more in [&[][..], &["--ask", "micro-session=7"], &["--flows", "2"]] {
        let options = [&["--member", "veth1", "--dscp", "46"], more].concat();
        let (result, sent) = measured(&hosts, &options);
        check_measured(&result, sent, "interface");
        assert_eq!(result["member"]["interface"], "veth1");
        assert!(result["member"]["aggregate"].is_null(), "{result}");
    }
}

#[test]
fn a_member_without_an_address_sends_with_that_of_its_aggregate() {
    let Some(hosts) = hosts("member-of") else {
        return;
    };
    second_link(&hosts).expect("a second link like the first");
    let near = hosts.near.as_str();
    // A port that is added forwards at once.
    let bridge = [
        "-n",
        near,
        "link",
        "add",
        "br0",
        "type",
        "bridge",
        "forward_delay",
        "0",
    ];
    if let Err(why) = ip(&bridge) {
        return skip(format_args!("no bridge here: {why}"));
    }
    ip(&["-n", near, "link", "set", "veth1", "master", "br0"]).expect("a port");
    ip(&["-n", near, "link", "set", "br0", "up"]).expect("the bridge is up");
    address(near, "203.0.113.1/24", "br0").expect("an address");
    let listen = ["reflect", "--json", "--listen", "0.0.0.0:862"];
    let (_reflector, _) = reflect(&mut hosts.owl(&hosts.far, &listen));
    let (result, sent) = measured(&hosts, &["--member", "veth1"]);
    check_measured(&result, sent, "aggregate");
    assert_eq!(result["member"]["aggregate"], "br0");
}

/// What is said, and that it ends with exit code 3.
#[track_caller]
fn check_refused(command: &mut Command, said: &[&str]) {
    let output = command.output().expect("owl can be started");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    for part in said {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn what_keeps_packets_from_a_member_is_said_with_what_to_do() {
    let Some(hosts) = hosts("member-not") else {
        return;
    };
    second_link(&hosts).expect("a second link like the first");
    address(&hosts.near, "203.0.113.1/24", "veth1").expect("an address");
    let listen = [
        "reflect",
        "--json",
        "--listen",
        "192.0.2.2:862",
        "--listen",
        "[2001:db8::2]:862",
    ];
    let (_reflector, _) = reflect(&mut hosts.owl(&hosts.far, &listen));
    // On the second link the far host answers for the addresses of that link alone.
    let alone = [
        "netns",
        "exec",
        &hosts.far,
        "sysctl",
        "-qw",
        "net.ipv4.conf.veth1.arp_ignore=1",
    ];
    ip(&alone).expect("a setting");
    let over = |member: &str, more: &[&str]| {
        let arguments = ["delay", "--count", "5", "--member", member];
        hosts.owl(&hosts.near, &[&arguments[..], more].concat())
    };
    for (member, more, said) in [
        (
            "veth7",
            [REFLECTOR].as_slice(),
            ["no interface veth7", "hint: `ip link`"],
        ),
        (
            "lo",
            &[REFLECTOR],
            ["lo carries no Ethernet", "hint: name an Ethernet"],
        ),
        (
            "veth1",
            &[REFLECTOR],
            ["no neighbour on veth1 answers for 192.0.2.2", "hint: "],
        ),
        (
            "veth0",
            &["[2001:db8::2]:862"],
            ["built for IPv4 alone", "hint: "],
        ),
        (
            "veth0",
            &["--octets", "1473", REFLECTOR],
            ["1501 octets", "fewer `--octets`"],
        ),
    ] {
        check_refused(&mut over(member, more), &said);
    }
    ip(&["-n", &hosts.near, "link", "set", "veth1", "down"]).expect("a link can be set down");
    check_refused(
        &mut over("veth1", &[REFLECTOR]),
        &["interface veth1 is down", "hint: "],
    );
    let mut unprivileged = Command::new("setpriv");
    unprivileged.args(["--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]);
    let owl = over("veth0", &[REFLECTOR]);
    let [netns, exec, name, rest @ ..] = &owl.get_args().collect::<Vec<_>>()[..] else {
        panic!("{owl:?}");
    };
    let mut inside = Command::new(owl.get_program());
    inside
        .args([netns, exec, name])
        .arg(unprivileged.get_program());
    inside.args(unprivileged.get_args()).args(rest);
    if !owl_tests::installed("setpriv") {
        return;
    }
    check_refused(
        &mut inside,
        &[
            "cannot send frames over veth0",
            "Operation not permitted",
            "CAP_NET_RAW",
        ],
    );
}
