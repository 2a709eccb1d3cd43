//! Two hosts that are network namespaces, joined by a veth pair: `owl reflect` there, `owl delay` here.

#[path = "stamp_support/hosts.rs"]
mod hosts;
#[path = "stamp_support/namespaces.rs"]
mod namespaces;
mod stamp_support;

use std::fs;
use std::process::Command;

use owl_tests::{installed, skip};
use serde_json::Value;

use hosts::hosts;
use namespaces::ip;
use stamp_support::{PATIENCE, delay, reflect};

#[test]
fn two_hosts_need_no_configuration_on_either_family() {
    let Some(hosts) = hosts("pair") else { return };
    let (_reflector, listening) = reflect(&mut hosts.owl(&hosts.far, &["reflect", "--json"]));
    assert_eq!(
        listening
            .iter()
            .map(|address| address.port())
            .collect::<Vec<_>>(),
        [862, 862]
    );
    for address in ["192.0.2.2", "2001:db8::2"] {
        for (max_delay, code) in [("1s", 0), ("1ns", 3)] {
            let arguments = [
                "delay",
                address,
                "--own",
                "--count",
                "100",
                "--interval",
                "20ms",
                "--json",
                "--max-delay",
                max_delay,
            ];
            let (got, lines) = delay(&mut hosts.owl(&hosts.near, &arguments));
            let result = lines.last().expect("a result");
            assert_eq!(got, code, "{result}");
            assert_eq!(result["packets"]["received"], 100, "{result}");
            assert_eq!(
                (
                    &result["stamps"]["t1"]["kernel"],
                    &result["stamps"]["t4"]["kernel"]
                ),
                (&100.into(), &100.into()),
                "{result}"
            );
            assert_eq!(
                result["told"]["forward"]["ttl"]["min"], 255,
                "no hop lies between them: {result}"
            );
        }
    }
}

#[test]
fn a_host_without_a_reflector_is_exit_code_3_with_a_hint() {
    let Some(hosts) = hosts("none") else { return };
    let output = hosts
        .owl(&hosts.near, &["delay", "192.0.2.2"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("192.0.2.2:862, 192.0.2.2:18862")
            && said.contains("`owl reflect` on the far host"),
        "{said}"
    );
}

#[test]
fn base_packets_are_answered_in_the_driver_and_what_asks_for_more_by_a_thread() {
    let Some(hosts) = hosts("xdp") else { return };
    if !installed("ethtool") {
        return;
    }
    // Requests carry whole sums, as they do on a wire.
    let whole_sums = ["ethtool", "-K", "veth0", "tx", "off"];
    if let Err(why) = ip(&[&["netns", "exec", &hosts.near][..], &whole_sums].concat()) {
        skip(format_args!("no veth that behaves like a wire: {why}"));
        return;
    }
    if !fs::exists("/proc/sys/net/core/bpf_jit_enable").unwrap_or(false) {
        skip("this kernel runs no programs");
        return;
    }
    let command = ["reflect", "--json", "--xdp", "veth0"];
    // What a driver turned round arrives at the other end of a veth pair only where there is a program too.
    let (_other_end, _) = reflect(&mut hosts.owl(&hosts.near, &command));
    let (reflector, _) = reflect(&mut hosts.owl(&hosts.far, &command));
    let options = ["--count", "50", "--interval", "10ms", "--json"];
    for address in ["192.0.2.2", "2001:db8::2"] {
        for own in [&["--own"][..], &[]] {
            let arguments = [&["delay", address][..], own, &options].concat();
            let (code, lines) = delay(&mut hosts.owl(&hosts.near, &arguments));
            let result = lines.last().expect("a result");
            assert_eq!(
                (code, &result["packets"]["received"]),
                (0, &50.into()),
                "{address} {own:?}: {result}"
            );
        }
    }
    let stopped = Command::new("kill")
        .args(["-TERM", &reflector.id().to_string()])
        .status();
    assert!(stopped.is_ok_and(|status| status.success()));
    let counts = reflector.line(PATIENCE, |line| serde_json::from_str::<Value>(line).ok());
    let number = |name: &str| counts[name].as_u64().expect("it is a number");
    let in_driver = number("reflected_in_driver");
    // With what `owl delay` sends to find out whether anybody reflects.
    assert!((100..=120).contains(&in_driver), "{counts}");
    assert_eq!(number("reflected") - in_driver, 100, "{counts}");
    assert!(number("t3_stamped") >= 98, "{counts}");
}
