//! Alerts, what receivers know of them, and announced maintenance, on both engines.

use super::super::alerts::AlertChange;
use super::super::{Console, Work};
use super::*;
use crate::access::act::{Act, Change, Outcome};
use crate::alert::{Alert, Kind, Of, Subject};
use crate::maintenance::{Affected, Maintenance};

const NOW: Timestamp = Timestamp(1_795_000_000_000_000_000);

fn minute(minutes: i64) -> Timestamp {
    NOW + Nanos::from_secs(60 * minutes)
}

fn alert(kind: Kind, probe: &str, since: Timestamp) -> Alert {
    Alert {
        kind,
        subject: Subject::new(Of::Probe, probe),
        since,
        returns: 2,
        detail: Default::default(),
        paths: Vec::new(),
        quiet: None,
    }
}

impl Bench {
    fn told(&mut self, now: &[&Alert], over: &[&Alert], at: Timestamp) {
        let change = AlertChange::Told {
            now: now.iter().map(|&alert| alert.clone()).collect(),
            over: over
                .iter()
                .map(|alert| (alert.key(), alert.since))
                .collect(),
            at,
        };
        self.writer
            .commit(&[&Work::Alerts(Box::new(change))])
            .unwrap();
    }

    fn believed(&mut self, receiver: &str, told: &[(&Alert, bool)]) {
        let told = told.iter();
        let told = told.map(|(alert, goes_on)| (alert.key(), goes_on.then_some(alert.since)));
        let change = AlertChange::Believed {
            receiver: receiver.to_owned(),
            told: told.collect(),
        };
        self.writer
            .commit(&[&Work::Alerts(Box::new(change))])
            .unwrap();
    }
}

pub(super) fn alerts_go_on_end_and_are_believed_receiver_by_receiver(mut bench: Bench) {
    let clock = alert(Kind::ClockWrong, "a", minute(0));
    let again = alert(Kind::ClockWrong, "a", minute(9));
    let lost = alert(Kind::ReportsLost, "b", minute(1));
    bench.told(&[&clock, &lost], &[], minute(1));
    bench.told(&[&clock], &[], minute(2));
    assert_eq!(
        bench.reader().open_alerts().unwrap(),
        [clock.clone(), lost.clone()]
    );
    bench.told(&[], &[&clock], minute(5));
    bench.told(&[&again], &[], minute(9));
    let open = [again.clone(), lost.clone()];
    assert_eq!(bench.reader().open_alerts().unwrap(), open);
    let ended = bench.reader().ended_alerts(minute(0), 9).unwrap();
    assert_eq!(
        (ended.len(), &ended[0].alert, ended[0].at),
        (1, &clock, minute(5))
    );
    assert!(
        bench
            .reader()
            .ended_alerts(minute(6), 9)
            .unwrap()
            .is_empty()
    );

    bench.believed("one", &[(&clock, true), (&lost, true)]);
    bench.believed("other", &[(&lost, true)]);
    bench.believed("one", &[(&clock, false), (&again, true)]);
    let of = |bench: &Bench, receiver: &str| -> Vec<_> {
        let believed = bench.reader().believed_by(receiver).unwrap();
        believed.into_iter().collect()
    };
    let two = [(again.key(), again.since), (lost.key(), lost.since)];
    assert_eq!(of(&bench, "one"), two);
    assert_eq!(of(&bench, "other"), two[1..]);
    assert_eq!(of(&bench, "nobody"), []);

    // What is over goes with the verdicts of its time, and with it what nobody will be told any more.
    bench.told(&[], &[&lost], minute(20));
    let before = minute(30);
    bench.writer.commit(&[&Work::Retain { before }]).unwrap();
    assert!(
        bench
            .reader()
            .ended_alerts(minute(0), 9)
            .unwrap()
            .is_empty()
    );
    assert_eq!(bench.reader().open_alerts().unwrap(), open[..1]);
    assert_eq!(of(&bench, "one"), two[..1]);
    assert_eq!(of(&bench, "other"), []);
}

fn works(id: &str, from: i64, to: i64) -> Maintenance {
    Maintenance {
        id: id.to_owned(),
        affected: Affected::Site("yc-yannan".to_owned()),
        start: minute(from),
        end: minute(to),
        declared_at: minute(0),
        by: "console anna".to_owned(),
        reason: "a fibre is moved".to_owned(),
        ended_at: None,
    }
}

pub(super) fn maintenance_is_announced_once_and_ended_once_and_keeps_its_date(bench: Bench) {
    let console = Console::open(&bench.place).unwrap();
    let act = |change| {
        let act = Act {
            change: Some(change),
            records: Vec::new(),
        };
        console.act(&act).unwrap()
    };
    let declare = |works: &Maintenance| act(Change::DeclareMaintenance(Box::new(works.clone())));
    let (late, now, later) = (
        works("late", -60, -30),
        works("now", -1, 60),
        works("later", 90, 99),
    );
    for works in [&late, &now, &later] {
        assert_eq!(declare(works), Outcome::Written);
    }
    assert_eq!(declare(&now), Outcome::NameTaken);
    let read = |after| bench.reader().maintenance_after(after).unwrap();
    assert_eq!(
        read(minute(-99)),
        [later.clone(), now.clone(), late.clone()]
    );
    assert_eq!(read(minute(0)), [later.clone(), now.clone()]);
    let end = |id: &str, at| {
        act(Change::EndMaintenance {
            id: id.to_owned(),
            at,
        })
    };
    assert_eq!(end("late", minute(2)), Outcome::NoSuchName, "it is over");
    assert_eq!(end("now", minute(2)), Outcome::Written);
    assert_eq!(
        end("now", minute(1)),
        Outcome::NoSuchName,
        "an end is not moved"
    );
    assert_eq!(end("later", minute(3)), Outcome::Written);
    let ended = |works: &Maintenance, end, at| Maintenance {
        end,
        ended_at: Some(at),
        ..works.clone()
    };
    let now = ended(&now, minute(2), minute(2));
    let later = ended(&later, minute(90), minute(3));
    assert_eq!(read(minute(-99)), [later, now, late]);
}
