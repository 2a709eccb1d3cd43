//! Lines that the result of every protocol has, for a person.

use owl_measure::clock::ClockState;
use owl_measure::summary::StampCounts;
use owl_measure::time::Nanos;
use owl_measure::words::Lang;

use crate::command::own_clock;

/// What the two clocks claim.
pub(super) fn clocks(own: &ClockState, far: Option<Nanos>, lang: Lang) -> String {
    let own = own_clock::sentence(own, lang);
    let far = match far {
        Some(bound) => lang.pick(
            format!("within {bound} of UTC, it says"),
            format!("自称与 UTC 相差不超过 {bound}"),
        ),
        None => lang.pick("no claim", "不作声明").to_owned(),
    };
    lang.pick(
        format!("clocks: here {own}; there {far}"),
        format!("时钟：本端{own}；远端{far}"),
    )
}

/// What limits the certainty.
pub(super) fn limit(sentence: &str, lang: Lang) -> String {
    lang.pick(
        format!("what limits the certainty: {sentence}"),
        format!("确定性受限于：{sentence}"),
    )
}

/// How many stamps are the kernel's.
pub(super) fn stamps(counts: StampCounts, lang: Lang) -> String {
    let all = counts.hardware + counts.kernel + counts.user;
    lang.pick(
        format!("kernel {}/{all}", counts.kernel),
        format!("内核 {}/{all}", counts.kernel),
    )
}

/// The rest of a line of counts: those that are not zero.
pub(super) fn rest<const COUNTS: usize>(counts: [(u64, &str); COUNTS], lang: Lang) -> String {
    let each = counts.into_iter().filter(|(count, _)| *count > 0);
    each.map(|(count, name)| lang.pick(format!(", {count} {name}"), format!("，{name} {count}")))
        .collect()
}
