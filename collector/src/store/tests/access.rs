//! Users, tokens, sessions and the audit log, on both engines.

use super::super::{Console, Work};
use super::*;
use crate::access::Grant;
use crate::access::act::{Act, Change, Outcome};
use crate::access::audit::{Deed, Record, verify};
use crate::access::directory::{SESSIONS_MAX, Session, Token, User};
use crate::access::role::Role;
use crate::access::secret::SecretHash;

const NOW: Timestamp = Timestamp(1_795_000_000_000_000_000);

fn record(deed: Deed) -> Record {
    Record {
        at: NOW,
        who: "x\0".into(),
        from: "-".into(),
        deed,
        what: String::new(),
    }
}

fn changed(change: Change) -> Act {
    Act {
        change: Some(change),
        records: vec![record(Deed::UserAdded)],
    }
}

fn user(name: &str, role: Role, carriers: &[&str]) -> Change {
    let carriers = carriers.iter().map(|&id| id.to_owned());
    Change::AddUser {
        name: name.into(),
        user: User {
            grant: Grant::new(role, carriers).unwrap(),
            password: "hash".into(),
        },
        at: NOW,
    }
}

fn token(name: &str, expires: Timestamp) -> Change {
    Change::AddToken {
        hash: SecretHash::of(name),
        token: Token {
            name: name.into(),
            grant: Grant::new(Role::Viewer, []).unwrap(),
            expires,
            used: None,
        },
        now: NOW,
    }
}

fn login(cookie: u32, used: Timestamp) -> Change {
    Change::Begin {
        hash: SecretHash::of(&cookie.to_string()),
        session: Session {
            user: "anna".into(),
            began: used,
            used,
            origin: None,
        },
        from: "192.0.2.1".into(),
    }
}

pub(super) fn who_there_is_is_read_as_it_was_changed(bench: Bench) {
    let console = Console::open(&bench.place).unwrap();
    let act = |change| console.act(&changed(change)).unwrap();
    let later = NOW + Nanos::from_secs(60);
    let before = bench.reader().access_edition().unwrap();
    assert_eq!(act(user("anna", Role::Admin, &[])), Outcome::Written);
    assert_eq!(
        act(user("reg", Role::Regulator, &["ct", "cm"])),
        Outcome::Written
    );
    assert_eq!(act(user("anna", Role::Viewer, &[])), Outcome::NameTaken);
    assert_eq!(act(token("old", NOW)), Outcome::Written);
    // One whose time is over makes room for its name.
    assert_eq!(act(token("old", later)), Outcome::Written);
    assert_eq!(act(token("old", later)), Outcome::NameTaken);
    let name = || "nobody".to_owned();
    assert_eq!(
        act(Change::RemoveUser { name: name() }),
        Outcome::NoSuchName
    );
    assert_eq!(
        act(Change::RevokeToken { name: name() }),
        Outcome::NoSuchName
    );
    for cookie in 0..SESSIONS_MAX as u32 + 4 {
        act(login(cookie, NOW + Nanos(i64::from(cookie))));
    }
    let reader = bench.reader();
    assert!(reader.access_edition().unwrap() > before);
    let directory = reader.directory().unwrap();
    assert_eq!(directory.users["anna"].grant.role(), Role::Admin);
    let carriers: Vec<&String> = directory.users["reg"].grant.carriers().iter().collect();
    assert_eq!(carriers, ["cm", "ct"]);
    assert_eq!(directory.tokens[&SecretHash::of("old")].expires, later);
    assert_eq!(directory.sessions.len(), SESSIONS_MAX);
    assert!(!directory.sessions.contains_key(&SecretHash::of("3")));
    assert!(directory.sessions[&SecretHash::of("4")].origin.is_some());
    let at = later;
    act(Change::SessionUsed {
        hash: SecretHash::of("9"),
        at,
    });
    act(Change::TokenUsed {
        name: "old".into(),
        at,
    });
    let listed = reader.users().unwrap();
    let used: Vec<_> = listed
        .iter()
        .map(|user| (user.name.as_str(), user.used))
        .collect();
    assert_eq!(used, [("anna", Some(at)), ("reg", None)]);
    assert_eq!(reader.tokens().unwrap()[0].used, Some(at));
    let (name, password) = ("anna".to_owned(), "other".to_owned());
    act(Change::SetPassword { name, password, at });
    let directory = reader.directory().unwrap();
    assert_eq!(directory.users["anna"].password, "other");
    assert!(
        directory.sessions.is_empty(),
        "sessions of the old password are over"
    );
}

pub(super) fn records_of_two_writers_are_one_chain_and_what_is_refused_is_not_recorded(
    mut bench: Bench,
) {
    let console = Console::open(&bench.place).unwrap();
    for _ in 0..3 {
        let act = Act::recorded(record(Deed::Login));
        bench
            .writer
            .commit(&[
                &Work::Access(Box::new(act.clone())),
                &Work::Access(Box::new(act)),
            ])
            .unwrap();
        console
            .act(&Act::recorded(record(Deed::TokenAdded)))
            .unwrap();
        console
            .act(&changed(user("anna", Role::Admin, &[])))
            .unwrap();
    }
    let reader = bench.reader();
    let lines = reader.audit_after(0, 100).unwrap();
    let found = verify(lines.iter().map(|line| Ok::<_, ()>(line.clone())), None).unwrap();
    assert_eq!((found.records, found.first), (10, Some(1)));
    assert_eq!(found.faults, []);
    assert_eq!(reader.audit_after(8, 100).unwrap(), lines[8..]);
    assert_eq!(reader.audit_after(0, 4).unwrap(), lines[..4]);
    assert_eq!(reader.audit_before(NOW).unwrap(), Some(0));
    assert_eq!(reader.audit_before(NOW + Nanos(1)).unwrap(), None);
    assert_eq!(reader.last_plan_record().unwrap(), None);
    console
        .act(&Act::recorded(record(Deed::PlanChanged)))
        .unwrap();
    assert!(reader.last_plan_record().unwrap().is_some());
}
