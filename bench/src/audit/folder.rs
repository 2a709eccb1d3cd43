//! A simulated run as the files that `owl clock audit` reads, and its truth beside them.

use std::fmt::Write as _;

use owl_sim::mesh::{Scenario, Stamps};

/// The files of a run: name and contents.
pub fn folder_of(scenario: &Scenario) -> [(&'static str, String); 4] {
    [
        ("samples.csv", samples(scenario)),
        ("claims.csv", claims(scenario)),
        ("mesh.json", mesh(scenario)),
        ("truth.csv", truth(scenario)),
    ]
}

fn samples(Scenario { seen, .. }: &Scenario) -> String {
    let mut text = String::from("a,b,seq,T1,T2,T3,T4\n");
    let field = |ns: Option<i64>| ns.map_or_else(String::new, |ns| ns.to_string());
    for it in &seen.exchanges {
        let (a, b) = (seen.probes[it.from].name, seen.probes[it.to].name);
        let (t2, t3, t4) = (field(it.t2_ns), field(it.t3_ns), field(it.t4_ns));
        let _ = writeln!(text, "{a},{b},{},{},{t2},{t3},{t4}", it.sequence, it.t1_ns);
    }
    text
}

fn claims(Scenario { seen, .. }: &Scenario) -> String {
    let mut text = String::from("probe,t_local,synchronised,bound_ns\n");
    for claim in &seen.claims {
        let name = seen.probes[claim.probe].name;
        let _ = match claim.bound_ns {
            Some(bound) => writeln!(text, "{name},{},1,{bound}", claim.at_ns),
            None => writeln!(text, "{name},{},0,", claim.at_ns),
        };
    }
    text
}

fn mesh(Scenario { seen, .. }: &Scenario) -> String {
    let probes: Vec<String> = seen
        .probes
        .iter()
        .map(|it| {
            format!(
                r#"{{"name":"{}","lat":{},"lon":{}}}"#,
                it.name, it.lat, it.lon
            )
        })
        .collect();
    let mut min_km = Vec::new();
    let mut targets = Vec::new();
    for (a, from) in seen.probes.iter().enumerate() {
        for (b, to) in seen.probes.iter().enumerate() {
            let pair = format!("{}>{}", from.name, to.name);
            if a != b {
                min_km.push(format!(r#""{pair}":{}"#, seen.min_km[a][b]));
            }
            if let Some(target) = seen.targets_ns[a][b] {
                targets.push(format!(r#""{pair}":{target}"#));
            }
        }
    }
    let stamp = match seen.stamps {
        Stamps::Hardware => "hw",
        Stamps::Software => "sw",
    };
    let (probes, min_km, targets) = (probes.join(","), min_km.join(","), targets.join(","));
    format!(
        r#"{{"probes":[{probes}],"min_km":{{{min_km}}},"targets_ns":{{{targets}}},"tx_rx_stamp":"{stamp}"}}"#
    )
}

fn truth(Scenario { seen, truth }: &Scenario) -> String {
    let mut text = String::from("pair,p95_ns\n");
    for (a, row) in truth.paths.iter().enumerate() {
        for (b, path) in row.iter().enumerate() {
            if let Some(p95) = path.p95_ns() {
                let (from, to) = (seen.probes[a].name, seen.probes[b].name);
                let _ = writeln!(text, "{from}>{to},{p95}");
            }
        }
    }
    text
}
