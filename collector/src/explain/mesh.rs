//! What the audit of a window says of the clocks of one path, as an explanation tells it.

use owl_measure::clock::live::{ClockConflict, MeshFindings};
use owl_measure::clock::suspicion::{ProbeKind, ProbeVerdict};
use owl_measure::time::Nanos;
use owl_measure::words::Lang;
use serde::{Deserialize, Serialize};

use super::text::us;

/// The audit's word on a path's two clocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct MeshTold {
    /// Probes that were audited together with these, and they themselves.
    pub(super) probes: usize,
    /// The clock where the path begins, and where it ends; without those that nobody saw.
    pub(super) clocks: Vec<ClockOfMesh>,
    /// Pairs with one of them whose claims exclude each other, proved by packets and light.
    pub(super) conflicts: Vec<ClockConflict>,
    /// The search for the fewest faulty sources was cut: there may be simpler explanations.
    pub(super) cut: bool,
}

/// What the audit says of one clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ClockOfMesh {
    /// Its probe.
    pub(super) probe: String,
    /// The largest bound that it claimed in the window.
    #[serde(rename = "claim_ns", skip_serializing_if = "Option::is_none")]
    pub(super) claim: Option<Nanos>,
    /// Whether it is believed.
    pub(super) verdict: ProbeVerdict,
    /// Whether its claim is used.
    pub(super) stands: bool,
    /// What seems wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<ProbeKind>,
    /// Between which its error lies by packets, light and the claims of the others.
    #[serde(rename = "error_ns", skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<(Nanos, Nanos)>,
    /// Other probes that would explain the conflicts as well.
    pub(super) alternatives: Vec<String>,
}

impl MeshTold {
    pub(super) fn of(findings: &MeshFindings, path: &str) -> Self {
        let ends: Vec<&str> = path.split('~').collect();
        let clocks = ends.iter().filter_map(|end| {
            let found = findings.probes.get(*end)?;
            Some(ClockOfMesh {
                probe: found.probe.clone(),
                claim: found.claim,
                verdict: found.verdict,
                stands: found.stands,
                kind: found.kind,
                error: found.error,
                alternatives: found.alternatives.clone(),
            })
        });
        let ours = |conflict: &&ClockConflict| {
            ends.contains(&conflict.a.as_str()) || ends.contains(&conflict.b.as_str())
        };
        Self {
            probes: findings.probes.len(),
            clocks: clocks.collect(),
            conflicts: findings.conflicts.iter().filter(ours).cloned().collect(),
            cut: findings.cut,
        }
    }

    pub(super) fn lines(&self, lang: Lang) -> Vec<String> {
        let count = self.probes;
        let mut lines = vec![lang.pick(
            format!("{count} probes were audited in this window, from its own reports alone"),
            format!("仅依据本窗口自身的上报审计了 {count} 个探针"),
        )];
        lines.extend(self.clocks.iter().map(|clock| clock.line(lang)));
        for conflict in &self.conflicts {
            let ClockConflict {
                a,
                b,
                apart,
                claimed,
            } = conflict;
            let (apart, claimed) = (us(*apart), us(*claimed));
            lines.push(lang.pick(
                format!("{a} and {b} are {apart} apart at the least, and claim {claimed} at the most: one of them is wrong"),
                format!("{a} 与 {b} 至少相差 {apart}，而其声明至多相差 {claimed}：其中之一有误"),
            ));
        }
        if self.cut {
            lines.push(
                lang.pick(
                    "the search for the fewest faulty sources was cut: there may be simpler explanations",
                    "对最少故障时间源的搜索被截断：可能存在更简单的解释",
                )
                .to_owned(),
            );
        }
        lines
    }
}

impl ClockOfMesh {
    fn line(&self, lang: Lang) -> String {
        let verdict = match self.verdict {
            ProbeVerdict::Ok => lang.pick("nothing speaks against it", "无异常"),
            ProbeVerdict::Suspect => lang.pick("suspect", "可疑"),
            ProbeVerdict::Faulty => lang.pick("faulty", "故障"),
        };
        let mut line = format!("{}: {verdict}", self.probe);
        if let Some(kind) = self.kind {
            let kind = match kind {
                ProbeKind::Offset => lang.pick("further off than it claims", "偏差超出其声明"),
                ProbeKind::Step => lang.pick("stepped", "发生跳变"),
                ProbeKind::Drift => lang.pick("drifts", "发生漂移"),
                ProbeKind::Timescale => lang.pick("on another time scale", "采用了不同的时标"),
                ProbeKind::ClockOrAccessAsymmetry => {
                    lang.pick("clock or access link", "时钟或接入链路不对称")
                }
                ProbeKind::Contradiction => lang.pick("contradicts others", "与其他时钟矛盾"),
                ProbeKind::Coordinates => lang.pick("its coordinates are wrong", "坐标有误"),
            };
            line.push_str(&format!(" ({kind})"));
        }
        if let Some(claim) = self.claim {
            let claim = us(claim);
            line.push_str(&match self.stands {
                true => lang.pick(
                    format!("; its claim of {claim} stands"),
                    format!("；其 {claim} 的声明成立"),
                ),
                false => lang.pick(
                    format!("; its claim of {claim} is not used"),
                    format!("；其 {claim} 的声明不采用"),
                ),
            });
        } else {
            line.push_str(lang.pick("; it claims nothing", "；不作声明"));
        }
        if let Some((lo, hi)) = self.error {
            let (lo, hi) = (us(lo), us(hi));
            line.push_str(&lang.pick(
                format!("; by the others its error lies in {lo} … {hi}"),
                format!("；据其他探针，其误差介于 {lo} … {hi}"),
            ));
        }
        if !self.alternatives.is_empty() {
            let others = self.alternatives.join(", ");
            line.push_str(&lang.pick(format!("; or it is {others}"), format!("；或者是 {others}")));
        }
        line
    }
}
