//! The flows of a plan: each is a session with a source port of its own, so that
//! routers which balance load over equal-cost paths may send each another way.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use owl_measure::time::{Monotonic, Nanos};
use owl_protocol::session::Schedule;
use owl_topology::{Plan, PlannedSession};

/// One flow of one session of a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow<'a> {
    pub(crate) session: &'a PlannedSession,
    /// From 0.
    pub(crate) number: u32,
    /// STAMP session identifier.
    pub(crate) ssid: u16,
}

/// All flows of a plan: the first of every session, then the second ones and so on. So a path has its first flow
/// before another has its second when there are too many, and the identifier of a first flow is its place in the plan
/// whatever the others are. There are no more than identifiers.
pub(crate) fn all(plan: &Plan) -> impl Iterator<Item = Flow<'_>> {
    let most = plan.sessions.iter().map(PlannedSession::flow_count).max();
    (0..most.unwrap_or(0))
        .flat_map(|number| {
            let sessions = plan.sessions.iter();
            sessions
                .filter(move |session| number < session.flow_count())
                .map(move |session| (session, number))
        })
        .zip(1_u16..=u16::MAX)
        .map(|((session, number), ssid)| Flow {
            session,
            number,
            ssid,
        })
}

impl Flow<'_> {
    /// When it sends: all flows of a session together keep its gap.
    pub(crate) fn schedule(&self, now: Monotonic) -> Schedule {
        let gap_ns = self.session.packet_interval_ns.max(1);
        let gap = Nanos(i64::try_from(gap_ns).unwrap_or(i64::MAX));
        let own_gap = gap.times(self.session.flow_count().into());
        // Sessions that began together would always send together: each has its own place within its gap.
        let mut hasher = DefaultHasher::new();
        self.session.path.hash(&mut hasher);
        let seed = hasher.finish();
        let start = now + Nanos((seed % gap_ns).cast_signed());
        match self.session.schedule() {
            owl_topology::Schedule::Periodic => {
                Schedule::periodic(own_gap, start + gap.times(self.number.into()))
            }
            // Poisson streams put together are one of their rates added up.
            owl_topology::Schedule::Poisson => {
                Schedule::poisson(own_gap, start, seed ^ u64::from(self.number))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(flows: &[u32]) -> Plan {
        let session = |(k, &flows): (usize, &u32)| PlannedSession {
            path: format!("a~{k}"),
            packet_interval_ns: 10_000_000,
            flows,
            ..PlannedSession::default()
        };
        Plan {
            sessions: flows.iter().enumerate().map(session).collect(),
            ..Plan::default()
        }
    }

    #[test]
    fn every_path_has_its_first_flow_before_any_has_its_second() {
        let plan = plan(&[1, 3, 0, 2]);
        let told: Vec<_> = all(&plan)
            .map(|flow| (flow.session.path.as_str(), flow.number, flow.ssid))
            .collect();
        let expected = [
            ("a~0", 0, 1),
            ("a~1", 0, 2),
            ("a~2", 0, 3),
            ("a~3", 0, 4),
            ("a~1", 1, 5),
            ("a~3", 1, 6),
            ("a~1", 2, 7),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn flows_share_the_packets_of_their_path_evenly() {
        let plan = plan(&[4]);
        let mut sent: Vec<(Monotonic, u32)> = all(&plan)
            .flat_map(|flow| {
                let mut schedule = flow.schedule(Monotonic(0));
                (0..25)
                    .map(|_| {
                        let at = schedule.next();
                        schedule.take(at).unwrap();
                        (at, flow.number)
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
        sent.sort_unstable();
        for (k, pair) in sent.windows(2).enumerate() {
            assert_eq!(pair[1].0 - pair[0].0, Nanos(10_000_000), "packet {k}");
            assert_eq!(pair[1].1, (pair[0].1 + 1) % 4, "packet {k}");
        }
    }
}
