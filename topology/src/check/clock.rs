//! Clocks: whether a probe can decide what it is asked to judge.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic, text};
use crate::model::{PathClass, Probe, Topology};
use crate::plan::ReflectorKind;

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    for claim in topology.claims() {
        for (probe, _) in [claim.from, claim.to] {
            if seen.insert((&probe.id, &claim.class.id)) {
                found.extend(judge(probe, claim.class));
            }
        }
    }
}

fn judge(probe: &Probe, class: &PathClass) -> Option<Diagnostic> {
    // A router's clock is what it is; without it the round trip still proves something.
    if probe.reflector != ReflectorKind::Owl {
        return None;
    }
    let (id, source, bound) = (&probe.id, probe.clock.source, probe.clock.max_u95);
    let (class, target) = (&class.id, class.target);
    let place = probe.places.key("clock.max_u95").clone();
    let (quarter, tenth) = (target.0 / 4, target.0 / 10);
    if bound.0 > quarter {
        let needed = owl_measure::time::Nanos(quarter);
        Some(Diagnostic {
            code: Code::E150,
            place,
            message: text!(
                "probe \"{id}\": a clock of {source} within {bound} cannot decide \"{class}\" with its target of {target}",
                "探针“{id}”：{source} 时钟不确定度 {bound}，无法判定目标为 {target} 的“{class}”",
            ),
            hint: text!(
                "it needs {needed} or better: GNSS or PTP",
                "须达到 {needed} 或更好：GNSS 或 PTP"
            ),
        })
    } else if bound.0 > tenth {
        let needed = owl_measure::time::Nanos(tenth);
        Some(Diagnostic {
            code: Code::W151,
            place,
            message: text!(
                "probe \"{id}\": a clock of {source} within {bound} may leave intervals of \"{class}\" undecided (target {target})",
                "探针“{id}”：{source} 时钟不确定度 {bound}，可能使“{class}”（目标 {target}）的部分时段无法判定",
            ),
            hint: text!(
                "evidence of class A takes {needed} or better",
                "A 类证据要求 {needed} 或更好"
            ),
        })
    } else {
        None
    }
}
