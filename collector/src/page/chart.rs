//! The percentiles of a path over time, as SVG.
//!
//! Each percentile is an interval, so it is drawn as a band with its two ends;
//! the three differ by the stroke of their upper end, not by colour alone. A
//! window without a measurement leaves a gap, and the strip below says what the
//! verdict was with a sign. The table beside the chart tells the same in text.

use maud::{Markup, html};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Quantile;

use super::Frame;
use super::say::{Standing, between, target as target_words};
use crate::judgement::Judgement;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 44.0;
const TOP: f64 = 12.0;
const PLOT: f64 = 230.0;
const STRIP: f64 = 20.0;
const HEIGHT: f64 = TOP + PLOT + STRIP + 44.0;
/// At least this many windows share the width, so that the first ones do not fill it alone.
const SLOTS_MIN: i64 = 30;
/// At most this many, whatever lies between the first and the last window.
const SLOTS_MAX: i64 = 120;
/// Signs in the strip are drawn for every window as long as they do not touch.
const SIGN_WIDTH: f64 = 11.0;

const SHOWN: [(Quantile, &str); 3] = [
    (Quantile::P99, "p99"),
    (Quantile::P95, "p95"),
    (Quantile::P50, "p50"),
];

/// Where things are on the paper.
struct Paper {
    first: Timestamp,
    window: Nanos,
    slot: f64,
    top_ns: f64,
}

impl Paper {
    /// Enough for the newest windows of `history`, which is newest first; `None` without any.
    fn of(history: &[Judgement], target: Nanos) -> Option<Self> {
        let (newest, oldest) = (history.first()?, history.last()?);
        let window = Nanos(newest.window.0.max(1));
        let between = (newest.window_start - oldest.window_start).0 / window.0 + 1;
        let slots = between.clamp(SLOTS_MIN, SLOTS_MAX);
        let highest = history
            .iter()
            .flat_map(|judgement| &judgement.percentiles)
            .filter_map(|percentile| Some(percentile.one_way?.hi))
            .filter(|&hi| hi != Nanos::MAX)
            .max()
            .unwrap_or(target);
        // A spike may leave the paper at four targets; its numbers stand in the table.
        let top_ns = (highest.0 as f64 * 1.1)
            .clamp(target.0 as f64 * 1.25, target.0 as f64 * 4.0)
            .max(1.0);
        let shown = if between > slots {
            newest.window_start - window.times(slots - 1)
        } else {
            oldest.window_start
        };
        Some(Self {
            first: shown,
            window,
            slot: (WIDTH - LEFT - RIGHT) / slots as f64,
            top_ns,
        })
    }

    fn x(&self, at: Timestamp) -> f64 {
        LEFT + (at - self.first).0 as f64 / self.window.0 as f64 * self.slot
    }

    /// Above the top stays at the top.
    fn y(&self, span: Nanos) -> f64 {
        TOP + PLOT * (1.0 - (span.0 as f64 / self.top_ns).clamp(0.0, 1.0))
    }
}

/// The chart of a path's windows, which are newest first.
pub(super) fn chart(frame: &Frame<'_>, history: &[Judgement], target: Nanos) -> Markup {
    let lang = frame.lang;
    let Some(paper) = Paper::of(history, target) else {
        return html! { p { (lang.pick("No window has been judged yet.", "尚无已判定的窗口。")) } };
    };
    let shown: Vec<&Judgement> = history
        .iter()
        .filter(|judgement| judgement.window_start >= paper.first)
        .collect();
    let label = lang.pick(
        "Bounds of the 50th, 95th and 99th percentile of the one-way delay with the target, and the verdict of each window",
        "单向时延第 50、95、99 百分位的上下界与目标线，以及每个窗口的判定",
    );
    let ticks = (0..=4).map(|k| Nanos((paper.top_ns * f64::from(k) / 4.0) as i64));
    html! {
        figure.chart {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) {
                (hatch())
                @for tick in ticks {
                    @let y = n(paper.y(tick));
                    line.grid x1=(n(LEFT)) x2=(n(WIDTH - RIGHT)) y1=(y) y2=(y) {}
                    text.tick x=(n(LEFT - 6.0)) y=(n(paper.y(tick) + 4.0)) text-anchor="end" { (format!("{:.2}", tick.as_millis_f64())) }
                }
                text.tick x=(n(LEFT - 6.0)) y=(n(HEIGHT - 4.0)) text-anchor="end" { "ms" }
                @for judgement in &shown { (bands(frame, &paper, judgement)) }
                @let y = paper.y(target);
                line.target x1=(n(LEFT)) x2=(n(WIDTH - RIGHT)) y1=(n(y)) y2=(n(y)) {}
                text.target-label x=(n(WIDTH - RIGHT + 4.0)) y=(n(y + 4.0)) { (target_words(target)) }
                @for judgement in &shown { (strip(frame, &paper, judgement)) }
                (times(frame, &paper, &shown))
            }
            figcaption {
                @for (_, name) in SHOWN.iter().rev() {
                    span.key {
                        svg viewBox="0 0 28 12" width="28" height="12" aria-hidden="true" {
                            rect class=(format!("band {name}")) x="0" y="3" width="28" height="8" {}
                            line class=(format!("edge {name}")) x1="0" x2="28" y1="3" y2="3" {}
                        }
                        " " (name)
                    }
                    " "
                }
                (lang.pick("Each band reaches from the lower to the upper bound, and has no edge where there is no upper bound; the dashed line is the target.", "色带为下界至上界，无上界时不画上缘；虚线为目标。"))
            }
        }
    }
}

/// The bands of one window. A band without an upper bound is open: it has no edge. A lost packet's has no place at all.
fn bands(frame: &Frame<'_>, paper: &Paper, judgement: &Judgement) -> Markup {
    let x = paper.x(judgement.window_start);
    let width = (paper.slot - 0.5).max(0.5);
    html! {
        @for (quantile, name) in SHOWN {
            @if let Some(delay) = judgement.percentile(quantile).and_then(|p| p.one_way).filter(|delay| delay.lo != Nanos::MAX) {
                @let (top, bottom) = (paper.y(delay.hi), paper.y(delay.lo));
                g {
                    title { (frame.zone.clock(judgement.window_start)) " " (name) ": " (between(delay.lo, delay.hi)) }
                    rect class=(format!("band {name}")) x=(n(x)) y=(n(top)) width=(n(width)) height=(n((bottom - top).max(1.0))) {}
                    @if delay.hi != Nanos::MAX {
                        line class=(format!("edge {name}")) x1=(n(x)) x2=(n(x + width)) y1=(n(top)) y2=(n(top)) {}
                    }
                }
            }
        }
    }
}

/// The verdict of one window, in the strip below the plot.
fn strip(frame: &Frame<'_>, paper: &Paper, judgement: &Judgement) -> Markup {
    let standing = Standing::of(Some(judgement));
    let (x, y) = (paper.x(judgement.window_start), TOP + PLOT + 6.0);
    html! {
        g {
            title { (frame.zone.clock(judgement.window_start)) " " (standing.word(frame.lang)) " — " (frame.sentence(Some(judgement))) }
            rect class=(format!("mark {}", standing.style())) x=(n(x)) y=(n(y)) width=(n((paper.slot - 0.5).max(0.5))) height=(n(STRIP)) {}
            @if paper.slot >= SIGN_WIDTH {
                text.sign x=(n(x + paper.slot / 2.0)) y=(n(y + 14.0)) text-anchor="middle" { (standing.sign()) }
            }
        }
    }
}

/// When the paper begins, and when its last window does.
fn times(frame: &Frame<'_>, paper: &Paper, shown: &[&Judgement]) -> Markup {
    let y = n(TOP + PLOT + STRIP + 24.0);
    html! {
        text.tick x=(n(LEFT)) y=(y) { (frame.zone.clock(paper.first)) }
        @if let Some(newest) = shown.first().filter(|newest| paper.x(newest.window_start) > LEFT + 70.0) {
            text.tick x=(n(paper.x(newest.window_end()))) y=(y) text-anchor="end" { (frame.zone.clock(newest.window_end())) }
        }
    }
}

/// Patterns that tell the marks apart without colour.
fn hatch() -> Markup {
    html! {
        defs {
            pattern id="hatch-undecided" width="6" height="6" patternUnits="userSpaceOnUse" {
                rect.undecided-ground width="6" height="6" {}
                path.hatch d="M0 6 L6 0" {}
            }
            pattern id="hatch-missed" width="4" height="4" patternUnits="userSpaceOnUse" {
                rect.missed-ground width="4" height="4" {}
                path.hatch d="M0 0 L4 4 M0 4 L4 0" {}
            }
        }
    }
}

/// A coordinate; a tenth of a pixel is enough.
fn n(coordinate: f64) -> String {
    format!("{coordinate:.1}")
}
