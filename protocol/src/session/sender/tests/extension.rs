//! What replies tell by TLVs, in both modes and formats.

use super::*;
use crate::session::reflector::ControlLimits;
use crate::wire::authentication::{KeyEntry, KeyStore};
use crate::wire::tlv::{AccessReport, kind};

fn key() -> Key {
    Key::new(b"thirty-two octets, all of them.!").unwrap()
}

fn everything() -> Question {
    Question {
        follow_up: true,
        timestamp_information: true,
        class_of_service: true,
        direct_measurement: true,
        location: true,
        member_links: Some(MicroSession {
            sender: 3,
            reflector: 0,
        }),
        ..Question::default()
    }
}

/// With the wishes that a reflector may refuse, too.
fn everything_and_wishes() -> Question {
    Question {
        access_report: Some(AccessReport {
            access: 1,
            return_code: 2,
        }),
        destination: Some([192, 0, 2, 2].into()),
        return_path: Some(WantedReturn::Address([192, 0, 2, 1].into())),
        reply_octets: Some(600),
        ..everything()
    }
}

fn asking(protection: Protection, format: TimestampFormat) -> SenderConfig {
    SenderConfig {
        packet_octets: 400,
        padding: Padding::Pseudorandom(1),
        protection,
        format,
        question: everything(),
        ..config(200, Reflector::Own)
    }
}

fn keyed(authentication: Authentication) -> ReflectorConfig {
    ReflectorConfig {
        authentication,
        keys: KeyStore::new([(9, key())]),
        ..ReflectorConfig::open(64, 7)
    }
}

#[test]
fn all_that_is_asked_is_told_in_every_mode_and_mixture_of_formats() {
    let (ntp, ptp) = (TimestampFormat::Ntp, TimestampFormat::Ptp);
    for (near, far) in [(ntp, ntp), (ntp, ptp), (ptp, ntp), (ptp, ptp)] {
        for (protection, reflector) in [
            (Protection::None, ReflectorConfig::open(64, 7)),
            (Protection::Tlvs(key()), keyed(Authentication::Accepted)),
            (
                Protection::Authenticated(key()),
                keyed(Authentication::Required),
            ),
        ] {
            let run = simulate(World {
                far_clock: Clock {
                    offset_ns: -7 * MS,
                    skew_ppb: 0,
                },
                sender: asking(protection, near),
                reflector,
                clock: ReflectorClock {
                    error_estimate: ErrorEstimate::NO_CLAIM.with_format(far),
                    ..clock()
                },
                ..world(4, 200)
            });
            assert_eq!(run.samples.len(), 200);
            let (min, _) = run.summary.forward.raw.extremes().unwrap();
            assert_eq!(min, Nanos(run.forward.iter().min().unwrap() - 7 * MS));
            let seen = run.sender.observations();
            assert_eq!((seen.t3_corrected, seen.t3_uncorrected), (199, 1));
            assert_eq!(seen.tlvs_not_believed, 0);
            let (counts, replies) = seen.counts.unwrap();
            assert_eq!(replies, 200);
            assert_eq!(
                (
                    counts.sender_sent,
                    counts.reflector_received,
                    counts.reflector_sent
                ),
                (200, 200, 200)
            );
            assert_eq!(seen.information.unwrap().source_in, SyncSource::GNSS);
            let near = "192.0.2.1".parse().unwrap();
            assert_eq!(seen.seen_source, Some(SocketAddr::new(near, 5_000)));
            assert_eq!(seen.far_link, Some(5));
        }
    }
}

#[test]
fn each_tlv_is_told_to_be_done_refused_cut_off_or_beyond_the_limits() {
    let answers = |reflector: ReflectorConfig, question| {
        let run = simulate(World {
            sender: SenderConfig {
                question,
                ..asking(Protection::Tlvs(key()), TimestampFormat::Ntp)
            },
            reflector,
            ..world(4, 200)
        });
        assert_eq!(run.samples.len(), 200);
        run.sender.observations().answers
    };
    let limited = |octets_max| {
        let mut config = keyed(Authentication::Accepted);
        config.policy.reflected_control = Some(ControlLimits {
            octets_max,
            count_max: 1,
            volume_octets_max: 2_000,
            rate_octets_per_second_max: 0,
        });
        config
    };
    let done = TlvAnswers {
        understood: 200,
        ..TlvAnswers::default()
    };
    let refused = TlvAnswers {
        unrecognised: 200,
        ..TlvAnswers::default()
    };
    let beyond = TlvAnswers {
        beyond_limits: 200,
        ..TlvAnswers::default()
    };
    for (reflector, control) in [
        (keyed(Authentication::Accepted), refused),
        (limited(600), done),
        (limited(599), beyond),
    ] {
        let told = answers(reflector, everything_and_wishes());
        for asked in [2, 3, 4, 5, 7, 8, 9, 10, 11] {
            assert_eq!(told.of(asked), Some(done), "type {asked}");
        }
        let once = TlvAnswers {
            understood: 1,
            ..TlvAnswers::default()
        };
        assert_eq!(told.of(kind::ACCESS_REPORT), Some(once));
        assert_eq!(told.of(kind::REFLECTED_CONTROL), Some(control));
    }
    let wishes = Question {
        destination: Some([192, 0, 2, 9].into()),
        return_path: Some(WantedReturn::SameLink),
        ..Question::default()
    };
    let told = answers(keyed(Authentication::Accepted), wishes);
    assert_eq!(told.of(kind::DESTINATION_NODE_ADDRESS), Some(refused));
    assert_eq!(told.of(kind::RETURN_PATH), Some(refused));
    assert_eq!(told.of(kind::LOCATION), None, "it was not asked for");
    assert_eq!((told.of(0), told.of(255)), (None, None));

    let mut sender = SessionSender::new(SenderConfig {
        question: wishes,
        ..config(1, Reflector::Stranger)
    });
    let (packet, _) = transmit(&mut sender, 0);
    sender.handle_reply(Monotonic(MS), &reply_to(&packet, 0).encode(), kernel(MS));
    let cut = TlvAnswers {
        absent: 1,
        ..TlvAnswers::default()
    };
    let told = sender.observations().answers;
    assert_eq!(told.of(kind::RETURN_PATH), Some(cut));
}

#[test]
fn a_zero_session_identifier_ends_the_session_only_when_told_so() {
    for (zero_ssid, sent) in [(ZeroSsid::Continue, 3), (ZeroSsid::Stop, 1)] {
        let mut sender = SessionSender::new(SenderConfig {
            zero_ssid,
            ..config(3, Reflector::Stranger)
        });
        let mut buffer = [0; 100];
        for at in [0, 10 * MS, 20 * MS] {
            let now = Monotonic(at);
            let estimate = ErrorEstimate::NO_CLAIM;
            if sender
                .poll_transmit(now, Timestamp(at), estimate, &mut buffer)
                .is_none()
            {
                continue;
            }
            let packet = SenderPacket::decode(&buffer).unwrap();
            let reply = ReflectorPacket {
                ssid: 0,
                ..reply_to(&packet, packet.sequence)
            };
            sender.handle_reply(now, &reply.encode(), kernel(at + MS));
            assert!(sender.poll_sample(now).is_some());
        }
        assert_eq!(
            (sender.sent(), sender.observations().zero_ssids),
            (sent, sent)
        );
        assert_eq!(sender.poll_loss(Monotonic(1_000 * MS)), None);
        assert!(sender.is_over());
    }
}

#[test]
fn a_question_fills_in_nothing_that_is_the_reflectors() {
    let mut sender = SessionSender::new(SenderConfig {
        class: TrafficClass { dscp: 46, ecn: 0 },
        question: everything_and_wishes(),
        ..config(2, Reflector::Own)
    });
    for sent in 1..3_u32 {
        let mut buffer = [0xEE; 300];
        let at = 10 * MS * i64::from(sent - 1);
        let estimate = ErrorEstimate::NO_CLAIM;
        let transmit = sender
            .poll_transmit(Monotonic(at), Timestamp(at), estimate, &mut buffer)
            .unwrap();
        let mut asked = Vec::new();
        asked.extend([&[0x80, 7, 0, 16][..], &[0; 16]].concat());
        asked.extend([0x80, 3, 0, 4, 0, 0, 0, 0]);
        asked.extend([0x80, 4, 0, 4, 46 << 2, 0, 0, 0]);
        asked.extend([0x80, 5, 0, 12, 0, 0, 0, sent as u8, 0, 0, 0, 0, 0, 0, 0, 0]);
        asked.extend([0x80, 2, 0, 44, 0, 0, 0, 0]);
        for sub_tlv in [4, 7] {
            asked.extend([&[0x80, sub_tlv, 0, 16][..], &[0; 16]].concat());
        }
        asked.extend([0x80, 11, 0, 4, 0, 3, 0, 0]);
        // Said once, and again only when nobody has acknowledged it for three seconds.
        asked.extend(match sent {
            1 => [0x80, 6, 0, 4, 1 << 4, 2, 0, 0],
            _ => [0x80, 1, 0, 4, 0, 0, 0, 0],
        });
        asked.extend([0x80, 9, 0, 4, 192, 0, 2, 2]);
        asked.extend([0x80, 10, 0, 8, 0x80, 2, 0, 4, 192, 0, 2, 1]);
        asked.extend([0x80, 12, 0, 12, 2, 88, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(buffer[44..transmit.octets], asked);
    }
}

/// The reply to a packet of this number with one TLV, whose flags a reflector that understands it clears.
fn reply_with_tlv(sequence: u32, at: i64, tlv: &[u8]) -> Vec<u8> {
    let packet = SenderPacket {
        sequence,
        sent_at: WireTimestamp::write(Timestamp(at), TimestampFormat::Ntp, TaiOffset::SINCE_2017),
        error_estimate: ErrorEstimate::NO_CLAIM,
        ssid: 9,
    };
    let mut reply = reply_to(&packet, sequence).encode().to_vec();
    reply.push(0);
    reply.extend(&tlv[1..]);
    reply
}

#[test]
fn an_access_report_is_said_until_a_reply_repeats_it() {
    let report = AccessReport {
        access: 2,
        return_code: 1,
    };
    let mut sender = SessionSender::new(SenderConfig {
        question: Question {
            access_report: Some(report),
            retransmission: Retransmission {
                after: Nanos::from_millis(25),
                times: 4,
            },
            ..Question::default()
        },
        ..config(12, Reflector::Stranger)
    });
    let mut said = Vec::new();
    for k in 0..12_u32 {
        let (at, mut buffer) = (10 * MS * i64::from(k), [0; 52]);
        let estimate = ErrorEstimate::NO_CLAIM;
        let written = sender.poll_transmit(Monotonic(at), Timestamp(at), estimate, &mut buffer);
        assert_eq!(written.map(|written| written.octets), Some(52));
        said.push(buffer[45]);
        let fate = sender.observations().access_report;
        assert_eq!(fate == Some(ReportFate::Acknowledged), k > 6, "packet {k}");
        // The first replies are lost, and one repeats padding, which acknowledges nothing.
        if k == 1 || k >= 6 {
            let reply = reply_with_tlv(k, at, &buffer[44..]);
            sender.handle_reply(Monotonic(at + MS), &reply, kernel(at + MS));
        }
    }
    // Every third packet is the first after 25 ms.
    assert_eq!(said, [6, 1, 1, 6, 1, 1, 6, 1, 1, 1, 1, 1]);
    let answers = sender.observations().answers.of(kind::ACCESS_REPORT);
    assert_eq!(
        answers.map(|told| (told.understood, told.absent)),
        Some((1, 0))
    );
}

#[test]
fn a_packet_is_as_long_as_asked_or_as_its_tlvs_need() {
    let octets = |packet_octets, protection: Protection, question| {
        let sender = SessionSender::new(SenderConfig {
            packet_octets,
            protection,
            question,
            ..config(1, Reflector::Own)
        });
        sender.packet_octets()
    };
    let follow_up = Question {
        follow_up: true,
        ..Question::default()
    };
    for (wanted, plain, asking) in [
        (0, 44, 64),
        (45, 45, 64),
        (64, 64, 64),
        (66, 66, 68),
        (68, 68, 68),
    ] {
        assert_eq!(octets(wanted, Protection::None, Question::default()), plain);
        assert_eq!(octets(wanted, Protection::None, follow_up), asking);
    }
    let authenticated = || Protection::Authenticated(key());
    assert_eq!(octets(0, authenticated(), Question::default()), 112);
    assert_eq!(octets(0, authenticated(), follow_up), 112 + 20 + 20);
    assert_eq!(octets(1 << 20, Protection::None, follow_up), 65_507);
}

#[test]
fn the_hmac_stands_last_so_that_a_reflector_that_moves_padding_moves_nothing() {
    let mut sender = SessionSender::new(asking(Protection::Tlvs(key()), TimestampFormat::Ntp));
    let mut buffer = [0; 400];
    let estimate = ErrorEstimate::NO_CLAIM;
    sender.poll_transmit(Monotonic(0), Timestamp(0), estimate, &mut buffer);
    assert_eq!(buffer[380..384], [0x80, 8, 0, 16]);
    let hmac = key().sign([&buffer[..4], &buffer[44..380]]);
    assert_eq!(buffer[384..], hmac);
}

#[test]
fn marks_and_hops_that_change_on_the_way_are_counted() {
    let mut sender = SessionSender::new(SenderConfig {
        packets: None,
        class: TrafficClass { dscp: 46, ecn: 0 },
        question: Question {
            class_of_service: true,
            ..Question::default()
        },
        ..config(0, Reflector::Stranger)
    });
    // DSCP2 and ECN at the reflector, RP, TTL there, octet and TTL here.
    let (ef, low) = (46 << 2, 10 << 2);
    for (k, (dscp2, ecn, rp, ttl_there, class, ttl_here)) in (0..).zip([
        (46, 0, 0, 250, ef, 60),
        (10, 0, 0, 250, ef, 60),
        (46, 3, 0, 249, low, 60),
        (46, 0, 1, 249, ef | 3, 0),
        (10, 0, 1, 250, low, 59),
    ]) {
        let sent = 10 * MS * k;
        let (packet, _) = transmit(&mut sender, sent);
        let reply = ReflectorPacket {
            sender_ttl: ttl_there,
            ..reply_to(&packet, packet.sequence)
        };
        let told = crate::wire::tlv::ClassOfService {
            wanted_dscp: 46,
            received_dscp: dscp2,
            received_ecn: ecn,
            reverse_path: rp,
        };
        let octets = [&reply.encode()[..], &[0, 4, 0, 4], &told.encode()].concat();
        let how = Received {
            ttl: ttl_here,
            traffic_class: Some(class),
            ..kernel(sent + MS)
        };
        sender.handle_reply(Monotonic(sent + MS), &octets, how);
    }
    let seen = sender.observations();
    assert_eq!((seen.remarked_forward, seen.remarked_backward), (2, 1));
    assert_eq!((seen.congestion_forward, seen.congestion_backward), (1, 1));
    assert_eq!(
        (seen.ttl_changes_forward, seen.ttl_changes_backward),
        (2, 1)
    );
    assert_eq!(seen.dscp_refused, 2);
    assert_eq!(
        (seen.dscp_forward, seen.dscp_backward),
        (Some(10), Some(10))
    );
    assert_eq!(
        (seen.ecn_forward, seen.ecn_backward),
        ([4, 0, 0, 1], [4, 0, 0, 1])
    );
    assert_eq!(
        (seen.ttl_forward, seen.ttl_backward),
        (Some((249, 250)), Some((59, 60)))
    );
}

/// One exchange with the reflector's reply changed on its way back.
fn tampered(protection: Protection, tamper: impl Fn(&mut Vec<u8>)) -> (Arrival, SessionSender) {
    let mut sender = SessionSender::new(asking(protection, TimestampFormat::Ntp));
    let mut reflector = SessionReflector::new(keyed(Authentication::Accepted));
    let mut buffer = vec![0; 2_000];
    let transmit = sender
        .poll_transmit(
            Monotonic(0),
            Timestamp(0),
            ErrorEstimate::NO_CLAIM,
            &mut buffer,
        )
        .unwrap();
    let request = Request {
        octets: transmit.octets,
        source: "192.0.2.1:5000".parse().unwrap(),
        destination: "192.0.2.2:862".parse().unwrap(),
        ttl: 250,
        traffic_class: 0,
        received_at: Timestamp(MS),
        interface: None,
        member_link: Some(5),
    };
    let reply = reflector
        .handle(Monotonic(0), &request, &clock(), &mut buffer)
        .unwrap();
    reply.seal(&mut buffer, Timestamp(MS));
    buffer.truncate(reply.octets);
    tamper(&mut buffer);
    let arrival = sender.handle_reply(Monotonic(2 * MS), &buffer, kernel(2 * MS));
    (arrival, sender)
}

#[test]
fn what_is_not_protected_right_is_not_believed() {
    let told = |(arrival, sender): (Arrival, SessionSender)| {
        let seen = sender.observations();
        (arrival, seen.tlvs_not_believed, seen.counts.is_some())
    };
    let tlvs = || Protection::Tlvs(key());
    let authenticated = || Protection::Authenticated(key());
    let on_time = |not_believed, counts| (Arrival::OnTime, not_believed, counts);
    assert_eq!(told(tampered(tlvs(), |_| ())), on_time(0, true));
    assert_eq!(told(tampered(authenticated(), |_| ())), on_time(0, true));
    assert_eq!(
        told(tampered(authenticated(), |reply| reply[17] ^= 1)),
        (Arrival::Stranger, 0, false)
    );
    assert_eq!(
        told(tampered(Protection::None, |_| ())),
        on_time(1, false),
        "the reflector has a key for the session and wants its TLVs protected"
    );
    // A changed value, a changed number, a set I flag, a cut area.
    for (at, bit) in [(44 + 40, 1), (3, 1), (44, 0x20)] {
        let change = |reply: &mut Vec<u8>| reply[at] ^= bit;
        assert_eq!(
            told(tampered(tlvs(), change)),
            on_time(1, false),
            "octet {at}"
        );
    }
    assert_eq!(
        told(tampered(tlvs(), |reply| reply.truncate(100))),
        on_time(1, false)
    );
}

#[test]
fn another_member_link_than_expected_makes_a_stranger() {
    // Behind Follow-Up, Timestamp Information, Class of Service, Direct Measurement and Location.
    let value = 44 + 20 + 8 + 8 + 16 + 48 + 4;
    // Whether a reply with this octet of the links changed is paired; unprotected, so that it can be changed.
    let paired = |known: u16, at: usize| {
        let mut sender = SessionSender::new(SenderConfig {
            question: Question {
                member_links: Some(MicroSession {
                    sender: 3,
                    reflector: known,
                }),
                ..everything()
            },
            ..config(1, Reflector::Own)
        });
        let mut buffer = [0; 400];
        let estimate = ErrorEstimate::NO_CLAIM;
        sender.poll_transmit(Monotonic(0), Timestamp(0), estimate, &mut buffer);
        let packet = SenderPacket::decode(&buffer).unwrap();
        let mut reply = buffer[..sender.packet_octets()].to_vec();
        reply[..44].copy_from_slice(&reply_to(&packet, 0).encode());
        reply[value - 4] = 0;
        reply[value..value + 4].copy_from_slice(&[0, 3, 0, 5]);
        reply[value + at] ^= 8;
        sender.handle_reply(Monotonic(MS), &reply, kernel(MS)) == Arrival::OnTime
    };
    assert!(paired(0, 3), "any reflector's link, before one is known");
    assert!(paired(13, 3));
    assert!(!paired(5, 3), "another one than was known");
    assert!(!paired(0, 1), "another one of our own");
}

#[test]
fn a_key_changes_without_a_restart() {
    let mut sender = SessionSender::new(asking(
        Protection::Authenticated(key()),
        TimestampFormat::Ntp,
    ));
    let new = Key::new(&[9; 32]).unwrap();
    let both = KeyEntry {
        accept: Some(new.clone()),
        ..KeyEntry::from((9, key()))
    };
    let (both, mut buffer) = (KeyStore::new([both]), [0; 500]);
    let mut reflector = SessionReflector::new(ReflectorConfig {
        state: State::Stateless,
        keys: both,
        ..keyed(Authentication::Required)
    });
    let mut replies = Vec::new();
    for k in 0..3 {
        let (now, wall) = (Monotonic(10 * MS * k), Timestamp(10 * MS * k));
        let estimate = ErrorEstimate::NO_CLAIM;
        let octets = sender
            .poll_transmit(now, wall, estimate, &mut buffer)
            .unwrap()
            .octets;
        let request = Request {
            octets,
            source: "192.0.2.1:5000".parse().unwrap(),
            destination: "192.0.2.2:862".parse().unwrap(),
            ttl: 250,
            traffic_class: 0,
            received_at: wall,
            interface: None,
            member_link: None,
        };
        let reply = reflector
            .handle(now, &request, &clock(), &mut buffer)
            .unwrap();
        reply.seal(&mut buffer, wall);
        replies.push(buffer[..reply.octets].to_vec());
        if k == 1 {
            sender.handle_new_key(new.clone());
        }
    }
    for (k, reply) in (0..).zip(&replies) {
        let at = 10 * MS * k + MS;
        let arrival = sender.handle_reply(Monotonic(at), reply, kernel(at));
        assert_eq!(arrival, Arrival::OnTime, "reply {k}");
    }
    assert_eq!(sender.observations().tlvs_not_believed, 0);
}

#[test]
fn a_million_random_and_flipped_replies_are_survived() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut sender = SessionSender::new(SenderConfig {
        packets: None,
        question: everything(),
        ..config(0, Reflector::Own)
    });
    let mut buffer = [0_u8; 200];
    for k in 0..1_000_000_i64 {
        let now = k * 10 * MS / 16;
        if k % 16 == 0 {
            let estimate = ErrorEstimate::NO_CLAIM;
            sender.poll_transmit(Monotonic(now), Timestamp(now), estimate, &mut buffer);
            let packet = SenderPacket::decode(&buffer).unwrap();
            buffer[..44].copy_from_slice(&reply_to(&packet, random() as u32).encode());
            // Half of the TLVs understood, so that their values are read.
            for at in [44, 64, 72, 80, 96, 144] {
                buffer[at] = (random() as u8) & 0x80;
            }
        }
        let mut reply = buffer;
        for _ in 0..random() % 4 {
            reply[random() as usize % 200] ^= 1 << (random() % 8);
        }
        let octets = if random() % 4 == 0 {
            random() as usize % 200
        } else {
            152
        };
        sender.handle_reply(Monotonic(now), &reply[..octets], kernel(now + MS));
        while sender.poll_sample(Monotonic(now)).is_some() {}
        while sender.poll_loss(Monotonic(now)).is_some() {}
    }
    assert!(sender.observations().counts.is_some());
    assert!(sender.strangers() > 1_000);
}
