//! A period in words: one wording for the page and for the command.

use jiff::tz::TimeZone;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::period::{Ends, Outcome, Share};
use owl_measure::words::Lang;

use super::ComplianceAnswer;

impl ComplianceAnswer {
    /// Which period it is, in local time, and up to where it is judged.
    pub fn heading(&self, lang: Lang) -> String {
        let zone = TimeZone::get(&self.timezone).unwrap_or(TimeZone::UTC);
        let local = |at: Timestamp| {
            jiff::Timestamp::from_nanosecond(i128::from(at.0))
                .map(|at| {
                    at.to_zoned(zone.clone())
                        .strftime("%Y-%m-%d %H:%M")
                        .to_string()
                })
                .unwrap_or_default()
        };
        let running = if self.until < self.end {
            lang.pick(" (not over yet)", "（尚未结束）")
        } else {
            ""
        };
        format!(
            "{} · {} – {} {}{running}",
            self.period,
            local(self.start),
            local(self.until),
            self.timezone
        )
    }
}

/// What a rule compares, each number with what is required of it.
pub fn compared(outcome: &Outcome, lang: Lang) -> Vec<String> {
    let required = |share: f64| format!("{} %", (share * 1e6).round() / 1e4);
    let mut lines = Vec::new();
    let mut share = |name: &str, share: &Share| {
        let (ends, required) = (percents((share.lo, share.hi)), required(share.required));
        lines.push(lang.pick(
            format!("{name}{ends} of windows (≥ {required})"),
            format!("{name}窗口占比 {ends}（≥ {required}）"),
        ));
        if let Some(confidence) = share.confidence {
            lines.push(lang.pick(
                format!("95 % interval by hours {}", percents(confidence)),
                format!("按小时 95 % 区间 {}", percents(confidence)),
            ));
        }
    };
    if let Some(all) = &outcome.share {
        share("", all);
    }
    if let Some(busy) = &outcome.busy_share {
        share(lang.pick("busy hours ", "忙时"), busy);
    }
    if let Some(packets) = &outcome.packet_share {
        let (ends, required) = (
            percents((packets.lo, packets.hi)),
            required(packets.required),
        );
        lines.push(lang.pick(
            format!("{ends} of packets (≥ {required})"),
            format!("报文占比 {ends}（≥ {required}）"),
        ));
    }
    if let Some(run) = &outcome.run {
        let (certain, possible) = (run.certain, run.possible);
        lines.push(lang.pick(
            format!("days in a row above it: {certain} for certain, {possible} at most"),
            format!("连续超标天数：确定 {certain}，至多 {possible}"),
        ));
    }
    // A rule about neither windows nor packets is about these two, or about days of the first.
    let of_delays = outcome.share.is_none() && outcome.packet_share.is_none();
    if let Some(mean) = outcome.mean.filter(|_| of_delays) {
        lines.push(format!("{} {}", lang.pick("mean", "平均"), interval(mean)));
    }
    if let Some(min) = outcome.min.filter(|_| of_delays && outcome.run.is_none()) {
        lines.push(format!("{} {}", lang.pick("best", "最佳"), interval(min)));
    }
    if outcome.tally.severe > 0 {
        let count = outcome.tally.severe;
        lines.push(lang.pick(
            format!("{count} windows severely above it"),
            format!("{count} 个窗口严重超标"),
        ));
    }
    lines
}

fn interval(ends: Ends) -> String {
    let hi = if ends.hi == Nanos::MAX {
        "∞".to_owned()
    } else {
        format!("{} ms", ends.hi.millis_up())
    };
    format!("{} … {hi}", ends.lo.millis_down())
}

/// Two ends in percent, rounded away from each other so that neither says too much.
pub(crate) fn percents((lo, hi): (f64, f64)) -> String {
    // A share such as 0.58 is not exact in binary; what is within a millionth of a hundredth is that hundredth.
    let (down, up) = (
        (lo * 1e4 + 1e-6).floor() / 1e2,
        (hi * 1e4 - 1e-6).ceil() / 1e2,
    );
    if lo == hi && up - down < 0.005 {
        format!("{down:.2} %")
    } else {
        format!("{down:.2} – {up:.2} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_rounded_outwards_and_never_to_what_is_required() {
        for (ends, said) in [
            ((0.95, 0.95), "95.00 %"),
            ((0.58, 0.58), "58.00 %"),
            ((1.0, 1.0), "100.00 %"),
            ((0.0, 1.0), "0.00 – 100.00 %"),
            ((0.949_999, 0.949_999), "94.99 – 95.00 %"),
            ((0.98, 0.990_001), "98.00 – 99.01 %"),
        ] {
            assert_eq!(percents(ends), said, "{ends:?}");
        }
    }
}
