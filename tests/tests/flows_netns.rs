//! Two hosts with two routes of equal cost between them, one hop and two hops long: `owl delay --flows` tells them apart.

#[path = "stamp_support/namespaces.rs"]
mod namespaces;
mod stamp_support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;

use owl_tests::{Daemon, installed, skip};
use serde_json::Value;

use namespaces::{delete, inside, ip, made};
use stamp_support::{PATIENCE, delay, owl, reflect};

const HOSTS: [&str; 5] = ["near", "far", "short", "long1", "long2"];
/// Host, its address, its neighbour, and that one's address.
const LINKS: [(&str, &str, &str, &str); 5] = [
    ("near", "198.51.100.1", "short", "198.51.100.2"),
    ("short", "198.51.100.5", "far", "198.51.100.6"),
    ("near", "198.51.100.9", "long1", "198.51.100.10"),
    ("long1", "198.51.100.13", "long2", "198.51.100.14"),
    ("long2", "198.51.100.17", "far", "198.51.100.18"),
];
const NEAR: &str = "192.0.2.1";
const FAR: &str = "192.0.2.2";

/// Networks of this process: one for each test.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Network namespaces; gone when dropped.
struct Network {
    prefix: String,
}

impl Network {
    fn new() -> Result<Self, String> {
        let network = Self {
            prefix: format!(
                "owl-t-{}-flows{}",
                std::process::id(),
                MADE.fetch_add(1, Relaxed)
            ),
        };
        for host in HOSTS {
            ip(&["netns", "add", &network.name(host)])?;
            network.ip(host, "link set lo up")?;
            for setting in [
                "ip_forward=1",
                "conf.all.rp_filter=0",
                "fib_multipath_hash_policy=1",
            ] {
                network.exec(host, &["sysctl", "-qw", &format!("net.ipv4.{setting}")])?;
            }
        }
        for (k, (a, at_a, b, at_b)) in LINKS.into_iter().enumerate() {
            let peer = network.name(b);
            network.ip(
                a,
                &format!("link add v{k}a type veth peer name v{k}b netns {peer}"),
            )?;
            for (host, end, address) in [(a, "a", at_a), (b, "b", at_b)] {
                network.ip(host, &format!("address add {address}/30 dev v{k}{end}"))?;
                network.ip(host, &format!("link set v{k}{end} up"))?;
            }
        }
        network.ip("near", &format!("address add {NEAR}/32 dev lo"))?;
        network.ip("far", &format!("address add {FAR}/32 dev lo"))?;
        let [short, _, long, ..] = LINKS;
        let routes = format!(
            "route add {FAR} src {NEAR} nexthop via {} nexthop via {}",
            short.3, long.3
        );
        network.ip("near", &routes)?;
        for (host, there, back) in [
            ("short", LINKS[1].3, LINKS[0].1),
            ("long1", LINKS[3].3, LINKS[2].1),
            ("long2", LINKS[4].3, LINKS[3].1),
        ] {
            network.ip(host, &format!("route add {FAR} via {there}"))?;
            network.ip(host, &format!("route add {NEAR} via {back}"))?;
        }
        network.ip(
            "far",
            &format!("route add {NEAR} src {FAR} via {}", LINKS[1].1),
        )?;
        Ok(network)
    }

    fn name(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    fn ip(&self, host: &str, words: &str) -> Result<(), String> {
        let name = self.name(host);
        let mut arguments = vec!["-n", &name];
        arguments.extend(words.split(' '));
        ip(&arguments)
    }

    fn exec(&self, host: &str, command: &[&str]) -> Result<(), String> {
        let name = self.name(host);
        ip(&[&["netns", "exec", &name], command].concat())
    }

    fn owl(&self, host: &str, arguments: &[&str]) -> Command {
        inside(&self.name(host), &owl(arguments))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in HOSTS {
            delete(&self.name(host));
        }
    }
}

#[test]
fn flows_over_another_route_are_told_by_their_hops() {
    let Some(network) = made(Network::new) else {
        return;
    };
    let listen = format!("{FAR}:18862");
    let reflector = ["reflect", "--json", "--listen", &listen];
    let (_reflector, _) = reflect(&mut network.owl("far", &reflector));
    let measure = [
        "delay", "--json", "--own", "--flows", "16", "--count", "160",
    ];
    let arguments = [&measure[..], &["--interval", "5ms", &listen]].concat();
    let (_, lines) = delay(&mut network.owl("near", &arguments));
    let result = lines.last().unwrap();
    let flows = result["flows"].as_array().unwrap();
    assert_eq!(flows.len(), 16, "{result}");
    let hops = |flow: &Value, way: &str| 255 - flow[way]["ttl"]["min"].as_u64().unwrap();
    let taken: Vec<u64> = flows.iter().map(|flow| hops(flow, "forward")).collect();
    // By chance all sixteen source ports would choose one route once in 32,768 runs.
    assert!(taken.contains(&1) && taken.contains(&2), "{taken:?}");
    let ports: BTreeSet<u64> = flows
        .iter()
        .map(|flow| flow["source_port"].as_u64().unwrap())
        .collect();
    assert_eq!(ports.len(), 16, "each from a port of its own");
    for flow in flows {
        assert_eq!(hops(flow, "backward"), 1, "{flow}");
    }
    let named: Vec<bool> = flows
        .iter()
        .map(|flow| flow["forward"]["other_route"].as_bool().unwrap())
        .collect();
    assert!(
        named.contains(&false),
        "the fastest flow is not held against itself"
    );
    let told_from = |usual| {
        let mut flows = taken.iter().zip(&named);
        flows.all(|(&hops, &other)| hops == usual || other)
    };
    assert!(told_from(1) || told_from(2), "{taken:?} {named:?}");
}

const FLOWS: u64 = 8;
const PACKETS_OF_EACH: usize = 5;

/// Measures from `near` to `short` over IPv6: the flow labels on the wire, by source port.
fn flow_labels(network: &Network) -> BTreeMap<String, BTreeSet<String>> {
    let reflector = ["reflect", "--json", "--listen", "[2001:db8::2]:18862"];
    let (_reflector, _) = reflect(&mut network.owl("short", &reflector));
    let mut capture = Command::new("ip");
    capture.args(["netns", "exec", &network.name("near"), "tshark"]);
    capture.args(["-l", "-n", "-i", "v0a", "-f", "udp dst port 18862"]);
    // However this test ends, the capture does too.
    capture.args(["-a", "duration:120", "-T", "fields"]);
    capture.args(["-e", "udp.srcport", "-e", "ipv6.flow"]);
    // Where it keeps what it captured; a process that is killed does not tidy up.
    let folder = tempfile::tempdir().expect("a folder for what is captured");
    capture.env("TMPDIR", folder.path());
    let tshark = Daemon::start(&mut capture);
    let measure = |flows: &str, count: &str| {
        let arguments = ["delay", "--json", "--flows", flows, "--count", count];
        let to = ["--interval", "5ms", "[2001:db8::2]:18862"];
        delay(&mut network.owl("near", &[&arguments[..], &to].concat()))
    };
    // It is known to listen once it has seen a packet.
    let seen = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !seen.load(Relaxed) {
                measure("1", "1");
            }
        });
        tshark.line(PATIENCE, |_| Some(()));
        seen.store(true, Relaxed);
    });
    let count = FLOWS * PACKETS_OF_EACH as u64;
    let (_, lines) = measure(&FLOWS.to_string(), &count.to_string());
    let result = lines.last().expect("a result");
    let flows = result["flows"].as_array().expect("flows").iter();
    let mut labels: BTreeMap<String, Vec<String>> = flows
        .map(|flow| (flow["source_port"].to_string(), Vec::new()))
        .collect();
    assert_eq!(labels.len() as u64, FLOWS);
    tshark.line(PATIENCE, |line| {
        let (port, label) = line.split_once('\t')?;
        labels.get_mut(port)?.push(label.to_owned());
        let complete = |labels: &Vec<String>| labels.len() == PACKETS_OF_EACH;
        labels.values().all(complete).then_some(())
    });
    let labels = labels.into_iter();
    labels
        .map(|(port, labels)| (port, labels.into_iter().collect()))
        .collect()
}

#[test]
fn over_ipv6_each_flow_has_a_flow_label_of_its_own_unless_the_host_makes_none() {
    if !installed("tshark") {
        return;
    }
    let Some(network) = made(Network::new) else {
        return;
    };
    for (host, end, address) in [("near", "a", "2001:db8::1"), ("short", "b", "2001:db8::2")] {
        let address = format!("address add {address}/64 dev v0{end} nodad");
        if let Err(why) = network.ip(host, &address) {
            return skip(format_args!("no IPv6 here: {why}"));
        }
    }
    // By chance two of eight labels would be the same once in 37,000 runs.
    for (setting, different) in [(None, FLOWS as usize), (Some("0"), 1)] {
        if let Some(setting) = setting {
            let setting = format!("net.ipv6.auto_flowlabels={setting}");
            network.exec("near", &["sysctl", "-qw", &setting]).unwrap();
        }
        let labels = flow_labels(&network);
        assert!(
            labels.values().all(|labels| labels.len() == 1),
            "one label a flow: {labels:?}"
        );
        let all: BTreeSet<&String> = labels.values().flatten().collect();
        assert_eq!(all.len(), different, "{setting:?}: {labels:?}");
    }
}
