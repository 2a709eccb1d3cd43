//! What a collector and a probe read of each other: reports, and enrolment; and topologies.

use owl_measure::enrolment::{Join, Renewal, Token, decode_answer, encode_answer};
use owl_measure::report::{FromCollector, FromProbe, Report};
use owl_topology::{Source, Topology};

/// Words of enrolment, and tokens.
pub fn enrolment(input: &[u8]) {
    if let Ok(join) = Join::decode(input) {
        assert_eq!(Join::decode(&join.encode()), Ok(join));
    }
    if let Ok(renewal) = Renewal::decode(input) {
        assert_eq!(Renewal::decode(&renewal.encode()), Ok(renewal));
    }
    if let Ok(answer) = decode_answer(input) {
        assert_eq!(decode_answer(&encode_answer(&answer)), Ok(answer));
    }
    let token = std::str::from_utf8(input).map(str::parse::<Token>);
    if let Ok(Ok(token)) = token {
        assert_eq!(token.to_string().parse(), Ok(token));
    }
}

/// Any octets as a message between a probe and its collector; what is read is written and read back the same.
pub fn report(input: &[u8]) {
    if let Ok(message) = FromProbe::decode(input) {
        assert_eq!(FromProbe::decode(&message.encode()), Ok(message.clone()));
        if let FromProbe::Batch(batch) = message {
            let read = batch.reports.iter().map(|octets| Report::decode(octets));
            assert_eq!(read.count(), batch.reports.len());
        }
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
