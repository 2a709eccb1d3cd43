//! Maintenance: windows that can be true, and announced before they begin.

use std::collections::BTreeMap;

use owl_measure::time::Nanos;

use crate::diagnostic::{Code, Diagnostic, text};
use crate::id::LinkId;
use crate::model::{Maintenance, Topology};

/// Two windows of one link may overlap for this long at most.
const OVERLAP_MAX: Nanos = Nanos::from_secs(24 * 3_600);

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let mut earlier: BTreeMap<&LinkId, Vec<&Maintenance>> = BTreeMap::new();
    for window in &topology.maintenances {
        let id = &window.id;
        if window.end <= window.start {
            found.push(Diagnostic {
                code: Code::E140,
                place: window.places.key("end").clone(),
                message: text!(
                    "maintenance \"{id}\" ends before it starts",
                    "维护窗口“{id}”的结束早于开始"
                ),
                hint: text!(
                    "check the dates and their offsets from UTC",
                    "请检查日期及其 UTC 偏移"
                ),
            });
        }
        if window.declared_at > window.start {
            let late = window.declared_at - window.start;
            found.push(Diagnostic {
                code: Code::W141,
                place: window.places.key("declared_at").clone(),
                message: text!(
                    "maintenance \"{id}\" was declared {late} after it had begun",
                    "维护窗口“{id}”在开始 {late} 之后才申报",
                ),
                hint: text!(
                    "reports will show it as retroactive, with and without the exclusion",
                    "报告将标为追溯申报，并同时给出剔除前后的数字",
                ),
            });
        }
        for (index, link) in window.links.iter().enumerate() {
            let overlaps = |other: &&&Maintenance| {
                window.end.min(other.end) - window.start.max(other.start) > OVERLAP_MAX
            };
            // The first one is enough to mend it, and bounds what is told.
            if let Some(other) = earlier.get(link).into_iter().flatten().find(overlaps) {
                let other = &other.id;
                found.push(Diagnostic {
                        code: Code::E140,
                        place: window.places.item("links", index).clone(),
                        message: text!(
                            "maintenance \"{id}\" overlaps \"{other}\" on link \"{link}\" for more than a day",
                            "维护窗口“{id}”与“{other}”在链路“{link}”上重叠超过一天",
                        ),
                        hint: text!("make one window of the two", "请合并为一个窗口"),
                    });
            }
            earlier.entry(link).or_default().push(window);
        }
    }
}
