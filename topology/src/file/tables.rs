//! The tables of `topology/1`: which keys each has, and what is taken when one is left out.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use owl_measure::implied::FIBRE_US_PER_KM;
use owl_measure::report::FLOWS_MAX;
use owl_measure::time::Nanos;
use owl_measure::verdict::{Profile, Quantile};
use toml::Spanned;
use toml::de::DeTable;

use super::reader::{Lines, Section};
use super::value::Id;
use super::{Source, most};
use crate::diagnostic::{Code, Diagnostic, Place, text};
use crate::id::SiteId;
use crate::model::{
    Carrier, Clock, Family, Indicator, Layer, Link, LinkRole, Maintenance, Measure, Multihome,
    Name, PathClass, Pon, Probe, Proto, Publish, Region, Site, StatProfile, Sum, Topology,
};
use crate::plan::{ReflectorKind, Schedule};
use crate::quantity::Rate;

const SCHEMA: &str = "topology/1";
/// The UDP port of STAMP session-reflectors (RFC 8762, section 4.1).
const STAMP_PORT: u16 = 862;
/// The base STAMP packet in octets (RFC 8762, section 4.2.1).
const STAMP_OCTETS: u32 = 44;
/// A KeyID in octets (RFC 4656, section 3.1).
const KEY_ID_OCTETS_MAX: usize = 80;
/// Intakes that a probe tries in turn.
const INTAKES_MAX: usize = 16;
/// The largest UDP payload of an IPv6 packet without a jumbo option.
const UDP_OCTETS_MAX: u32 = 65_527;

/// No length in kilometres and no packet rate is above it; it keeps every product far from the end of an integer.
const MOST: f64 = 1e6;

/// Reads every text into one topology, whose generation is still empty. `None` when some text is no TOML at all.
pub(super) fn read(sources: &[Source<'_>], found: &mut Vec<Diagnostic>) -> Option<Topology> {
    let mut topology = Topology {
        generation: String::new(),
        name: String::new(),
        timezone: "UTC".into(),
        fibre_us_per_km: FIBRE_US_PER_KM,
        region: None,
        carriers: Vec::new(),
        sites: Vec::new(),
        links: Vec::new(),
        classes: Vec::new(),
        profiles: Vec::new(),
        probes: Vec::new(),
        measures: Vec::new(),
        multihomes: Vec::new(),
        maintenances: Vec::new(),
        pons: Vec::new(),
        indicators: Vec::new(),
    };
    let mut globals = BTreeMap::new();
    for source in sources {
        let lines = Lines::of(source.name, source.text);
        match DeTable::parse(source.text) {
            Ok(document) => read_document(&lines, &document, &mut topology, &mut globals, found),
            Err(error) => {
                let reason = error.message();
                found.push(Diagnostic {
                    code: Code::E001,
                    place: lines.place(error.span().map_or(0, |span| span.start)),
                    message: text!("not TOML: {reason}", "不是合法的 TOML：{reason}"),
                    hint: text!(
                        "the syntax is TOML 1.0 (https://toml.io)",
                        "语法为 TOML 1.0（https://toml.io/cn/）"
                    ),
                });
            }
        }
    }
    too_many_pairs(&topology, found);
    let blocked = found.iter().any(|d| d.code == Code::E001);
    if !blocked && !globals.contains_key("name") {
        let place = Place {
            file: sources.first().map_or("", |source| source.name).into(),
            line: 1,
            column: 1,
        };
        found.push(Diagnostic {
            code: Code::E003,
            place,
            message: text!("the topology has no name", "拓扑没有名称"),
            hint: text!(
                "write name = \"…\" at the top of one file",
                "在其中一个文件开头写 name = \"…\""
            ),
        });
    }
    (!blocked).then_some(topology)
}

fn too_many_pairs(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let most = most::PAIRS;
    let mut pairs = 0;
    for measure in &topology.measures {
        pairs += measure.mesh.len() * measure.mesh.len();
        if pairs > most {
            let id = &measure.id;
            found.push(Diagnostic {
                code: Code::E004,
                place: measure.places.key("mesh").clone(),
                message: text!(
                    "measure \"{id}\": too many pairs of probes, {most} in all meshes together are the most",
                    "测量“{id}”：探针对过多，所有网格合计最多 {most} 对",
                ),
                hint: text!("thin out the meshes", "请减少网格中的探针"),
            });
            return;
        }
    }
}

fn read_document<'t>(
    lines: &'t Lines<'t>,
    document: &'t Spanned<DeTable<'t>>,
    topology: &mut Topology,
    globals: &mut BTreeMap<&'static str, Place>,
    found: &mut Vec<Diagnostic>,
) {
    let mut s = Section::of(lines, document.get_ref(), ("topology", 0..0), found);
    if s.required::<String>("schema")
        .is_some_and(|schema| schema != SCHEMA)
    {
        s.fault(
            "schema",
            text!(
                "this owl reads the schema {SCHEMA}",
                "本程序只识别 {SCHEMA}"
            ),
            text!("write schema = \"{SCHEMA}\"", "请写 schema = \"{SCHEMA}\""),
        );
    }
    if let Some(name) = s.optional("name") {
        topology.name = name;
    }
    if let Some(timezone) = s.optional("timezone") {
        topology.timezone = timezone;
    }
    if let Some(us_per_km) = s.optional::<f64>("fibre_us_per_km") {
        if us_per_km < crate::geodesy::VACUUM_US_PER_KM {
            s.fault(
                "fibre_us_per_km",
                text!(
                    "no fibre is faster than light in vacuum (3.336 us/km)",
                    "光纤不可能快于真空光速（3.336 us/km）"
                ),
                text!(
                    "4.9 for G.652, 3.4 for hollow-core fibre",
                    "G.652 取 4.9，空芯光纤取 3.4"
                ),
            );
        }
        topology.fibre_us_per_km = us_per_km;
    }
    if let Some(region) = s.inner("region", region) {
        topology.region = Some(region);
    }
    s.tables(
        ("carrier", most::CARRIERS),
        carrier,
        &mut topology.carriers,
        |it, places| it.places = places,
    );
    s.tables(
        ("site", most::SITES),
        site,
        &mut topology.sites,
        |it, places| it.places = places,
    );
    s.tables(
        ("link", most::LINKS),
        link,
        &mut topology.links,
        |it, places| it.places = places,
    );
    s.tables(
        ("path_class", most::PATH_CLASSES),
        path_class,
        &mut topology.classes,
        |it, places| it.places = places,
    );
    s.tables(
        ("stat_profile", most::STAT_PROFILES),
        stat_profile,
        &mut topology.profiles,
        |it, places| it.places = places,
    );
    s.tables(
        ("probe", most::PROBES),
        probe,
        &mut topology.probes,
        |it, places| it.places = places,
    );
    s.tables(
        ("measure", most::MEASURES),
        measure,
        &mut topology.measures,
        |it, places| it.places = places,
    );
    s.tables(
        ("multihome", most::MULTIHOMES),
        multihome,
        &mut topology.multihomes,
        |it, places| it.places = places,
    );
    s.tables(
        ("maintenance", most::MAINTENANCES),
        maintenance,
        &mut topology.maintenances,
        |it, places| it.places = places,
    );
    s.tables(
        ("pon", most::PONS),
        pon,
        &mut topology.pons,
        |it, places| it.places = places,
    );
    s.tables(
        ("indicator", most::INDICATORS),
        indicator,
        &mut topology.indicators,
        |it, places| it.places = places,
    );
    let places = s.finish();
    for key in ["name", "timezone", "fibre_us_per_km", "region"] {
        let Some(place) = places.keys.get(key) else {
            continue;
        };
        if let Some(first) = globals.insert(key, place.clone()) {
            found.push(Diagnostic {
                code: Code::E101,
                place: place.clone(),
                message: text!(
                    "{key} is already given at {first}",
                    "{key} 已在 {first} 给出"
                ),
                hint: text!("keep it in one file", "只保留在一个文件中"),
            });
        }
    }
}

type Keys<'a, 't, 'f> = &'a mut Section<'t, 'f>;

fn region(s: Keys<'_, '_, '_>) -> Option<Region> {
    let mut bounds = |key| {
        let bounds: [f64; 2] = s
            .required_list(key)?
            .try_into()
            .ok()
            .filter(|[least, most]: &[f64; 2]| least < most)
            .or_else(|| {
                s.fault(
                    key,
                    text!(
                        "{key} must be [least, greatest]",
                        "{key} 应为 [最小值, 最大值]"
                    ),
                    text!("for example lat = [32.5, 34.6]", "例如 lat = [32.5, 34.6]"),
                );
                None
            })?;
        Some(bounds)
    };
    let (lat, lon) = (bounds("lat"), bounds("lon"));
    Some(Region {
        lat: lat?,
        lon: lon?,
    })
}

fn name(s: Keys<'_, '_, '_>) -> Option<Name> {
    s.inner_required("name", |s| {
        let (zh, en) = (s.required("zh"), s.required("en"));
        Some(Name { zh: zh?, en: en? })
    })
}

fn carrier(s: Keys<'_, '_, '_>) -> Option<Carrier> {
    let id = s.required("id");
    let name = name(s);
    let asn = s.list("asn").unwrap_or_default();
    Some(Carrier {
        id: id?,
        name: name?,
        asn,
        places: Default::default(),
    })
}

fn site(s: Keys<'_, '_, '_>) -> Option<Site> {
    let id = s.required("id");
    let name = name(s);
    let role = s.required("role");
    let (lat, lon) = (s.required("lat"), s.required("lon"));
    let accuracy_km = at_least(s, "accuracy_km", 0.0);
    let publish = s.optional("publish").unwrap_or(Publish::City);
    Some(Site {
        id: id?,
        name: name?,
        role: role?,
        lat: lat?,
        lon: lon?,
        accuracy_km: accuracy_km?,
        publish,
        places: Default::default(),
    })
}

fn link(s: Keys<'_, '_, '_>) -> Option<Link> {
    let id = s.required("id");
    let carrier = s.required("carrier");
    let ends = ends(s);
    let medium = s.required("medium");
    let capacity = s.required("capacity");
    let lit = s.optional("lit").or(capacity);
    let route_km = at_least(s, "route_km", 0.0);
    let route_km_source = s.required("route_km_source");
    let regens = s.optional("regens").unwrap_or(0);
    let equipment = s.optional("equipment").unwrap_or(Nanos::ZERO);
    let role = s.optional("role").unwrap_or(LinkRole::Work);
    let protects = s.optional("protects");
    if (role == LinkRole::Protect) != protects.is_some() {
        s.fault(
            "role",
            text!(
                "a protecting link names the link it protects, and only such a link does",
                "保护链路须指明所保护的链路，且仅保护链路可以指明"
            ),
            text!(
                "write both role = \"protect\" and protects = \"…\", or neither",
                "role = \"protect\" 与 protects = \"…\" 须同时写或都不写"
            ),
        );
    }
    let direct = s.optional("direct").unwrap_or(false);
    let srlg = s.list("srlg").unwrap_or_default();
    let entries = s
        .pairs("entries")
        .into_iter()
        .map(|(site, entry)| (SiteId::from(site.as_str()), entry))
        .collect();
    let counts_toward = s.list("counts_toward").unwrap_or_default();
    Some(Link {
        id: id?,
        carrier: carrier?,
        ends: ends?,
        medium: medium?,
        capacity: capacity?,
        lit: lit?,
        route_km: route_km?,
        route_km_source: route_km_source?,
        regens,
        equipment,
        role,
        protects,
        direct,
        srlg,
        entries,
        counts_toward,
        places: Default::default(),
    })
}

fn ends(s: Keys<'_, '_, '_>) -> Option<[SiteId; 2]> {
    let ends: Option<[SiteId; 2]> = s.required_list("ends")?.try_into().ok();
    let ends = ends.filter(|[a, b]| a != b);
    if ends.is_none() {
        s.fault(
            "ends",
            text!("a link has two different ends", "链路须有两个不同的端点"),
            text!(
                "write ends = [\"SITE\", \"SITE\"]",
                "请写 ends = [\"站点\", \"站点\"]"
            ),
        );
    }
    ends
}

fn path_class(s: Keys<'_, '_, '_>) -> Option<PathClass> {
    let id = s.required("id");
    let target = s.required("target_owd");
    let scope = s.inner_required("scope", |s| {
        let (from, to) = (s.filled("from_role"), s.filled("to_role"));
        Some((from?, to?))
    });
    let stat = s
        .optional("stat")
        .unwrap_or_else(|| Profile::plan_2026().id);
    let layer = s.optional("layer").unwrap_or(Layer::IpPrivate);
    let cross_carrier = s.optional("cross_carrier").unwrap_or(false);
    let max_ip_hops = s.optional("max_ip_hops");
    let allow_via = s.list("allow_via");
    let families = s.list("families").unwrap_or_default();
    let (from_role, to_role) = scope?;
    Some(PathClass {
        id: id?,
        target: target?,
        from_role,
        to_role,
        stat,
        layer,
        cross_carrier,
        max_ip_hops,
        allow_via,
        families,
        places: Default::default(),
    })
}

fn stat_profile(s: Keys<'_, '_, '_>) -> Option<StatProfile> {
    let id = s.required::<Id>("id");
    let interval = s.required("interval");
    let quantile = s.required::<f64>("quantile").and_then(|fraction| {
        Quantile::try_from(fraction)
            .inspect_err(|_| {
                s.fault(
                    "quantile",
                    text!("a quantile lies between 0 and 1", "分位数须在 0 与 1 之间"),
                    text!("for example 0.95", "例如 0.95"),
                );
            })
            .ok()
    });
    let population = s.optional("population").unwrap_or_default();
    let min_samples = s.required("min_samples");
    let min_coverage = share(s, "min_coverage", 0.9);
    let share_of_intervals = share(s, "share_of_intervals", 0.95);
    let busy_hours = s.list("busy_hours").unwrap_or_default();
    let busy_share = share(s, "busy_share", 0.95);
    let severe_factor = s.optional("severe_factor").unwrap_or(1.5);
    // owl judges in one way only; a profile that asks for another must not be taken for this one.
    for key in ["lost_is_infinite", "worst_direction"] {
        if s.optional(key) == Some(false) {
            s.fault(
                key,
                text!(
                    "owl counts a lost packet as late and the worse direction as the path's",
                    "本程序将丢包视为超时，并以较差方向为准"
                ),
                text!("leave {key} out or write true", "省略 {key} 或写 true"),
            );
        }
    }
    if s.optional::<String>("guard")
        .is_some_and(|guard| guard != "U95")
    {
        s.fault(
            "guard",
            text!(
                "owl guards a verdict by the clock's bound",
                "本程序以时钟误差界作为判定保护带"
            ),
            text!(
                "leave guard out or write \"U95\"",
                "省略 guard 或写 \"U95\""
            ),
        );
    }
    Some(StatProfile {
        profile: Profile {
            id: id?.0,
            interval: interval?,
            quantile: quantile?,
            population,
            min_samples: min_samples?,
            min_coverage_ppm: (min_coverage * 1e6).round() as u32,
        },
        share_of_intervals,
        busy_hours,
        busy_share,
        severe_factor,
        places: Default::default(),
    })
}

fn probe(s: Keys<'_, '_, '_>) -> Option<Probe> {
    let id = s.required("id");
    let site = s.required("site");
    let carrier = s.required("carrier");
    let addr = s.filled("addr");
    let port = s.optional("port").unwrap_or(STAMP_PORT);
    if port == 0 {
        s.fault(
            "port",
            text!("port is from 1 to 65535", "port 须在 1 与 65535 之间"),
            text!(
                "leave it out for {STAMP_PORT}, where STAMP session-reflectors listen",
                "省略即为 {STAMP_PORT}，STAMP 会话反射端的端口"
            ),
        );
    }
    let reflector = s.optional("reflector").unwrap_or(ReflectorKind::Owl);
    let twamp_user = s.optional::<String>("twamp_user");
    if twamp_user
        .as_ref()
        .is_some_and(|user| reflector != ReflectorKind::Twamp || user.len() > KEY_ID_OCTETS_MAX)
    {
        s.fault(
            "twamp_user",
            text!(
                "twamp_user is the user of a TWAMP server, of 80 octets at most",
                "twamp_user 是 TWAMP 服务器的用户名，最多 80 字节"
            ),
            text!(
                "it goes with reflector = \"twamp\"; the pass-phrase is in the probes' [sender] twamp_users",
                "须与 reflector = \"twamp\" 一起使用；口令写在探针的 [sender] twamp_users 中"
            ),
        );
    }
    let sends_from = s.optional("sends_from");
    let reports_to: Vec<SocketAddr> = s.list("reports_to").unwrap_or_default();
    if reports_to.len() > INTAKES_MAX {
        s.fault(
            "reports_to",
            text!(
                "a probe reports to {INTAKES_MAX} intakes at most",
                "一台探针最多向 {INTAKES_MAX} 个采集端上报"
            ),
            text!(
                "name those that share one store",
                "请只列出共用同一存储的采集端"
            ),
        );
    }
    let mgmt = s.optional("mgmt");
    let clock = s.inner_required("clock", |s| {
        let (source, max_u95) = (s.required("source"), s.required("max_u95"));
        Some(Clock {
            source: source?,
            max_u95: max_u95?,
        })
    });
    let nic_hw_timestamp = s.optional("nic_hw_timestamp").unwrap_or(false);
    Some(Probe {
        id: id?,
        site: site?,
        carrier: carrier?,
        addr: addr?,
        port,
        reflector,
        twamp_user,
        sends_from,
        reports_to,
        mgmt,
        clock: clock?,
        nic_hw_timestamp,
        places: Default::default(),
    })
}

fn measure(s: Keys<'_, '_, '_>) -> Option<Measure> {
    let id = s.required("id");
    let class = s.required("class");
    let mesh = s.filled_up_to("mesh", most::MESH);
    let proto = s.optional("proto").unwrap_or(Proto::Stamp);
    let rate_pps = at_least(s, "rate_pps", 1e-3);
    let sizes = s.list("sizes").unwrap_or_else(|| vec![STAMP_OCTETS]);
    if sizes.is_empty()
        || sizes
            .iter()
            .any(|size| !(STAMP_OCTETS..=UDP_OCTETS_MAX).contains(size))
    {
        s.fault(
            "sizes",
            text!(
                "a test packet has {STAMP_OCTETS} to {UDP_OCTETS_MAX} octets of payload",
                "测试报文负载为 {STAMP_OCTETS} 至 {UDP_OCTETS_MAX} 字节"
            ),
            text!("for example sizes = [128]", "例如 sizes = [128]"),
        );
    }
    let dscp = s.list("dscp").unwrap_or_else(|| vec![0]);
    if dscp.is_empty() || dscp.iter().any(|&dscp| dscp > 63) {
        s.fault(
            "dscp",
            text!(
                "a code point is a number from 0 to 63",
                "DSCP 为 0 到 63 的数"
            ),
            text!("for example dscp = [46]", "例如 dscp = [46]"),
        );
    }
    let families = s.list("families").unwrap_or_else(|| vec![Family::V4]);
    let flows = s.optional("flows").unwrap_or(1);
    if !(1..=FLOWS_MAX).contains(&flows) {
        s.fault(
            "flows",
            text!(
                "packets are spread over 1 to {FLOWS_MAX} flows",
                "报文可分散到 1 至 {FLOWS_MAX} 条流"
            ),
            text!("for example flows = 16", "例如 flows = 16"),
        );
    }
    let schedule = s.optional("schedule").unwrap_or(Schedule::Periodic);
    let timeout = s.optional("timeout").unwrap_or(Nanos::from_secs(2));
    let report_every = s.optional("report_every").unwrap_or(Nanos::from_secs(10));
    Some(Measure {
        id: id?,
        class: class?,
        mesh: mesh?,
        proto,
        rate_pps: rate_pps?,
        sizes,
        dscp,
        families,
        flows,
        schedule,
        timeout,
        report_every,
        places: Default::default(),
    })
}

fn multihome(s: Keys<'_, '_, '_>) -> Option<Multihome> {
    let id = s.required::<Id>("id");
    let site = s.required("site");
    let carriers = s.filled("carriers");
    let min_up = s.optional("min_up").unwrap_or(1);
    let most = carriers.as_ref().map_or(0, Vec::len);
    if carriers.is_some() && !(1..=most).contains(&(min_up as usize)) {
        s.fault(
            "min_up",
            text!(
                "of {most} carriers {min_up} cannot be up",
                "{most} 家运营商中不可能有 {min_up} 家在线"
            ),
            text!("give a number from 1 to {most}", "应为 1 到 {most}"),
        );
    }
    let require_disjoint = s.list("require_disjoint").unwrap_or_default();
    Some(Multihome {
        id: id?.0,
        site: site?,
        carriers: carriers?,
        min_up,
        require_disjoint,
        places: Default::default(),
    })
}

fn maintenance(s: Keys<'_, '_, '_>) -> Option<Maintenance> {
    let id = s.required::<Id>("id");
    let links = s.filled_up_to("links", most::WINDOW_LINKS);
    let (start, end, declared_at) = (
        s.required("start"),
        s.required("end"),
        s.required("declared_at"),
    );
    let (by, reason) = (s.required("by"), s.required("reason"));
    Some(Maintenance {
        id: id?.0,
        links: links?,
        start: start?,
        end: end?,
        declared_at: declared_at?,
        by: by?,
        reason: reason?,
        places: Default::default(),
    })
}

fn pon(s: Keys<'_, '_, '_>) -> Option<Pon> {
    let id = s.required::<Id>("id");
    let site = s.required("site");
    let carrier = s.required("carrier");
    let olt = s.required("olt");
    let standard = s.required("standard");
    let ports = s.required("ports");
    let split = s.required("split");
    let sample_plan = s.optional("sample_plan");
    Some(Pon {
        id: id?.0,
        site: site?,
        carrier: carrier?,
        olt: olt?,
        standard: standard?,
        ports: ports?,
        split: split?,
        sample_plan,
        places: Default::default(),
    })
}

fn indicator(s: Keys<'_, '_, '_>) -> Option<Indicator> {
    let id = s.required::<Id>("id");
    let sum = s.required("sum");
    let target = match sum {
        Some(Sum::Capacity | Sum::Lit) => s.required::<Rate>("target").map(|rate| rate.0),
        Some(Sum::PonPorts) | None => s.required::<u64>("target"),
    };
    let tag: Option<String> = s.optional("tag");
    if sum.is_some_and(|sum| (sum == Sum::PonPorts) == tag.is_some()) {
        s.fault(
            "sum",
            text!(
                "capacity and lit are summed over links with a tag, pon.ports over all",
                "capacity 与 lit 按标签对链路求和，pon.ports 对全部端口求和"
            ),
            text!(
                "give a tag for links, none for ports",
                "链路须给出 tag，端口不需要"
            ),
        );
    }
    Some(Indicator {
        id: id?.0,
        target: target?,
        sum: sum?,
        tag,
        places: Default::default(),
    })
}

/// A number that must be there and be no less than `least`.
fn at_least(s: Keys<'_, '_, '_>, key: &'static str, least: f64) -> Option<f64> {
    let number = s.required::<f64>(key)?;
    if !(least..=MOST).contains(&number) {
        s.fault(
            key,
            text!(
                "{key} must be from {least} to {MOST}",
                "{key} 应在 {least} 与 {MOST} 之间"
            ),
            text!("correct the value", "请更正该值"),
        );
    }
    Some(number)
}

/// A share in (0, 1], or `default` when it is not given.
fn share(s: Keys<'_, '_, '_>, key: &'static str, default: f64) -> f64 {
    let share = s.optional(key).unwrap_or(default);
    if !(share > 0.0 && share <= 1.0) {
        s.fault(
            key,
            text!(
                "{key} is a share above 0 and up to 1",
                "{key} 是大于 0 且不超过 1 的比例"
            ),
            text!("for example 0.95", "例如 0.95"),
        );
    }
    share
}
