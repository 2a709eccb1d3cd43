//! What decided a verdict, in words.

use owl_measure::time::Nanos;
use owl_measure::verdict::explanation::PathDirection;
use owl_measure::verdict::{EvidenceClass, Explanation, Ground, Leaning, Reason};
use owl_measure::words::Lang;

use super::text::{compared, percentile, us};

/// What decided, with its numbers; then the reason or the class that follows.
pub(super) fn lines(told: &Explanation, lang: Lang) -> Vec<String> {
    let verdict = &told.verdict;
    let mut lines = vec![decided(told, lang)];
    if let Some(delay) = verdict.delay
        && matches!(
            told.ground,
            Ground::NoClaim
                | Ground::Withdrawn
                | Ground::TooWide { .. }
                | Ground::Side
                | Ground::Straddles
        )
    {
        lines.insert(
            0,
            compared(verdict.state, delay.lo, delay.hi, verdict.target, lang),
        );
    }
    lines.extend(verdict.class.map(|class| class_line(class, told, lang)));
    lines.extend(verdict.reason.map(|reason| reason_line(reason, told, lang)));
    lines.extend(verdict.leaning.map(|leaning| leaning_line(leaning, lang)));
    lines
}

fn decided(told: &Explanation, lang: Lang) -> String {
    let counts = told.counts;
    match told.ground {
        Ground::NothingMeasured => lang.pick(
            "no packet came back, and none was lost in this direction for certain".into(),
            "没有报文返回，也没有报文确知在本方向丢失".into(),
        ),
        Ground::FasterThanLight { round_trip } => {
            let (floors, fastest) = (us(told.floors.forward + told.floors.backward), us(round_trip));
            lang.pick(
                format!("the fastest round trip {fastest} < F_ij + F_ji = {floors}: no clock explains that, so a coordinate is wrong"),
                format!("最快往返 {fastest} < F_ij + F_ji = {floors}：任何时钟误差都无法解释，坐标有误"),
            )
        }
        Ground::Coverage { least } => lang.pick(
            format!("{} packets were sent, and the profile asks for {least} at the least", counts.sent),
            format!("发送 {} 个报文，规则要求至少 {least} 个", counts.sent),
        ),
        Ground::Samples { least } => lang.pick(
            format!("{} packets came back, and the profile asks for {least} at the least", counts.received),
            format!("返回 {} 个报文，规则要求至少 {least} 个", counts.received),
        ),
        Ground::Side => lang.pick(
            "the whole interval lies on one side of the target".into(),
            "整个区间位于目标的同一侧".into(),
        ),
        Ground::NoClaim => lang.pick(
            "no believed clock narrows it: one of the two claims nothing".into(),
            "没有可信的时钟声明可缩小区间：至少一端不作声明".into(),
        ),
        Ground::Withdrawn => lang.pick(
            "the claims of these clocks are not used in this window, because packets contradict them".into(),
            "本窗口内不采用这两个时钟的声明，因为它们与报文矛盾".into(),
        ),
        Ground::FasterThanLightByClocks {
            direction,
            raw,
            floor,
        } => {
            let (raw, floor) = (us(raw), us(floor));
            let way = match direction {
                PathDirection::Along => lang.pick("along the path", "沿本路径"),
                PathDirection::Back => lang.pick("on the way back", "回程"),
            };
            lang.pick(
                format!("if both clocks kept their claims, a packet {way} was faster than light: raw difference {raw}, floor {floor}"),
                format!("若两端时钟声明均成立，则{way}有报文快于光速：原始差值 {raw}，下限 {floor}"),
            )
        }
        Ground::ClaimsExclude { clocks } => {
            let (lo, hi) = (us(clocks.at_least), us(clocks.at_most));
            lang.pick(
                format!("the believed claims exclude each other: θ would be {lo} at the least and {hi} at the most"),
                format!("所采信的声明相互排斥：θ 至少为 {lo}，又至多为 {hi}"),
            )
        }
        Ground::Empty => lang.pick(
            "the claims leave no interval beside the round trip, so one of them is false".into(),
            "时钟声明与往返时延之间不存在共同区间，因此声明有误".into(),
        ),
        Ground::TooWide { uncertainty } => {
            let (wide, quarter) = (us(uncertainty), us(Nanos(told.verdict.target.0 / 4)));
            lang.pick(
                format!("half the width of θ and e make {wide}, more than a quarter of the target ({quarter})"),
                format!("θ 半宽与 e 之和 {wide}，超过目标的四分之一（{quarter}）"),
            )
        }
        Ground::Straddles => lang.pick(
            "the claims narrow the interval, and not enough".into(),
            "时钟声明缩小了区间，但仍不足以判定".into(),
        ),
    }
}

fn class_line(class: EvidenceClass, told: &Explanation, lang: Lang) -> String {
    let e = told.stamp_error.map_or_else(|| "–".into(), us);
    let text = match class {
        EvidenceClass::A => lang.pick(
            format!("one-way, hardware stamps, half the width of θ and e (e = {e}) at most a tenth of the target"),
            format!("单向，硬件时间戳，θ 半宽与 e（e = {e}）之和不超过目标的十分之一"),
        ),
        EvidenceClass::B => lang.pick(
            "proved, without the claim of any clock".to_owned(),
            "已证明，不依赖任何时钟声明".to_owned(),
        ),
        EvidenceClass::D => lang.pick(
            "an estimate that no claim bears".to_owned(),
            "仅为估计，无声明支持".to_owned(),
        ),
        EvidenceClass::C => lang.pick(
            format!("one-way, half the width of θ and e (e = {e}) at most a quarter of the target"),
            format!("单向，θ 半宽与 e（e = {e}）之和不超过目标的四分之一"),
        ),
    };
    let code = class.code();
    lang.pick(
        format!("evidence class {code}: {text}"),
        format!("证据等级 {code}：{text}"),
    )
}

fn reason_line(reason: Reason, told: &Explanation, lang: Lang) -> String {
    let code = reason.code();
    let sentence = match reason {
        // Told by the interval where clocks were asked; here it is the packets that are missing.
        Reason::Samples if !matches!(told.ground, Ground::Samples { .. }) => {
            let (quantile, counts) = (percentile(told.counts.quantile), told.counts);
            lang.pick(
                format!(
                    "{quantile} may be the delay of one of the {} packets of unknown fate, which no clock can tell",
                    counts.unknown
                ),
                format!("{quantile} 可能属于去向不明的 {} 个报文之一，时钟无法回答", counts.unknown),
            )
        }
        reason => reason.sentence(lang).to_owned(),
    };
    lang.pick(
        format!("reason {code}: {sentence}"),
        format!("原因 {code}：{sentence}"),
    )
}

/// What an undecided interval leans to, which is no verdict.
fn leaning_line(leaning: Leaning, lang: Lang) -> String {
    let millionths = |ppm: u32, scale: f64| (f64::from(ppm) / scale).to_string();
    let mut line = lang.pick(
        format!(
            "no verdict, but it leans to {}: best estimate {}",
            leaning.label.word(lang),
            us(leaning.estimate)
        ),
        format!(
            "不构成判定，但倾向于{}：最佳估计 {}",
            leaning.label.word(lang),
            us(leaning.estimate)
        ),
    );
    if let Some(ppm) = leaning.conformance_ppm {
        let percent = millionths(ppm, 1e4);
        line.push_str(&lang.pick(
            format!(", met with a probability of {percent} % at the worst of the hard bounds"),
            format!("，在硬误差界最不利时达标概率 {percent} %"),
        ));
    }
    if let Some(ppm) = leaning.a_star_ppm {
        let share = millionths(ppm, 1e6);
        line.push_str(&format!(", a* = {share}"));
    }
    line
}
