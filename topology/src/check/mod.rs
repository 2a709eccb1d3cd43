//! Holds a topology against itself and against physics.
//!
//! First every part by itself with its references; then, only when those are
//! good, what follows from the whole. One file a subject; the codes are listed
//! in [`Code`](crate::Code).

mod clock;
mod coverage;
mod device;
mod family;
mod identity;
mod indicator;
mod link;
mod load;
mod maintenance;
mod multihome;
mod physics;
mod reference;
mod site;

use crate::diagnostic::Diagnostic;
use crate::model::Topology;

/// Every part by itself: ids, references, ranges.
pub(crate) fn parts(topology: &Topology, found: &mut Vec<Diagnostic>) {
    identity::check(topology, found);
    reference::check(topology, found);
    site::check(topology, found);
    maintenance::check(topology, found);
}

/// What follows from the parts taken together. The references are good.
pub(crate) fn whole(topology: &Topology, found: &mut Vec<Diagnostic>) {
    link::check(topology, found);
    physics::check(topology, found);
    clock::check(topology, found);
    load::check(topology, found);
    multihome::check(topology, found);
    coverage::check(topology, found);
    indicator::check(topology, found);
    family::check(topology, found);
    device::check(topology, found);
}

#[cfg(test)]
mod tests;
