//! Devices and their ports: where the traffic of a link is counted.
//!
//! A device is a router, a switch, an optical line terminal, or the host of a
//! probe. A port counts what one end of a link carries. Which octets must not be
//! counted twice is declared here: a member of a LAG counts what the LAG does, and
//! both ends of a link count the same frames.

use std::collections::BTreeMap;

use owl_measure::counter::{Interface, counted_once};
use serde::Serialize;

use crate::choice::choice;
use crate::diagnostic::Places;
use crate::id::{CarrierId, DeviceId, LinkId, PortId, ProbeId, SiteId};
use crate::model::Topology;
use crate::quantity::Rate;

/// A port is within no more than so many others: a VLAN of a member of a LAG of a bundle, with room to spare.
pub(crate) const DEPTH_MAX: usize = 8;

choice! {
    /// What a device is.
    pub enum DeviceKind {
        /// A router
        Router = "router",
        /// A switch
        Switch = "switch",
        /// An optical line terminal
        Olt = "olt",
        /// The host of a probe, which reads its own interfaces
        Host = "host",
    }
}

/// Something with ports whose counters are read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Where it stands.
    pub site: SiteId,
    /// Whose it is.
    pub carrier: CarrierId,
    /// What it is.
    pub kind: DeviceKind,
    /// The probe that reads its counters; nobody does where they are imported.
    pub probe: Option<ProbeId>,
    /// Where its agent answers, as HOST or HOST:PORT.
    pub addr: Option<String>,
    /// The file on that probe's host with what its agent lets in by: a secret never stands in a topology.
    #[serde(skip)]
    pub credentials: Option<String>,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

/// An interface of a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Port {
    /// Its id.
    pub id: PortId,
    /// The device that it is of.
    pub device: DeviceId,
    /// Its name there: ifName, which stays when ifIndex changes.
    pub name: String,
    /// Its speed in each direction.
    #[serde(rename = "speed_bps")]
    pub speed: Rate,
    /// The link whose end it is.
    pub link: Option<LinkId>,
    /// The passive optical network that it feeds.
    pub pon: Option<String>,
    /// The port that counts this one's octets, too: the LAG of a member, the port of a VLAN.
    pub within: Option<PortId>,
    /// The port at the other end of the same fibre.
    pub peer: Option<PortId>,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

/// Which counter of a port counts what goes from a link's first end to its second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// What the port sends.
    Sent,
    /// What it receives.
    Received,
}

impl Topology {
    /// The device with this id.
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == *id)
    }

    /// The port with this id.
    pub fn port(&self, id: &PortId) -> Option<&Port> {
        self.ports.iter().find(|port| port.id == *id)
    }

    /// Of each link that has ports: those whose counters make up its traffic, each octet once, and which way each counts. Where
    /// both ends of a fibre are read, that is the end that is declared first.
    pub fn counted_ports(&self) -> BTreeMap<&LinkId, Vec<(&Port, Along)>> {
        let by_id: BTreeMap<&PortId, &Port> =
            self.ports.iter().map(|port| (&port.id, port)).collect();
        let sites: BTreeMap<&DeviceId, &SiteId> = self
            .devices
            .iter()
            .map(|device| (&device.id, &device.site))
            .collect();
        let ends: BTreeMap<&LinkId, &[SiteId; 2]> = self
            .links
            .iter()
            .map(|link| (&link.id, &link.ends))
            .collect();
        let mut groups: BTreeMap<&LinkId, Vec<&Port>> = BTreeMap::new();
        for port in &self.ports {
            if let Some(link) = &port.link {
                groups.entry(link).or_default().push(port);
            }
        }
        let counted = groups.into_iter().map(|(link, group)| {
            let of_group = group_interfaces(&group, &by_id);
            let all: Vec<usize> = (0..group.len()).collect();
            let along = |index: usize| {
                let port = group[index];
                let site = sites.get(&port.device)?;
                Some((
                    port,
                    match ends.get(link)?[0] == **site {
                        true => Along::Sent,
                        false => Along::Received,
                    },
                ))
            };
            let once = counted_once(&of_group, &all);
            (link, once.into_iter().filter_map(along).collect())
        });
        counted.collect()
    }
}

/// The ports of one link as a sum sees them, by their places among each other.
fn group_interfaces(group: &[&Port], by_id: &BTreeMap<&PortId, &Port>) -> Vec<Interface> {
    let places: BTreeMap<&PortId, usize> = group
        .iter()
        .enumerate()
        .map(|(place, port)| (&port.id, place))
        .collect();
    let outermost_known = |port: &Port| {
        let mut outer = port.within.as_ref();
        for _ in 0..DEPTH_MAX {
            let id = outer?;
            if let Some(&place) = places.get(id) {
                return Some(place);
            }
            outer = by_id.get(id)?.within.as_ref();
        }
        None
    };
    let interface = |port: &&Port| Interface {
        within: outermost_known(port),
        peer: port
            .peer
            .as_ref()
            .and_then(|peer| places.get(peer).copied()),
    };
    group.iter().map(interface).collect()
}
