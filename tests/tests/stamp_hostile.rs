//! A million datagrams that are no test packets, over real sockets: the reflector answers as before.

mod stamp_support;

use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use stamp_support::{PATIENCE, delay, owl, reflect};

const DATAGRAMS: u32 = 1_000_000;
/// Fits into the smallest receive buffer that Linux gives by default.
const BURST: u32 = 64;
/// A test packet of RFC 8762 in unauthenticated mode.
const BASE_OCTETS: usize = 44;
const OCTETS_MAX: usize = 200;

/// xorshift64: any datagrams will do, if they are the same ones every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn datagram(&mut self, number: u32) -> Vec<u8> {
        let octets = self.next() as usize % OCTETS_MAX;
        let mut datagram: Vec<u8> = (0..octets.div_ceil(8))
            .flat_map(|_| self.next().to_be_bytes())
            .collect();
        datagram.truncate(octets);
        // Where a test packet has its sequence number, so that a reply can be held against its request.
        datagram
            .iter_mut()
            .zip(number.to_be_bytes())
            .for_each(|(octet, of_number)| *octet = of_number);
        datagram
    }
}

/// A well-behaved session: 44 octets, all zero but the number.
fn knock(socket: &UdpSocket, number: u32) {
    let mut packet = [0; BASE_OCTETS];
    packet[..4].copy_from_slice(&number.to_be_bytes());
    socket.send(&packet).expect("loopback takes it");
    let mut reply = [0; 512];
    loop {
        let octets = socket
            .recv(&mut reply)
            .unwrap_or_else(|error| panic!("no answer after {number} datagrams: {error}"));
        assert_eq!(octets, BASE_OCTETS);
        if reply[24..28] == number.to_be_bytes() {
            return;
        }
    }
}

fn socket(reflector: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(reflector).expect("loopback is there");
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a timeout above zero");
    socket
}

/// Reads what the reflector has answered: every reply is as long as its request, or the base reply to a shorter one.
fn check_replies(strangers: &UdpSocket, lengths: &[usize]) -> u64 {
    let mut reply = [0; 2_048];
    let mut replies = 0;
    while let Ok(octets) = strangers.recv(&mut reply) {
        let number = u32::from_be_bytes(reply[24..28].try_into().expect("four octets"));
        let asked = lengths[number as usize];
        assert_eq!(
            octets,
            asked.max(BASE_OCTETS),
            "request {number} of {asked} octets"
        );
        replies += 1;
    }
    replies
}

#[test]
fn a_million_random_datagrams_leave_it_answering_and_silent() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("stderr");
    let (reflector, listening) = reflect(
        owl(&["reflect", "--json", "--listen", "127.0.0.1:0"]).stderr(File::create(&log).unwrap()),
    );
    let (code, lines) = delay(&mut owl(&[
        "delay",
        &listening[0].to_string(),
        "--count",
        "10",
        "--interval",
        "10ms",
        "--json",
    ]));
    assert_eq!(
        (
            code,
            &lines.last().expect("a result")["packets"]["received"]
        ),
        (0, &Value::from(10))
    );

    let (strangers, session) = (socket(listening[0]), socket(listening[0]));
    strangers.set_nonblocking(true).unwrap();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut lengths = Vec::with_capacity(DATAGRAMS as usize);
    let (mut replies, mut knocks) = (0, 0);
    for number in 0..DATAGRAMS {
        let datagram = random.datagram(number);
        lengths.push(datagram.len());
        strangers.send(&datagram).unwrap();
        if (number + 1) % BURST == 0 {
            // Served in order, so when this is answered the burst has been looked at.
            knock(&session, number);
            knocks += 1;
            replies += check_replies(&strangers, &lengths);
        }
    }
    let stopped = Command::new("kill")
        .args(["-INT", &reflector.id().to_string()])
        .status()
        .unwrap();
    assert!(stopped.success());
    let result: Value = reflector.line(PATIENCE, |line| {
        Some(serde_json::from_str(line).expect("the second line is JSON"))
    });
    assert_eq!(result["kind"], "result", "nothing was printed in between");
    let count = |name: &str| result[name].as_u64().unwrap();
    let handled = count("reflected") + count("malformed") + count("rationed") + count("table_full");
    // The ten of `owl delay`, and at least one with which it looked for the reflector; the session of the knocks was
    // answered to the end, though the table was full of strangers.
    let sent = u64::from(DATAGRAMS) + knocks + 11;
    assert!((sent..sent + 8).contains(&handled), "{sent} sent: {result}");
    assert!(
        count("table_full") > 0
            && count("malformed") > 50_000
            && count("reflected") >= knocks + replies,
        "{replies} replies: {result}"
    );
    assert_eq!(
        fs::read_to_string(&log).unwrap(),
        "",
        "no line is written for a packet"
    );
}
