//! Every extension of STAMP with another implementation, stamp-suite, both ways and over both families: who understands
//! whom. docs/interop.md holds the tables, and a row that comes out otherwise fails.

#[path = "stamp_support/interop.rs"]
mod interop;
#[path = "stamp_support/keys.rs"]
mod keys;
#[path = "stamp_support/peer.rs"]
mod peer;
mod stamp_support;
#[path = "stamp_support/stop.rs"]
mod stop;

use std::process::{Command, Stdio};

use serde_json::Value;

use interop::{FAMILIES, PACKETS, SECRET, answers, check_page, count, our_result, their_summary};
use keys::key_file;
use stamp_support::{owl, reflect};
use stop::stop;

/// What becomes of a TLV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Understood, and done or told.
    Done,
    /// U: not understood, or not done.
    Refused,
    /// C: beyond the reflector's limits.
    Limited,
    /// No packet is answered, as its sender wants.
    Unanswered,
    /// Its sender cannot ask so.
    NotAsked,
}

impl Fate {
    fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused (U)",
            Self::Limited => "beyond limits (C)",
            Self::Unanswered => "no reply, as asked",
            Self::NotAsked => "not asked",
        }
    }
}

/// One TLV, and how each side asks by it.
struct Row {
    tlv: &'static str,
    kind: u8,
    /// `--ask` of ours; IP stands for the address of the reflector.
    ours: &'static str,
    /// Options of our sender's beside it.
    our_options: &'static [&'static str],
    /// Options of their reflector beside the usual ones.
    their_options: &'static [&'static str],
    of_theirs: Fate,
    /// Options of their sender.
    theirs: &'static [&'static str],
    of_ours: Fate,
}

const fn row(tlv: &'static str, kind: u8) -> Row {
    Row {
        tlv,
        kind,
        ours: "",
        our_options: &[],
        their_options: &[],
        of_theirs: Fate::NotAsked,
        theirs: &[],
        of_ours: Fate::NotAsked,
    }
}

const ROWS: [Row; 17] = [
    Row {
        ours: "padding=random",
        our_options: &["--octets", "200"],
        of_theirs: Fate::Done,
        theirs: &["--extra-padding", "100"],
        of_ours: Fate::Done,
        ..row("1 Extra Padding", 1)
    },
    Row {
        ours: "location",
        of_theirs: Fate::Done,
        theirs: &["--location"],
        of_ours: Fate::Done,
        ..row("2 Location", 2)
    },
    Row {
        ours: "timestamp-info",
        of_theirs: Fate::Done,
        theirs: &["--timestamp-info"],
        of_ours: Fate::Done,
        ..row("3 Timestamp Information", 3)
    },
    Row {
        ours: "class-of-service",
        our_options: &["--dscp", "46", "--ecn", "2"],
        of_theirs: Fate::Done,
        theirs: &["--cos", "--dscp", "46", "--ecn", "2"],
        of_ours: Fate::Done,
        ..row("4 Class of Service", 4)
    },
    Row {
        ours: "direct-measurement",
        of_theirs: Fate::Done,
        theirs: &["--direct-measurement"],
        of_ours: Fate::Done,
        ..row("5 Direct Measurement", 5)
    },
    Row {
        ours: "access-report=3gpp",
        of_theirs: Fate::Done,
        theirs: &["--access-report", "1"],
        of_ours: Fate::Done,
        ..row("6 Access Report", 6)
    },
    Row {
        ours: "follow-up",
        of_theirs: Fate::Done,
        theirs: &["--follow-up-telemetry"],
        of_ours: Fate::Done,
        ..row("7 Follow-Up Telemetry", 7)
    },
    Row {
        ours: "destination-node=IP",
        of_theirs: Fate::Done,
        theirs: &["--dest-node-addr", "IP"],
        of_ours: Fate::Done,
        ..row("9 Destination Node Address, the reflector's", 9)
    },
    Row {
        ours: "destination-node=192.0.2.1",
        of_theirs: Fate::Refused,
        theirs: &["--dest-node-addr", "192.0.2.1"],
        of_ours: Fate::Refused,
        ..row("9 Destination Node Address, another's", 9)
    },
    Row {
        ours: "return-path=same-link",
        of_theirs: Fate::Done,
        theirs: &["--return-path-cc", "1"],
        of_ours: Fate::Done,
        ..row("10 Return Path, same link", 10)
    },
    Row {
        ours: "return-path=IP",
        their_options: &["--return-path-allow-alternate"],
        of_theirs: Fate::Done,
        theirs: &["--return-address", "IP"],
        of_ours: Fate::Done,
        ..row("10 Return Path, the sender's address", 10)
    },
    Row {
        ours: "return-path=192.0.2.1",
        of_theirs: Fate::Refused,
        theirs: &["--return-address", "192.0.2.1"],
        of_ours: Fate::Refused,
        ..row("10 Return Path, a third party", 10)
    },
    Row {
        theirs: &["--return-sr-mpls-labels", "16"],
        of_ours: Fate::Refused,
        ..row("10 Return Path, SR-MPLS labels", 10)
    },
    Row {
        theirs: &["--return-path-cc", "0"],
        of_ours: Fate::Unanswered,
        ..row("10 Return Path, no reply", 10)
    },
    Row {
        ours: "micro-session=4",
        of_theirs: Fate::Done,
        theirs: &["--micro-session-id", "4"],
        of_ours: Fate::Done,
        ..row("11 Micro-session ID", 11)
    },
    Row {
        ours: "reply-octets=600",
        of_theirs: Fate::Done,
        theirs: &[
            "--reflected-control-count",
            "2",
            "--reflected-control-length",
            "600",
        ],
        of_ours: Fate::Refused,
        ..row("12 Reflected Test Packet Control", 12)
    },
    Row {
        theirs: &["--ber", "--ber-padding-size", "64"],
        of_ours: Fate::Refused,
        ..row("240 Bit Pattern in Padding (experimental)", 240)
    },
];

/// The usual options of their reflector.
const THEIR_REFLECTOR: [&str; 6] = [
    "--clock-sync-source",
    "gps",
    "--reflected-control-max-count",
    "4",
    "--reflector-member-link-id",
    "7",
];

/// What their reflector made of a TLV, by the result of our sender.
fn fate_at_theirs(row: &Row, result: &Value) -> Fate {
    let names = [
        (1, "padding"),
        (2, "location"),
        (3, "timestamp-info"),
        (4, "class-of-service"),
        (5, "direct-measurement"),
        (6, "access-report"),
        (7, "follow-up"),
        (9, "destination-node"),
        (10, "return-path"),
        (11, "micro-session"),
        (12, "reply-octets"),
    ];
    let name = names
        .iter()
        .find(|(kind, _)| *kind == row.kind)
        .expect("we ask by it")
        .1;
    let answers = &result["told"]["tlvs"][name];
    assert_eq!(
        count(&result["packets"]["received"]),
        PACKETS,
        "{}: {result}",
        row.tlv
    );
    match (
        count(&answers["understood"]),
        count(&answers["unrecognised"]),
    ) {
        (PACKETS, 0) => Fate::Done,
        // An Access Report is said until it is acknowledged: here by the first reply, or the next ones while that is late.
        (1.., 0) if row.kind == 6 => Fate::Done,
        (0, PACKETS) => Fate::Refused,
        _ => panic!("{}: {result}", row.tlv),
    }
}

/// What our reflector made of a TLV, by the summary of their sender.
fn fate_at_ours(row: &Row, summary: &Value) -> Fate {
    if count(&summary["packets_received"]) == 0 {
        return Fate::Unanswered;
    }
    let lost = count(&summary["packets_lost"]);
    assert_eq!(
        (count(&summary["packets_received"]), lost),
        (PACKETS, 0),
        "{}",
        row.tlv
    );
    let told = &summary["measurements"]["tlv_validation"]["by_type"][row.kind.to_string()];
    let (observed, flags) = (count(&told["observed"]), &told["flags"]);
    // It sends an Access Report until it is acknowledged, and asks for bit errors only now and then.
    assert!(
        observed == PACKETS || (observed > 0 && matches!(row.kind, 6 | 240)),
        "{}: {summary}",
        row.tlv
    );
    assert_eq!(count(&flags["malformed"]), 0, "{}: {summary}", row.tlv);
    assert_eq!(count(&flags["integrity_failed"]), 0, "{}", row.tlv);
    match (
        count(&flags["unrecognized"]),
        count(&flags["conformant_reflected"]),
    ) {
        (0, 0) => Fate::Done,
        (refused, 0) if refused == observed => Fate::Refused,
        (0, limited) if limited == observed => Fate::Limited,
        _ => panic!("{}: {summary}", row.tlv),
    }
}

/// What was told beside flags.
fn check_told_by_theirs(row: &Row, address: &str, result: &Value) {
    let told = &result["told"];
    match row.kind {
        2 => assert_eq!(told["location"]["destination"], address, "{told}"),
        3 => assert_eq!(told["timestamp_info"]["clock_source_in"], "GNSS", "{told}"),
        4 => {
            assert_eq!(told["forward"]["dscp"], 46, "{told}");
            assert_eq!(told["backward"]["dscp"], 46, "{told}");
            assert_eq!(count(&told["forward"]["ecn"]["ect_0"]), PACKETS, "{told}");
        }
        5 => {
            let counts = &told["direct_measurement"];
            assert_eq!(count(&counts["arrived"]), PACKETS, "{told}");
            let lost = (&counts["lost_forward"], &counts["lost_backward"]);
            assert_eq!(lost, (&Value::from(0), &Value::from(0)), "{told}");
        }
        6 => assert_eq!(told["access_report"], "acknowledged", "{told}"),
        // The first has nothing before it, and a stamp may be missing.
        7 => assert!(count(&told["t3_corrected"]) >= PACKETS - 3, "{told}"),
        11 => assert_eq!(told["member_link"], 7, "{told}"),
        _ => {}
    }
}

fn check_told_by_ours(row: &Row, summary: &Value) {
    let measured = &summary["measurements"];
    match row.kind {
        5 => {
            let counts = &measured["direct_measurement"];
            let missing = (&counts["forward_missing"], &counts["reverse_missing"]);
            assert_eq!(missing, (&Value::from(0), &Value::from(0)), "{counts}");
        }
        6 => assert_eq!(summary["access_report"]["outcome"], "acknowledged"),
        7 => {
            let matched = count(&measured["follow_up"]["matched"]);
            assert!(matched >= PACKETS - 3, "{measured}");
        }
        _ => {}
    }
}

#[test]
fn every_tlv_is_understood_or_refused_as_the_page_says_both_ways() {
    let Some(program) = peer::peer() else { return };
    let mut lines = Vec::new();
    for ip in FAMILIES {
        let (_their_reflector, usual) = peer::reflector(&program, ip, &THEIR_REFLECTOR);
        answers(&usual, &[]);
        let listen = peer::at(ip, 0);
        let (_reflector, listening) = reflect(&mut owl(&[
            "reflect",
            "--json",
            "--listen",
            &listen,
            "--member-link",
            "9",
        ]));
        for row in &ROWS {
            let mut fates = [Fate::NotAsked; 2];
            if !row.ours.is_empty() {
                let special = (!row.their_options.is_empty()).then(|| {
                    let options = [&THEIR_REFLECTOR[..], row.their_options].concat();
                    let (reflector, address) = peer::reflector(&program, ip, &options);
                    answers(&address, &[]);
                    (reflector, address)
                });
                let address = special.as_ref().map_or(&usual, |(_, address)| address);
                let ask = row.ours.replace("IP", ip);
                let options = [&["--ask", &ask], row.our_options].concat();
                let result = our_result(address, &options);
                fates[0] = fate_at_theirs(row, &result);
                check_told_by_theirs(row, address, &result);
            }
            let theirs: Vec<_> = row
                .theirs
                .iter()
                .map(|&option| if option == "IP" { ip } else { option })
                .collect();
            if row.of_ours == Fate::Unanswered {
                // It prints no summary when nothing comes back.
                fates[1] = Fate::Unanswered;
            } else {
                let summary = their_summary(&program, ip, listening[0].port(), &theirs);
                fates[1] = fate_at_ours(row, &summary);
                check_told_by_ours(row, &summary);
            }
            assert_eq!(fates, [row.of_theirs, row.of_ours], "{} over {ip}", row.tlv);
            let [of_theirs, of_ours] = fates.map(Fate::words);
            let line = format!("| {} | {of_theirs} | {of_ours} |", row.tlv);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    assert_eq!(lines.len(), ROWS.len(), "both families alike");
    check_page(&lines);
}

#[test]
fn who_wants_no_reply_gets_none() {
    let Some(program) = peer::peer() else { return };
    let (reflector, listening) =
        reflect(&mut owl(&["reflect", "--json", "--listen", "127.0.0.1:0"]));
    let port = listening[0].port().to_string();
    let asked = Command::new(&program)
        .args(["-r", "127.0.0.1", "-S", "127.0.0.1", "-p", &port])
        .args(["-c", "5", "-d", "5", "-L", "1", "--return-path-cc", "0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("stamp-suite can be started");
    assert!(asked.code().is_some());
    let counts = stop(&reflector);
    assert_eq!(
        (&counts["unwanted"], &counts["reflected"]),
        (&5.into(), &0.into())
    );
}

#[test]
fn two_replies_are_given_where_that_is_allowed_and_one_of_another_length() {
    let Some(program) = peer::peer() else { return };
    let folder = tempfile::tempdir().unwrap();
    let keys = key_file(folder.path(), SECRET);
    let keys = keys.to_str().unwrap();
    let (_reflector, listening) = reflect(
        owl(&[
            "reflect",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--keys",
            keys,
        ])
        .args(["--reply-octets-max", "900"]),
    );
    let options = ["--hmac-key", SECRET, "--reflected-control-count", "2"];
    let options = [&options[..], &["--reflected-control-length", "600"]].concat();
    let summary = their_summary(&program, "127.0.0.1", listening[0].port(), &options);
    let control = row("12", 12);
    assert_eq!(fate_at_ours(&control, &summary), Fate::Limited);

    let (_generous, more) = reflect(
        owl(&[
            "reflect",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--keys",
            keys,
        ])
        .args(["--reply-octets-max", "900", "--reply-count-max", "2"]),
    );
    let summary = their_summary(&program, "127.0.0.1", more[0].port(), &options);
    let measured = &summary["measurements"];
    for (of, expected) in [
        (&measured["requested_replies"], 2 * PACKETS),
        (&measured["unique_replies"], 2 * PACKETS),
        (&measured["tlv_validation"]["hmac"]["verified"], 2 * PACKETS),
        (&measured["unobserved_requested_replies"], 0),
    ] {
        assert_eq!(count(of), expected, "{summary}");
    }

    let address = listening[0].to_string();
    let ask = ["--key-file", keys, "--ask", "reply-octets=600"];
    let result = our_result(&address, &ask);
    assert_eq!(
        fate_at_theirs(&control, &result),
        Fate::Done,
        "our own two ends"
    );
}
