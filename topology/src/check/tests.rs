//! One small good topology, and for each code the change that brings it forth.

use owl_measure::words::Lang;

use crate::diagnostic::Severity;
use crate::file::Source;
use crate::model::Topology;

/// Two working routes of two carriers from the port to the town, a protecting one, and the town's way to Shanghai.
const GOOD: &str = r#"schema = "topology/1"
name = "test"
region = { lat = [30.0, 35.0], lon = [118.0, 122.0] }
[[carrier]]
id = "ct"
name = { zh = "电信", en = "Telecom" }
[[carrier]]
id = "cm"
name = { zh = "移动", en = "Mobile" }
[[site]]
id = "port"
name = { zh = "港", en = "Port" }
role = "dc"
lat = 34.28
lon = 120.28
accuracy_km = 8
[[site]]
id = "town"
name = { zh = "城", en = "Town" }
role = "dc"
lat = 33.33987
lon = 120.14594
accuracy_km = 5
[[link]]
id = "ct-work"
carrier = "ct"
ends = ["port", "town"]
medium = "otn-400g"
capacity = "800G"
lit = "400G"
route_km = 148.0
route_km_source = "otdr"
srlg = ["duct-a"]
entries = { port = "north" }
counts_toward = ["egress"]
[[link]]
id = "ct-standby"
carrier = "ct"
ends = ["port", "town"]
medium = "otn-400g"
capacity = "800G"
route_km = 190.0
route_km_source = "design"
role = "protect"
protects = "ct-work"
[[link]]
id = "cm-work"
carrier = "cm"
ends = ["town", "port"]
medium = "100ge"
capacity = "200G"
route_km = 152.0
route_km_source = "design"
srlg = ["duct-b"]
entries = { port = "south" }
counts_toward = ["egress"]
[[path_class]]
id = "city"
target_owd = "1ms"
scope = { from_role = ["dc"], to_role = ["dc"] }
[[probe]]
id = "port-ct"
site = "port"
carrier = "ct"
addr = ["192.0.2.1", "2001:db8::1"]
clock = { source = "gnss", max_u95 = "1us" }
[[probe]]
id = "town-ct"
site = "town"
carrier = "ct"
addr = ["192.0.2.2", "2001:db8::2"]
clock = { source = "ptp", max_u95 = "2us" }
[[measure]]
id = "m-city"
class = "city"
mesh = ["port-ct", "town-ct"]
rate_pps = 10
sizes = [128]
families = ["v4", "v6"]
[[multihome]]
id = "port-home"
site = "port"
carriers = ["ct", "cm"]
min_up = 2
require_disjoint = ["srlg", "building-entry"]
[[maintenance]]
id = "mw-1"
links = ["ct-work"]
start = "2026-11-30T00:00:00+08:00"
end = "2026-11-30T04:00:00+08:00"
declared_at = 2026-11-25T10:00:00+08:00
by = "noc"
reason = "cut-over"
[[pon]]
id = "pon-1"
site = "town"
carrier = "ct"
olt = "olt-01"
standard = "xgs-pon"
ports = 1600
split = 64
[[indicator]]
id = "egress"
target = "1T"
sum = "capacity"
tag = "egress"
[[indicator]]
id = "ports"
target = 1600
sum = "pon.ports"
"#;

/// Every finding as `CODE LINE`.
fn findings(text: &str) -> Vec<String> {
    let found = match Topology::parse(&[Source {
        name: "t.toml",
        text,
    }]) {
        Ok(checked) => checked.warnings,
        Err(refused) => refused.0,
    };
    for diagnostic in &found {
        for lang in [Lang::En, Lang::Zh] {
            let said = diagnostic.said(lang);
            assert!(!said.message.is_empty() && !said.hint.is_empty(), "{said}");
            assert_eq!(
                said.severity == Severity::Error,
                said.code.to_string().starts_with('E')
            );
        }
    }
    found
        .iter()
        .map(|d| format!("{} {}", d.code, d.place.line))
        .collect()
}

/// Findings as `CODE LINE`, the lines given by how they begin.
#[track_caller]
fn at(text: &str, expected: &[(&str, &str)]) -> Vec<String> {
    let line = |begin: &str| {
        text.lines()
            .position(|line| line.starts_with(begin))
            .unwrap_or_else(|| panic!("no {begin:?}"))
    };
    expected
        .iter()
        .map(|(code, begin)| format!("{code} {}", line(begin) + 1))
        .collect()
}

/// Changes the good topology: `from` becomes `to`, once, and the findings are exactly `code` on the line that then
/// begins with `begin`.
#[track_caller]
fn breaks(code: &str, from: &str, to: &str, begin: &str) {
    assert!(GOOD.contains(from), "no {from:?}");
    let text = GOOD.replacen(from, to, 1);
    assert_eq!(
        findings(&text),
        at(&text, &[(code, begin)]),
        "{from:?} → {to:?}"
    );
}

/// The same for tables that are added at the end.
#[track_caller]
fn breaks_with(code: &str, added: &str, begin: &str) {
    let last = "sum = \"pon.ports\"\n";
    breaks(code, last, &format!("{last}{added}"), begin);
}

#[test]
fn the_good_topology_has_nothing_to_say() {
    assert_eq!(findings(GOOD), [""; 0]);
}

#[test]
fn e001_what_is_no_toml_is_refused_where_it_stops_being_so() {
    breaks("E001", "min_up = 2", "min_up = = 2", "min_up");
    breaks("E001", "split = 64", "split = 64\nsplit = 32", "split = 32");
}

#[test]
fn e002_an_unknown_key_or_table_is_refused() {
    breaks("E002", "min_up = 2", "min_up = 2\nmax_up = 3", "max_up");
    breaks(
        "E002",
        "[[pon]]",
        "[[pond]]\nid = \"a\"\n[[pon]]",
        "[[pond]]",
    );
    breaks(
        "E002",
        "source = \"gnss\",",
        "source = \"gnss\", holdover = 1,",
        "clock",
    );
}

#[test]
fn e003_a_missing_or_impossible_value_is_refused() {
    for (from, to, at) in [
        (
            "schema = \"topology/1\"",
            "schema = \"topology/2\"",
            "schema",
        ),
        ("name = \"test\"\n", "", "schema"),
        ("rate_pps = 10\n", "", "[[measure]]"),
        ("rate_pps = 10", "rate_pps = \"10\"", "rate_pps"),
        ("rate_pps = 10", "rate_pps = 0", "rate_pps"),
        ("sizes = [128]", "sizes = [43]", "sizes"),
        ("sizes = [128]", "sizes = []", "sizes"),
        ("sizes = [128]", "sizes = [128]\ndscp = [64]", "dscp"),
        ("sizes = [128]", "sizes = [128]\nproto = \"ping\"", "proto"),
        (
            "sizes = [128]",
            "sizes = [128]\nschedule = \"often\"",
            "schedule",
        ),
        ("mesh = [\"port-ct\", \"town-ct\"]", "mesh = []", "mesh"),
        ("target_owd = \"1ms\"", "target_owd = 1", "target_owd"),
        (
            "target_owd = \"1ms\"",
            "target_owd = \"-1ms\"",
            "target_owd",
        ),
        ("from_role = [\"dc\"]", "from_role = []", "scope"),
        ("capacity = \"800G\"", "capacity = 800", "capacity"),
        ("route_km = 148.0", "route_km = nan", "route_km"),
        ("route_km = 148.0", "route_km = -1", "route_km"),
        ("role = \"protect\"", "role = \"work\"", "role = \"work\""),
        ("ends = [\"port\", \"town\"]", "ends = [\"port\"]", "ends"),
        (
            "ends = [\"port\", \"town\"]",
            "ends = [\"port\", \"port\"]",
            "ends",
        ),
        (
            "addr = [\"192.0.2.1\", ",
            "addr = [\"192.0.2.256\", ",
            "addr",
        ),
        ("id = \"port-ct\"", "id = \"port~ct\"", "id = \"port~ct\""),
        ("lat = [30.0, 35.0]", "lat = [35.0, 30.0]", "region"),
        ("min_up = 2", "min_up = 3", "min_up"),
        ("target = \"1T\"", "target = 1", "target = 1"),
        (
            "sum = \"capacity\"\ntag = \"egress\"",
            "sum = \"lit\"",
            "sum = \"lit\"",
        ),
        (
            "standard = \"xgs-pon\"",
            "standard = \"xgspon\"",
            "standard",
        ),
        ("ports = 1600", "ports = -1", "ports"),
    ] {
        breaks("E003", from, to, at);
    }
    breaks_with(
        "E003",
        "[[stat_profile]]\nid = \"p\"\ninterval = \"1m\"\nquantile = 1.5\nmin_samples = 1\n",
        "quantile",
    );
    let profile =
        "[[stat_profile]]\nid = \"p\"\ninterval = \"1m\"\nquantile = 0.95\nmin_samples = 1\n";
    for extra in [
        "lost_is_infinite = false",
        "worst_direction = false",
        "guard = \"none\"",
        "busy_share = 0.0",
        "busy_hours = [\"9-12\"]",
        "population = \"city\"",
    ] {
        breaks_with("E003", &format!("{profile}{extra}\n"), extra);
    }
}

#[test]
fn e101_an_id_is_defined_once_in_its_kind() {
    breaks_with(
        "E101",
        "[[carrier]]\nname = { zh = \"二\", en = \"2\" }\nid   = \"ct\"\n",
        "id   =",
    );
    breaks("E101", "id = \"ct-standby\"", "id  = \"ct-work\"", "id  =");
}

#[test]
fn e102_a_reference_is_to_something_defined() {
    for (from, to, at) in [
        (
            "site = \"town\"\ncarrier = \"ct\"\nolt",
            "site = \"twon\"\ncarrier = \"ct\"\nolt",
            "site = \"twon\"",
        ),
        (
            "protects = \"ct-work\"",
            "protects = \"ct-wrk\"",
            "protects",
        ),
        ("class = \"city\"", "class = \"citty\"", "class"),
        (
            "mesh = [\"port-ct\", \"town-ct\"]",
            "mesh = [\n\"port-ct\",\n\"town\", \"town-ct\"]",
            "\"town\"",
        ),
        ("links = [\"ct-work\"]", "links = [\"work\"]", "links"),
        (
            "carriers = [\"ct\", \"cm\"]",
            "carriers = [\"ct\", \"cu\"]",
            "carriers",
        ),
        (
            "entries = { port = \"north\" }",
            "entries = { prot = \"north\" }",
            "entries",
        ),
        (
            "counts_toward = [\"egress\"]",
            "counts_toward = [\"ingress\"]",
            "counts_toward",
        ),
        (
            "target_owd = \"1ms\"",
            "target_owd = \"1ms\"\nstat = \"plan-2027\"",
            "stat",
        ),
        (
            "target_owd = \"1ms\"",
            "target_owd = \"1ms\"\nallow_via = [\"nanjing\"]",
            "allow_via",
        ),
    ] {
        breaks("E102", from, to, at);
    }
}

#[test]
fn e102_says_what_was_probably_meant() {
    let text = GOOD.replacen("class = \"city\"", "class = \"ctiy\"", 1);
    let refused = Topology::parse(&[Source {
        name: "t.toml",
        text: &text,
    }])
    .unwrap_err();
    let said = refused.0[0].said(Lang::En).to_string();
    assert_eq!(
        said,
        "t.toml:75:9: E102 measure \"m-city\": path_class \"ctiy\" is not defined\nhint: did you mean \"city\"?"
    );
    let said = refused.0[0].said(Lang::Zh).to_string();
    assert!(said.ends_with("hint: 是否想写“city”？"), "{said}");
}

#[test]
fn e110_a_coordinate_is_on_earth_and_the_right_way_round() {
    breaks("E110", "lat = 34.28", "lat = 120.1", "lat = 120.1");
    breaks("E110", "lon = 120.28", "lon = 190.0", "lat = 34.28");
    breaks(
        "E110",
        "lat = 34.28\nlon = 120.28",
        "lat = 120.28\nlon = 34.28",
        "lat = 120.28",
    );
}

#[test]
fn e111_a_site_lies_in_the_declared_region() {
    breaks("E111", "lat = 34.28", "lat = 36.0", "lat = 36.0");
}

#[test]
fn e120_a_route_is_not_shorter_than_the_straight_line() {
    breaks(
        "E120",
        "route_km = 148.0",
        "route_km = 90.0",
        "route_km = 90",
    );
    assert_eq!(
        findings(&GOOD.replacen("route_km = 148.0", "route_km = 93.0", 1)),
        [""; 0],
        "105.3 km less 13 km of doubt"
    );
}

#[test]
fn w121_a_very_long_route_or_a_guessed_length_under_a_judged_path_is_told() {
    breaks(
        "W121",
        "route_km = 152.0",
        "route_km = 300.0",
        "route_km = 300",
    );
    breaks(
        "W121",
        "route_km_source = \"otdr\"",
        "route_km_source = \"estimate\"",
        "route_km_source = \"estimate\"",
    );
    assert_eq!(
        findings(&GOOD.replacen("\"design\"\nsrlg", "\"estimate\"\nsrlg", 1)),
        [""; 0],
        "nothing is judged on it"
    );
}

#[test]
fn e122_a_target_below_light_in_vacuum_is_refused() {
    // 0.995 × 105.3 km − 13 km leave 91.8 km: 306 µs.
    let text = GOOD.replacen("\"1ms\"", "\"306us\"", 1);
    assert_eq!(
        findings(&text),
        at(&text, &[("W122", "route_km = 148"), ("E122", "target_owd")])
    );
    assert!(
        !findings(&text.replace("306us", "307us"))
            .iter()
            .any(|f| f.starts_with("E122"))
    );
}

#[test]
fn w122_and_w123_a_target_that_the_declared_fibre_breaks_or_nearly_so_is_told() {
    // 148 km × 4.9 µs/km = 725.2 µs of 1 ms.
    breaks("W122", "\"1ms\"", "\"725us\"", "route_km = 148");
    breaks(
        "W123",
        "route_km = 148.0",
        "route_km = 164.0",
        "route_km = 164",
    );
    assert_eq!(
        findings(&GOOD.replacen("route_km = 148.0", "route_km = 163.0", 1)),
        [""; 0]
    );
}

#[test]
fn w124_a_protecting_route_that_breaks_the_target_is_told() {
    breaks(
        "W124",
        "route_km = 190.0",
        "route_km = 233.0",
        "route_km = 233",
    );
}

#[test]
fn e130_a_medium_has_its_capacities() {
    breaks("E130", "lit = \"400G\"", "lit = \"1T\"", "lit");
    breaks(
        "E130",
        "medium = \"100ge\"",
        "medium = \"10g-pon\"",
        "capacity = \"200G\"",
    );
    breaks(
        "E130",
        "capacity = \"200G\"",
        "capacity = \"250G\"",
        "capacity = \"250G\"",
    );
}

#[test]
fn e140_and_w141_a_maintenance_window_is_in_order_and_announced_before() {
    breaks(
        "E140",
        "end = \"2026-11-30T04",
        "end = \"2026-11-29T04",
        "end = ",
    );
    breaks(
        "E140",
        "start = \"2026-11-30T00:00:00+08:00\"",
        "start = \"2026-11-30T00:00:00\"",
        "start",
    );
    breaks(
        "W141",
        "declared_at = 2026-11-25",
        "declared_at = 2026-12-25",
        "declared_at",
    );
    let window = "[[maintenance]]\nid = \"mw-2\"\nlinks  = [\"ct-work\"]\nstart = \"2026-11-28T00:00:00Z\"\nend = \"2026-12-30T00:00:00Z\"\n\
                  declared_at = \"2026-11-01T00:00:00Z\"\nby = \"noc\"\nreason = \"long\"\n";
    let long = window.replace("mw-2", "mw-3");
    assert_eq!(
        findings(&format!("{GOOD}{window}")),
        [""; 0],
        "four hours in common"
    );
    breaks_with(
        "E140",
        &format!("{window}{}", long.replace("links  =", "links   =")),
        "links   =",
    );
}

#[test]
fn e150_and_w151_a_clock_can_decide_its_class() {
    breaks(
        "E150",
        "max_u95 = \"2us\"",
        "max_u95 = \"251us\"",
        "clock = { source = \"ptp\"",
    );
    breaks(
        "W151",
        "max_u95 = \"2us\"",
        "max_u95 = \"101us\"",
        "clock = { source = \"ptp\"",
    );
    assert_eq!(
        findings(&GOOD.replacen("max_u95 = \"2us\"", "max_u95 = \"100us\"", 1)),
        [""; 0]
    );
}

#[test]
fn e160_measuring_takes_no_more_than_a_thousandth() {
    // 2 paths × 10 pps × 214 octets on the wire are 34 kb/s; a thousandth of 30M is 30 kb/s.
    let text = GOOD.replacen("lit = \"400G\"", "lit = \"30M\"", 1);
    let heavy = at(&text, &[("E160", "lit = \"30M\""), ("E160", "[[probe]]")]);
    assert_eq!(findings(&text)[..2], heavy, "the link and its probes");
    assert_eq!(findings(&text).len(), 3);
    assert_eq!(
        findings(&GOOD.replacen("lit = \"400G\"", "lit = \"35M\"", 1)),
        [""; 0]
    );
}

#[test]
fn e170_e171_and_w172_carriers_of_a_multi_homed_site_are_there_and_disjoint() {
    breaks(
        "E170",
        "srlg = [\"duct-b\"]",
        "srlg = [\"duct-a\"]",
        "require_disjoint",
    );
    breaks(
        "E170",
        "entries = { port = \"south\" }",
        "entries = { port = \"north\" }",
        "require_disjoint",
    );
    breaks(
        "E171",
        "carriers = [\"ct\", \"cm\"]\nmin_up = 2",
        "carriers = [\"ct\", \"cu\"]\nmin_up = 2\n[[carrier]]\nid = \"cu\"\nname = { zh = \"联\", en = \"U\" }\n[[multihome]]\nid = \"h\"\nsite = \"port\"\ncarriers = [\"ct\", \"cm\"]\n",
        "carriers = [\"ct\", \"cu\"]",
    );
    let text = GOOD.replacen("entries = { port = \"south\" }\n", "", 1);
    assert_eq!(
        findings(&text),
        at(&text.replacen("[[link]]", "", 2), &[("W172", "[[link]]")])
    );
}

#[test]
fn e180_and_w181_a_class_is_about_some_pair_and_its_pairs_are_measured() {
    breaks("E180", "to_role = [\"dc\"]", "to_role = [\"dcc\"]", "scope");
    let village = "[[site]]\nid = \"village\"\nname = { zh = \"村\", en = \"Village\" }\nrole = \"dc\"\nlat = 33.4\nlon = 120.2\naccuracy_km = 1\n";
    breaks_with("W181", village, "[[path_class]]");
}

#[test]
fn e182_a_path_is_claimed_once() {
    breaks_with(
        "E182",
        "[[measure]]\nid = \"again\"\nclass = \"city\"\nmesh  = [\"town-ct\", \"port-ct\"]\nrate_pps = 1\n",
        "mesh  =",
    );
}

#[test]
fn w190_and_e191_an_indicator_reaches_its_target_and_counts_a_link_once() {
    breaks(
        "W190",
        "target = \"1T\"",
        "target = \"17T\"",
        "target = \"17T\"",
    );
    breaks(
        "W190",
        "target = 1600",
        "target = 100000",
        "target = 100000",
    );
    breaks(
        "E191",
        "protects = \"ct-work\"",
        "protects = \"ct-work\"\ncounts_toward  = [\"egress\"]",
        "counts_toward  =",
    );
    let other_end = "[[link]]\nid = \"ct-back\"\ncarrier = \"ct\"\nends = [\"town\", \"port\"]\nmedium = \"otn-400g\"\ncapacity = \"800G\"\n\
                     route_km = 148.0\nroute_km_source = \"otdr\"\nentries = { port = \"north\" }\ncounts_toward  = [\"egress\"]\n";
    breaks_with("E191", other_end, "counts_toward  =");
}

#[test]
fn w200_a_probe_has_the_address_families_that_are_asked_for() {
    breaks("W200", ", \"2001:db8::1\"]", "]", "addr = [\"192.0.2.1\"]");
}

/// Two devices at the ends of a link of two fibres, which are a LAG at the one of them.
const DEVICES: &str = r#"[[device]]
id = "r1"
site = "port"
carrier = "ct"
kind = "router"
probe = "port-ct"
addr = "198.51.100.1"
credentials = "/etc/owl/snmp/r1"
[[device]]
id = "r2"
site = "town"
carrier = "ct"
kind = "router"
[[port]]
id = "r1-lag"
device = "r1"
name = "ae0"
speed = "800G"
link = "ct-work"
[[port]]
id = "r1-a"
device = "r1"
name = "et-0/0/0"
speed = "400G"
link = "ct-work"
within = "r1-lag"
peer = "r2-a"
[[port]]
id = "r2-a"
device = "r2"
name = "et-0/0/0"
speed = "400G"
link = "ct-work"
"#;

#[test]
fn ports_count_each_octet_once() {
    // The other end counts the same frames as the LAG, and nothing says so.
    breaks_with(
        "W215",
        &DEVICES
            .replace("peer = \"r2-a\"\n", "")
            .replace("[[port]]\nid = \"r2-a\"", "[[port]] #\nid = \"r2-a\""),
        "[[port]] #",
    );
    let text = format!("{GOOD}{DEVICES}")
        .replace("peer = \"r2-a\"", "")
        .replace(
            "link = \"ct-work\"\n[[port]]\nid = \"r1-a\"",
            "link = \"ct-work\"\npeer = \"r2-a\"\n[[port]]\nid = \"r1-a\"",
        );
    assert_eq!(findings(&text), [""; 0]);
    let topology = Topology::parse(&[Source {
        name: "t.toml",
        text: &text,
    }])
    .unwrap()
    .topology;
    let counted = topology.counted_ports();
    let told: Vec<_> = counted
        .iter()
        .flat_map(|(link, ports)| {
            ports
                .iter()
                .map(|(port, along)| (link.as_str(), port.id.as_str(), *along))
        })
        .collect();
    assert_eq!(told, [("ct-work", "r1-lag", crate::device::Along::Sent)]);
}

#[test]
fn e210_to_e214_ports_and_devices_fit_together() {
    let whole = DEVICES.replace(
        "within = \"r1-lag\"\npeer = \"r2-a\"\n",
        "within = \"r1-lag\"\n",
    );
    let whole = whole.replacen(
        "speed = \"800G\"\nlink",
        "speed = \"800G\"\npeer = \"r2-a\"\nlink",
        1,
    );
    let check = |code: &str, from: &str, to: &str, begin: &str| {
        assert!(whole.contains(from), "no {from:?}");
        breaks_with(code, &whole.replacen(from, to, 1), begin);
    };
    check(
        "E212",
        "name = \"et-0/0/0\"\nspeed = \"400G\"\nlink = \"ct-work\"\nwithin",
        "name  = \"ae0\"\nspeed = \"400G\"\nlink = \"ct-work\"\nwithin",
        "name  =",
    );
    check("E211", "within = \"r1-lag\"", "within = \"r1-a\"", "within");
    check("E211", "within = \"r1-lag\"", "within = \"r2-a\"", "within");
    check("E213", "addr = \"198.51.100.1\"\n", "", "[[device]]");
    check(
        "E213",
        "credentials = \"/etc/owl/snmp/r1\"",
        "credentials = \"public\"",
        "credentials",
    );
    check("E214", "peer = \"r2-a\"", "peer = \"r1-a\"", "peer");
    check(
        "E102",
        "within = \"r1-lag\"",
        "within = \"r1-lga\"",
        "within",
    );
    let elsewhere = whole.replacen(
        "site = \"town\"\ncarrier = \"ct\"\nkind",
        "site = \"inland\"\ncarrier = \"ct\"\nkind",
        1,
    );
    let elsewhere = elsewhere.replace(
        "id = \"r2-a\"\ndevice = \"r2\"\nname = \"et-0/0/0\"\nspeed = \"400G\"\nlink",
        "id = \"r2-a\"\ndevice = \"r2\"\nname = \"et-0/0/0\"\nspeed = \"400G\"\nlink ",
    );
    let site = "[[site]]\nid = \"inland\"\nname = { zh = \"内\", en = \"Inland\" }\nrole = \"x\"\nlat = 33.0\nlon = 120.0\naccuracy_km = 5\n";
    breaks_with("E210", &format!("{elsewhere}{site}"), "link  =");
}
