//! What is wrong at an instant, from the live table.

use std::collections::BTreeMap;

use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::{Reason, State};
use owl_measure::words::Lang;

use super::condition::{Condition, Sight, Words};
use super::kind::{CERTIFICATE_AHEAD, Kind, SPOOL_PPM};
use super::subject::{Of, Subject};
use crate::finding::{self, Finding};
use crate::judgement::Judgement;
use crate::live::{LivePath, LiveProbe, Table};
use crate::page::Zone;

/// What is looked with besides the table.
pub(crate) struct Look<'a> {
    pub(crate) table: &'a Table,
    /// How many reports of each probe were given up lately, and when the last of them was.
    pub(crate) lost: &'a BTreeMap<String, (u64, Timestamp)>,
    pub(crate) zone: &'a Zone,
    /// The topology's name.
    pub(crate) network: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) grace: Nanos,
}

impl Look<'_> {
    /// What is seen.
    pub(crate) fn sight(&self) -> Sight {
        let mut sight = Sight::default();
        if let Some(failure) = &self.table.store_failure {
            let subject = Subject::new(Of::Collector, self.network);
            let detail = Words::of(|_| failure.clone());
            let condition = Condition::plain(Kind::StoreFails, subject, self.now);
            sight.conditions.push(Condition {
                detail,
                ..condition
            });
        }
        for live in &self.table.paths {
            self.path(live, &mut sight);
        }
        let findings = self.table.findings.iter().map(|found| self.finding(found));
        sight.conditions.extend(findings);
        for probe in self.table.probes.values() {
            self.probe(probe, &mut sight.conditions);
        }
        let own = Subject::new(Of::Collector, self.network);
        let own = self.certificate(own, self.table.certificate_until);
        sight.conditions.extend(own);
        sight
    }

    fn path(&self, live: &LivePath, sight: &mut Sight) {
        let id = &live.path.id;
        if let Some(until) = live.works_until(self.now) {
            sight.maintenance.insert(id.clone(), until);
        }
        // Who has never called is not there yet, and is not missed.
        let is_awaited = [&live.path.from, &live.path.to].iter().any(|probe| {
            let known = self.table.probes.get(probe.as_str());
            known.is_some_and(|probe| probe.caller.is_none())
        });
        let latest = live.latest.as_ref();
        let Some(latest) =
            latest.filter(|latest| !is_awaited && latest.is_current(self.now, self.grace))
        else {
            sight.unknown.insert(id.clone());
            return;
        };
        let verdict = &latest.verdict;
        let kind = match (verdict.state, verdict.reason) {
            (State::Met, _) => return,
            (State::Missed, _) => Kind::TargetMissed,
            (State::Undecided, Some(Reason::NoData)) => Kind::NoData,
            (State::Undecided, _) => Kind::Undecided,
        };
        let subject = Subject::new(Of::Path, id);
        sight.conditions.push(Condition {
            window: latest.window,
            detail: Words::of(|lang| self.verdict(latest, lang)),
            ..Condition::plain(kind, subject, latest.window_start)
        });
    }

    fn verdict(&self, judged: &Judgement, lang: Lang) -> String {
        let verdict = &judged.verdict;
        let share = format!("{} %", (judged.quantile.as_f64() * 1e6).round() / 1e4);
        let target = verdict.target;
        match (verdict.state, verdict.delay) {
            (State::Missed, Some(delay)) if delay.lo == Nanos::MAX => lang.pick(
                format!("so many packets are lost that {share} of them do not arrive at all"),
                format!("丢包过多，{share} 的报文无法全部到达"),
            ),
            (State::Missed, Some(delay)) => {
                let lo = delay.lo;
                lang.pick(
                    format!("for {share} of the packets it takes at least {lo}, and the target is {target}"),
                    format!("{share} 的报文所需的单向时延至少 {lo}，目标为 {target}"),
                )
            }
            _ => {
                let detail = judged.detail(lang, |at| self.zone.instant(at));
                detail.unwrap_or_default()
            }
        }
    }

    fn finding(&self, found: &Finding) -> Condition {
        use finding::Kind as Found;
        let subject = &found.last.subject;
        let (kind, of) = match found.last.kind {
            Found::ClockWrong | Found::WholeSeconds | Found::Step | Found::Drift => {
                (Kind::ClockWrong, Of::Probe)
            }
            Found::BelowLight | Found::ClockOrAccess => (Kind::ClockSuspect, Of::Probe),
            Found::Coordinates => (Kind::CoordinatesWrong, Of::Probe),
            Found::RouteChange => (Kind::RouteChanged, Of::Pair),
        };
        Condition {
            detail: Words::of(|lang| found.sentence(lang, |at| self.zone.instant(at))),
            ..Condition::plain(kind, Subject::new(of, subject), found.since)
        }
    }

    fn probe(&self, probe: &LiveProbe, conditions: &mut Vec<Condition>) {
        let subject = || Subject::new(Of::Probe, &probe.id);
        conditions.extend(self.certificate(subject(), probe.certificate_until));
        if let Some((lost, at)) = self.lost.get(&probe.id) {
            let detail = |lang: Lang| {
                lang.pick(
                    format!("{lost} reports within the last hour"),
                    format!("最近一小时内 {lost} 份上报"),
                )
            };
            let condition = Condition::plain(Kind::ReportsLost, subject(), *at);
            conditions.push(Condition {
                detail: Words::of(detail),
                ..condition
            });
        }
        if let Some(filled) = probe.spool_filled_ppm.filter(|filled| *filled > SPOOL_PPM) {
            let percent = filled / 10_000;
            let detail = |lang: Lang| {
                lang.pick(
                    format!("{percent} % of its room is taken by reports that no collector has"),
                    format!("尚未送达的上报已占其容量的 {percent} %"),
                )
            };
            let condition = Condition::plain(Kind::SpoolFilling, subject(), self.now);
            conditions.push(Condition {
                detail: Words::of(detail),
                ..condition
            });
        }
    }

    fn certificate(&self, subject: Subject, until: Option<Timestamp>) -> Option<Condition> {
        let until = until?;
        let (kind, since) = if until <= self.now {
            (Kind::CertificateExpired, until)
        } else if until - self.now < CERTIFICATE_AHEAD {
            (Kind::CertificateExpiring, until - CERTIFICATE_AHEAD)
        } else {
            return None;
        };
        let at = self.zone.instant(until);
        let detail =
            |lang: Lang| lang.pick(format!("it is good until {at}"), format!("有效期至 {at}"));
        Some(Condition {
            detail: Words::of(detail),
            ..Condition::plain(kind, subject, since)
        })
    }
}

#[cfg(test)]
mod tests {
    use owl_measure::verdict::Profile;
    use owl_topology::Topology;

    use super::*;
    use crate::live::{Caller, Live};

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);

    fn judged(path: &str, state: &str) -> Judgement {
        let start = NOW.0 - 12_000_000_000;
        let text = format!(
            r#"{{"path":"{path}","profile":"lab","quantile":0.95,"window_start_ns":{start},"window_ns":10000000000,
            "judged_at_ns":{},{state},"target_ns":1000000,"sent":100,"received":90,"percentiles":[],"lost":0,"late":0}}"#,
            NOW.0
        );
        serde_json::from_str(&text).unwrap()
    }

    /// What is seen of a network whose probes have all called, after `change`.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Table), expected: &[(&str, &str, &str)]) -> Sight {
        let live = Live::new(&Topology::yancheng(), Some(&Profile::lab()));
        let mut table = live.write();
        for probe in table.probes.values_mut() {
            probe.caller = Some(Caller {
                epoch: 1,
                software: "t".into(),
                simulated: false,
                called_at: NOW,
            });
        }
        change(&mut table);
        let lost = BTreeMap::from([("yannan-cm".to_owned(), (7, NOW))]);
        let look = Look {
            table: &table,
            lost: &lost,
            zone: &Zone::named("Asia/Shanghai"),
            network: "net",
            now: NOW,
            grace: Nanos::from_secs(3),
        };
        let sight = look.sight();
        let got: Vec<(&str, String, &str)> = sight
            .conditions
            .iter()
            .map(|seen| {
                (
                    seen.kind.code(),
                    seen.subject.to_string(),
                    seen.detail.en.as_str(),
                )
            })
            .collect();
        let mut all: Vec<_> = got.iter().map(|(a, b, c)| (*a, b.as_str(), *c)).collect();
        all.retain(|(kind, ..)| *kind != "reports-lost");
        assert_eq!(all, expected);
        assert_eq!(got.len(), all.len() + 1, "yannan-cm has lost reports");
        sight
    }

    const PATH: &str = "yannan-ct~supercomputing-ct";

    #[test]
    fn a_path_shows_what_its_latest_verdict_says() {
        let shows = |state: &'static str| {
            move |table: &mut Table| {
                table.path_mut(PATH).unwrap().latest = Some(judged(PATH, state));
            }
        };
        let path = "path/yannan-ct~supercomputing-ct";
        let met = r#""state":"met","class":"B","delay":{"lo_ns":1,"hi_ns":2,"basis":"proved"}"#;
        let sight = check(shows(met), &[]);
        assert!(!sight.unknown.contains(PATH) && sight.unknown.len() > 1);
        let missed = r#""state":"missed","class":"B","delay":{"lo_ns":2000000,"hi_ns":3000000,"basis":"proved"}"#;
        let said = "for 95 % of the packets it takes at least 2.000 ms, and the target is 1.000 ms";
        check(shows(missed), &[("target-missed", path, said)]);
        let lost = r#""state":"missed","class":"B",
            "delay":{"lo_ns":9223372036854775807,"hi_ns":9223372036854775807,"basis":"proved"}"#;
        let said = "so many packets are lost that 95 % of them do not arrive at all";
        check(shows(lost), &[("target-missed", path, said)]);
        let silent =
            r#""state":"undecided","reason":"no-data","why":{"kind":"no-replies","sent":100}"#;
        check(
            shows(silent),
            &[("no-data", path, "100 packets sent, no reply")],
        );
        let few = r#""state":"undecided","reason":"samples""#;
        check(
            shows(few),
            &[("undecided", path, "too few packets came back")],
        );
    }

    #[test]
    fn who_has_never_called_and_what_is_out_of_date_is_not_known() {
        let silent = r#""state":"undecided","reason":"no-data""#;
        let sight = check(
            |table| {
                table.path_mut(PATH).unwrap().latest = Some(judged(PATH, silent));
                table.probes.get_mut("supercomputing-ct").unwrap().caller = None;
            },
            &[],
        );
        assert!(sight.unknown.contains(PATH));
        let old = |table: &mut Table| {
            let mut judged = judged(PATH, silent);
            judged.window_start = NOW - Nanos::from_secs(60);
            table.path_mut(PATH).unwrap().latest = Some(judged);
        };
        assert!(check(old, &[]).unknown.contains(PATH));
    }

    #[test]
    fn certificates_spools_and_the_store_are_looked_at() {
        let day = |days: i64| NOW + Nanos::from_secs(days * 86_400);
        check(
            |table| {
                table.store_failure = Some("the disk is full".to_owned());
                let mut set = |probe: &str, until, filled| {
                    let probe = table.probes.get_mut(probe).unwrap();
                    (probe.certificate_until, probe.spool_filled_ppm) = (Some(until), filled);
                };
                set("binhaigang-ct", day(30), Some(500_000));
                set("yannan-ct", day(6), Some(519_999));
                set("yannan-cm", day(-1), None);
                table.certificate_until = Some(day(8));
            },
            &[
                ("store-fails", "collector/net", "the disk is full"),
                (
                    "certificate-expired",
                    "probe/yannan-cm",
                    "it is good until 2027-01-14 16:00:00 +08:00",
                ),
                (
                    "certificate-expiring",
                    "probe/yannan-ct",
                    "it is good until 2027-01-21 16:00:00 +08:00",
                ),
                (
                    "spool-filling",
                    "probe/yannan-ct",
                    "51 % of its room is taken by reports that no collector has",
                ),
            ],
        );
    }
}
