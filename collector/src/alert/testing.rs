//! Networks for the tests of this module.

use super::map::{Map, Place};

fn place(from: usize, to: usize) -> Place {
    let ends = [from, to].map(|site| format!("s{site}"));
    Place {
        path: ends.join("~"),
        class: "metro".to_owned(),
        probes: ends.clone(),
        sites: ends,
        carriers: ["c", "c"].map(str::to_owned),
    }
}

/// So many sites with a probe each, `s0` and so on, that all measure each other.
pub(super) fn mesh(sites: usize) -> Map {
    let pairs = (0..sites).flat_map(|from| (0..sites).map(move |to| (from, to)));
    let pairs = pairs.filter(|(from, to)| from != to);
    Map::with("net", pairs.map(|(from, to)| place(from, to)).collect())
}

/// So many sites that all measure `s0`, and it them.
pub(super) fn hub(leaves: usize) -> Map {
    let both = (1..=leaves).flat_map(|leaf| [place(0, leaf), place(leaf, 0)]);
    Map::with("net", both.collect())
}
