//! What two well-behaved ends come to.

use super::*;

#[test]
fn a_session_each_way_is_measured_stopped_and_fetched() {
    for (seed, mode) in [(1, Modes::UNAUTHENTICATED), (2, Modes::AUTHENTICATED)] {
        let mut talk = Conversation::started(mode, vec![request(), reverse_request()]);
        let [_, forward, backward, rest @ ..] = &talk.client_events()[..] else {
            panic!("too few events");
        };
        let (session, port, sid) = (0, 8_761, Sid([57; 16]));
        assert_eq!(
            *forward,
            ClientEvent::SessionAccepted { session, port, sid }
        );
        let (session, port) = (1, 8_762);
        let reverse = ClientEvent::SessionAccepted {
            session,
            port,
            sid: OUR_SID,
        };
        assert_eq!(*backward, reverse);
        assert_eq!(
            *rest,
            [
                ClientEvent::Negotiated { accepted: 2 },
                ClientEvent::Started
            ]
        );
        let accepted: Vec<_> = talk
            .server_events()
            .into_iter()
            .filter_map(|event| match event {
                ServerEvent::SessionAccepted { role, request, .. } => Some((role, request)),
                _ => None,
            })
            .collect();
        assert_eq!(
            (accepted[0].0, accepted[1].0),
            (Role::Receiver, Role::Sender)
        );
        let agreed = &accepted[0].1;
        assert_eq!(agreed.preamble.sid, sid);

        // The two ends compute their schedules apart.
        let mut sender = SessionSender::new(&request(), sid, WALL);
        let mut receiver = SessionReceiver::new(agreed, sid, TestMode::Unauthenticated, WALL);
        send(&mut sender, &mut receiver, seed);
        let mut reverse_sender = SessionSender::new(&accepted[1].1, OUR_SID, WALL);
        let mut reverse_receiver =
            SessionReceiver::new(&reverse_request(), OUR_SID, TestMode::Unauthenticated, WALL);
        send(&mut reverse_sender, &mut reverse_receiver, seed + 10);

        talk.client
            .stop(START, Accept::Ok, &[sender.sent()])
            .unwrap();
        talk.carry().unwrap();
        let stopped = talk.server_events();
        let (accept, sent) = (Accept::Ok, vec![sender.sent()]);
        assert_eq!(
            stopped,
            [ServerEvent::Stopped {
                accept,
                sent: sent.clone()
            }]
        );
        talk.server
            .stop(Accept::Ok, &[reverse_sender.sent()])
            .unwrap();
        talk.carry().unwrap();
        let reverse_sent = vec![reverse_sender.sent()];
        let stopped = ClientEvent::Stopped {
            accept,
            sent: reverse_sent.clone(),
        };
        assert_eq!(talk.client_events(), [stopped]);

        let end = WALL + SECOND.times(600);
        let results = receiver.finish(&sent[0], end, CLOCK);
        let reverse_results = reverse_receiver.finish(&reverse_sent[0], end, CLOCK);
        for results in [&results, &reverse_results] {
            let lost = results
                .records
                .iter()
                .filter(|record| record.is_lost())
                .count();
            assert!(
                results.records.len() == 600 && (5..40).contains(&lost),
                "{lost}"
            );
        }

        let fetch = FetchSession {
            begin: 0,
            end: u32::MAX,
            sid,
        };
        talk.client.fetch(START, fetch).unwrap();
        talk.carry().unwrap();
        assert_eq!(talk.server_events(), [ServerEvent::FetchAsked(fetch)]);
        let answer = FetchAnswer {
            request: agreed.clone(),
            finished: Finished::Normally(600),
            skipped: results.skipped.clone(),
            records: results.records.clone(),
        };
        talk.server.answer_fetch(Ok(answer)).unwrap();
        talk.carry().unwrap();
        assert_eq!(fetched(&mut talk), (results.records, Vec::new()));
        talk.client.fetch(START, fetch).unwrap();
        talk.carry().unwrap();
        talk.server.answer_fetch(Err(Accept::Failure)).unwrap();
        talk.carry().unwrap();
        let accept = Accept::Failure;
        assert_eq!(talk.client_events(), [ClientEvent::FetchRefused { accept }]);
    }
}

/// What came of a fetch that went well.
fn fetched(talk: &mut Conversation) -> (Vec<PacketRecord>, Vec<SkipRange>) {
    let (mut all, mut ranges, mut ended) = (Vec::new(), Vec::new(), false);
    for event in talk.client_events() {
        match event {
            ClientEvent::FetchBegun { skipped, .. } => ranges = skipped,
            ClientEvent::Records(records) => all.extend(records),
            ClientEvent::FetchEnded => ended = true,
            other => panic!("{other:?}"),
        }
    }
    assert!(ended);
    (all, ranges)
}

#[test]
fn any_number_of_records_and_ranges_is_fetched_however_long() {
    for mode in [Modes::UNAUTHENTICATED, Modes::AUTHENTICATED] {
        for (count, gaps) in [(0, 0), (1, 1), (15, 2), (16, 3), (17, 0), (10_000, 900)] {
            let mut talk = Conversation::new(mode, Vec::new());
            talk.carry().unwrap();
            talk.client_events();
            let (begin, end, sid) = (0, u32::MAX, OUR_SID);
            talk.client
                .fetch(START, FetchSession { begin, end, sid })
                .unwrap();
            talk.carry().unwrap();
            let record = |k| PacketRecord::lost(k, NtpTimestamp(u64::from(k)), CLOCK);
            let range = |k: u32| SkipRange {
                first: 2 * k,
                last: 2 * k,
            };
            let (records, skipped): (Vec<_>, Vec<_>) = (
                (0..count).map(record).collect(),
                (0..gaps).map(range).collect(),
            );
            let answer = FetchAnswer {
                request: request(),
                finished: Finished::Otherwise(7),
                skipped: skipped.clone(),
                records: records.clone(),
            };
            talk.server.answer_fetch(Ok(answer)).unwrap();
            talk.carry().unwrap();
            assert!(
                fetched(&mut talk) == (records, skipped),
                "{count} records, {gaps} ranges"
            );
            assert!(talk.server.answer_fetch(Err(Accept::Ok)).is_err());
        }
    }
}

#[test]
fn what_the_policy_does_not_allow_is_refused_with_its_reason() {
    let check = |mut asked: RequestSession, change: fn(&mut RequestSession), accept| {
        change(&mut asked);
        let mut talk = Conversation::new(Modes::UNAUTHENTICATED, vec![asked]);
        talk.carry().unwrap();
        let refused = ClientEvent::SessionRefused { session: 0, accept };
        assert_eq!(talk.client_events()[1], refused);
        assert_eq!(
            talk.server_events()[1],
            ServerEvent::SessionRefused { accept }
        );
        assert!(talk.client.start(START).is_err(), "nothing to start");
    };
    let too_much = Accept::PermanentLimit;
    check(
        request(),
        |asked| asked.preamble.packets = 100_001,
        too_much,
    );
    check(request(), |asked| asked.preamble.packets = 0, too_much);
    check(
        request(),
        |asked| asked.preamble.padding_octets = u32::MAX,
        too_much,
    );
    check(
        request(),
        |asked| asked.preamble.timeout = Interval(61 << 32),
        too_much,
    );
    check(
        request(),
        |asked| asked.schedule = vec![Slot::Fixed(Interval(1))],
        too_much,
    );
    check(request(), |asked| asked.schedule = Vec::new(), too_much);
    check(
        request(),
        |asked| asked.schedule = vec![asked.schedule[0]; 101],
        too_much,
    );
    check(
        reverse_request(),
        |asked| {
            asked.schedule = vec![Slot::Fixed(Interval(0)), Slot::Fixed(Interval(1 << 32))];
        },
        too_much,
    );
    let unsupported = Accept::NotSupported;
    check(
        request(),
        |asked| asked.preamble.addresses.ip_version = 6,
        unsupported,
    );
    check(
        request(),
        |asked| asked.preamble.type_p = TypeP(1 << 30),
        unsupported,
    );
    check(
        request(),
        |asked| asked.preamble.conf_sender = Agent::Server,
        unsupported,
    );
    check(
        request(),
        |asked| asked.preamble.conf_receiver = Agent::Requester,
        unsupported,
    );
    check(
        reverse_request(),
        |asked| asked.preamble.addresses.receiver[..4].fill(9),
        Accept::Failure,
    );
}

#[test]
fn the_server_sends_to_the_one_who_asked() {
    let mut asked = reverse_request();
    asked.preamble.addresses.receiver[..4].copy_from_slice(&[192, 0, 2, 1]);
    let mut talk = Conversation::new(Modes::UNAUTHENTICATED, vec![asked]);
    talk.carry().unwrap();
    assert!(talk.client.start(START).is_ok());
}

#[test]
fn either_side_may_stop_first_and_then_new_sessions_may_begin() {
    let mut talk = Conversation::started(Modes::AUTHENTICATED, vec![reverse_request()]);
    let sent = SentSession {
        sid: OUR_SID,
        next_sequence: 3,
        skipped: Vec::new(),
    };
    talk.server.stop(Accept::Ok, &[sent]).unwrap();
    talk.carry().unwrap();
    assert!(talk.server.stop(Accept::Ok, &[]).is_err(), "once is enough");
    assert!(matches!(
        talk.client_events().last(),
        Some(ClientEvent::Stopped { .. })
    ));
    talk.client.stop(START, Accept::Ok, &[]).unwrap();
    talk.carry().unwrap();
    assert!(matches!(
        talk.server_events().last(),
        Some(ServerEvent::Stopped { .. })
    ));
    assert!(talk.client.start(START).is_err(), "there are none any more");
    let (begin, end, sid) = (0, 1, OUR_SID);
    assert!(
        talk.client
            .fetch(START, FetchSession { begin, end, sid })
            .is_ok()
    );
}

#[test]
fn silence_is_bounded_at_both_ends() {
    let mut talk = Conversation::new(Modes::UNAUTHENTICATED, vec![request()]);
    let policy = Policy::default();
    assert_eq!(
        talk.server.next_deadline(),
        Some(START + policy.silence_max)
    );
    assert_eq!(
        talk.client.handle_timeout(START + SECOND),
        Err(ControlError::Silent)
    );
    assert_eq!(talk.client.next_deadline(), None);
    talk = Conversation::started(Modes::UNAUTHENTICATED, vec![request()]);
    assert_eq!(
        talk.client.next_deadline(),
        None,
        "a session takes as long as it takes"
    );
    assert_eq!(
        talk.server.handle_timeout(START + policy.silence_max),
        Ok(())
    );
    let late = START + policy.duration_max;
    assert_eq!(talk.server.next_deadline(), Some(late));
    assert_eq!(talk.server.handle_timeout(late), Err(ControlError::Silent));
    assert_eq!(talk.server.next_deadline(), None);
}

#[test]
fn a_client_that_trickles_octets_is_as_silent_as_one_that_sends_none() {
    let mut talk = Conversation::new(Modes::UNAUTHENTICATED, vec![request()]);
    talk.carry().unwrap();
    let silent_at = Some(START + Policy::default().silence_max);
    // The first octets of a Request-Session.
    for octet in [1, 4] {
        let trickled = talk
            .server
            .handle_bytes(START + SECOND, &[octet], &mut placer());
        trickled.unwrap();
        assert_eq!(talk.server.next_deadline(), silent_at);
    }
}
