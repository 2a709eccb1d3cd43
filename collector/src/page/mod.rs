//! The pages: HTML and SVG made here, readable without script or colour.

mod alerts;
mod chart;
mod compliance;
mod entrance;
mod findings;
mod flows;
mod headings;
mod matrix;
mod overview;
mod path;
mod physics;
mod refusal;
mod sample;
mod say;
mod ways;
mod why;

use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, html};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use owl_topology::Topology;
use sha2::{Digest as _, Sha256};

pub(crate) use alerts::{AlertsPast, alerts};
pub(crate) use compliance::{ComplianceView, compliance};
pub(crate) use entrance::{Entrance, Notice, Said, entrance, notice};
pub(crate) use findings::findings;
pub(crate) use overview::overview;
pub(crate) use path::{Past, path};
pub(crate) use refusal::refusal;
pub(crate) use why::why;

use crate::live::Table;

/// The style sheet.
pub(crate) const STYLE: &str = include_str!("style.css");
/// Its address: a new text has a new one, so a browser may keep the old for ever.
static STYLE_ADDRESS: LazyLock<String> = LazyLock::new(|| {
    let hash: String = Sha256::digest(STYLE)
        .iter()
        .take(8)
        .map(|octet| format!("{octet:02x}"))
        .collect();
    format!("/assets/style-{hash}.css")
});

/// Where the style sheet is served; no other version of it is.
pub(crate) fn style_address() -> &'static str {
    &STYLE_ADDRESS
}

/// Seconds after which a page asks for itself again.
const REFRESH_S: u32 = 10;

/// The time zone in which instants are shown.
#[derive(Debug, Clone)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// By its IANA name; UTC for a name that nobody knows.
    pub(crate) fn named(name: &str) -> Self {
        Self(TimeZone::get(name).unwrap_or(TimeZone::UTC))
    }

    fn format(&self, at: Timestamp, format: &str) -> String {
        jiff::Timestamp::from_nanosecond(i128::from(at.0))
            .map(|instant| {
                instant
                    .to_zoned(self.0.clone())
                    .strftime(format)
                    .to_string()
            })
            .unwrap_or_default()
    }

    /// The zone itself.
    pub(crate) fn zone(&self) -> &TimeZone {
        &self.0
    }

    /// `11-23`
    fn date(&self, at: Timestamp) -> String {
        self.format(at, "%m-%d")
    }

    /// `2026-11-23 14:05`
    fn minute(&self, at: Timestamp) -> String {
        self.format(at, "%Y-%m-%d %H:%M")
    }

    /// `2026-11-23 14:05:10 +08:00`
    pub(crate) fn instant(&self, at: Timestamp) -> String {
        self.format(at, "%Y-%m-%d %H:%M:%S %:z")
    }

    /// `14:05:10`
    fn clock(&self, at: Timestamp) -> String {
        self.format(at, "%H:%M:%S")
    }
}

/// What every page is made with.
pub(crate) struct Frame<'a> {
    pub(crate) lang: Lang,
    /// Who logged in to see it.
    pub(crate) user: Option<&'a str>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) zone: &'a Zone,
    pub(crate) now: Timestamp,
    pub(crate) grace: Nanos,
    pub(crate) started_at: Timestamp,
}

/// Whether a page asks for itself again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renewal {
    /// Every few seconds: it tells of the present.
    Always,
    /// Never: it is for reading and printing.
    Never,
}

/// What a page has around its body.
struct Sheet<'a> {
    title: &'a str,
    /// The same page in the other language.
    translated: String,
    renewal: Renewal,
}

impl Frame<'_> {
    /// An address of ours in the language of this page.
    fn address(&self, path: &str) -> String {
        format!("{path}?lang={}", self.lang.tag())
    }

    fn path_address(&self, id: &str) -> String {
        self.address(&format!("/paths/{id}"))
    }

    /// A whole page at `here`, which asks for itself again and again.
    fn page(&self, table: &Table, here: &str, title: &str, body: &Markup) -> Markup {
        let other = self.lang.pick(Lang::Zh, Lang::En);
        let sheet = Sheet {
            title,
            translated: format!("{here}?lang={}", other.tag()),
            renewal: Renewal::Always,
        };
        self.sheet(table, &sheet, body)
    }

    /// A whole page.
    fn sheet(&self, table: &Table, sheet: &Sheet<'_>, body: &Markup) -> Markup {
        let lang = self.lang;
        let other = lang.pick(Lang::Zh, Lang::En);
        let title = sheet.title;
        html! {
            (DOCTYPE)
            html lang=(lang.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    @if sheet.renewal == Renewal::Always { meta http-equiv="refresh" content=(REFRESH_S); }
                    title { (title) " · owl" }
                    link rel="stylesheet" href=(style_address());
                }
                body {
                    header.top {
                        a.brand href=(self.address("/")) { "owl" }
                        span.network { (self.topology.name) }
                        (alerts::link(self, table))
                        a href=(self.address("/compliance")) { (lang.pick("Compliance", "达标周期")) }
                        nav aria-label=(lang.pick("Language", "语言")) {
                            a href=(sheet.translated) lang=(other.tag()) hreflang=(other.tag()) {
                                (other.pick("English", "中文"))
                            }
                        }
                        @if let Some(user) = self.user {
                            form.leave method="post" action="/logout" {
                                span { (user) } " "
                                button type="submit" { (lang.pick("Log out", "退出登录")) }
                            }
                        }
                    }
                    @if table.simulated() {
                        p.banner role="note" {
                            strong { "⚠ " (lang.pick("Delays and clocks are simulated", "时延与时钟均为模拟")) }
                            " — " (lang.pick("a lab, not a measurement of any network", "这是实验环境，不是对真实网络的测量"))
                        }
                    }
                    @if let Some(failure) = &table.store_failure {
                        p.banner.failure role="alert" {
                            strong { "✗ " (lang.pick("The store refuses", "存储拒绝写入")) } ": " (failure)
                        }
                    }
                    main { (body) }
                    footer {
                        (lang.pick("As of", "截至")) " "
                        time { (self.zone.instant(self.now)) }
                        @if sheet.renewal == Renewal::Always { " · " (lang.pick("renewed every 10 s", "每 10 秒刷新")) }
                        " · " (lang.pick("topology", "拓扑")) " " code { (self.topology.generation.get(..12).unwrap_or_default()) }
                        " · owl " (env!("CARGO_PKG_VERSION"))
                        " · " a href="/metrics" { "metrics" } " · " a href="/api/v1/verdicts" { "JSON" }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
