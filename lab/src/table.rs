//! The lab's table on a terminal: what is true, what was measured, what was judged.

use owl_measure::delay::OneWayDelay;
use owl_measure::time::Nanos;
use owl_measure::verdict::State;
use owl_measure::words::Lang;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::comparison::{Against, Compared};
use crate::record::WindowTruth;
use crate::truth::Trouble;

/// Whether escape sequences may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Colour,
    Plain,
}

/// A path as it stands now.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) target: Nanos,
    pub(crate) troubles: Vec<&'a Trouble>,
    pub(crate) lately: Option<WindowTruth>,
    pub(crate) latest: Option<&'a Compared>,
}

/// Everything that is shown.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// Lines above the table.
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Row<'a>>,
    /// Lines below it.
    pub(crate) foot: Vec<String>,
}

/// What a terminal has room for; `rows` `None` when it scrolls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) columns: usize,
    pub(crate) rows: Option<usize>,
}

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";
const GAP: &str = "  ";

/// A cell and the escape sequence it is written in.
type Cell = (String, &'static str);

/// Writes it all down, no line wider than the room, the troubled paths first.
pub(crate) fn draw(view: &View<'_>, room: Room, paint: Paint, lang: Lang) -> String {
    let mut rows: Vec<&Row<'_>> = view.rows.iter().collect();
    rows.sort_by_key(|row| {
        (
            row.troubles.is_empty(),
            matches!(row.troubles.first(), Some(Trouble::Lie { .. })),
        )
    });
    let space = room
        .rows
        .map(|rows| rows.saturating_sub(view.head.len() + view.foot.len() + 3));
    let shown = space.map_or(rows.len(), |space| rows.len().min(space.max(1)));
    let mut cells: Vec<Vec<Cell>> = vec![headings(lang)];
    cells.extend(rows[..shown].iter().map(|row| cells_of(row, lang)));
    let mut text = String::new();
    for (index, line) in view.head.iter().enumerate() {
        push_line(
            &mut text,
            &[(line.clone(), if index == 0 { BOLD } else { "" })],
            room.columns,
            paint,
        );
    }
    let widths: Vec<usize> = (0..cells[0].len())
        .map(|column| {
            cells
                .iter()
                .map(|row| row[column].0.width())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in &cells {
        let padded: Vec<Cell> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, ((cell, style), width))| {
                let gap = " ".repeat(width - cell.width());
                let numeric = (1..=3).contains(&column);
                (
                    if numeric {
                        format!("{gap}{cell}{GAP}")
                    } else {
                        format!("{cell}{gap}{GAP}")
                    },
                    *style,
                )
            })
            .collect();
        push_line(&mut text, &padded, room.columns, paint);
    }
    if shown < rows.len() {
        let more = rows.len() - shown;
        let line = lang.pick(
            format!("… {more} more paths on the page"),
            format!("…… 其余 {more} 条路径见网页"),
        );
        push_line(&mut text, &[(line, "")], room.columns, paint);
    }
    for line in &view.foot {
        push_line(&mut text, &[(line.clone(), "")], room.columns, paint);
    }
    text
}

fn headings(lang: Lang) -> Vec<Cell> {
    [
        lang.pick("path", "路径"),
        lang.pick("target", "目标"),
        lang.pick("true p95", "真实 p95"),
        lang.pick("judged p95 in ms", "判定 p95 (ms)"),
        lang.pick("verdict", "判定"),
        lang.pick("evidence", "证据"),
        lang.pick("remark", "说明"),
    ]
    .map(|heading| (heading.to_owned(), BOLD))
    .to_vec()
}

fn cells_of(row: &Row<'_>, lang: Lang) -> Vec<Cell> {
    let told = row.latest.map(|latest| &latest.told);
    let truth = row.latest.and_then(|latest| latest.truth).or(row.lately);
    let state = told.map(|told| told.state);
    let verdict = match (state, row.latest.map(|latest| latest.against)) {
        (None, _) => "…".to_owned(),
        (Some(state), Some(Against::False)) => {
            format!(
                "{} {} {}",
                state.sign(),
                state.word(lang),
                lang.pick("(FALSE)", "(误判)")
            )
        }
        (Some(state), _) => format!("{} {}", state.sign(), state.word(lang)),
    };
    let style = match state {
        Some(State::Met) => GREEN,
        Some(State::Missed) => RED,
        Some(State::Undecided) => YELLOW,
        None => "",
    };
    let mut remarks: Vec<String> = row
        .troubles
        .iter()
        .map(|trouble| remark(trouble, lang))
        .collect();
    if let Some(told) = told {
        remarks.extend(
            told.detail
                .clone()
                .or_else(|| told.reason.map(|reason| reason.sentence(lang).to_owned())),
        );
    }
    let evidence = told
        .and_then(|told| told.evidence)
        .map_or("", |class| class.code());
    vec![
        (format!("{} → {}", row.from, row.to), ""),
        (millis(row.target), ""),
        (
            truth.map_or_else(|| "…".to_owned(), |truth| millis(truth.quantile)),
            "",
        ),
        (
            told.and_then(|told| told.delay)
                .map_or_else(|| "…".to_owned(), interval),
            "",
        ),
        (verdict, style),
        (evidence.to_owned(), ""),
        (remarks.join(lang.pick("; ", "；")), ""),
    ]
}

fn remark(trouble: &Trouble, lang: Lang) -> String {
    match trouble {
        Trouble::Detour { via, route_km, .. } => lang.pick(
            format!("PLANTED detour via {via}, {route_km} km"),
            format!("【预设】绕行 {via}，{route_km} 公里"),
        ),
        Trouble::Lie { probe, by } => lang.pick(
            format!("PLANTED clock of {probe} lies by {by}"),
            format!("【预设】{probe} 时钟谎报 {by}"),
        ),
        Trouble::Near { .. } => lang.pick(
            "PLANTED truth near its target".into(),
            "【预设】真值紧贴目标".into(),
        ),
    }
}

fn millis(span: Nanos) -> String {
    if span == Nanos::MAX {
        "∞".to_owned()
    } else {
        format!("{:.3}", span.as_millis_f64())
    }
}

fn interval(delay: OneWayDelay) -> String {
    format!("{} … {}", millis(delay.lo), millis(delay.hi))
}

/// One line of cells, cut at the room's width and without blanks at its end.
fn push_line(text: &mut String, cells: &[Cell], columns: usize, paint: Paint) {
    let mut left = columns;
    let mut line = String::new();
    for (cell, style) in cells {
        let mut cut = String::new();
        for c in cell.chars() {
            let width = c.width().unwrap_or(0);
            if width > left {
                left = 0;
                break;
            }
            left -= width;
            cut.push(c);
        }
        if paint == Paint::Colour && !style.is_empty() {
            line.extend([*style, cut.as_str(), PLAIN]);
        } else {
            line.push_str(&cut);
        }
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::delay::Basis;
    use owl_measure::time::Timestamp;
    use owl_measure::verdict::{EvidenceClass, Reason};

    use crate::comparison::{Seat, Told};

    fn compared(state: State, reason: Option<Reason>) -> Compared {
        let (lo, hi) = (Nanos::from_micros(900), Nanos::from_micros(955));
        Compared {
            told: Told {
                path: "a~b".into(),
                target: Nanos::from_millis(1),
                state,
                reason,
                detail: None,
                evidence: reason.is_none().then_some(EvidenceClass::C),
                delay: Some(OneWayDelay {
                    lo,
                    hi,
                    basis: Basis::Claimed,
                }),
                window_start: Timestamp(0),
                window: Nanos::from_secs(10),
                judged_at: Timestamp(1),
                sent: 100,
                received: 100,
                seat: None,
            },
            truth: Some(WindowTruth {
                sent: 100,
                lost: 0,
                quantile: Nanos::from_micros(925),
            }),
            against: Against::Right,
            seat: Seat::Own,
        }
    }

    fn row<'a>(latest: Option<&'a Compared>, troubles: Vec<&'a Trouble>) -> Row<'a> {
        Row {
            from: "yannan-ct",
            to: "b",
            target: Nanos::from_millis(1),
            troubles,
            lately: None,
            latest,
        }
    }

    #[track_caller]
    fn check(lang: Lang, columns: usize, rows: Option<usize>, expected: &str) {
        let (met, near) = (
            compared(State::Met, None),
            compared(State::Undecided, Some(Reason::Clock)),
        );
        let trouble = Trouble::Near {
            path: "a~b".into(),
            within: Nanos(1),
        };
        let view = View {
            head: vec![lang.pick("SIMULATED", "模拟").into()],
            rows: vec![
                row(Some(&met), vec![]),
                row(None, vec![]),
                row(Some(&near), vec![&trouble]),
            ],
            foot: vec!["end".into()],
        };
        assert_eq!(
            draw(&view, Room { columns, rows }, Paint::Plain, lang),
            expected
        );
    }

    #[test]
    fn troubled_paths_come_first_and_columns_line_up_also_under_chinese() {
        check(
            Lang::En,
            80,
            None,
            "SIMULATED
path           target  true p95  judged p95 in ms  verdict      evidence  remark
yannan-ct → b   1.000     0.925     0.900 … 0.955  ? undecided            PLANTE
yannan-ct → b   1.000     0.925     0.900 … 0.955  ✓ met        C
yannan-ct → b   1.000         …                 …  …
end
",
        );
        check(
            Lang::Zh,
            90,
            None,
            "模拟
路径            目标  真实 p95  判定 p95 (ms)  判定        证据  说明
yannan-ct → b  1.000     0.925  0.900 … 0.955  ? 无法判定        【预设】真值紧贴目标；时
yannan-ct → b  1.000     0.925  0.900 … 0.955  ✓ 达标      C
yannan-ct → b  1.000         …              …  …
end
",
        );
    }

    #[test]
    fn a_low_terminal_shows_what_fits_and_says_how_much_is_missing() {
        let (met, view_rows) = (compared(State::Met, None), 5);
        let rows = (0..view_rows).map(|_| row(Some(&met), vec![])).collect();
        let view = View {
            head: vec!["h".into()],
            rows,
            foot: vec![],
        };
        let text = draw(
            &view,
            Room {
                columns: 40,
                rows: Some(6),
            },
            Paint::Plain,
            Lang::En,
        );
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.ends_with("… 3 more paths on the page\n"), "{text}");
        assert!(text.lines().all(|line| line.width() <= 40), "{text}");
    }

    #[test]
    fn colour_is_added_to_words_and_never_stands_alone() {
        let missed = compared(State::Missed, None);
        let view = View {
            head: vec![],
            rows: vec![row(Some(&missed), vec![])],
            foot: vec![],
        };
        let room = Room {
            columns: 120,
            rows: None,
        };
        let text = draw(&view, room, Paint::Colour, Lang::Zh);
        assert!(text.contains("\x1b[31m✗ 未达标"), "{text}");
        assert!(!draw(&view, room, Paint::Plain, Lang::Zh).contains('\x1b'));
    }
}
