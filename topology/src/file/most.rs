//! How many there may be of each thing in all texts together.
//!
//! Several times what a province needs, and few enough that what looks at every
//! pair of them ends. The first one too many is refused at its place (E004).

pub(super) const CARRIERS: usize = 100;
pub(super) const SITES: usize = 2_000;
pub(super) const LINKS: usize = 10_000;
pub(super) const PATH_CLASSES: usize = 50;
pub(super) const STAT_PROFILES: usize = 100;
pub(super) const PROBES: usize = 2_000;
pub(super) const MEASURES: usize = 200;
pub(super) const MULTIHOMES: usize = 100;
pub(super) const MAINTENANCES: usize = 1_000;
pub(super) const PONS: usize = 10_000;
pub(super) const INDICATORS: usize = 100;
pub(super) const DEVICES: usize = 2_000;
/// What every check of a port costs grows with it; PON ports of a hundred thousand are counted by their `pon`, not declared one by one.
pub(super) const PORTS: usize = 20_000;
/// Probes of one mesh.
pub(super) const MESH: usize = 500;
/// Ordered pairs of all meshes together.
pub(super) const PAIRS: usize = 250_000;
/// Links of one maintenance window.
pub(super) const WINDOW_LINKS: usize = 100;
