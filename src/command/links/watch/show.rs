//! What an interface carried, for a person and for a program.

use owl_measure::counter::percentile95::IntervalRate;
use owl_measure::counter::{Carried, PEAK_WINDOWS, Refresh};
use owl_measure::words::Lang;
use owl_probe::links::Sampled;
use serde_json::{Value, json};

use crate::command::links::per_second::{per_second, unit};
use crate::terminal::{Side, Table};

/// The last second, and the highest peaks so far.
pub(super) fn line(last: Option<&Sampled>, now: &Sampled, lang: Lang) -> String {
    let words = [lang.pick("received", "接收"), lang.pick("sent", "发送")];
    let each = [0, 1].map(|way| {
        let all = &now.carried[way];
        let (octets, known) = match last.map(|last| &last.carried[way]) {
            Some(before) => (
                all.octets - before.octets.min(all.octets),
                all.known - before.known,
            ),
            None => (all.octets, all.known),
        };
        let bps = 8.0 * octets as f64 / known.as_secs_f64().max(1e-9);
        let (scale, name) = unit(bps);
        let peak = all.peaks[0].map_or_else(String::new, |peak| {
            let (scale, name) = unit(peak.bps);
            format!(
                " ({} {:.2} {name})",
                lang.pick("1 ms peak", "1 ms 峰值"),
                peak.bps / scale
            )
        });
        format!("{} {:.2} {name}{peak}", words[way], bps / scale)
    });
    each.join("  ")
}

pub(super) fn text(interface: &str, speed: Option<u64>, sampled: &Sampled, lang: Lang) -> String {
    let carried = &sampled.carried;
    let mut table = Table::new(&[
        ("", Side::Left),
        (lang.pick("received", "接收"), Side::Right),
        (lang.pick("sent", "发送"), Side::Right),
    ]);
    let mut row = |name: String, each: [String; 2]| {
        let [received, sent] = each;
        table.row([name, received, sent]);
    };
    let of = |tell: &dyn Fn(&Carried) -> String| carried.each_ref().map(tell);
    row(
        lang.pick("mean", "均值").to_owned(),
        of(&|one| {
            one.mean.map_or_else(none, |mean| {
                let (rate, error) = per_second(mean.bps, mean.u_bps);
                format!("{rate} {error}")
            })
        }),
    );
    for (place, window) in PEAK_WINDOWS.iter().enumerate() {
        let ms = window.0 / 1_000_000;
        row(
            lang.pick(format!("peak {ms} ms"), format!("{ms} ms 峰值")),
            of(&|one| one.peaks[place].map_or_else(none, |rate| peak(rate, lang))),
        );
    }
    row(
        lang.pick("octets", "字节").to_owned(),
        of(&|one| one.octets.to_string()),
    );
    row(
        lang.pick("frames", "帧").to_owned(),
        of(&|one| one.frames.to_string()),
    );
    row(
        lang.pick("errors", "错误").to_owned(),
        sampled.errors.map(|count| count.to_string()),
    );
    row(
        lang.pick("dropped", "丢弃").to_owned(),
        sampled.dropped.map(|count| count.to_string()),
    );
    let (known, readings, skipped) = (carried[0].known, carried[0].readings, sampled.skipped);
    let speed = speed.map_or_else(
        || lang.pick("speed not told", "速率未知").to_owned(),
        |bps| {
            let (scale, name) = unit(bps as f64);
            format!("{} {name}", bps as f64 / scale)
        },
    );
    let mut text = lang.pick(
        format!("{interface} ({speed}): {readings} readings in {known}, {skipped} slept through\n{table}"),
        format!("{interface}（{speed}）：{known} 内读数 {readings} 次，错过 {skipped} 次\n{table}"),
    );
    for (one, en, zh) in [
        (&carried[0], "received", "接收"),
        (&carried[1], "sent", "发送"),
    ] {
        let told = match one.refresh {
            Refresh::Live => None,
            Refresh::Copied(age) => Some(lang.pick(
                format!("{en}: the driver refreshes its counter only now and then (it stood still for up to {age}); shorter peaks cannot be seen"),
                format!("{zh}：驱动仅间歇刷新计数器（最长静止 {age}）；更短的峰值无法观察"),
            )),
            Refresh::Untold => Some(lang.pick(
                format!("{en}: too few frames passed to tell whether the counter is kept up to date; no peaks are told"),
                format!("{zh}：通过的帧太少，无法判断计数器是否实时；不给出峰值"),
            )),
        };
        let broke = (one.breaks > 0).then(|| {
            let breaks = one.breaks;
            lang.pick(
                format!(
                    "{en}: the counter began anew {breaks} times; the time across is not known"
                ),
                format!("{zh}：计数器重新开始 {breaks} 次；其间情况未知"),
            )
        });
        for line in [told, broke].into_iter().flatten() {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn none() -> String {
    "–".to_owned()
}

/// A peak with its bounds in one unit.
fn peak(peak: IntervalRate, lang: Lang) -> String {
    let (scale, name) = unit(peak.bps);
    let [seen, least, most] = [peak.bps, peak.at_least, peak.at_most].map(|bps| bps / scale);
    lang.pick(
        format!("{seen:.3} {name} ({least:.3} to {most:.3})"),
        format!("{seen:.3} {name}（{least:.3} 至 {most:.3}）"),
    )
}

pub(super) fn json(interface: &str, speed_bps: Option<u64>, sampled: &Sampled) -> String {
    let way = |way: usize| {
        let one = &sampled.carried[way];
        let (refresh, stood_still_s) = match one.refresh {
            Refresh::Live => ("live", None),
            Refresh::Copied(age) => ("copied", Some(age.as_secs_f64())),
            Refresh::Untold => ("untold", None),
        };
        let peak = |place: usize| {
            one.peaks[place].map_or(Value::Null, |peak| {
                json!({ "bps": peak.bps, "at_least_bps": peak.at_least, "at_most_bps": peak.at_most })
            })
        };
        json!({
            "bytes": one.octets.to_string(),
            "frames": one.frames.to_string(),
            "known_s": one.known.as_secs_f64(),
            "mean": one.mean.map(|mean| json!({ "bps": mean.bps, "u_bps": mean.u_bps })),
            "peak_1ms": peak(0),
            "peak_10ms": peak(1),
            "peak_100ms": peak(2),
            "refresh": refresh,
            "stood_still_s": stood_still_s,
            "breaks": one.breaks,
            "errors": sampled.errors[way],
            "dropped": sampled.dropped[way],
        })
    };
    let told = json!({
        "interface": interface,
        "speed_bps": speed_bps,
        "readings": sampled.carried[0].readings,
        "skipped": sampled.skipped,
        "received": way(0),
        "sent": way(1),
    });
    format!("{told}\n")
}
