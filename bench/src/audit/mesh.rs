//! What a simulated mesh lets be seen, as the audit takes it. The truth stays behind.

use owl_measure::clock::mesh::{ClaimAt, Exchange, Mesh, MeshProbe, Session, StampErrors};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::RunTarget;
use owl_sim::mesh::{Seen, Stamps};

/// The audit's input from what may be seen.
pub fn mesh_of(seen: &Seen) -> Mesh {
    let mut probes = vec![MeshProbe::default(); seen.probes.len()];
    for claim in &seen.claims {
        probes[claim.probe].claims.push(ClaimAt {
            at: Timestamp(claim.at_ns),
            bound: claim.bound_ns.map(Nanos),
        });
    }
    let mut sessions: Vec<Session> = Vec::new();
    for seen in &seen.exchanges {
        let (from, to) = (seen.from, seen.to);
        if sessions
            .last()
            .is_none_or(|last| (last.from, last.to) != (from, to))
        {
            sessions.push(Session {
                from,
                to,
                exchanges: Vec::new(),
            });
        }
        if let Some(session) = sessions.last_mut() {
            session.exchanges.push(Exchange {
                t1: Timestamp(seen.t1_ns),
                t2: seen.t2_ns.map(Timestamp),
                t3: seen.t3_ns.map(Timestamp),
                t4: seen.t4_ns.map(Timestamp),
            });
        }
    }
    Mesh {
        probes,
        sessions,
        floors: seen
            .min_km
            .iter()
            .map(|row| row.iter().map(|&km| light(km)).collect())
            .collect(),
        stamps: match seen.stamps {
            Stamps::Hardware => StampErrors::HARDWARE,
            Stamps::Software => StampErrors::SOFTWARE,
        },
    }
}

/// Light in vacuum over so many kilometres, rounded down.
pub(super) fn light(km: f64) -> Nanos {
    Nanos((km / 299_792.458 * 1e9).floor() as i64)
}

/// A table of targets as the judge takes them.
pub fn targets_of(targets_ns: &[Vec<Option<i64>>]) -> Vec<RunTarget> {
    let mut targets = Vec::new();
    for (from, row) in targets_ns.iter().enumerate() {
        for (to, target) in row.iter().enumerate() {
            targets.extend(target.map(|target| RunTarget {
                from,
                to,
                target: Nanos(target),
            }));
        }
    }
    targets
}
