//! Findings in words: what, since when, how sure, and what to look at.

use owl_measure::clock::live::ClockConflict;
use owl_measure::clock::whole_seconds;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;

use super::{Evidence, Finding, Kind};

/// How much longer a kilometre of fibre makes a round trip: 4.9 µs each way (light in glass).
const FIBRE_ROUND_TRIP_NS_PER_KM: f64 = 9_800.0;

impl Kind {
    /// What it is called.
    pub(crate) fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::ClockWrong => lang.pick("clock wrong", "时钟有误"),
            Self::WholeSeconds => lang.pick("clock on another time scale", "时钟时间尺度错误"),
            Self::Step => lang.pick("clock stepped", "时钟跳变"),
            Self::Drift => lang.pick("clock drifts", "时钟漂移"),
            Self::BelowLight => lang.pick("faster than light", "快于光速"),
            Self::ClockOrAccess => {
                lang.pick("suspect: clock or access link", "可疑：时钟或接入链路")
            }
            Self::Coordinates => lang.pick("coordinates wrong", "坐标有误"),
            Self::RouteChange => lang.pick("route changed", "路由变化"),
        }
    }
}

impl Finding {
    /// How large it is, and how well that is known: `3.010 ms (2.575 … 3.446 ms)`; `None` when it cannot be said.
    pub(crate) fn size(&self) -> Option<String> {
        let size = self.last.size?;
        Some(match self.last.within {
            Some((least, most)) => format!("{size} ({least} … {most})"),
            None => size.to_string(),
        })
    }

    /// One sentence for a person; `time` writes an instant.
    pub(crate) fn sentence(&self, lang: Lang, time: impl Fn(Timestamp) -> String) -> String {
        let (what, check) = (self.what(lang), self.check(lang));
        let since = time(self.since);
        let until = time(self.seen_until);
        if self.open {
            lang.pick(
                format!("{what}, since {since}. {check}"),
                format!("{what}，自 {since} 起。{check}"),
            )
        } else {
            lang.pick(
                format!("{what}, from {since} until {until}. {check}"),
                format!("{what}，自 {since} 至 {until}。{check}"),
            )
        }
    }

    fn conflicts(&self) -> impl Iterator<Item = &ClockConflict> {
        self.last
            .evidence
            .iter()
            .filter_map(|evidence| match evidence {
                Evidence::Conflict(conflict) => Some(conflict),
                _ => None,
            })
    }

    /// The others that the strongest pieces of evidence are about.
    fn others(&self) -> Vec<&str> {
        let subject = &self.last.subject;
        self.conflicts()
            .map(|conflict| {
                if conflict.a == *subject {
                    conflict.b.as_str()
                } else {
                    conflict.a.as_str()
                }
            })
            .collect()
    }

    /// The strongest conflict in words.
    fn proof(&self, lang: Lang) -> String {
        let Some(conflict) = self.conflicts().next() else {
            return String::new();
        };
        let (apart, claimed) = (conflict.apart, conflict.claimed);
        let others = self.others();
        let (first, more) = (
            others.first().copied().unwrap_or_default(),
            others.len() - 1,
        );
        let all = match more {
            0 => first.to_owned(),
            _ => lang.pick(
                format!("{first} and {more} more probes"),
                format!("{first} 等 {} 个探针", more + 1),
            ),
        };
        lang.pick(
            format!(": packets and light prove that its claim is false or that of {all} (at least {apart} apart from {first}, where both claim {claimed} at most)"),
            format!("：报文与光速证明其声明或 {all} 的声明有误（与 {first} 至少相差 {apart}，而双方声明至多 {claimed}）"),
        )
    }

    fn what(&self, lang: Lang) -> String {
        let subject = &self.last.subject;
        let size = self.size().unwrap_or_else(|| "?".into());
        let proof = self.proof(lang);
        match self.last.kind {
            Kind::ClockWrong => lang.pick(
                format!("The clock of {subject} is off by about {size}{proof}"),
                format!("{subject} 的时钟偏差约 {size}{proof}"),
            ),
            Kind::WholeSeconds => {
                let seconds = self.last.size.and_then(whole_seconds).unwrap_or_default();
                lang.pick(
                    format!("The clock of {subject} is off by about {seconds} s ({size}), a difference of time scales or a leap second{proof}"),
                    format!("{subject} 的时钟偏差约 {seconds} 秒（{size}），为时间尺度或闰秒之差{proof}"),
                )
            }
            Kind::Step => lang.pick(
                format!("The clock of {subject} jumped by more than it claims: its differences to most probes moved at once while the round trips stayed"),
                format!("{subject} 的时钟跳变超出其声明：与多数探针的差值同时移动，而往返时延未变"),
            ),
            Kind::Drift => lang.pick(
                format!("The clock of {subject} runs away by more than it claims, against most probes and with unchanged round trips (now about {size})"),
                format!("{subject} 的时钟漂移超出其声明：相对多数探针持续变化，而往返时延未变（目前约 {size}）"),
            ),
            Kind::BelowLight => {
                let others = match &self.last.alternatives[..] {
                    [] => lang.pick("several other clocks", "多个其他时钟").to_owned(),
                    others => others.join(", "),
                };
                lang.pick(
                    format!("Packets of {subject} were faster than light if all clocks are right{proof}; what explains it as well: {others}, or coordinates"),
                    format!("若各时钟均正确，则 {subject} 的报文快于光速{proof}；{others} 或坐标有误同样可以解释"),
                )
            }
            Kind::ClockOrAccess => lang.pick(
                format!("The clock of {subject} seems off by about {size}, or its access link is that uneven there and back; packets cannot tell the two apart"),
                format!("{subject} 的时钟似有约 {size} 的偏差，或其接入链路上下行不对称；仅凭报文无法区分"),
            ),
            Kind::Coordinates => self.coordinates(lang),
            Kind::RouteChange => self.route(lang),
        }
    }

    fn coordinates(&self, lang: Lang) -> String {
        let subject = &self.last.subject;
        let seen = self
            .last
            .evidence
            .iter()
            .find_map(|evidence| match evidence {
                Evidence::RoundTrip {
                    a,
                    b,
                    round_trip,
                    light,
                } => {
                    let other = if a == subject { b } else { a };
                    Some((other.as_str(), *round_trip, *light))
                }
                _ => None,
            });
        let (other, round_trip, light) = seen.unwrap_or(("?", Nanos::ZERO, Nanos::ZERO));
        lang.pick(
            format!("The coordinates of {subject} (or of {other}) are wrong for certain: a round trip between them took {round_trip}, and light alone needs {light}"),
            format!("{subject}（或 {other}）的坐标确定有误：两者间往返仅 {round_trip}，而光速至少需要 {light}"),
        )
    }

    fn route(&self, lang: Lang) -> String {
        let pair = self.last.subject.replace('~', " – ");
        let floor = self
            .last
            .evidence
            .iter()
            .find_map(|evidence| match evidence {
                Evidence::Floor { before, after } => Some((*before, *after)),
                _ => None,
            });
        let (before, after) = floor.unwrap_or_default();
        let km = (after - before).0 as f64 / FIBRE_ROUND_TRIP_NS_PER_KM;
        lang.pick(
            format!("The fastest round trip {pair} went from {before} to {after} and stays there, like {km:+.0} km of fibre each way; no clock is involved"),
            format!("{pair} 的最短往返时延由 {before} 变为 {after} 并保持，相当于单程光纤 {km:+.0} km；与时钟无关"),
        )
    }

    fn check(&self, lang: Lang) -> &'static str {
        match self.last.kind {
            Kind::ClockWrong => lang.pick(
                "Check its time source, and what it declares as its bound; until then its claim is not used.",
                "请检查其时钟源及声明的误差界；在此之前不采信其声明。",
            ),
            Kind::WholeSeconds => lang.pick(
                "Check which time scale its source gives (TAI, GPS, BeiDou), and the leap second of its receiver.",
                "请检查时钟源的时间尺度（TAI、GPS、北斗）及接收机的闰秒设置。",
            ),
            Kind::Step => lang.pick(
                "Check what set the clock; windows with a step are not judged by it.",
                "请检查是什么调整了时钟；含跳变的窗口不依据该时钟判定。",
            ),
            Kind::Drift => lang.pick(
                "Check whether its source is lost, and whether its drift allowance is honest.",
                "请检查时钟源是否丢失，以及所声明的漂移是否属实。",
            ),
            Kind::BelowLight => lang.pick(
                "Check both time sources and the coordinates; more probes between them would tell which.",
                "请检查各方时钟源与坐标；增加互测探针可判明是哪一方。",
            ),
            Kind::ClockOrAccess => lang.pick(
                "Compare with a second probe in the same rack, or with a satellite receiver.",
                "请与同机架的第二个探针或卫星接收机比对。",
            ),
            Kind::Coordinates => lang.pick(
                "Check the site's coordinates in the topology.",
                "请核对拓扑中的站点坐标。",
            ),
            Kind::RouteChange => lang.pick(
                "Ask the carrier which route is taken now.",
                "请向运营商确认当前路由。",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Symptom;

    fn finding(kind: Kind, subject: &str) -> Finding {
        let conflict = |other: &str| {
            Evidence::Conflict(ClockConflict {
                a: other.into(),
                b: subject.into(),
                apart: Nanos(2_574_500),
                claimed: Nanos(2_000),
            })
        };
        let evidence = match kind {
            Kind::Coordinates => vec![Evidence::RoundTrip {
                a: subject.into(),
                b: "b".into(),
                round_trip: Nanos(900_000),
                light: Nanos(4_000_000),
            }],
            Kind::RouteChange => vec![Evidence::Floor {
                before: Nanos(1_500_000),
                after: Nanos(1_990_000),
            }],
            _ => vec![conflict("a"), conflict("b")],
        };
        Finding {
            since: Timestamp(1),
            seen_until: Timestamp(2),
            open: true,
            windows: 3,
            last: Symptom {
                kind,
                subject: subject.into(),
                size: Some(if kind == Kind::WholeSeconds {
                    Nanos::from_secs(37)
                } else {
                    Nanos(3_010_000)
                }),
                within: Some((Nanos(2_575_000), Nanos(3_446_000))),
                evidence,
                alternatives: vec!["x".into(), "y".into()],
            },
        }
    }

    #[track_caller]
    fn check(kind: Kind, subject: &str, parts: &[&str]) {
        let found = finding(kind, subject);
        let said = found.sentence(Lang::En, |at| format!("t{}", at.0));
        for part in parts {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
        let chinese = found.sentence(Lang::Zh, |at| format!("t{}", at.0));
        assert!(
            chinese.contains("t1") && chinese.contains('，'),
            "{chinese}"
        );
    }

    #[test]
    fn every_kind_says_what_since_when_how_sure_and_what_to_look_at() {
        for kind in Kind::ALL {
            let subject = if kind == Kind::RouteChange {
                "p~q"
            } else {
                "p"
            };
            check(kind, subject, &["since t1", "p"]);
            assert!(!kind.word(Lang::En).is_empty() && kind.word(Lang::Zh) != kind.word(Lang::En));
        }
        check(
            Kind::ClockWrong,
            "p",
            &[
                "about 3.010 ms (2.575 ms … 3.446 ms)",
                "its claim is false or that of a and 1 more probes (at least 2.575 ms apart from a, where both claim 2.000 µs at most)",
                "Check its time source",
            ],
        );
        check(Kind::WholeSeconds, "p", &["about 37 s"]);
        check(
            Kind::BelowLight,
            "p",
            &["explains it as well: x, y, or coordinates"],
        );
        check(
            Kind::RouteChange,
            "p~q",
            &["p – q went from 1.500 ms to 1.990 ms", "+50 km"],
        );
        check(
            Kind::Coordinates,
            "p",
            &["took 900.000 µs", "needs 4.000 ms", "topology"],
        );
    }

    #[test]
    fn what_is_over_says_until_when() {
        let found = Finding {
            open: false,
            ..finding(Kind::Step, "p")
        };
        let said = found.sentence(Lang::En, |at| format!("t{}", at.0));
        assert!(said.contains("from t1 until t2"), "{said}");
    }
}
