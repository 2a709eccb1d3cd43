//! The other implementation of STAMP, stamp-suite, taken from PATH; tests/run installs it.

use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use owl_tests::{Daemon, skip};

/// The program; `None` when the test has been said to be skipped.
pub(crate) fn peer() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("stamp-suite"))
        .find(|file| file.is_file());
    if found.is_none() {
        skip("stamp-suite is not installed (tests/run installs it)");
    }
    found
}

/// An address as `owl` writes it.
pub(crate) fn at(ip: &str, port: u16) -> String {
    if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    }
}

/// Starts its reflector, stateful, with these options too: where it will listen. It does not say when it does.
pub(crate) fn reflector(peer: &PathBuf, ip: &str, options: &[&str]) -> (Daemon, String) {
    // Free now; nobody else on this host asks for it before stamp-suite does.
    let address: IpAddr = ip.parse().expect("an address");
    let socket = UdpSocket::bind((address, 0)).expect("a free port");
    let port = socket.local_addr().expect("it is bound").port();
    drop(socket);
    let port_option = port.to_string();
    let mut command = Command::new(peer);
    command
        .args(["-i", "--stateful-reflector", "-S", ip, "-o", &port_option])
        .args(options)
        .stderr(Stdio::null());
    (Daemon::start(&mut command), at(ip, port))
}
