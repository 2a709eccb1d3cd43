//! What the network is declared to be, and what follows from it.
//!
//! Sites, carriers, links, path classes and probes are read from TOML
//! ([`Topology::parse`]), checked against each other and against physics, and
//! turned into the ordered paths that are judged ([`Topology::paths`]) and into
//! the plan of each probe ([`Topology::plan`]). Nothing measured is in here,
//! and no socket, file, thread or "now": the texts are arguments.
#![forbid(unsafe_code)]

mod check;
mod choice;
mod diagnostic;
mod file;
pub mod geodesy;
mod id;
mod impossible;
mod maintenance;
mod model;
mod order;
mod path;
mod plan;
mod quantity;
mod route;

pub use diagnostic::{Code, Diagnostic, Diagnostics, Place, Places, Said, Severity, Text};
pub use file::{Checked, Source, TEXT_OCTETS_MAX};
pub use id::{CarrierId, ClassId, LinkId, MeasureId, ProbeId, SiteId};
pub use impossible::Impossible;
pub use model::{
    Carrier, Clock, ClockSource, Disjoint, Family, Indicator, Layer, Link, LinkRole, Maintenance,
    Measure, Medium, Multihome, Name, PathClass, Pon, PonStandard, Probe, Proto, Publish, Region,
    RouteSource, Site, StatProfile, Sum, Topology,
};
pub use order::{PLAN_SIGNER, PlanOrder, SIGNED_AS, SignedPlan};
pub use path::Path;
pub use plan::{Plan, PlannedSession, ReflectorKind, Schedule};
pub use quantity::{BusyHours, ParseBusyHoursError, ParseRateError, Rate};
pub use route::Route;

/// The example that owl knows without any file: Yancheng, its three carriers and their ways to Shanghai
/// and to the key cities of the Yangtze River Delta. The site points are real, the rest is invented and says so.
pub const YANCHENG: &str = include_str!("../yancheng.toml");
