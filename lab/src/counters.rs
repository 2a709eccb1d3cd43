//! Simulated traffic of the topology's ports: no device is read in a lab.
//!
//! Each port that some probe reads gets ten minutes of traffic, which begin anew
//! when they are over; a member of a bundle carries its part of the bundle's.

use std::collections::BTreeMap;

use owl_sim::counter::Traffic;
use owl_topology::{Port, Topology};
use serde::Serialize;

/// How long traffic is until it begins anew.
const ROUND_NS: i64 = 600_000_000_000;
/// What a port sends and receives on the mean, in thousandths of its speed.
const SENT: u64 = 350;
const RECEIVED: u64 = 120;

/// The traffic of one port, as a probe of the lab is told it: lengths in nanoseconds, rates in b/s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PortTraffic {
    received: Vec<(u64, u64)>,
    sent: Vec<(u64, u64)>,
}

impl PortTraffic {
    fn drawn(seed: u64, speed_bps: u64) -> Self {
        let way = |seed, share| Traffic::about(seed, speed_bps, ROUND_NS, share).pieces(ROUND_NS);
        Self {
            received: way(seed.wrapping_mul(2), RECEIVED),
            sent: way(seed.wrapping_mul(2).wrapping_add(1), SENT),
        }
    }

    /// What one of so many members carries of it.
    fn split(&self, members: u64) -> Self {
        let way = |pieces: &[(u64, u64)]| {
            let pieces = pieces.iter();
            pieces
                .map(|&(length, bps)| (length, bps / members.max(1)))
                .collect()
        };
        Self {
            received: way(&self.received),
            sent: way(&self.sent),
        }
    }
}

/// The traffic of every port that this probe reads from an agent.
pub(crate) fn ports(topology: &Topology, probe: &str, seed: u64) -> BTreeMap<String, PortTraffic> {
    let read_by = |port: &Port| {
        let device = topology.device(&port.device)?;
        let agent = device.addr.is_some() && device.probe.as_ref()?.as_str() == probe;
        agent.then_some(())
    };
    let drawn = |place: usize, port: &Port| {
        PortTraffic::drawn(
            seed.wrapping_mul(100_003).wrapping_add(place as u64),
            port.speed.0,
        )
    };
    let place = |port: &Port| topology.ports.iter().position(|one| one.id == port.id);
    let ports = topology
        .ports
        .iter()
        .enumerate()
        .filter_map(|(index, port)| {
            read_by(port)?;
            let bundle = port.within.as_ref().and_then(|id| topology.port(id));
            let traffic = match bundle.and_then(|bundle| Some((bundle, place(bundle)?))) {
                Some((bundle, index)) => {
                    let members = topology
                        .ports
                        .iter()
                        .filter(|one| one.within == port.within);
                    drawn(index, bundle).split(members.count() as u64)
                }
                None => drawn(index, port),
            };
            Some((port.id.to_string(), traffic))
        });
    ports.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_carry_their_bundle_and_pons_and_400g_ports_are_there() {
        let topology = Topology::yancheng();
        let urban = ports(&topology, "urban-ct", 7);
        let (bundle, member) = (&urban["urban-ct-r1-ae1"], &urban["urban-ct-r1-p0"]);
        for (whole, part) in bundle.sent.iter().zip(&member.sent) {
            assert_eq!((whole.0, whole.1 / 2), *part);
        }
        assert_eq!(
            bundle.sent.iter().map(|piece| piece.0).sum::<u64>(),
            ROUND_NS as u64
        );
        assert!(
            urban["urban-ct-r1-p4"]
                .sent
                .iter()
                .all(|piece| piece.1 < 400_000_000_000)
        );
        assert_eq!(
            ports(&topology, "yannan-ct", 7).len(),
            5,
            "one bundle and four PON ports"
        );
        assert!(ports(&topology, "shanghai-ct", 7).is_empty());
    }
}
