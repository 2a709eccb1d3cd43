//! Why a verdict is undecided, in one wording for commands, pages and the API.

use super::{Reason, Verdict};
use crate::words::Lang;

impl Verdict {
    /// Whether the round trip was faster than light there and back: then no clock but a coordinate is wrong.
    pub fn coordinates_are_wrong(&self) -> bool {
        self.reason == Some(Reason::Contradiction) && self.delay.is_none()
    }

    /// Why it is undecided, as one sentence; `None` when it is decided.
    pub fn reason_sentence(&self, lang: Lang) -> Option<&'static str> {
        if self.coordinates_are_wrong() {
            return Some(lang.pick(
                "the round trip is faster than light allows, so the coordinates of a site are wrong, or the distance that was given",
                "往返时延小于光速所允许的下限，站点坐标有误，或所给距离有误",
            ));
        }
        self.reason.map(|reason| reason.sentence(lang))
    }
}
