//! Sites: coordinates that can be true.

use crate::diagnostic::{Code, Diagnostic, text};
use crate::model::{Site, Topology};

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    for site in &topology.sites {
        let Site { id, lat, lon, .. } = site;
        let place = site.places.key("lat").clone();
        if (73.0..=136.0).contains(lat) && (18.0..=54.0).contains(lon) {
            found.push(Diagnostic {
                code: Code::E110,
                place,
                message: text!(
                    "site \"{id}\": lat = {lat}, lon = {lon} look swapped for China",
                    "站点“{id}”：lat = {lat}、lon = {lon} 似乎写反了（就中国而言）",
                ),
                hint: text!(
                    "write lat = {lon} and lon = {lat}",
                    "请写 lat = {lon}、lon = {lat}"
                ),
            });
        } else if !(-90.0..=90.0).contains(lat) || !(-180.0..=180.0).contains(lon) {
            found.push(Diagnostic {
                code: Code::E110,
                place,
                message: text!(
                    "site \"{id}\": lat = {lat}, lon = {lon} is no point on Earth",
                    "站点“{id}”：lat = {lat}、lon = {lon} 不在地球上",
                ),
                hint: text!(
                    "lat goes from -90 to 90, lon from -180 to 180",
                    "lat 为 -90 到 90，lon 为 -180 到 180"
                ),
            });
        } else if let Some(region) = topology.region {
            let within = |[least, most]: [f64; 2], degrees: f64| (least..=most).contains(&degrees);
            if !within(region.lat, *lat) || !within(region.lon, *lon) {
                let ([south, north], [west, east]) = (region.lat, region.lon);
                found.push(Diagnostic {
                    code: Code::E111,
                    place,
                    message: text!(
                        "site \"{id}\": lat = {lat}, lon = {lon} lies outside the declared region",
                        "站点“{id}”：lat = {lat}、lon = {lon} 在声明的区域之外",
                    ),
                    hint: text!(
                        "the region is lat {south} to {north}, lon {west} to {east}",
                        "区域为 lat {south} 至 {north}，lon {west} 至 {east}",
                    ),
                });
            }
        }
    }
}
