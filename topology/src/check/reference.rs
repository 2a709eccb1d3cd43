//! References: what a table names must be defined somewhere.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic, Place, text};
use crate::id;
use crate::model::Topology;

/// Findings up to which a near name is looked for among all; the later ones go without.
const SUGGESTED_MAX: usize = 100;

pub(super) fn check(topology: &Topology, found: &mut Vec<Diagnostic>) {
    let t = topology;
    let carriers = Known::of("carrier", t.carriers.iter().map(|it| it.id.as_str()));
    let sites = Known::of("site", t.sites.iter().map(|it| it.id.as_str()));
    let links = Known::of("link", t.links.iter().map(|it| it.id.as_str()));
    let classes = Known::of("path_class", t.classes.iter().map(|it| it.id.as_str()));
    let profiles = Known::of(
        "stat_profile",
        t.profiles.iter().map(|it| it.profile.id.as_str()),
    );
    let probes = Known::of("probe", t.probes.iter().map(|it| it.id.as_str()));
    // Two indicators may sum over one tag.
    let tags: BTreeSet<_> = t
        .indicators
        .iter()
        .filter_map(|it| it.tag.as_deref())
        .collect();
    let tags = Known::of("indicator tag", tags.into_iter());

    for link in &t.links {
        let owner = format!("link \"{}\"", link.id);
        carriers.require(&owner, &link.carrier, link.places.key("carrier"), found);
        sites.require_all(&owner, &link.ends, |i| link.places.item("ends", i), found);
        if let Some(protected) = &link.protects {
            links.require(&owner, protected, link.places.key("protects"), found);
        }
        let ends = Known::of("end", link.ends.iter().map(AsRef::as_ref));
        ends.require_all(
            &owner,
            link.entries.keys(),
            |_| link.places.key("entries"),
            found,
        );
        tags.require_all(
            &owner,
            &link.counts_toward,
            |i| link.places.item("counts_toward", i),
            found,
        );
    }
    for class in &t.classes {
        let owner = format!("path_class \"{}\"", class.id);
        profiles.require(&owner, &class.stat, class.places.key("stat"), found);
        sites.require_all(
            &owner,
            class.allow_via.iter().flatten(),
            |i| class.places.item("allow_via", i),
            found,
        );
    }
    for probe in &t.probes {
        let owner = format!("probe \"{}\"", probe.id);
        sites.require(&owner, &probe.site, probe.places.key("site"), found);
        carriers.require(&owner, &probe.carrier, probe.places.key("carrier"), found);
    }
    for measure in &t.measures {
        let owner = format!("measure \"{}\"", measure.id);
        classes.require(&owner, &measure.class, measure.places.key("class"), found);
        probes.require_all(
            &owner,
            &measure.mesh,
            |i| measure.places.item("mesh", i),
            found,
        );
    }
    for multihome in &t.multihomes {
        let owner = format!("multihome \"{}\"", multihome.id);
        sites.require(&owner, &multihome.site, multihome.places.key("site"), found);
        carriers.require_all(
            &owner,
            &multihome.carriers,
            |i| multihome.places.item("carriers", i),
            found,
        );
    }
    for maintenance in &t.maintenances {
        let owner = format!("maintenance \"{}\"", maintenance.id);
        links.require_all(
            &owner,
            &maintenance.links,
            |i| maintenance.places.item("links", i),
            found,
        );
    }
    for pon in &t.pons {
        let owner = format!("pon \"{}\"", pon.id);
        sites.require(&owner, &pon.site, pon.places.key("site"), found);
        carriers.require(&owner, &pon.carrier, pon.places.key("carrier"), found);
    }
    let devices = Known::of("device", t.devices.iter().map(|it| it.id.as_str()));
    let ports = Known::of("port", t.ports.iter().map(|it| it.id.as_str()));
    let pons = Known::of("pon", t.pons.iter().map(|it| it.id.as_str()));
    for device in &t.devices {
        let owner = format!("device \"{}\"", device.id);
        let place = |key| device.places.key(key);
        sites.require(&owner, &device.site, place("site"), found);
        carriers.require(&owner, &device.carrier, place("carrier"), found);
        probes.require_all(&owner, &device.probe, |_| place("probe"), found);
    }
    for port in &t.ports {
        let owner = format!("port \"{}\"", port.id);
        let place = |key| port.places.key(key);
        devices.require(&owner, &port.device, place("device"), found);
        links.require_all(&owner, &port.link, |_| place("link"), found);
        pons.require_all(&owner, &port.pon, |_| place("pon"), found);
        ports.require_all(&owner, &port.within, |_| place("within"), found);
        ports.require_all(&owner, &port.peer, |_| place("peer"), found);
    }
}

/// The names of one kind.
struct Known<'t> {
    kind: &'static str,
    names: BTreeSet<&'t str>,
    /// One name stands twice, so another one is likely missing: that is told once, as E101.
    ambiguous: bool,
}

impl<'t> Known<'t> {
    fn of(kind: &'static str, names: impl Iterator<Item = &'t str>) -> Self {
        let mut known = Self {
            kind,
            names: BTreeSet::new(),
            ambiguous: false,
        };
        for name in names {
            known.ambiguous |= !known.names.insert(name);
        }
        known
    }

    fn require(
        &self,
        owner: &str,
        name: &impl AsRef<str>,
        place: &Place,
        found: &mut Vec<Diagnostic>,
    ) {
        let (kind, name) = (self.kind, name.as_ref());
        if self.ambiguous || self.names.contains(name) {
            return;
        }
        let near = (found.len() < SUGGESTED_MAX)
            .then(|| id::nearest(name, self.names.iter().copied()))
            .flatten();
        let hint = match near {
            Some(near) => text!("did you mean \"{near}\"?", "是否想写“{near}”？"),
            None => text!(
                "define the {kind} or correct the name",
                "请定义该 {kind} 或更正名称"
            ),
        };
        found.push(Diagnostic {
            code: Code::E102,
            place: place.clone(),
            message: text!(
                "{owner}: {kind} \"{name}\" is not defined",
                "{owner}：{kind}“{name}”未定义"
            ),
            hint,
        });
    }

    fn require_all<'p, N: AsRef<str> + 't>(
        &self,
        owner: &str,
        names: impl IntoIterator<Item = &'t N>,
        place: impl Fn(usize) -> &'p Place,
        found: &mut Vec<Diagnostic>,
    ) {
        for (index, name) in names.into_iter().enumerate() {
            self.require(owner, name, place(index), found);
        }
    }
}
