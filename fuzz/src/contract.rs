//! What a collector reads: reports, and topologies.

use owl_measure::report::{FromCollector, FromProbe, Report};
use owl_topology::{Source, Topology};

/// Any octets as a message between a probe and its collector; what is read is written and read back the same.
pub fn report(input: &[u8]) {
    if let Ok(message) = FromProbe::decode(input) {
        assert_eq!(FromProbe::decode(&message.encode()), Ok(message));
    }
    if let Ok(message) = FromCollector::decode(input) {
        assert_eq!(FromCollector::decode(&message.encode()), Ok(message));
    }
    if let Ok(report) = Report::decode(input) {
        assert_eq!(Report::decode(&report.encode()), Ok(report));
    }
}

/// Any text as a topology; one without errors can be planned.
pub fn topology(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let source = Source {
        name: "input.toml",
        text,
    };
    if let Ok(checked) = Topology::parse(&[source]) {
        let topology = checked.topology;
        let paths = topology.paths();
        for probe in &topology.probes {
            if let Some(plan) = topology.plan(&probe.id) {
                assert!(
                    plan.sessions.len() <= paths.len(),
                    "more than there are paths"
                );
            }
        }
    }
}
