//! The page of links: what could be carried, what can, what is, and how sure that is.

use maud::{Markup, html};
use owl_measure::words::Lang;

use super::Frame;
use super::headings::headings;
use crate::links::{Figures, Indicated, LinkFigure, PonFigure, PortFigure, PortWay, WayFigure};
use crate::live::Table;

/// Ports that are listed one by one; the API has all of them.
const PORTS_MAX: usize = 200;

/// The page of links.
pub(crate) fn links(frame: &Frame<'_>, table: &Table, figures: &Figures) -> Markup {
    let lang = frame.lang;
    let body = html! {
        p.trail { a href=(frame.address("/")) { (lang.pick("Overview", "总览")) } }
        h1 { (lang.pick("What do the links carry?", "链路承载了多少流量？")) }
        p {
            (lang.pick("The minute from", "统计分钟起点：")) " " (frame.zone.instant(figures.start)) ". "
            (lang.pick(
                "Bounds are certain, not in 95 cases of 100: what was not read counts as nothing in the lower one and as full lines in the upper one.",
                "上下界为确定界限而非 95% 置信：未读到的部分在下界中计为零，在上界中按满线速计。",
            ))
        }
        @if figures.links.iter().any(|link| link.simulated) {
            p.banner role="note" {
                strong { "⚠ " (lang.pick("Counters are simulated", "计数器为模拟")) } " — "
                (lang.pick("no device was read for them", "并未读取任何设备"))
            }
        }
        (indicators(&figures.indicators, lang))
        (all_links(&figures.links, lang))
        (pons(&figures.pons, lang))
        (ports(&figures.ports, lang))
    };
    frame.page(table, "/links", lang.pick("Links", "链路"), &body)
}

fn indicators(all: &[Indicated], lang: Lang) -> Markup {
    let title = lang.pick("Indicators", "指标");
    html! {
        @if !all.is_empty() {
            h2 { (title) }
            div.wide tabindex="0" role="region" aria-label=(title) {
                table {
                    caption { (lang.pick(
                        "A target is one of capacity. Traffic stands beside it and is another thing",
                        "目标是容量指标；流量列于其旁，二者不是一回事",
                    )) }
                    (headings(&[
                        lang.pick("Indicator", "指标"),
                        lang.pick("Target", "目标"),
                        lang.pick("Installed", "已建成"),
                        lang.pick("In service", "在用"),
                        lang.pick("After the worst failure (N−1)", "最坏单点失效后（N−1）"),
                        lang.pick("Traffic out", "出方向流量"),
                        lang.pick("Traffic in", "入方向流量"),
                        lang.pick("Covered", "覆盖率"),
                    ]))
                    tbody {
                        @for one in all {
                            tr {
                                th scope="row" { (one.indicator) }
                                td.n { (rate(one.target_bps as f64)) }
                                td.n {
                                    @if one.reached { b.met { "✓" } } @else { b.missed { "✗" } }
                                    " " (rate(one.installed_bps as f64))
                                }
                                td.n { (rate(one.in_service_bps as f64)) }
                                td.n { (rate(one.after_worst_failure_bps as f64)) }
                                td.n { (traffic(&one.out, lang)) }
                                td.n { (traffic(&one.back, lang)) }
                                td.n { (percent(one.out.coverage)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn all_links(all: &[LinkFigure], lang: Lang) -> Markup {
    let title = lang.pick("Links", "链路");
    html! {
        h2 { (title) }
        div.wide tabindex="0" role="region" aria-label=(title) {
            table {
                (headings(&[
                    lang.pick("Link", "链路"),
                    lang.pick("From, to", "起止"),
                    lang.pick("Lit of capacity", "点亮/容量"),
                    lang.pick("Forward", "正向"),
                    lang.pick("Busy", "占用率"),
                    lang.pick("Backward", "反向"),
                    lang.pick("Busy", "占用率"),
                    lang.pick("Covered", "覆盖率"),
                ]))
                tbody {
                    @for link in all {
                        tr {
                            th scope="row" {
                                @if !link.in_service { b.missed { "✗" } " " }
                                (link.link)
                            }
                            td { (link.ends[0]) " → " (link.ends[1]) }
                            td.n { (rate(link.lit_bps as f64)) " / " (rate(link.capacity_bps as f64)) }
                            td.n { (traffic(&link.forward, lang)) }
                            td.n { (busy(&link.forward)) }
                            td.n { (traffic(&link.backward, lang)) }
                            td.n { (busy(&link.backward)) }
                            td.n { (percent(link.forward.coverage)) }
                        }
                    }
                }
            }
        }
    }
}

fn pons(all: &[PonFigure], lang: Lang) -> Markup {
    let title = lang.pick("Passive optical networks", "无源光网络");
    html! {
        @if !all.is_empty() {
            h2 { (title) }
            div.wide tabindex="0" role="region" aria-label=(title) {
                table {
                    (headings(&[
                        lang.pick("Network", "网络"),
                        lang.pick("Ports", "端口数"),
                        lang.pick("Read", "已读取"),
                        lang.pick("Downstream", "下行"),
                        lang.pick("Upstream", "上行"),
                        lang.pick("Covered", "覆盖率"),
                    ]))
                    tbody {
                        @for pon in all {
                            tr {
                                th scope="row" { (pon.pon) }
                                td.n { (pon.ports) }
                                td.n { (pon.read) }
                                td.n { (traffic(&pon.downstream, lang)) }
                                td.n { (traffic(&pon.upstream, lang)) }
                                td.n { (percent(pon.downstream.coverage)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn ports(all: &[PortFigure], lang: Lang) -> Markup {
    let title = lang.pick("Ports", "端口");
    let read: Vec<&PortFigure> = all.iter().filter(|port| port.source.is_some()).collect();
    html! {
        @if !read.is_empty() {
            h2 { (title) }
            @if read.len() > PORTS_MAX {
                p { (lang.pick(
                    format!("The first {PORTS_MAX} of {}; /api/v1/links?ports=true has all of them.", read.len()),
                    format!("共 {} 个，仅列前 {PORTS_MAX} 个；全部见 /api/v1/links?ports=true。", read.len()),
                )) }
            }
            div.wide tabindex="0" role="region" aria-label=(title) {
                table {
                    (headings(&[
                        lang.pick("Port", "端口"),
                        lang.pick("Interface", "接口"),
                        lang.pick("Speed", "速率"),
                        lang.pick("Read by", "读取方式"),
                        lang.pick("Received", "接收"),
                        lang.pick("Sent", "发送"),
                        lang.pick("Peaks of 1, 10, 100 ms: received", "1、10、100 ms 峰值：接收"),
                        lang.pick("sent", "发送"),
                    ]))
                    tbody {
                        @for port in read.iter().take(PORTS_MAX) {
                            tr {
                                th scope="row" { (port.port) }
                                td { (port.interface) }
                                td.n { (rate(port.speed_bps as f64)) }
                                td { (source(port.source, lang)) }
                                td.n { (traffic(&port.received.figure, lang)) }
                                td.n { (traffic(&port.sent.figure, lang)) }
                                td.n { (peaks(&port.received)) }
                                td.n { (peaks(&port.sent)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn source(source: Option<&'static str>, lang: Lang) -> &'static str {
    match source {
        Some("own") => lang.pick("the probe's own host", "探针本机"),
        Some("snmp") => "SNMP",
        Some("bins") => lang.pick("a file of bins", "PM 文件"),
        Some("simulated") => lang.pick("nobody: simulated", "模拟"),
        _ => "–",
    }
}

fn peaks(way: &PortWay) -> String {
    if way.peaks.is_empty() {
        return "–".to_owned();
    }
    let peaks = way.peaks.iter().map(|peak| rate(peak.bps as f64));
    peaks.collect::<Vec<_>>().join(", ")
}

/// A rate in the unit that fits it.
fn rate(bps: f64) -> String {
    let (scale, unit) = match bps {
        ..1e3 => (1.0, "b/s"),
        ..1e6 => (1e3, "kb/s"),
        ..1e9 => (1e6, "Mb/s"),
        ..1e12 => (1e9, "Gb/s"),
        _ => (1e12, "Tb/s"),
    };
    format!("{:.4} {unit}", bps / scale).replace(".0000", "")
}

/// A rate with its bounds, or that nothing was read.
fn traffic(way: &WayFigure, lang: Lang) -> String {
    let bounds = format!("{} … {}", rate(way.at_least_bps), rate(way.at_most_bps));
    if way.coverage == 0.0 {
        return lang.pick(
            format!("not read ({bounds})"),
            format!("未读取（{bounds}）"),
        );
    }
    format!("{} ({bounds})", rate(way.bps))
}

fn busy(way: &WayFigure) -> String {
    way.utilisation.map_or_else(|| "–".to_owned(), percent)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_never_shown_without_its_bounds() {
        let way = WayFigure {
            octets: "3000000000000".into(),
            bps: 400e9,
            at_least_bps: 399.5e9,
            at_most_bps: 1.2e12,
            coverage: 0.5,
            utilisation: Some(0.51),
        };
        assert_eq!(
            traffic(&way, Lang::En),
            "400 Gb/s (399.5000 Gb/s … 1.2000 Tb/s)"
        );
        let unread = WayFigure {
            coverage: 0.0,
            ..way.clone()
        };
        assert!(traffic(&unread, Lang::Zh).starts_with("未读取"));
        assert_eq!(
            (busy(&way), percent(way.coverage)),
            ("51.0 %".into(), "50.0 %".into())
        );
    }
}
