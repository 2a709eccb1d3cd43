use super::*;

const OFFERED: Modes = Modes(1 | 2 | 8);

fn identity(name: &str, secret: &str) -> Identity {
    Identity {
        key_id: KeyId::new(name).unwrap(),
        secret: Passphrase::new(secret.as_bytes()).unwrap(),
    }
}

fn offer(modes: Modes) -> Offer {
    Offer {
        modes,
        identities: [identity("jiuzi", "nine")].into(),
        count: 1000,
        started_at: NtpTimestamp(77 << 32),
    }
}

const RANDOM: ServerRandom = ServerRandom {
    challenge: [1; 16],
    salt: [2; 16],
    initial_vector: [3; 16],
};

fn shared(mode: Modes, name: &str, secret: &str) -> Protection {
    Protection::SharedSecret {
        modes: mode,
        identity: identity(name, secret),
        keys: SessionKeys {
            aes: [4; 16],
            hmac: [5; 32],
        },
        initial_vector: [6; 16],
    }
}

type End = Result<Option<Connected>, ControlError>;

fn set_up(offer: Offer, protection: Protection) -> (End, End) {
    let (mut near, mut far) = (ControlStream::default(), ControlStream::default());
    let mut server = ServerSetUp::new(offer, RANDOM, &mut far).unwrap();
    let mut client = ClientSetUp::new(protection);
    near.fill(&far.poll_transmit().unwrap());
    let early = client.progress(&mut near);
    far.fill(&near.poll_transmit().unwrap_or_default());
    let at_server = server.progress(&mut far);
    near.fill(&far.poll_transmit().unwrap_or_default());
    let at_client = early.and_then(|_| client.progress(&mut near));
    (at_client, at_server)
}

#[test]
fn both_ends_agree_on_mode_name_and_keys() {
    for mode in [Modes::AUTHENTICATED, Modes::MIXED] {
        let (client, server) = set_up(offer(OFFERED), shared(mode, "jiuzi", "nine"));
        let connected = client.unwrap().unwrap();
        assert_eq!(server, Ok(Some(connected)));
        assert_eq!(
            (connected.mode, connected.server_started_at.0),
            (mode, 77 << 32)
        );
        assert!(connected.keys.is_some());
    }
    let several = Modes(2 | 4 | 8);
    for (offered, mode) in [(OFFERED, Modes::AUTHENTICATED), (Modes(9), Modes::MIXED)] {
        let (client, server) = set_up(offer(offered), shared(several, "jiuzi", "nine"));
        let connected = client.unwrap().unwrap();
        assert_eq!((server, connected.mode), (Ok(Some(connected)), mode));
    }
    let (client, server) = set_up(offer(OFFERED), Protection::None);
    let connected = client.unwrap().unwrap();
    assert_eq!(server, Ok(Some(connected)));
    assert_eq!(
        (connected.keys, connected.server_started_at.0),
        (None, 77 << 32)
    );
}

#[test]
fn who_does_not_know_the_secret_is_refused() {
    for (name, secret) in [("jiuzi", "ten"), ("nobody", "nine"), ("nobody", "")] {
        let ends = set_up(offer(OFFERED), shared(Modes::AUTHENTICATED, name, secret));
        let refused = ControlError::Refused {
            accept: Accept::Failure,
        };
        assert_eq!(
            ends,
            (Err(refused), Err(ControlError::SecretUnknown)),
            "{name} {secret}"
        );
    }
}

#[test]
fn a_mode_that_is_not_offered_is_not_asked_for() {
    let check = |offered, protection, wanted| {
        let (client, server) = set_up(offer(offered), protection);
        assert_eq!(client, Err(ControlError::NotOffered { offered, wanted }));
        assert_eq!(server, Ok(None));
    };
    let (client, _) = set_up(offer(Modes(0)), Protection::None);
    assert_eq!(client, Err(ControlError::Unwilling));
    check(
        Modes::AUTHENTICATED,
        Protection::None,
        Modes::UNAUTHENTICATED,
    );
    check(
        OFFERED,
        shared(Modes::ENCRYPTED, "jiuzi", "nine"),
        Modes::ENCRYPTED,
    );
}

#[test]
fn a_mode_that_was_not_offered_ends_the_connection_without_a_word() {
    for wanted in [0, 4, 3, 16, u32::MAX].map(Modes) {
        let mut stream = ControlStream::default();
        let mut server = ServerSetUp::new(offer(OFFERED), RANDOM, &mut stream).unwrap();
        stream.poll_transmit();
        let response = SetUpResponse {
            mode: wanted,
            ..SetUpResponse::UNAUTHENTICATED
        };
        stream.fill(&response.encode());
        assert_eq!(
            server.progress(&mut stream),
            Err(ControlError::NotWanted { wanted })
        );
        assert_eq!(stream.poll_transmit(), None);
    }
}

#[test]
fn a_server_cannot_make_us_reckon_for_hours_nor_carelessly() {
    for count in [0, 1, 512, 1023, 1025, 3000, COUNT_MAX * 2, u32::MAX] {
        let greeting = ServerGreeting {
            modes: OFFERED,
            challenge: [0; 16],
            salt: [0; 16],
            count,
        };
        let mut stream = ControlStream::default();
        stream.fill(&greeting.encode());
        let mut client = ClientSetUp::new(shared(Modes::AUTHENTICATED, "jiuzi", "nine"));
        let refused = Err(ControlError::RoundsNotAccepted { count });
        assert_eq!(client.progress(&mut stream), refused);
        let mut client = ClientSetUp::new(Protection::None);
        stream.fill(&greeting.encode());
        assert_eq!(
            client.progress(&mut stream),
            Ok(None),
            "it does not matter without a secret"
        );
    }
}

#[test]
fn the_rounds_of_a_server_are_a_power_of_two_in_bounds() {
    for (asked, given) in [(0, 1024), (1025, 2048), (4096, 4096), (u32::MAX, COUNT_MAX)] {
        let mut stream = ControlStream::default();
        let offer = Offer {
            count: asked,
            ..offer(OFFERED)
        };
        ServerSetUp::new(offer, RANDOM, &mut stream).unwrap();
        let greeting = ServerGreeting::decode(&stream.poll_transmit().unwrap()).unwrap();
        assert_eq!(greeting.count, given, "{asked}");
    }
}
