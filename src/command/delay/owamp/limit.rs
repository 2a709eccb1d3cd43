//! What limits the certainty of a one-way delay that has no round trip: one sentence, the weightiest reason.

use owl_measure::time::Nanos;
use owl_measure::words::Lang;

use super::findings::Findings;

/// The weightiest reason why a one-way delay is not known better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// No packet came, either way.
    NothingCame,
    /// Packets came, but only outside of the loss threshold.
    OutOfTime,
    /// With the clocks' claims, a packet was faster than light.
    Contradiction,
    /// The clocks: their two bounds together.
    Bounds(Nanos),
    /// This clock's bound was declared, but the kernel says that nothing disciplines the clock.
    OwnFree,
    /// This clock claims nothing, whatever the other one does.
    OwnSilent,
    /// The far clock claims nothing.
    FarSilent,
}

impl Limit {
    pub(super) fn of(found: &Findings) -> Self {
        let out_of_time = found.ways.iter().any(|way| way.out_of_time > Some(0));
        let own = found.own_clock.bound_at(found.own_clock.as_of);
        match found.clocks() {
            _ if found.ways.iter().all(|way| way.received == 0) && out_of_time => Self::OutOfTime,
            _ if found.ways.iter().all(|way| way.received == 0) => Self::NothingCame,
            _ if found.withdrawn => Self::Contradiction,
            Some(clocks) => Self::Bounds(clocks.uncertainty()),
            None if own.is_none() && found.own_clock.bound.is_some() => Self::OwnFree,
            None if own.is_none() => Self::OwnSilent,
            None => Self::FarSilent,
        }
    }

    /// For programs.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::NothingCame => "nothing-came",
            Self::OutOfTime => "out-of-time",
            Self::Contradiction => "contradiction",
            Self::Bounds(_) => "clock-bounds",
            Self::OwnFree => "own-clock-free",
            Self::OwnSilent => "own-clock-silent",
            Self::FarSilent => "far-clock-silent",
        }
    }

    /// For a person.
    pub(super) fn sentence(self, lang: Lang) -> String {
        match self {
            Self::NothingCame => lang
                .pick(
                    "no packet came; where UDP comes through, the two clocks may be further apart than --timeout, which OWAMP takes for loss",
                    "没有收到任何报文；若 UDP 可达，则两端时钟之差可能超过 --timeout，OWAMP 视之为丢失",
                )
                .to_owned(),
            Self::OutOfTime => lang
                .pick(
                    "packets came, but none within --timeout of its T1: the two clocks are further apart than that; set them, or give a longer --timeout",
                    "报文已到达，但与其 T1 之差均超过 --timeout：两端时钟相差过大；请校准时钟，或增大 --timeout",
                )
                .to_owned(),
            Self::Contradiction => lang
                .pick(
                    "a clock's claim contradicts the measurement (a packet would have been faster than light), so no claim is used",
                    "时钟声明与测量结果矛盾（报文快于光速），因此不采用任何声明",
                )
                .to_owned(),
            Self::Bounds(bound) => lang.pick(
                format!("the two clocks' bounds, ±{bound} together, and nothing else: there is no round trip; backward, nothing bounds T1 from below"),
                format!("仅有两端时钟误差界，合计 ±{bound}：没有往返可用；反向的 T1 没有可证明的下界"),
            ),
            Self::OwnFree => lang
                .pick(
                    "the kernel says that nothing disciplines this host's clock, so its --clock-bound is not believed, and without a round trip nothing else bounds a one-way delay from above (`owl doctor` says how to mend it)",
                    "内核表明本机时钟未被同步，故不采信其 --clock-bound，而没有往返就没有其他上界（`owl doctor` 给出修复方法）",
                )
                .to_owned(),
            Self::OwnSilent => lang
                .pick(
                    "this host's clock claims nothing, and without a round trip nothing else bounds a one-way delay from above; declare --clock-bound here, or measure by STAMP or TWAMP",
                    "本机时钟不作声明，而没有往返就没有其他上界；请在本端给出 --clock-bound，或改用 STAMP 或 TWAMP 测量",
                )
                .to_owned(),
            Self::FarSilent => lang
                .pick(
                    "the far clock claims nothing, and without a round trip nothing else bounds a one-way delay from above; synchronise it, or measure by STAMP or TWAMP",
                    "远端时钟不作声明，而没有往返就没有其他上界；请同步远端时钟，或改用 STAMP 或 TWAMP 测量",
                )
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::delay::owamp::findings::tests::{HONEST, Path};

    #[test]
    fn the_weightiest_reason_is_named() {
        let limit = |path: Path| Limit::of(&path.findings()).code();
        assert_eq!(limit(HONEST), "clock-bounds");
        let silent = Path {
            bound: None,
            ..HONEST
        };
        assert_eq!(limit(silent), "own-clock-silent");
        let lying = Path {
            theta: 3_000,
            ..HONEST
        };
        assert_eq!(limit(lying), "contradiction");
        let deaf = Path {
            lost: 100,
            ..HONEST
        };
        assert_eq!(limit(deaf), "nothing-came");
    }
}
