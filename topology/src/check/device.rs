//! Devices and ports: a port is where its link ends, and nothing is counted twice without its being declared.

use std::collections::BTreeMap;

use crate::device::{DEPTH_MAX, Device, DeviceKind, Port};
use crate::diagnostic::{Code, Diagnostic, text};
use crate::id::PortId;
use crate::model::Topology;

type ById<'t> = BTreeMap<&'t PortId, &'t Port>;

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let before = found.len();
    for device in &topology.devices {
        reached(device, found);
    }
    let by_id: ById<'_> = topology.ports.iter().map(|port| (&port.id, port)).collect();
    let mut named = BTreeMap::new();
    for port in &topology.ports {
        if let Some(first) = named.insert((&port.device, port.name.as_str()), port) {
            let (id, name, other) = (&port.id, &port.name, &first.id);
            found.push(Diagnostic {
                code: Code::E212,
                place: port.places.key("name").clone(),
                message: text!(
                    "port \"{id}\": {name} of this device is already port \"{other}\"",
                    "端口“{id}”：该设备的 {name} 已是端口“{other}”"
                ),
                hint: text!("one interface is one port", "一个接口只声明一个端口"),
            });
        }
        ends_at_its_site(topology, port, found);
        within(&by_id, port, found);
        other_end(&by_id, port, found);
    }
    // What is counted follows from ports that fit together.
    if found.len() == before {
        too_fast(topology, found);
    }
}

/// Who reads a device, and by what: a probe its own host without more, an agent at its address with a file of credentials.
fn reached(device: &Device, found: &mut Vec<Diagnostic>) {
    let (id, host) = (&device.id, device.kind == DeviceKind::Host);
    let agent = device.addr.is_some() || device.credentials.is_some();
    let whole = device.probe.is_some() && device.addr.is_some() && device.credentials.is_some();
    let good = match host {
        true => device.probe.is_some() && !agent,
        false => whole || (device.probe.is_none() && !agent),
    };
    if !good {
        found.push(Diagnostic {
            code: Code::E213,
            place: device.places.head().clone(),
            message: text!(
                "device \"{id}\": it is not said how its counters are read",
                "设备“{id}”：未说明如何读取其计数器"
            ),
            hint: text!(
                "a host has a probe and nothing more; another device has probe, addr and credentials, or none of them when its counters are imported",
                "host 只写 probe；其他设备写 probe、addr 与 credentials，若计数由文件导入则都不写"
            ),
        });
    }
    if device
        .credentials
        .as_ref()
        .is_some_and(|file| !file.starts_with('/'))
    {
        found.push(Diagnostic {
            code: Code::E213,
            place: device.places.key("credentials").clone(),
            message: text!(
                "device \"{id}\": credentials is the full name of a file on the probe's host, never a secret itself",
                "设备“{id}”：credentials 应为探针主机上文件的完整路径，而不是口令本身"
            ),
            hint: text!(
                "for example credentials = \"/etc/owl/snmp/core\"",
                "例如 credentials = \"/etc/owl/snmp/core\""
            ),
        });
    }
}

fn ends_at_its_site(topology: &Topology, port: &Port, found: &mut Vec<Diagnostic>) {
    let link = port.link.as_ref().and_then(|link| topology.link(link));
    let (Some(link), Some(device)) = (link, topology.device(&port.device)) else {
        return;
    };
    if !link.ends.contains(&device.site) {
        let (id, link, site) = (&port.id, &link.id, &device.site);
        found.push(Diagnostic {
            code: Code::E210,
            place: port.places.key("link").clone(),
            message: text!(
                "port \"{id}\": link \"{link}\" does not end at site \"{site}\", where its device stands",
                "端口“{id}”：链路“{link}”的端点不是其设备所在站点“{site}”"
            ),
            hint: text!("check the link, or the device's site", "请检查链路或设备所在站点"),
        });
    }
}

/// A port within another one of its device, in no circle.
fn within(by_id: &ById<'_>, port: &Port, found: &mut Vec<Diagnostic>) {
    let Some(first) = port.within.as_ref() else {
        return;
    };
    let elsewhere = by_id
        .get(first)
        .is_some_and(|outer| outer.device != port.device);
    let mut outer = Some(first);
    for _ in 0..DEPTH_MAX {
        outer = outer.and_then(|id| by_id.get(id)?.within.as_ref());
    }
    let too_deep = outer.is_some();
    if elsewhere || too_deep {
        let id = &port.id;
        found.push(Diagnostic {
            code: Code::E211,
            place: port.places.key("within").clone(),
            message: if too_deep {
                text!(
                    "port \"{id}\" is within itself, or within more than {DEPTH_MAX} others",
                    "端口“{id}”包含于自身，或嵌套超过 {DEPTH_MAX} 层"
                )
            } else {
                text!(
                    "port \"{id}\" is within \"{first}\" of another device",
                    "端口“{id}”包含于另一设备的“{first}”"
                )
            },
            hint: text!(
                "a member names the LAG of its own device, a VLAN its port",
                "成员端口写本设备的 LAG，VLAN 写其所在端口"
            ),
        });
    }
}

/// The two ends of a fibre are of one link, and of two devices.
fn other_end(by_id: &ById<'_>, port: &Port, found: &mut Vec<Diagnostic>) {
    let Some(peer) = port.peer.as_ref().and_then(|peer| by_id.get(peer)) else {
        return;
    };
    let mutual = peer.peer.as_ref().is_none_or(|back| *back == port.id);
    if peer.device == port.device || peer.link != port.link || !mutual {
        let (id, other) = (&port.id, &peer.id);
        found.push(Diagnostic {
            code: Code::E214,
            place: port.places.key("peer").clone(),
            message: text!(
                "port \"{id}\": \"{other}\" cannot be its other end",
                "端口“{id}”：“{other}”不可能是其对端"
            ),
            hint: text!(
                "the two ends are ports of two devices, of one link, and name each other",
                "两端应是两台设备上同一链路的端口，并互指"
            ),
        });
    }
}

/// Ports that count toward a link are together no faster than it.
fn too_fast(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let all = topology.counted_ports();
    for link in &topology.links {
        let Some(counted) = all.get(&link.id) else {
            continue;
        };
        let speed = counted
            .iter()
            .fold(0_u64, |sum, (port, _)| sum.saturating_add(port.speed.0));
        let Some((last, _)) = counted.last().filter(|_| speed > link.capacity.0) else {
            continue;
        };
        let (id, speed, capacity) = (&link.id, crate::quantity::Rate(speed), link.capacity);
        found.push(Diagnostic {
            code: Code::W215,
            place: last.places.head().clone(),
            message: text!(
                "link \"{id}\": the ports that count its traffic have {speed} together, and it has {capacity}",
                "链路“{id}”：统计其流量的端口合计 {speed}，而链路容量为 {capacity}"
            ),
            hint: text!(
                "name the LAG of members with within, and the other end of a fibre with peer: else octets are counted twice",
                "成员端口用 within 写明 LAG，光纤对端用 peer 写明，否则会重复计数"
            ),
        });
    }
}
