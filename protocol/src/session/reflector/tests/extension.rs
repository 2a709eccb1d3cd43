//! What a session-reflector makes of TLVs.

use super::*;

/// A request with these TLVs behind its base packet.
pub(super) fn with(sequence: u32, tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let mut datagram = packet(sequence, 3).to_vec();
    for (kind, value) in tlvs {
        tlv::append(&mut datagram, *kind, value);
    }
    datagram
}

/// One TLV there, one TLV back: its flags and value.
#[track_caller]
fn answer(
    reflector: &mut SessionReflector,
    kind: u8,
    value: &[u8],
    how: Request,
) -> (Reply, u8, Vec<u8>) {
    let answered = ask(reflector, 0, &with(0, &[(kind, value)]), how).unwrap();
    let tlvs = answered.tlvs();
    let (flags, value) = (tlvs[0].flags.0, tlvs[0].value.to_vec());
    assert_eq!((tlvs.len(), tlvs[0].kind), (1, kind));
    (answered.reply, flags, value)
}

#[test]
fn what_is_understood_loses_its_u_and_what_is_not_keeps_it() {
    let mut reflector = open();
    let datagram = with(
        0,
        &[
            (kind::EXTRA_PADDING, &[1, 2, 3]),
            (99, &[4, 5]),
            (kind::ACCESS_REPORT, &[0x10, 2, 0, 0]),
            (kind::ACCESS_REPORT, &[0x30, 2, 0, 0]),
        ],
    );
    let answered = ask(&mut reflector, 0, &datagram, request(0, NEAR)).unwrap();
    let flags: Vec<_> = answered.tlvs().iter().map(|tlv| tlv.flags.0).collect();
    assert_eq!(flags, [0, 0x80, 0, 0]);
    let mut unflagged = datagram.clone();
    for (at, flags) in [(44, 0), (57, 0), (65, 0)] {
        unflagged[at] = flags;
    }
    assert_eq!(
        answered.octets[44..],
        unflagged[44..],
        "values are untouched"
    );
    let report = answered.reply.access_report.unwrap();
    assert_eq!((report.access, report.return_code), (1, 2));
}

#[test]
fn a_malformed_tlv_gets_m_and_what_follows_comes_back_as_it_came() {
    let mut reflector = open();
    let mut datagram = with(
        0,
        &[
            (kind::EXTRA_PADDING, &[1]),
            (kind::CLASS_OF_SERVICE, &[1, 2, 3]),
            (kind::EXTRA_PADDING, &[1]),
        ],
    );
    let answered = ask(&mut reflector, 0, &datagram, request(0, NEAR)).unwrap();
    (datagram[44], datagram[49]) = (0, 0x40);
    assert_eq!(answered.octets[44..], datagram[44..]);

    let mut datagram = with(0, &[(kind::FOLLOW_UP, &[9; 15])]);
    let answered = ask(&mut reflector, 0, &datagram, request(0, NEAR)).unwrap();
    datagram[44] = 0x40;
    datagram[48..].fill(0);
    assert_eq!(answered.octets[44..], datagram[44..], "erratum 8339");

    let mut datagram = with(0, &[(kind::EXTRA_PADDING, &[1; 10])]);
    datagram.truncate(50);
    let answered = ask(&mut reflector, 0, &datagram, request(0, NEAR)).unwrap();
    datagram[44] = 0x40;
    assert_eq!(answered.octets[44..], datagram[44..], "cut");
}

#[test]
fn location_and_timestamp_information_are_told() {
    let mut reflector = open();
    let how = request(0, NEAR);
    let (_, flags, value) = answer(&mut reflector, kind::LOCATION, &Location::question(), how);
    assert_eq!((flags, &value[..4]), (0, &[3, 94, 15, 160][..]));
    assert_eq!(value[8..12], [192, 0, 2, 2]);
    assert_eq!(value[28..32], [198, 51, 100, 7]);

    let (_, flags, value) = answer(&mut reflector, kind::TIMESTAMP_INFORMATION, &[0; 4], how);
    assert_eq!((flags, &value[..]), (0, &[1, 2, 1, 2][..]));

    let policy = Policy {
        tell_location: false,
        ..Policy::default()
    };
    let mut silent = SessionReflector::new(ReflectorConfig {
        policy,
        ..ReflectorConfig::open(16, 1)
    });
    let (_, flags, value) = answer(&mut silent, kind::LOCATION, &Location::question(), how);
    assert_eq!((flags, &value[..4]), (0, &[0; 4][..]));
    assert_eq!(value[8..12], [0; 4]);
}

#[test]
fn the_reply_is_marked_as_the_request_came_or_as_its_sender_wants() {
    let ask_for = |wanted_dscp, received: u8, dscps| {
        let policy = Policy {
            dscps,
            ..Policy::default()
        };
        let mut reflector = SessionReflector::new(ReflectorConfig {
            policy,
            ..ReflectorConfig::open(16, 1)
        });
        let how = Request {
            traffic_class: received,
            ..request(0, NEAR)
        };
        let asked = ClassOfService {
            wanted_dscp,
            ..ClassOfService::default()
        };
        let (reply, _, value) =
            answer(&mut reflector, kind::CLASS_OF_SERVICE, &asked.encode(), how);
        (reply.traffic_class, value)
    };
    let told = |wanted_dscp, received_dscp, received_ecn, reverse_path| {
        ClassOfService {
            wanted_dscp,
            received_dscp,
            received_ecn,
            reverse_path,
        }
        .encode()
        .to_vec()
    };
    let some = Dscps::of([0, 46, 200]);
    assert_eq!(
        ask_for(46, 10 << 2 | 1, some),
        (46 << 2 | 1, told(46, 10, 1, 0))
    );
    assert_eq!(
        ask_for(34, 10 << 2 | 2, some),
        (10 << 2 | 2, told(34, 10, 2, 1))
    );
    assert_eq!(
        ask_for(34, 10 << 2, Dscps::ALL),
        (34 << 2, told(34, 10, 0, 0))
    );
    // Congestion experienced on the way is told, and the reply can be marked anew.
    assert_eq!(
        ask_for(46, 46 << 2 | 3, some),
        (46 << 2 | 2, told(46, 46, 3, 0))
    );

    for (received, marked) in [(0, 0), (46 << 2 | 1, 46 << 2 | 1), (3, 2)] {
        let how = Request {
            traffic_class: received,
            ..request(0, NEAR)
        };
        let answered = ask(&mut open(), 0, &packet(0, 0), how).unwrap();
        assert_eq!(answered.reply.traffic_class, marked, "without a TLV");
    }
}

#[test]
fn packets_are_counted_for_direct_measurement() {
    let mut reflector = open();
    let asked = DirectMeasurement {
        sender_sent: 77,
        reflector_received: 5,
        reflector_sent: 5,
    };
    for k in 1..4 {
        let how = request(0, NEAR);
        let (_, flags, value) = answer(
            &mut reflector,
            kind::DIRECT_MEASUREMENT,
            &asked.encode(),
            how,
        );
        let told = DirectMeasurement {
            sender_sent: 77,
            reflector_received: k,
            reflector_sent: k,
        };
        assert_eq!((flags, &value[..]), (0, &told.encode()[..]));
    }
    let mut stateless = SessionReflector::new(ReflectorConfig {
        state: State::Stateless,
        ..ReflectorConfig::open(0, 1)
    });
    let (_, flags, value) = answer(
        &mut stateless,
        kind::DIRECT_MEASUREMENT,
        &asked.encode(),
        request(0, NEAR),
    );
    assert_eq!((flags, &value[..]), (0x80, &asked.encode()[..]));
}

#[test]
fn the_next_reply_carries_the_kernels_t3_of_the_one_before() {
    let mut reflector = open();
    let datagram = with(0, &[(kind::FOLLOW_UP, &[0; 16])]);
    let mut ask = |stamp: Option<StampSource>| {
        let answered = ask(&mut reflector, 0, &datagram, request(0, NEAR)).unwrap();
        if let Some(source) = stamp {
            let at = T3 + Nanos(7);
            reflector.handle_transmitted(answered.reply.token.unwrap(), Stamp { at, source });
        }
        match Tlvs::new(&answered.octets[44..])
            .next()
            .unwrap()
            .unwrap()
            .value()
        {
            Ok(Value::FollowUp(told)) => told,
            other => panic!("{other:?}"),
        }
    };
    let at = WireTimestamp::write(T3 + Nanos(7), TimestampFormat::Ntp, clock().tai_offset);
    let told = |sequence, method| FollowUp {
        sequence,
        sent_at: at,
        method,
    };
    assert_eq!(ask(Some(StampSource::Kernel)), FollowUp::default());
    let first = told(0, TimestampMethod::SOFTWARE);
    assert_eq!(ask(None), first);
    assert_eq!(ask(Some(StampSource::User)), first, "no stamp came");
    assert_eq!(ask(Some(StampSource::Hardware)), first, "nor a better one");
    assert_eq!(ask(None), told(3, TimestampMethod::HARDWARE));
}

#[test]
fn of_two_stamps_in_the_wrong_order_that_of_the_later_reply_is_told() {
    let mut reflector = open();
    let datagram = with(0, &[(kind::FOLLOW_UP, &[0; 16])]);
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let answered = ask(&mut reflector, 0, &datagram, request(0, NEAR)).unwrap();
        tokens.extend(answered.reply.token);
    }
    for token in tokens.into_iter().rev() {
        let stamp = Stamp {
            at: T3,
            source: StampSource::Kernel,
        };
        reflector.handle_transmitted(token, stamp);
    }
    let (_, _, value) = answer(&mut reflector, kind::FOLLOW_UP, &[0; 16], request(0, NEAR));
    assert_eq!(value[..4], [0, 0, 0, 1]);
}

#[test]
fn a_stateless_reflector_follows_nothing_up() {
    let mut stateless = SessionReflector::new(ReflectorConfig {
        state: State::Stateless,
        ..ReflectorConfig::open(0, 1)
    });
    for _ in 0..2 {
        let how = request(0, NEAR);
        let (_, flags, value) = answer(&mut stateless, kind::FOLLOW_UP, &[9; 16], how);
        assert_eq!((flags, &value[..]), (0, &[0; 16][..]));
    }
}

#[test]
fn a_stamp_for_a_session_that_is_gone_is_dropped() {
    let mut reflector = SessionReflector::new(ReflectorConfig::open(1, 1));
    let token = |reflector: &mut SessionReflector, now, source: &str| {
        let datagram = with(0, &[(kind::FOLLOW_UP, &[0; 16])]);
        let answered = ask(reflector, now, &datagram, request(0, source)).unwrap();
        assert_eq!(answered.octets[48..64], [0; 16]);
        answered.reply.token.unwrap()
    };
    let old = token(&mut reflector, 0, NEAR);
    for k in 0..8 {
        token(&mut reflector, 2_000_000_000, &format!("203.0.113.1:{k}"));
    }
    let stamp = Stamp {
        at: T3,
        source: StampSource::Kernel,
    };
    reflector.handle_transmitted(old, stamp);
    for k in 0..8 {
        token(&mut reflector, 2_000_000_000, &format!("203.0.113.1:{k}"));
    }
}

#[test]
fn a_return_path_is_followed_only_where_it_may_be() {
    let path = |kind: u8, value: &[u8]| {
        let mut octets = Vec::new();
        tlv::append(&mut octets, kind, value);
        octets
    };
    let address = |last| path(2, &[192, 0, 2, last]);
    let policy = Policy {
        return_addresses: vec!["192.0.2.9".parse().unwrap()],
        ..Policy::default()
    };
    let mut reflector = SessionReflector::new(ReflectorConfig {
        policy,
        ..ReflectorConfig::open(16, 1)
    });
    let on = |interface| Request {
        interface,
        ..request(0, NEAR)
    };
    let own = path(2, &[198, 51, 100, 7]);
    for (value, how, flags, to, interface) in [
        (address(9), on(None), 0, "192.0.2.9:4000", None),
        (address(8), on(None), 0x80, NEAR, None),
        (own, on(None), 0, NEAR, None),
        (
            ReturnPath::same_link().to_vec(),
            on(Some(4)),
            0,
            NEAR,
            Some(4),
        ),
        (ReturnPath::same_link().to_vec(), on(None), 0x80, NEAR, None),
        (path(4, &[1; 16]), on(None), 0x80, NEAR, None),
        (path(3, &[1; 4]), on(None), 0x80, NEAR, None),
    ] {
        let (reply, told, back) = answer(&mut reflector, kind::RETURN_PATH, &value, how);
        assert_eq!((told, &back), (flags, &value), "{value:?}");
        assert_eq!(
            (reply.to, reply.interface),
            (to.parse().unwrap(), interface)
        );
    }
    let (reply, told, _) = answer(&mut open(), kind::RETURN_PATH, &address(9), on(None));
    assert_eq!(
        (told, reply.to),
        (0x80, NEAR.parse().unwrap()),
        "to third parties: off by default"
    );
    let (no_reply, third) = (path(1, &[0; 4]), address(9));
    let none = with(0, &[(kind::RETURN_PATH, &no_reply)]);
    let fate = ask(&mut reflector, 0, &none, on(None)).map(|_| ());
    assert_eq!(fate, Err(Unanswered::Unwanted));
    let twice = with(
        0,
        &[(kind::RETURN_PATH, &third), (kind::RETURN_PATH, &no_reply)],
    );
    let answered = ask(&mut reflector, 0, &twice, on(None)).unwrap();
    assert_eq!(
        answered.reply.to,
        "192.0.2.9:4000".parse().unwrap(),
        "only the first counts"
    );
}

#[test]
fn a_destination_that_is_not_ours_is_told() {
    let policy = Policy {
        addresses: vec!["192.0.2.3".parse().unwrap()],
        ..Policy::default()
    };
    let mut reflector = SessionReflector::new(ReflectorConfig {
        policy,
        ..ReflectorConfig::open(16, 1)
    });
    for (last, flags, from) in [
        (2, 0, Some("192.0.2.2".parse().unwrap())),
        (3, 0, Some("192.0.2.3".parse().unwrap())),
        (4, 0x80, None),
    ] {
        let (reply, told, _) = answer(
            &mut reflector,
            kind::DESTINATION_NODE_ADDRESS,
            &[192, 0, 2, last],
            request(0, NEAR),
        );
        assert_eq!((told, reply.from), (flags, from));
    }
}

#[test]
fn member_links_are_checked_told_and_counted_apart() {
    let mut reflector = open();
    let on = |member_link| Request {
        member_link,
        ..request(0, NEAR)
    };
    let links = |sender, reflector| MicroSession { sender, reflector }.encode();
    let (_, flags, value) = answer(
        &mut reflector,
        kind::MICRO_SESSION,
        &links(1, 0),
        on(Some(5)),
    );
    assert_eq!((flags, &value[..]), (0, &links(1, 5)[..]));
    let (_, flags, value) = answer(
        &mut reflector,
        kind::MICRO_SESSION,
        &links(1, 5),
        on(Some(5)),
    );
    assert_eq!((flags, &value[..]), (0, &links(1, 5)[..]));
    let (_, flags, _) = answer(&mut reflector, kind::MICRO_SESSION, &links(1, 5), on(None));
    assert_eq!(flags, 0x80, "who does not know its links cannot check");
    let wrong = with(0, &[(kind::MICRO_SESSION, &links(1, 6))]);
    let fate = ask(&mut reflector, 0, &wrong, on(Some(5))).map(|_| ());
    assert_eq!(fate, Err(Unanswered::WrongMemberLink));
    let numbers = [1, 2, 1].map(|link| {
        let datagram = with(0, &[(kind::MICRO_SESSION, &links(link, 0))]);
        let answered = ask(&mut reflector, 0, &datagram, on(Some(5))).unwrap();
        answered.packet().sequence
    });
    assert_eq!(numbers, [3, 0, 4]);
}
