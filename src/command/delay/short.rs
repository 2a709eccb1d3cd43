//! Measurements that are too short to judge what they are asked to judge.

use owl_measure::time::Nanos;
use owl_measure::verdict::ranks::min_samples;
use owl_measure::words::Lang;

use super::Args;
use crate::command::duration::written;

impl Args {
    /// What is said before a measurement that is too short to judge the quantile, with the mend.
    pub(super) fn too_short(&self, lang: Lang) -> Option<String> {
        self.max_delay?;
        let (packets, needed) = (self.packets(), min_samples(self.quantile));
        if packets >= needed {
            return None;
        }
        let quantile = self.quantile;
        let second = Nanos::from_secs(1).0;
        let seconds = needed.saturating_mul(self.interval.0.unsigned_abs());
        let seconds = i64::try_from(seconds.div_ceil(second.unsigned_abs())).unwrap_or(i64::MAX);
        let mend = match self.count {
            Some(_) => format!("--count {needed}"),
            None => format!("--duration {}", written(Nanos(second).times(seconds))),
        };
        Some(lang.pick(
            format!("too short to judge {quantile}: {packets} packets, and {needed} are needed, so the verdict will be undecided; `{mend}` is long enough\n"),
            format!("时长不足以判定 {quantile}：只有 {packets} 个报文，至少需要 {needed} 个，结论将为无法判定；`{mend}` 即可\n"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::delay::tests::args;

    #[test]
    fn a_measurement_too_short_to_judge_says_so_with_the_mend() {
        let said = |line: &str| args(line).unwrap().too_short(Lang::En);
        for (line, mend) in [
            ("h --max-delay 1ms --duration 5s", "`--duration 8s`"),
            ("h --max-delay 1ms --count 71", "`--count 72`"),
            ("h --max-delay 1ms --quantile 0.99", "`--duration 37s`"),
        ] {
            assert!(said(line).unwrap().contains(mend), "{line}");
        }
        for line in [
            "h --duration 1s",
            "h --max-delay 1ms",
            "h --max-delay 1ms --count 72",
            "h --max-delay 1ms --duration 0s",
        ] {
            assert_eq!(said(line), None, "{line}");
        }
    }
}
