//! Alerts in words: what, of what, and what to do about it.

use owl_measure::words::Lang;

use super::book::Alert;
use super::kind::Kind;
use super::map::Map;
use super::subject::{Of, Subject};

/// Paths that an alert names; it counts the others.
const NAMED: usize = 5;

impl Kind {
    /// What it is called.
    pub(crate) fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::StoreFails => lang.pick("store takes nothing", "存储拒绝写入"),
            Self::NoData => lang.pick("nothing is measured", "没有测量数据"),
            Self::TargetMissed => lang.pick("target missed", "未达标"),
            Self::Undecided => lang.pick("undecided for long", "长时间无法判定"),
            Self::ClockWrong => lang.pick("clock wrong", "时钟有误"),
            Self::ClockSuspect => lang.pick("clock suspect", "时钟可疑"),
            Self::CoordinatesWrong => lang.pick("coordinates wrong", "坐标有误"),
            Self::RouteChanged => lang.pick("route changed", "路由变化"),
            Self::ReportsLost => lang.pick("reports lost", "上报丢失"),
            Self::SpoolFilling => lang.pick("spool fills up", "缓存将满"),
            Self::CertificateExpiring => lang.pick("certificate runs out soon", "证书即将到期"),
            Self::CertificateExpired => lang.pick("certificate has run out", "证书已到期"),
        }
    }

    /// What to do about it.
    pub(crate) fn action(self, lang: Lang) -> &'static str {
        match self {
            Self::StoreFails => lang.pick(
                "Nothing is judged and probes keep their reports: make room on the disk of the store, or bring PostgreSQL back. Nothing is lost before spools are full.",
                "目前无法判定，探针自行保存上报：请清理存储磁盘，或恢复 PostgreSQL。缓存写满之前不会丢失数据。",
            ),
            Self::NoData => lang.pick(
                "Look whether the probes run and reach each other: `owl collector probes` here, `owl doctor` on the probe's host. Of a whole site: power and uplink first. Planned work is announced with `owl collector maintenance add`.",
                "检查探针是否运行且互相可达：在本机执行 `owl collector probes`，在探针主机执行 `owl doctor`。整个站点无数据时先查电源与上联链路。计划内的作业请用 `owl collector maintenance add` 申报。",
            ),
            Self::TargetMissed => lang.pick(
                "Open the path's page: losses with a direction point to a link, more hops or a route finding to a detour, delay variation to a queue. Compare other paths of the same site and carrier, and call the carrier whose part they share.",
                "打开路径页面：有方向的丢包指向链路，跳数或路由变化指向绕行，时延变化指向排队。与同站点、同运营商的其他路径比较，并联系其共有路段的运营商。",
            ),
            Self::Undecided => lang.pick(
                "The reason says what is missing: a better clock (docs/clock.md), more packets, or coordinates. Nothing is known to be slow.",
                "原因说明了欠缺之处：更好的时钟（docs/clock.md）、更多报文或正确的坐标。并无证据表明路径变慢。",
            ),
            Self::ClockWrong => lang.pick(
                "Its claims are not used. On the probe's host `owl clock` says what the clock follows; check source, time scale and leap seconds.",
                "其声明不予采信。在探针主机执行 `owl clock` 查看时钟跟随何源；检查时钟源、时间尺度与闰秒。",
            ),
            Self::ClockSuspect => lang.pick(
                "It may be this clock, another one, the access link or coordinates: /findings names what would explain it as well.",
                "可能是此时钟、另一时钟、接入链路或坐标：/findings 列出同样可以解释的原因。",
            ),
            Self::CoordinatesWrong => lang.pick(
                "No verdict on its paths can be trusted until the topology has the right coordinates.",
                "在拓扑坐标更正之前，其路径的判定均不可信。",
            ),
            Self::RouteChanged => lang.pick(
                "Nothing need be done when the target is met. /findings says how many kilometres it is.",
                "若仍达标则无需处理。/findings 给出相差的公里数。",
            ),
            Self::ReportsLost => lang.pick(
                "They will not come any more: /api/v1/gaps has the numbers and why. `full`: give the spool more room (`[spool] octets_max`) or mend what keeps the probe from its collector; `damaged`: the probe's disk.",
                "这些上报不会再到达：/api/v1/gaps 给出编号与原因。`full`：加大缓存（`[spool] octets_max`）或排除探针无法上报的故障；`damaged`：检查探针磁盘。",
            ),
            Self::SpoolFilling => lang.pick(
                "The probe catches up more slowly than it measures, or could not report for long; when the spool is full its oldest reports are lost. Raise `[uplink] drain_octets_per_second`, or mend its way to the collector.",
                "探针补报慢于测量，或曾长时间无法上报；缓存写满后最旧的上报会丢失。提高 `[uplink] drain_octets_per_second`，或修复其到采集器的链路。",
            ),
            Self::CertificateExpiring => lang.pick(
                "An enrolled probe renews it by itself while it is connected: its log says why it does not. One that was made by hand is made anew by hand.",
                "已注册的探针在连接时会自动续期：其日志说明未能续期的原因。手工签发的证书须手工更换。",
            ),
            Self::CertificateExpired => lang.pick(
                "Reports wait in the spool. Of a probe: `owl collector enroll` here, then `owl probe join` there; one that was made by hand is made anew by hand.",
                "上报在缓存中等待。探针：在本机执行 `owl collector enroll`，再在探针上执行 `owl probe join`；手工签发的证书须手工更换。",
            ),
        }
    }
}

impl Map {
    /// What an alert tells of, for a person.
    pub(crate) fn said(&self, subject: &Subject, lang: Lang) -> String {
        let name = &subject.name;
        let site = || self.site(name).pick(lang).to_owned();
        match subject.of {
            Of::Network => lang.pick(format!("the network {name}"), format!("全网（{name}）")),
            Of::Collector => lang.pick("the collector".to_owned(), "采集器".to_owned()),
            Of::Site => lang.pick(format!("site {}", site()), format!("站点 {}", site())),
            Of::FromSite => lang.pick(
                format!("all paths from {}", site()),
                format!("自 {} 发出的全部路径", site()),
            ),
            Of::ToSite => lang.pick(
                format!("all paths to {}", site()),
                format!("到达 {} 的全部路径", site()),
            ),
            Of::Probe => lang.pick(format!("probe {name}"), format!("探针 {name}")),
            Of::Path => name.replacen('~', " → ", 1),
            Of::Pair => name.replacen('~', " ↔ ", 1),
        }
    }
}

impl Alert {
    /// One line: what, and of what.
    pub(crate) fn summary(&self, map: &Map, lang: Lang) -> String {
        let (subject, word) = (map.said(&self.subject, lang), self.kind.word(lang));
        let colon = lang.pick(": ", "：");
        let paths = match self.paths.len() {
            0 | 1 => String::new(),
            paths => lang.pick(format!(" ({paths} paths)"), format!("（{paths} 条路径）")),
        };
        format!("{subject}{colon}{word}{paths}")
    }

    /// What exactly, as far as there is more to say.
    pub(crate) fn told(&self, lang: Lang) -> String {
        let detail = self.detail.pick(lang).trim_end_matches(['.', '。']);
        let stop = lang.pick(".", "。");
        let mut told = match self.paths.as_slice() {
            [] | [_] if detail.is_empty() => String::new(),
            [] | [_] => format!("{detail}{stop}"),
            [first, ..] => {
                let named = self.paths.iter().take(NAMED);
                let named: Vec<&str> = named.map(|member| member.path.as_str()).collect();
                let (named, path) = (named.join(", "), &first.path);
                match self.paths.len().saturating_sub(NAMED) {
                    0 => format!("{named}{stop}"),
                    more => lang.pick(
                        format!("{named} and {more} more. {path}: {detail}."),
                        format!("{named} 等另有 {more} 条。{path}：{detail}。"),
                    ),
                }
            }
        };
        if self.is_flapping() {
            told.push_str(lang.pick(
                " It comes and goes, so its end is told late.",
                "状态反复，其结束将延后通知。",
            ));
        }
        told.trim_start().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use owl_measure::time::{Nanos, Timestamp};

    use super::*;
    use crate::alert::book::Member;
    use crate::alert::condition::Words;
    use crate::alert::testing::mesh;

    fn alert(of: Of, paths: usize, returns: u32) -> Alert {
        let detail = Words::of(|lang| lang.pick("no reply.", "无应答。").to_owned());
        let member = |k: usize| Member {
            path: format!("s1~s{}", k + 2),
            since: Timestamp(0),
            window: Nanos::ZERO,
            returns: 0,
            detail: detail.clone(),
        };
        Alert {
            kind: Kind::NoData,
            subject: Subject::new(of, if of == Of::Path { "s1~s2" } else { "s1" }),
            since: Timestamp(0),
            returns,
            detail: detail.clone(),
            paths: (0..paths).map(member).collect(),
            quiet: None,
        }
    }

    #[test]
    fn an_alert_says_what_and_of_what_in_both_languages() {
        let map = mesh(3);
        for (alert, en, told, zh) in [
            (
                alert(Of::Path, 1, 0),
                "s1 → s2: nothing is measured",
                "no reply.",
                "s1 → s2：没有测量数据",
            ),
            (
                alert(Of::Site, 2, 0),
                "site s1: nothing is measured (2 paths)",
                "s1~s2, s1~s3.",
                "站点 s1：没有测量数据（2 条路径）",
            ),
            (
                alert(Of::ToSite, 7, 0),
                "all paths to s1: nothing is measured (7 paths)",
                "s1~s2, s1~s3, s1~s4, s1~s5, s1~s6 and 2 more. s1~s2: no reply.",
                "到达 s1 的全部路径：没有测量数据（7 条路径）",
            ),
            (
                alert(Of::Probe, 0, 1),
                "probe s1: nothing is measured",
                "no reply. It comes and goes, so its end is told late.",
                "探针 s1：没有测量数据",
            ),
        ] {
            assert_eq!(alert.summary(&map, Lang::En), en);
            assert_eq!(alert.told(Lang::En), told);
            assert_eq!(alert.summary(&map, Lang::Zh), zh);
        }
    }

    #[test]
    fn every_kind_says_what_to_do_in_both_languages() {
        for kind in Kind::ALL {
            for lang in [Lang::En, Lang::Zh] {
                assert!(!kind.word(lang).is_empty() && !kind.action(lang).is_empty());
            }
            assert!(!kind.action(Lang::Zh).is_ascii(), "{kind:?}");
        }
    }
}
