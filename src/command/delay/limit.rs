//! What limits the certainty of a one-way delay: one sentence, the weightiest reason.

use owl_measure::clock::SIGMAS;
use owl_measure::sample::Direction;
use owl_measure::time::Nanos;
use owl_measure::verdict::window::Claims;
use owl_measure::verdict::{Claim, Quantile};
use owl_measure::words::Lang;

use super::findings::Findings;

/// The weightiest reason why a one-way delay is not known better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// Nothing came back.
    NoReply,
    /// Round trips are shorter than light needs for the stated distance.
    Distance,
    /// So many packets are gone, nobody knows which way, that the shown quantiles may be theirs.
    Loss,
    /// With the clocks' claims, a packet was faster than light.
    Contradiction,
    /// The clocks: their two bounds together, and how much of that is three standard deviations of what is random.
    Bounds { bound: Nanos, random: Nanos },
    /// This clock's bound was declared, but the kernel says that nothing disciplines the clock.
    OwnFree,
    /// This clock claims nothing.
    OwnSilent,
    /// The far clock claims nothing.
    FarSilent,
    /// Neither claims anything.
    BothSilent,
}

impl Limit {
    pub(super) fn of(found: &Findings) -> Self {
        let own = found.own_clock.bound_at(found.own_clock.as_of);
        let far = found.counts.peer_clock.bound();
        let evidence = found.evidence(Direction::Forward);
        match evidence.claim {
            _ if found.counts.received == 0 => Self::NoReply,
            _ if found.faster_than_light() => Self::Distance,
            _ if !evidence.is_observed(evidence.ranks(Quantile::P95)) => Self::Loss,
            _ if found.claims == Claims::Withdrawn => Self::Contradiction,
            Claim::Clocks(clocks) => Self::Bounds {
                bound: clocks.uncertainty(),
                random: evidence.random.times(SIGMAS),
            },
            _ if own.is_none() && found.own_clock.bound.is_some() => Self::OwnFree,
            _ if own.is_none() && far.is_none() => Self::BothSilent,
            _ if own.is_none() => Self::OwnSilent,
            _ => Self::FarSilent,
        }
    }

    /// For programs.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::NoReply => "no-reply",
            Self::Distance => "distance",
            Self::Loss => "loss",
            Self::Contradiction => "contradiction",
            Self::Bounds { .. } => "clock-bounds",
            Self::OwnFree => "own-clock-free",
            Self::OwnSilent => "own-clock-silent",
            Self::FarSilent => "far-clock-silent",
            Self::BothSilent => "both-clocks-silent",
        }
    }

    /// For a person.
    pub(super) fn sentence(self, lang: Lang) -> String {
        match self {
            Self::NoReply => lang.pick("nothing came back", "没有收到任何应答").to_owned(),
            Self::Distance => lang
                .pick(
                    "round trips are shorter than light needs for --distance there and back: the distance is wrong",
                    "往返时延小于光按 --distance 往返所需的时间：距离有误",
                )
                .to_owned(),
            Self::Loss => lang
                .pick(
                    "too many packets have no known fate, so the 95th percentile may be that of a lost one; no clock can help",
                    "去向不明的报文过多，95 分位可能落在丢失的报文上；时钟再准也无济于事",
                )
                .to_owned(),
            Self::Contradiction => lang
                .pick(
                    "a clock's claim contradicts the measurement (a packet would have been faster than light), so no claim is used",
                    "时钟声明与测量结果矛盾（报文快于光速），因此不采用任何声明",
                )
                .to_owned(),
            Self::Bounds { bound, random } => lang.pick(
                format!("the two clocks' bounds, ±{bound} together, {random} of it three standard deviations of what is random; backward, nothing bounds T3 from below"),
                format!("两端时钟误差界合计 ±{bound}，其中 {random} 为随机部分的三倍标准差；反向的 T3 没有可证明的下界"),
            ),
            Self::OwnFree => lang
                .pick(
                    "the kernel says that nothing disciplines this host's clock, so its --clock-bound is not believed; one-way delay is only known to lie between light and round trip (`owl doctor` says how to mend it)",
                    "内核表明本机时钟未被同步，故不采信其 --clock-bound；单向时延仅知介于光速下限与往返时延之间（`owl doctor` 给出修复方法）",
                )
                .to_owned(),
            Self::OwnSilent => lang
                .pick(
                    "this host's clock claims nothing, so one-way delay is only known to lie between light and round trip; declare --clock-bound here",
                    "本机时钟不作声明，单向时延仅知介于光速下限与往返时延之间；请在本端给出 --clock-bound",
                )
                .to_owned(),
            Self::FarSilent => lang
                .pick(
                    "the far clock claims nothing, so one-way delay is only known to lie between light and round trip; declare --clock-bound for `owl reflect`",
                    "远端时钟不作声明，单向时延仅知介于光速下限与往返时延之间；请为远端 `owl reflect` 给出 --clock-bound",
                )
                .to_owned(),
            Self::BothSilent => lang
                .pick(
                    "neither clock claims anything, so one-way delay is only known to lie between light and round trip; declare --clock-bound on both ends to narrow it",
                    "两端时钟均不作声明，单向时延仅知介于光速下限与往返时延之间；请在两端给出 --clock-bound 以缩小区间",
                )
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::delay::findings::tests::{HONEST, Path};

    #[test]
    fn the_weightiest_reason_is_named() {
        let limit = |path: Path| Limit::of(&path.findings());
        assert_eq!(limit(HONEST), Limit::BothSilent);
        assert_eq!(
            limit(Path {
                bound: Some(10),
                ..HONEST
            })
            .code(),
            "clock-bounds"
        );
        assert_eq!(
            limit(Path {
                bound: Some(10),
                theta: 3_000,
                ..HONEST
            }),
            Limit::Contradiction
        );
        assert_eq!(
            limit(Path {
                floor: 2_000,
                ..HONEST
            }),
            Limit::Distance
        );
    }
}
