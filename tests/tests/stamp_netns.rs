//! Two hosts that are network namespaces, joined by a veth pair: `owl reflect` there, `owl delay` here.

#[path = "stamp_support/hosts.rs"]
mod hosts;
mod stamp_support;

use hosts::hosts;
use stamp_support::{delay, reflect};

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
