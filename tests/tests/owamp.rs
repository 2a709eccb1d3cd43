//! `owl delay --protocol owamp` and `owl reflect --owamp`: our two ends over loopback, and our server before a client
//! that knows nothing but the drawings of RFC 4656. No OWAMP host can be installed by name.

#[path = "stamp_support/control.rs"]
mod control;
mod stamp_support;
#[path = "stamp_support/stop.rs"]
mod stop;

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use control::{Protocol, Secrets, complaint, user};
use stamp_support::{PATIENCE, delay, owl, reflect};

/// Short, but longer than a process of a busy machine waits for its turn: 1.2 s.
const OWAMP: Protocol = Protocol {
    name: "owamp",
    short: ["--count", "100", "--interval", "12ms"],
};

/// Each packet was sent, or left out because this machine was busy; and each that was sent has come.
#[track_caller]
fn is_whole(way: &Value) {
    let count = |name: &str| way[name].as_u64().expect("a count");
    assert_eq!(count("sent") + count("skipped"), 100, "{way}");
    assert!(count("sent") > 0, "{way}");
    assert_eq!(
        (count("received"), count("lost")),
        (count("sent"), 0),
        "{way}"
    );
    assert_eq!(way["ttl"]["min"], 255, "{way}");
}

#[test]
fn both_ways_are_measured_without_a_round_trip_and_with_the_kernels_own_stamps() {
    let (server, address) = OWAMP.serve(&["--ports", "18760-18960"]);
    let (code, lines) = delay(&mut OWAMP.ask(&address, &["--samples"]));
    let result = lines.last().expect("a result");
    assert_eq!(code, 0, "{result}");
    for way in ["forward", "backward"] {
        is_whole(&result[way]);
    }
    assert!(result["round_trip"].is_null(), "{result}");
    let sent = &result["forward"]["sent"];
    assert_eq!(&result["forward"]["stamps"]["t1"]["kernel"], sent);
    let received = &result["backward"]["received"];
    assert_eq!(&result["backward"]["stamps"]["t2"]["kernel"], received);
    let samples = lines.iter().filter(|line| line["kind"] == "sample").count();
    let all = sent.as_u64().unwrap() + received.as_u64().unwrap();
    assert_eq!(samples as u64, all);
    let told = OWAMP.counts(&server);
    assert_eq!(&told["recorded"], sent, "{told}");
    assert_eq!(&told["sent"], received, "{told}");
}

#[test]
fn without_a_claim_of_both_clocks_a_target_stays_undecided_and_loss_does_not() {
    let (_server, address) = OWAMP.serve(&[]);
    for way in ["forward", "backward"] {
        let more = ["--direction", way, "--max-delay", "1s", "--quantile", "0.5"];
        let (code, lines) = delay(&mut OWAMP.ask(&address, &more));
        let result = lines.last().expect("a result");
        is_whole(&result[way]);
        let other = if way == "forward" {
            "backward"
        } else {
            "forward"
        };
        assert!(result[other].is_null(), "{result}");
        assert_eq!(code, 3, "{result}");
        assert_eq!(result["verdict"][way]["reason"], "clock", "{result}");
        assert_eq!(result["limit"]["code"], "own-clock-silent", "{result}");
    }
}

#[test]
fn users_measure_with_protected_packets_and_nobody_else_does() {
    let secrets = Secrets::new();
    let [users, right, wrong] = ["users", "right", "wrong"].map(|name| secrets.file(name));
    let (server, address) = OWAMP.serve(&["--users", &users]);
    let (code, lines) = delay(&mut OWAMP.ask(&address, &user(&right)));
    let result = lines.last().expect("a result");
    assert_eq!(code, 0, "{result}");
    is_whole(&result["forward"]);
    is_whole(&result["backward"]);
    for (more, said) in [
        (&user(&wrong)[..], "refuses the connection"),
        (&[], "cannot agree with"),
    ] {
        let (code, complaint) = complaint(&mut OWAMP.ask(&address, more));
        assert_eq!(code, Some(3), "{complaint}");
        assert!(complaint.contains(said), "{complaint}");
    }
    assert_eq!(OWAMP.counts(&server)["strangers"], 1);
}

#[test]
fn what_the_server_refuses_is_told_with_its_words_and_a_way_out() {
    let (_server, address) = OWAMP.serve(&[]);
    for (direction, octets, interval) in [("forward", "9000", "10ms"), ("backward", "8900", "2ms")]
    {
        let mut command = owl(&["delay", &address, "--protocol", "owamp"]);
        command.args([
            "--direction",
            direction,
            "--octets",
            octets,
            "--interval",
            interval,
        ]);
        let (code, complaint) = complaint(&mut command);
        assert_eq!(code, Some(3), "{complaint}");
        let (said, way_out) = ("more than it ever has room for", "--octets");
        assert!(
            complaint.contains(said) && complaint.contains(way_out),
            "{complaint}"
        );
    }
    for nonsense in [
        &["--own"][..],
        &["--poisson", "--seed", "1"],
        &["--ecn", "1"],
        &["--format", "ptp"],
    ] {
        assert_eq!(
            complaint(&mut OWAMP.ask(&address, nonsense)).0,
            Some(2),
            "{nonsense:?}"
        );
    }
    // A reflector that is no OWAMP server.
    let (_reflector, listening) =
        reflect(&mut owl(&["reflect", "--json", "--listen", "127.0.0.1:0"]));
    let (code, said) = complaint(&mut OWAMP.ask(&listening[0].to_string(), &[]));
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("cannot connect to TCP") && said.contains("861"),
        "{said}"
    );
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_session_is_told() {
    let mut measuring = OWAMP.bereaved(["--count", "100000"]);
    let ended = measuring.ended().expect("it has ended");
    assert_eq!(ended.code(), Some(3));
}

/// A Control-Client written from the drawings of RFC 4656 alone: every offset is the RFC's.
struct Drawn(TcpStream);

impl Drawn {
    /// Section 3.1, unauthenticated.
    fn connect(address: &str) -> Self {
        let mut drawn = Self(TcpStream::connect(address).expect("the server listens"));
        let greeting = drawn.hear(64);
        assert_eq!(
            greeting[12..16],
            [0, 0, 0, 1],
            "Modes: unauthenticated alone"
        );
        let mut response = [0; 164];
        response[3] = 1; // Mode
        drawn.say(&response);
        let start = drawn.hear(48);
        assert_eq!(start[15], 0, "Accept");
        assert!(
            start[32..40].iter().any(|&octet| octet != 0),
            "Start-Time of the server"
        );
        drawn
    }

    fn say(&mut self, octets: &[u8]) {
        self.0.write_all(octets).expect("the server listens on");
    }

    fn hear(&mut self, octets: usize) -> Vec<u8> {
        let mut heard = vec![0; octets];
        self.0.read_exact(&mut heard).expect("the server answers");
        heard
    }

    /// Section 3.5: a session of ten packets with one fixed gap; its port and its identifier.
    fn request(&mut self, sender: (u8, u16), receiver: (u8, u16), gap_ms: u64) -> (u16, Vec<u8>) {
        let mut request = vec![0; 112 + 16 + 16];
        request[0] = 1; // Request-Session
        request[1] = 4; // IPVN
        (request[2], request[3]) = (sender.0, receiver.0); // Conf-Sender, Conf-Receiver
        request[7] = 1; // one slot
        request[11] = 10; // packets
        request[12..14].copy_from_slice(&sender.1.to_be_bytes());
        request[14..16].copy_from_slice(&receiver.1.to_be_bytes());
        request[16..20].copy_from_slice(&[127, 0, 0, 1]);
        request[32..36].copy_from_slice(&[127, 0, 0, 1]);
        if receiver.0 == 0 {
            request[48..64].copy_from_slice(b"sixteen-octet-id"); // SID
        }
        request[67] = 6; // padding
        request[68..76].copy_from_slice(&ntp_now()); // Start Time
        request[80..84].copy_from_slice(&[0x20, 0, 0, 0]); // Timeout: an eighth of a second
        request[112] = 1; // Slot: fixed
        request[120..128].copy_from_slice(&((gap_ms << 32) / 1_000).to_be_bytes());
        self.say(&request);
        let answer = self.hear(48);
        assert_eq!(answer[0], 0, "Accept");
        let port = u16::from_be_bytes([answer[2], answer[3]]);
        (port, answer[4..20].to_vec())
    }

    /// Section 3.7.
    fn start(&mut self) {
        let mut start = [0; 32];
        start[0] = 2;
        self.say(&start);
        assert_eq!(self.hear(32)[0], 0, "Accept");
    }
}

/// Seconds since 1900 and a fraction.
fn ntp_now() -> [u8; 8] {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    (((now.as_secs() + 2_208_988_800) << 32) | fraction).to_be_bytes()
}

fn number(octets: &[u8]) -> u32 {
    u32::from_be_bytes(octets.try_into().expect("four octets"))
}

#[test]
fn a_client_written_from_the_drawings_of_the_rfc_sends_skips_stops_and_fetches() {
    let (_server, address) = OWAMP.serve(&[]);
    let mut client = Drawn::connect(&address);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let own = socket.local_addr().unwrap().port();
    let (port, sid) = client.request((0, own), (1, 0), 1);
    client.start();
    // Number 3 is left out, number 5 lost; number 7 comes twice.
    for sequence in [0, 1, 2, 4, 6, 7, 7, 8, 9_u32] {
        let mut packet = [0; 20];
        packet[0..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..12].copy_from_slice(&ntp_now());
        packet[12..14].copy_from_slice(&[0x3F, 0xFF]); // unsynchronised, as far off as can be
        socket.send_to(&packet, ("127.0.0.1", port)).unwrap();
    }
    // What is younger than the Timeout is not judged (section 3.8).
    thread::sleep(Duration::from_millis(200));
    let mut stop = vec![0; 16 + 32 + 16];
    (stop[0], stop[7]) = (3, 1); // Stop-Sessions of one session
    stop[16..32].copy_from_slice(&sid);
    stop[35] = 10; // Next Seqno
    stop[39] = 1; // one skip range
    (stop[43], stop[47]) = (3, 3);
    client.say(&stop);
    let answer = client.hear(32);
    assert_eq!((answer[0], answer[1], number(&answer[4..8])), (3, 0, 0));

    let mut fetch = vec![0; 48];
    fetch[0] = 4;
    fetch[12..16].fill(0xFF); // all of it
    fetch[16..32].copy_from_slice(&sid);
    client.say(&fetch);
    let ack = client.hear(32);
    assert_eq!(
        (ack[0], ack[1], number(&ack[4..8])),
        (0, 1, 10),
        "Accept, Finished, Next Seqno"
    );
    assert_eq!(
        (number(&ack[8..12]), number(&ack[12..16])),
        (1, 10),
        "skip ranges, records"
    );
    let request = client.hear(112 + 16 + 16);
    assert_eq!((request[0], &request[48..64]), (1, &sid[..]));
    let skipped = client.hear(16 + 16);
    assert_eq!((number(&skipped[0..4]), number(&skipped[4..8])), (3, 3));
    let records = client.hear((10 * 25_usize).next_multiple_of(16) + 16);
    let mut came = Vec::new();
    for record in records.chunks(25).take(10) {
        let sequence = number(&record[0..4]);
        if record[16..24] == [0; 8] {
            assert_eq!((sequence, record[24]), (5, 255), "the lost one");
            continue;
        }
        assert_eq!(record[4..6], [0x3F, 0xFF], "the sender's Error Estimate");
        assert_ne!(record[7], 0, "the Multiplier of the receiver's is never 0");
        assert!(record[8..16] <= record[16..24], "one clock, so T1 ≤ T2");
        came.push(sequence);
    }
    assert_eq!(came, [0, 1, 2, 4, 6, 7, 7, 8, 9]);
}

#[test]
fn a_client_written_from_the_drawings_of_the_rfc_is_sent_the_session_that_it_asked_for() {
    let (_server, address) = OWAMP.serve(&[]);
    let mut client = Drawn::connect(&address);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let own = socket.local_addr().unwrap().port();
    let (port, _) = client.request((1, 0), (0, own), 20);
    client.start();
    let mut times = Vec::new();
    for expected in 0..10 {
        let mut packet = [0; 64];
        let (octets, from) = socket.recv_from(&mut packet).unwrap();
        assert_eq!(
            (octets, from.port()),
            (20, port),
            "14 octets and 6 of padding"
        );
        assert_eq!(number(&packet[0..4]), expected);
        assert_ne!(packet[13], 0, "the Multiplier is never 0");
        times.push(u64::from_be_bytes(packet[4..12].try_into().unwrap()));
    }
    for pair in times.windows(2) {
        assert!(pair[0] < pair[1], "{times:?}");
    }
    // It stops on its own: one session, all ten packets, nothing left out.
    let stop = client.hear(16 + 32 + 16);
    assert_eq!((stop[0], stop[1], number(&stop[4..8])), (3, 0, 1));
    assert_eq!(&stop[16..32], b"sixteen-octet-id");
    assert_eq!((number(&stop[32..36]), number(&stop[36..40])), (10, 0));
    let mut answer = [0; 32];
    answer[0] = 3; // Stop-Sessions of none
    client.say(&answer);
    // And is ready for the next session.
    client.request((1, 0), (0, own), 20);
}
