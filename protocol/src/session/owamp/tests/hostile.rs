//! What an end says that cannot be trusted, and the octets of a whole conversation.

use super::*;

#[test]
fn a_stop_must_tell_of_each_session_that_was_sent_and_of_no_other() {
    let sid = Sid([57; 16]);
    let session = |sid, next_sequence, ranges: &[(u32, u32)]| SentSession {
        sid,
        next_sequence,
        skipped: ranges
            .iter()
            .map(|&(first, last)| SkipRange { first, last })
            .collect(),
    };
    let check = |sent: &[SentSession], result| {
        let mut talk = Conversation::started(Modes::UNAUTHENTICATED, vec![request()]);
        let mut octets = StopSessions {
            accept: Accept::Ok,
            sessions: sent.len() as u32,
        }
        .encode()
        .to_vec();
        octets.extend(sent.iter().flat_map(SentSession::encode));
        octets.extend([0; 16]);
        assert_eq!(
            talk.server.handle_bytes(START, &octets, &mut placer()),
            result,
            "{sent:?}"
        );
    };
    check(&[session(sid, 600, &[])], Ok(()));
    check(&[session(sid, 7, &[(0, 0), (3, 6)])], Ok(()));
    let running = 1;
    check(&[], Err(ControlError::SessionCount { told: 0, running }));
    let twice = [session(sid, 600, &[]), session(sid, 600, &[])];
    check(&twice, Err(ControlError::SessionCount { told: 2, running }));
    let contradiction = Err(ControlError::Contradiction);
    check(&[session(OUR_SID, 600, &[])], contradiction);
    check(&[session(sid, 601, &[])], contradiction);
    check(&[session(sid, 600, &[(3, 2)])], contradiction);
    check(&[session(sid, 600, &[(600, 600)])], contradiction);

    let mut talk = Conversation::started(Modes::UNAUTHENTICATED, vec![request()]);
    for wrong in [&[][..], &twice, &[session(OUR_SID, 0, &[])]] {
        assert!(
            talk.client.stop(START, Accept::Ok, wrong).is_err(),
            "we tell nothing wrong either"
        );
    }
}

#[test]
fn commands_out_of_turn_end_the_connection() {
    let check = |mut talk: Conversation, octets: &[u8]| {
        let command = octets[0];
        let result = talk.server.handle_bytes(START, octets, &mut placer());
        assert_eq!(result, Err(ControlError::Unexpected { command }));
        let after = talk.server.handle_bytes(START, octets, &mut placer());
        assert_eq!(after, Err(ControlError::GivenUp));
    };
    let ready = || {
        let mut talk = Conversation::new(Modes::UNAUTHENTICATED, vec![request()]);
        talk.carry().unwrap();
        talk
    };
    let testing = || Conversation::started(Modes::UNAUTHENTICATED, vec![request()]);
    check(ready(), &[0]);
    check(ready(), &[3]);
    check(ready(), &[5]);
    check(testing(), &request().encode());
    check(testing(), &StartSessions.encode());
    check(testing(), &[4]);
    let mut asked = ready();
    let (begin, end, sid) = (0, 1, OUR_SID);
    asked
        .client
        .fetch(START, FetchSession { begin, end, sid })
        .unwrap();
    asked.carry().unwrap();
    check(asked, &[4]);
}

#[test]
fn a_message_that_could_not_be_held_is_refused_by_its_head() {
    let mut many_slots = request().preamble;
    many_slots.slots = u32::MAX;
    let mut talk = Conversation::new(Modes::UNAUTHENTICATED, Vec::new());
    talk.carry().unwrap();
    let result = talk
        .server
        .handle_bytes(START, &many_slots.encode(1), &mut placer());
    assert!(
        matches!(result, Err(ControlError::TooLong { .. })),
        "{result:?}"
    );

    let mut talk = Conversation::started(Modes::UNAUTHENTICATED, vec![request()]);
    let mut stop = StopSessions {
        accept: Accept::Ok,
        sessions: 1,
    }
    .encode()
    .to_vec();
    stop.extend([0xFF; 24]);
    let result = talk.server.handle_bytes(START, &stop, &mut placer());
    assert!(
        matches!(result, Err(ControlError::TooLong { .. })),
        "{result:?}"
    );
}

/// A whole conversation: what the client and what the server says.
fn transcript(mode: Modes) -> (Vec<u8>, Vec<u8>) {
    let mut talk = Conversation::started(mode, vec![request(), reverse_request()]);
    let sent = |sid| SentSession {
        sid,
        next_sequence: 9,
        skipped: vec![SkipRange { first: 1, last: 2 }],
    };
    talk.client
        .stop(START, Accept::Ok, &[sent(Sid([57; 16]))])
        .unwrap();
    talk.server.stop(Accept::Ok, &[sent(OUR_SID)]).unwrap();
    talk.carry().unwrap();
    let (begin, end, sid) = (0, u32::MAX, OUR_SID);
    talk.client
        .fetch(START, FetchSession { begin, end, sid })
        .unwrap();
    talk.carry().unwrap();
    let answer = FetchAnswer {
        request: request(),
        finished: Finished::Not,
        skipped: Vec::new(),
        records: vec![PacketRecord::lost(3, NtpTimestamp(7), CLOCK); 5],
    };
    talk.server.answer_fetch(Ok(answer)).unwrap();
    talk.carry().unwrap();
    (talk.to_client, talk.to_server)
}

#[test]
fn an_authenticated_server_believes_nothing_that_was_changed() {
    let (_, to_server) = transcript(Modes::AUTHENTICATED);
    // Whether it came as far as the last command. The server has to stop, too, before anything can be fetched.
    let listens = |octets: &[u8]| {
        let (mut server, mut place) = (server(), placer());
        let (first, rest) = octets.split_at(octets.len() - 48);
        let stopped = server.handle_bytes(START, first, &mut place);
        let sent = SentSession {
            sid: OUR_SID,
            next_sequence: 9,
            skipped: Vec::new(),
        };
        let _ = server.stop(Accept::Ok, &[sent]);
        let fetched = server.handle_bytes(START, rest, &mut place);
        let last = std::iter::from_fn(|| server.poll_event()).last();
        stopped.is_ok() && fetched.is_ok() && matches!(last, Some(ServerEvent::FetchAsked(_)))
    };
    assert!(listens(&to_server));
    for octet in 164..to_server.len() {
        let mut changed = to_server.clone();
        changed[octet] ^= 1;
        assert!(!listens(&changed), "octet {octet}");
    }
}

#[test]
fn how_the_octets_are_cut_does_not_matter() {
    for mode in [Modes::UNAUTHENTICATED, Modes::AUTHENTICATED] {
        let (to_client, to_server) = transcript(mode);
        for cut in [1, 7, 16, 25, 63, 113, 1_000] {
            let (mut server, mut place) = (server(), placer());
            for piece in to_server[..to_server.len() - 48].chunks(cut) {
                server.handle_bytes(START, piece, &mut place).unwrap();
            }
            let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
            assert_eq!(events.len(), 5, "in pieces of {cut}: {events:?}");
            let mut client = client(mode, vec![request(), reverse_request()]);
            let fetch = 32 + RequestSession::octets(1) + 16 + 5 * 25 + 3 + 16;
            let stop = to_client.len() - fetch - 64;
            client.handle_bytes(START, &to_client[..stop - 32]).unwrap();
            client.start(START).unwrap();
            client
                .handle_bytes(START, &to_client[stop - 32..stop])
                .unwrap();
            let sent = SentSession {
                sid: Sid([57; 16]),
                next_sequence: 0,
                skipped: Vec::new(),
            };
            client.stop(START, Accept::Ok, &[sent]).unwrap();
            for piece in to_client[stop..stop + 64].chunks(cut) {
                client.handle_bytes(START, piece).unwrap();
            }
            let (begin, end, sid) = (0, 1, OUR_SID);
            client
                .fetch(START, FetchSession { begin, end, sid })
                .unwrap();
            for piece in to_client[stop + 64..].chunks(cut) {
                client.handle_bytes(START, piece).unwrap();
            }
            let last = std::iter::from_fn(|| client.poll_event()).last();
            assert_eq!(last, Some(ClientEvent::FetchEnded), "in pieces of {cut}");
        }
    }
}

#[test]
fn the_octets_of_an_unauthenticated_conversation_are_those_of_the_rfc() {
    let (to_client, to_server) = transcript(Modes::UNAUTHENTICATED);
    let asked = 2 * RequestSession::octets(1);
    let stop = 16 + 32 + 16;
    assert_eq!(to_server.len(), 164 + asked + 32 + stop + 48);
    assert_eq!(to_server[164..308], request().encode());
    assert_eq!(to_server[452], 2);
    assert_eq!(to_server[484..492], [3, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(to_server[500..516], [57; 16]);
    assert_eq!(
        to_server[516..532],
        [0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2]
    );
    assert_eq!(to_server[548], 4);
    let records = 5 * 25 + 3 + 16;
    let fetch = 32 + RequestSession::octets(1) + 16 + records;
    assert_eq!(to_client.len(), 64 + 48 + 2 * 48 + 32 + stop + fetch);
}

#[test]
fn a_million_changed_octets_are_survived_by_both_ends() {
    let mut random = Pcg64::seed_from_u64(8);
    for (mode, rounds) in [
        (Modes::UNAUTHENTICATED, 40_000),
        (Modes::AUTHENTICATED, 300),
    ] {
        let (to_client, to_server) = transcript(mode);
        for _ in 0..rounds {
            let mut garble = |octets: &[u8]| {
                let mut octets = octets.to_vec();
                for _ in 0..random.next_u32() % 25 {
                    let at = random.next_u32() as usize % octets.len();
                    octets[at] = random.next_u32() as u8;
                }
                octets.truncate(random.next_u32() as usize % (octets.len() + 1));
                octets
            };
            let (down, up) = (garble(&to_client), garble(&to_server));
            let (mut server, mut place) = (server(), placer());
            let _ = server.handle_bytes(START, &up, &mut place);
            let _ = server.stop(Accept::Ok, &[]);
            let _ = server.answer_fetch(Err(Accept::Failure));
            let mut client = client(mode, vec![request(), reverse_request()]);
            let mut rest = &down[..];
            for octets in [208, 32, 64] {
                let (now, later) = rest.split_at(octets.min(rest.len()));
                rest = later;
                let _ = client.handle_bytes(START, now);
                let _ = client.start(START);
            }
            let sid = Sid([57; 16]);
            let (next_sequence, skipped) = (0, Vec::new());
            let told = SentSession {
                sid,
                next_sequence,
                skipped,
            };
            let _ = client.stop(START, Accept::Ok, &[told]);
            let (begin, end) = (0, 1);
            let _ = client.fetch(START, FetchSession { begin, end, sid });
            let _ = client.handle_bytes(START, rest);
        }
    }
}
