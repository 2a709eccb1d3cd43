//! Links: lengths that geography allows, capacities that the medium allows.

use crate::diagnostic::{Code, Diagnostic, text};
use crate::geodesy;
use crate::model::{Link, Medium, Topology};

/// A route more than this many times the straight line deserves a look.
const STRETCH_MAX: f64 = 2.5;

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    for link in &topology.links {
        length(topology, link, found);
        capacity(link, found);
    }
}

fn length(topology: &Topology, link: &Link, found: &mut Vec<Diagnostic>) {
    let [Some(a), Some(b)] = link.ends.each_ref().map(|end| topology.site(end)) else {
        return;
    };
    let (id, route_km) = (&link.id, link.route_km);
    let straight_km = geodesy::great_circle_km(a.point(), b.point());
    let doubt_km = a.accuracy_km + b.accuracy_km;
    let place = link.places.key("route_km").clone();
    if route_km < straight_km - doubt_km {
        found.push(Diagnostic {
            code: Code::E120,
            place,
            message: text!(
                "link \"{id}\": a route of {route_km} km is shorter than the straight line of {straight_km:.1} km (±{doubt_km})",
                "链路“{id}”：路由 {route_km} km 短于直线距离 {straight_km:.1} km（±{doubt_km}）",
            ),
            hint: text!("check the unit, the ends and their coordinates", "请检查单位、端点及其坐标"),
        });
    } else if route_km > STRETCH_MAX * (straight_km + doubt_km) {
        found.push(Diagnostic {
            code: Code::W121,
            place,
            message: text!(
                "link \"{id}\": a route of {route_km} km is more than {STRETCH_MAX} times the straight line of {straight_km:.1} km",
                "链路“{id}”：路由 {route_km} km 超过直线距离 {straight_km:.1} km 的 {STRETCH_MAX} 倍",
            ),
            hint: text!("check the unit; if it is true, a straighter way would save delay", "请检查单位；若属实，改走直达路由可降低时延"),
        });
    }
}

fn capacity(link: &Link, found: &mut Vec<Diagnostic>) {
    let Link {
        id,
        medium,
        capacity,
        lit,
        ..
    } = link;
    if lit > capacity {
        found.push(Diagnostic {
            code: Code::E130,
            place: link.places.key("lit").clone(),
            message: text!(
                "link \"{id}\": {lit} lit of a capacity of {capacity}",
                "链路“{id}”：点亮 {lit} 超过容量 {capacity}"
            ),
            hint: text!(
                "lit is the part of the capacity that is in service",
                "lit 是容量中已投入使用的部分"
            ),
        });
    }
    let Some(channel) = medium.channel() else {
        return;
    };
    let fits = match medium {
        Medium::TenGigabitPon => *capacity <= channel,
        _ => capacity.0.is_multiple_of(channel.0),
    };
    if !fits {
        found.push(Diagnostic {
            code: Code::E130,
            place: link.places.key("capacity").clone(),
            message: text!(
                "link \"{id}\": {medium} cannot have a capacity of {capacity}",
                "链路“{id}”：{medium} 的容量不可能为 {capacity}"
            ),
            hint: match medium {
                Medium::TenGigabitPon => {
                    text!("one port carries up to {channel}", "一个端口最多 {channel}")
                }
                _ => text!("give a multiple of {channel}", "应为 {channel} 的整数倍"),
            },
        });
    }
}
