//! What replies showed of the path beside delay and loss, and what the reflector told by TLVs.

use owl_measure::words::Lang;
use owl_protocol::session::sender::{Observations, Question, ReportFate, TlvAnswers, TrafficClass};
use owl_protocol::wire::tlv::{SyncSource, TimestampMethod, kind};
use serde_json::{Map, Value, json};

/// Every test packet leaves with this TTL or hop limit.
const TTL: u8 = 255;

/// ECN codepoints in the order of their numbers (RFC 3168, section 5).
const ECN: [&str; 4] = ["not-ECT", "ECT(1)", "ECT(0)", "CE"];

/// TLVs as `--ask` names them.
const NAMES: [(u8, &str); 12] = [
    (kind::EXTRA_PADDING, "padding"),
    (kind::LOCATION, "location"),
    (kind::TIMESTAMP_INFORMATION, "timestamp-info"),
    (kind::CLASS_OF_SERVICE, "class-of-service"),
    (kind::DIRECT_MEASUREMENT, "direct-measurement"),
    (kind::ACCESS_REPORT, "access-report"),
    (kind::FOLLOW_UP, "follow-up"),
    (kind::HMAC, "hmac"),
    (kind::DESTINATION_NODE_ADDRESS, "destination-node"),
    (kind::RETURN_PATH, "return-path"),
    (kind::MICRO_SESSION, "micro-session"),
    (kind::REFLECTED_CONTROL, "reply-octets"),
];

/// The option with which an own reflector does what a TLV asks, when it does not by itself.
fn allowed_by(tlv: u8) -> Option<&'static str> {
    match tlv {
        kind::RETURN_PATH => Some("--return-path-to ADDR"),
        kind::MICRO_SESSION => Some("--member-link ID"),
        kind::REFLECTED_CONTROL => Some("--keys FILE --reply-octets-max OCTETS"),
        _ => None,
    }
}

/// What a session saw, and what it had asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) seen: &'a Observations,
    pub(super) asked: Question,
    pub(super) sent: TrafficClass,
}

/// Packets lost each way, as the reflector's counts tell; copies make up for losses.
struct Counted {
    sent: u32,
    arrived: u32,
    sent_back: u32,
    came_back: u32,
    /// As it stood with the first reply that told: less sent back than came back where the reflector does not count the
    /// reply that tells. RFC 8972, section 4.5, does not say whether it should.
    first_surplus: u32,
}

impl Counted {
    fn lost(&self) -> [u32; 2] {
        // Counters wrap; more received than sent are copies.
        let less =
            |more: u32, less: u32| more.wrapping_sub(less).cast_signed().max(0).cast_unsigned();
        [
            less(self.sent, self.arrived),
            less(
                self.sent_back.wrapping_add(self.first_surplus),
                self.came_back,
            ),
        ]
    }
}

impl Told<'_> {
    /// Hops each way, and how often they changed.
    pub(super) fn hops(&self, lang: Lang) -> String {
        let seen = self.seen;
        let way = |ttl: Option<(u8, u8)>, changes: u64| {
            let hops = match ttl {
                // Some reflectors do not tell it.
                None => return lang.pick("not told", "未告知").to_owned(),
                Some((low, high)) if low == high => (TTL - low).to_string(),
                Some((low, high)) => format!("{} … {}", TTL - high, TTL - low),
            };
            match changes {
                0 => hops,
                _ => lang.pick(
                    format!("{hops} (changed {changes} times)"),
                    format!("{hops}（变化 {changes} 次）"),
                ),
            }
        };
        let forward = way(seen.ttl_forward, seen.ttl_changes_forward);
        let backward = way(seen.ttl_backward, seen.ttl_changes_backward);
        lang.pick(
            format!("forward {forward}, backward {backward}"),
            format!("前向 {forward}，反向 {backward}"),
        )
    }

    fn counted(&self) -> Option<Counted> {
        let (counts, replies) = self.seen.counts?;
        let (first, first_replies) = self.seen.first_counts.unwrap_or((counts, replies));
        let surplus = (first_replies as u32).wrapping_sub(first.reflector_sent);
        Some(Counted {
            first_surplus: surplus.cast_signed().max(0).cast_unsigned(),
            sent: counts.sender_sent,
            arrived: counts.reflector_received,
            sent_back: counts.reflector_sent,
            came_back: replies as u32,
        })
    }

    /// A sentence for each thing that was asked, and for what is out of the ordinary.
    pub(super) fn lines(&self, lang: Lang) -> Vec<String> {
        let all = [
            self.marks(lang),
            self.location(lang),
            self.stamps(lang),
            self.counts(lang),
            self.follow_up(lang),
            self.links(lang),
            self.report(lang),
            self.refused(lang),
            self.not_believed(lang),
            self.zero_ssids(lang),
        ];
        all.into_iter().flatten().collect()
    }

    fn marks(&self, lang: Lang) -> Option<String> {
        let seen = self.seen;
        let dscp = |dscp: Option<u8>| dscp.map_or_else(|| "-".to_owned(), |dscp| dscp.to_string());
        let there = seen.dscp_forward?;
        let (there, here) = (dscp(Some(there)), dscp(seen.dscp_backward));
        let (sent, ecn) = (self.sent.dscp, ECN[usize::from(self.sent.ecn & 0x03)]);
        let [forward, backward] = [seen.ecn_forward, seen.ecn_backward].map(codepoints);
        let mut line = lang.pick(
            format!(
                "marks: sent with DSCP {sent}, {ecn}; arrive with DSCP {there} (remarked {}), {forward}; come back with DSCP {here} (remarked {}), {backward}",
                seen.remarked_forward, seen.remarked_backward
            ),
            format!(
                "标记：发送 DSCP {sent}，{ecn}；到达 DSCP {there}（被改 {}），{forward}；返回 DSCP {here}（被改 {}），{backward}",
                seen.remarked_forward, seen.remarked_backward
            ),
        );
        if seen.dscp_refused > 0 {
            line.push_str(&lang.pick(
                format!("; the reflector may not send DSCP {sent}"),
                format!("；反射端不允许以 DSCP {sent} 发送"),
            ));
        }
        Some(line)
    }

    fn location(&self, lang: Lang) -> Option<String> {
        let (source, destination) = (self.seen.seen_source?, self.seen.seen_destination);
        let destination =
            destination.map_or_else(|| "-".to_owned(), |destination| destination.to_string());
        Some(lang.pick(
            format!("location: packets arrive from {source} at {destination}"),
            format!("位置：报文自 {source} 到达 {destination}"),
        ))
    }

    fn stamps(&self, lang: Lang) -> Option<String> {
        let told = self.seen.information?;
        let [t2, t3] = [told.method_in, told.method_out].map(|method| match method {
            TimestampMethod::HARDWARE => lang.pick("by hardware", "由硬件"),
            TimestampMethod::SOFTWARE => lang.pick("by software", "由软件"),
            TimestampMethod::CONTROL_PLANE => lang.pick("by the control plane", "由控制面"),
            _ => lang.pick("not told how", "未告知方式"),
        });
        let source = match told.source_in {
            SyncSource::UNKNOWN => lang.pick("it does not tell", "未告知"),
            SyncSource::FREE => lang.pick("nothing", "无"),
            source => sync_source(source),
        };
        Some(lang.pick(
            format!("its stamps: T2 {t2}, T3 {t3}; what disciplines its clock: {source}"),
            format!("远端时间戳：T2 {t2}，T3 {t3}；时钟同步源：{source}"),
        ))
    }

    fn counts(&self, lang: Lang) -> Option<String> {
        let counted = self.counted()?;
        let [forward, backward] = counted.lost();
        let Counted {
            sent,
            arrived,
            sent_back,
            came_back,
            first_surplus: _,
        } = counted;
        Some(lang.pick(
            format!(
                "direct measurement: {sent} sent, {arrived} arrived, {sent_back} sent back, {came_back} came back: {forward} lost forward, {backward} backward"
            ),
            format!(
                "直接测量：发送 {sent}，到达 {arrived}，返送 {sent_back}，收回 {came_back}：前向丢失 {forward}，反向丢失 {backward}"
            ),
        ))
    }

    fn follow_up(&self, lang: Lang) -> Option<String> {
        let corrected = self.seen.t3_corrected;
        let all = corrected + self.seen.t3_uncorrected;
        self.asked.follow_up.then(|| {
            lang.pick(
                format!("T3 corrected by follow-up: {corrected} of {all}"),
                format!("由后续遥测校正的 T3：{all} 个中的 {corrected} 个"),
            )
        })
    }

    fn links(&self, lang: Lang) -> Option<String> {
        let ours = self.asked.member_links?.sender;
        let far = self.seen.far_link?;
        Some(lang.pick(
            format!("member links: {ours} here, {far} there"),
            format!("成员链路：本端 {ours}，远端 {far}"),
        ))
    }

    fn report(&self, lang: Lang) -> Option<String> {
        let said = match self.seen.access_report? {
            ReportFate::Acknowledged => lang.pick("acknowledged", "已确认"),
            ReportFate::Waiting => lang.pick("not acknowledged so far", "尚未确认"),
            ReportFate::GivenUp => lang.pick(
                "never acknowledged, and not repeated any more",
                "始终未获确认，不再重发",
            ),
        };
        Some(lang.pick(
            format!("access report: {said}"),
            format!("接入报告：{said}"),
        ))
    }

    fn refused(&self, lang: Lang) -> Option<String> {
        let mut refused = Vec::new();
        // A reply of another length has other padding.
        for (kind, name) in NAMES
            .into_iter()
            .filter(|&(kind, _)| kind != kind::EXTRA_PADDING)
        {
            let Some(answers) = self.seen.answers.of(kind) else {
                continue;
            };
            let TlvAnswers {
                understood: _,
                unrecognised,
                malformed,
                beyond_limits,
                absent,
            } = answers;
            for (count, fate) in [
                (unrecognised, lang.pick("not done", "未执行")),
                (
                    malformed,
                    lang.pick("taken for malformed", "被视为格式错误"),
                ),
                (beyond_limits, lang.pick("beyond its limits", "超出限制")),
                (absent, lang.pick("cut off", "被截去")),
            ] {
                if count > 0 {
                    let name = &allowed_by(kind).map_or_else(
                        || name.to_owned(),
                        |option| {
                            lang.pick(
                                format!("{name} (`owl reflect {option}` allows it)"),
                                format!("{name}（`owl reflect {option}` 可允许）"),
                            )
                        },
                    );
                    refused.push(lang.pick(
                        format!("{name} {fate} in {count} replies"),
                        format!("{name} 在 {count} 个应答中{fate}"),
                    ));
                }
            }
        }
        (!refused.is_empty()).then(|| {
            let list = refused.join(lang.pick(", ", "，"));
            lang.pick(
                format!("asked in vain: {list}"),
                format!("未获满足：{list}"),
            )
        })
    }

    fn not_believed(&self, lang: Lang) -> Option<String> {
        let count = self.seen.tlvs_not_believed;
        (count > 0).then(|| {
            lang.pick(
                format!("TLVs not believed, here or there: in {count} replies"),
                format!("TLV 完整性校验失败（任一端）：{count} 个应答"),
            )
        })
    }

    fn zero_ssids(&self, lang: Lang) -> Option<String> {
        let count = self.seen.zero_ssids;
        (count > 0).then(|| {
            lang.pick(
                format!("the reflector sends no session identifier back: {count} replies"),
                format!("反射端不回送会话标识：{count} 个应答"),
            )
        })
    }

    /// The same for a program.
    pub(super) fn json(&self) -> Value {
        let seen = self.seen;
        let way = |ttl: Option<(u8, u8)>, ttl_changes, dscp: Option<u8>, remarked, ecn| {
            json!({
                "ttl": ttl.map(|(min, max)| json!({ "min": min, "max": max })),
                "ttl_changes": ttl_changes,
                "dscp": dscp,
                "dscp_remarked": remarked,
                "ecn": ecn_json(ecn),
            })
        };
        let mut tlvs = Map::new();
        for (kind, name) in NAMES {
            if let Some(answers) = seen.answers.of(kind) {
                tlvs.insert(name.to_owned(), answers_json(answers));
            }
        }
        json!({
            "forward": way(seen.ttl_forward, seen.ttl_changes_forward, seen.dscp_forward, seen.remarked_forward, seen.ecn_forward),
            "backward": way(seen.ttl_backward, seen.ttl_changes_backward, seen.dscp_backward, seen.remarked_backward, seen.ecn_backward),
            "dscp_refused": seen.dscp_refused,
            "location": seen.seen_source.map(|source| json!({
                "source": source.to_string(),
                "destination": seen.seen_destination.map(|at| at.to_string()),
            })),
            "timestamp_info": seen.information.map(|told| json!({
                "clock_source_in": sync_source(told.source_in),
                "method_in": method(told.method_in),
                "clock_source_out": sync_source(told.source_out),
                "method_out": method(told.method_out),
            })),
            "direct_measurement": self.counted().map(|counted| {
                let [forward, backward] = counted.lost();
                json!({
                    "sent": counted.sent,
                    "arrived": counted.arrived,
                    "sent_back": counted.sent_back,
                    "came_back": counted.came_back,
                    "lost_forward": forward,
                    "lost_backward": backward,
                })
            }),
            "access_report": seen.access_report.map(|fate| match fate {
                ReportFate::Waiting => "waiting",
                ReportFate::Acknowledged => "acknowledged",
                ReportFate::GivenUp => "given-up",
            }),
            "t3_corrected": seen.t3_corrected,
            "t3_uncorrected": seen.t3_uncorrected,
            "member_link": seen.far_link,
            "tlvs": tlvs,
            "tlvs_not_believed": seen.tlvs_not_believed,
            "zero_ssids": seen.zero_ssids,
        })
    }
}

fn codepoints(counts: [u64; 4]) -> String {
    let seen: Vec<_> = ECN
        .iter()
        .zip(counts)
        .filter(|&(_, count)| count > 0)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    seen.join(" ")
}

fn ecn_json([not_ect, ect_1, ect_0, ce]: [u64; 4]) -> Value {
    json!({ "not_ect": not_ect, "ect_1": ect_1, "ect_0": ect_0, "ce": ce })
}

fn answers_json(answers: TlvAnswers) -> Value {
    json!({
        "understood": answers.understood,
        "unrecognised": answers.unrecognised,
        "malformed": answers.malformed,
        "beyond_limits": answers.beyond_limits,
        "absent": answers.absent,
    })
}

/// In the words of the registry "STAMP Synchronization Sources".
fn sync_source(source: SyncSource) -> &'static str {
    match source {
        SyncSource::NTP => "NTP",
        SyncSource::PTP => "PTP",
        SyncSource::SSU_BITS => "SSU/BITS",
        SyncSource::GNSS => "GNSS",
        SyncSource::FREE => "free-running",
        _ => "unknown",
    }
}

fn method(method: TimestampMethod) -> &'static str {
    match method {
        TimestampMethod::HARDWARE => "hardware",
        TimestampMethod::SOFTWARE => "software",
        TimestampMethod::CONTROL_PLANE => "control-plane",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_protocol::wire::tlv::{DirectMeasurement, MicroSession, TimestampInformation};

    fn seen() -> Observations {
        Observations {
            remarked_forward: 3,
            dscp_refused: 1,
            ecn_forward: [0, 0, 98, 2],
            ecn_backward: [0, 0, 100, 0],
            dscp_forward: Some(10),
            dscp_backward: Some(46),
            ttl_forward: Some((250, 252)),
            ttl_backward: Some((251, 251)),
            ttl_changes_forward: 7,
            tlvs_not_believed: 4,
            zero_ssids: 5,
            t3_corrected: 99,
            t3_uncorrected: 1,
            counts: Some((
                DirectMeasurement {
                    sender_sent: 2,
                    reflector_received: u32::MAX,
                    reflector_sent: 100,
                },
                101,
            )),
            information: Some(TimestampInformation {
                source_in: SyncSource::GNSS,
                method_in: TimestampMethod::HARDWARE,
                source_out: SyncSource::GNSS,
                method_out: TimestampMethod::SOFTWARE,
            }),
            seen_source: Some("192.0.2.1:5000".parse().unwrap()),
            seen_destination: Some("192.0.2.2:862".parse().unwrap()),
            far_link: Some(9),
            access_report: Some(ReportFate::GivenUp),
            ..Observations::default()
        }
    }

    fn told<T>(seen: &Observations, show: impl Fn(&Told<'_>) -> T) -> T {
        let asked = Question {
            follow_up: true,
            member_links: Some(MicroSession {
                sender: 3,
                reflector: 0,
            }),
            ..Question::default()
        };
        let sent = TrafficClass { dscp: 46, ecn: 2 };
        show(&Told { seen, asked, sent })
    }

    #[test]
    fn each_thing_that_was_told_is_a_sentence_in_both_languages() {
        let lines = |lang| told(&seen(), |told| told.lines(lang));
        assert_eq!(
            lines(Lang::En),
            [
                "marks: sent with DSCP 46, ECT(0); arrive with DSCP 10 (remarked 3), ECT(0) 98 CE 2; come back with DSCP 46 (remarked 0), ECT(0) 100; the reflector may not send DSCP 46",
                "location: packets arrive from 192.0.2.1:5000 at 192.0.2.2:862",
                "its stamps: T2 by hardware, T3 by software; what disciplines its clock: GNSS",
                "direct measurement: 2 sent, 4294967295 arrived, 100 sent back, 101 came back: 3 lost forward, 0 backward",
                "T3 corrected by follow-up: 99 of 100",
                "member links: 3 here, 9 there",
                "access report: never acknowledged, and not repeated any more",
                "TLVs not believed, here or there: in 4 replies",
                "the reflector sends no session identifier back: 5 replies",
            ]
        );
        assert_eq!(lines(Lang::Zh).len(), lines(Lang::En).len());
    }

    #[test]
    fn hops_are_told_each_way_with_their_changes() {
        let hops = |seen: &Observations| told(seen, |told| told.hops(Lang::En));
        assert_eq!(hops(&seen()), "forward 3 … 5 (changed 7 times), backward 4");
        assert_eq!(
            hops(&Observations::default()),
            "forward not told, backward not told"
        );
    }

    #[test]
    fn a_reflector_that_counts_its_replies_only_afterwards_hides_no_loss() {
        let counts = |sent: u32, sent_back: u32| DirectMeasurement {
            sender_sent: sent,
            reflector_received: sent,
            reflector_sent: sent_back,
        };
        for (first, last, came_back, lost) in [
            (counts(1, 1), counts(20, 20), 18, 2),
            (counts(1, 0), counts(20, 19), 18, 2),
            (counts(3, 3), counts(20, 20), 18, 2),
            (counts(1, 0), counts(20, 19), 20, 0),
        ] {
            let seen = Observations {
                first_counts: Some((first, 1)),
                counts: Some((last, came_back)),
                ..Observations::default()
            };
            let counted = told(&seen, |told| told.counted()).unwrap();
            assert_eq!(counted.lost(), [0, lost], "{first:?} {last:?}");
        }
    }

    #[test]
    fn what_was_asked_in_vain_names_the_option_that_allows_it() {
        for (tlv, option) in [
            (kind::RETURN_PATH, Some("--return-path-to")),
            (kind::MICRO_SESSION, Some("--member-link")),
            (kind::REFLECTED_CONTROL, Some("--reply-octets-max")),
            (kind::LOCATION, None),
        ] {
            let found = allowed_by(tlv);
            assert_eq!(found.is_some(), option.is_some(), "{tlv}");
            assert!(
                found
                    .unwrap_or_default()
                    .contains(option.unwrap_or_default())
            );
        }
    }

    #[test]
    fn who_asked_nothing_and_met_nothing_odd_reads_nothing_more() {
        let seen = Observations::default();
        let plain = Told {
            seen: &seen,
            asked: Question::default(),
            sent: TrafficClass::default(),
        };
        assert_eq!(plain.lines(Lang::En), Vec::<String>::new());
        assert_eq!(plain.json()["tlvs"], json!({}));
    }
}
