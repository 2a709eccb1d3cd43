//! The tables of the schema `topology/1`, as values.
//!
//! What is declared stands here and nothing that follows from it. A value of
//! these types came through [`Topology::parse`], so every reference is good and
//! every number is in its range.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Profile;
use owl_measure::words::Lang;
use serde::Serialize;

use crate::choice::choice;
use crate::diagnostic::Places;
use crate::geodesy::{self, Point};
use crate::id::{CarrierId, ClassId, LinkId, MeasureId, ProbeId, SiteId};
use crate::plan::{ReflectorKind, Schedule};
use crate::quantity::{BusyHours, Rate};

/// A network as it is declared: who is where, what connects them, what is promised and who measures it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Topology {
    /// SHA-256 of the files' texts in the order of their names, in hex; what `cat *.toml | sha256sum` prints.
    pub generation: String,
    /// Its name.
    pub name: String,
    /// IANA time zone in which busy hours and report days are counted.
    pub timezone: String,
    /// Light in the fibres that are laid, in microseconds for a kilometre: a declaration, not a proof.
    pub fibre_us_per_km: f64,
    /// The box that every site must lie in, when one is declared.
    pub region: Option<Region>,
    /// Carriers in the order of the files, as in all the lists below.
    pub carriers: Vec<Carrier>,
    /// Sites.
    pub sites: Vec<Site>,
    /// Links, working and protecting.
    pub links: Vec<Link>,
    /// Path classes: what is promised between which roles.
    pub classes: Vec<PathClass>,
    /// Statistical profiles: how a promise is judged. `plan-2026` and `lab` are always there.
    pub profiles: Vec<StatProfile>,
    /// Probes.
    pub probes: Vec<Probe>,
    /// Measurements: which probes measure each other, and how.
    pub measures: Vec<Measure>,
    /// Sites that several carriers must reach.
    pub multihomes: Vec<Multihome>,
    /// Maintenance windows.
    pub maintenances: Vec<Maintenance>,
    /// Passive optical networks.
    pub pons: Vec<Pon>,
    /// Indicators: sums that the declared network must reach.
    pub indicators: Vec<Indicator>,
}

impl Topology {
    /// The site with this id.
    pub fn site(&self, id: &SiteId) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == *id)
    }

    /// The carrier with this id.
    pub fn carrier(&self, id: &CarrierId) -> Option<&Carrier> {
        self.carriers.iter().find(|carrier| carrier.id == *id)
    }

    /// The link with this id.
    pub fn link(&self, id: &LinkId) -> Option<&Link> {
        self.links.iter().find(|link| link.id == *id)
    }

    /// The path class with this id.
    pub fn class(&self, id: &ClassId) -> Option<&PathClass> {
        self.classes.iter().find(|class| class.id == *id)
    }

    /// The probe with this id.
    pub fn probe(&self, id: &ProbeId) -> Option<&Probe> {
        self.probes.iter().find(|probe| probe.id == *id)
    }

    /// The statistical profile with this id.
    pub fn profile(&self, id: &str) -> Option<&StatProfile> {
        self.profiles
            .iter()
            .find(|profile| profile.profile.id == id)
    }

    /// What a link's declared length costs light, in one direction.
    pub fn light_in(&self, link: &Link) -> Nanos {
        geodesy::light(
            link.route_km,
            link.medium.us_per_km().unwrap_or(self.fibre_us_per_km),
        )
    }

    /// What is declared toward an indicator: bits per second, or ports. Protecting links count like working ones; the
    /// check refuses a protecting link that would count beside the link it protects.
    pub fn declared(&self, indicator: &Indicator) -> u64 {
        let tagged = self.links.iter().filter(|link| {
            indicator
                .tag
                .as_ref()
                .is_some_and(|tag| link.counts_toward.contains(tag))
        });
        match indicator.sum {
            Sum::Capacity => tagged.fold(0, |sum, link| link.capacity.0.saturating_add(sum)),
            Sum::Lit => tagged.fold(0, |sum, link| link.lit.0.saturating_add(sum)),
            Sum::PonPorts => self.pons.iter().map(|pon| u64::from(pon.ports)).sum(),
        }
    }
}

/// A name in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Name {
    /// Simplified Chinese
    pub zh: String,
    /// English
    pub en: String,
}

impl Name {
    /// The name in one language.
    pub fn pick(&self, lang: Lang) -> &str {
        lang.pick(&self.en, &self.zh)
    }
}

/// A box of latitudes and longitudes, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Region {
    /// Least and greatest latitude.
    pub lat: [f64; 2],
    /// Least and greatest longitude.
    pub lon: [f64; 2],
}

/// A network operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Carrier {
    /// Its id.
    pub id: CarrierId,
    /// Its name.
    pub name: Name,
    /// Its autonomous systems.
    pub asn: Vec<u32>,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

choice! {
    /// How exactly a site may be shown in public.
    pub enum Publish {
        /// As declared.
        Exact = "exact",
        /// The city only.
        City = "city",
        /// Not at all.
        Hidden = "hidden",
    }
}

/// A place with equipment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// Its name.
    pub name: Name,
    /// What it is for; path classes choose their ends by it.
    pub role: String,
    /// Degrees north (WGS-84).
    pub lat: f64,
    /// Degrees east (WGS-84).
    pub lon: f64,
    /// The site lies within this many kilometres of the point.
    pub accuracy_km: f64,
    /// How exactly it may be shown in public.
    pub publish: Publish,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

impl Site {
    /// Its point on the ground.
    pub fn point(&self) -> Point {
        Point {
            lat: self.lat,
            lon: self.lon,
            accuracy_km: self.accuracy_km,
        }
    }
}

choice! {
    /// What a link is made of.
    pub enum Medium {
        /// 10G passive optical network (one port)
        TenGigabitPon = "10g-pon",
        /// 10 Gigabit Ethernet
        TenGigabitEthernet = "10ge",
        /// 100 Gigabit Ethernet
        HundredGigabitEthernet = "100ge",
        /// 400 Gigabit Ethernet
        FourHundredGigabitEthernet = "400ge",
        /// 800 Gigabit Ethernet
        EightHundredGigabitEthernet = "800ge",
        /// Optical transport network, 100G wavelengths
        Otn100 = "otn-100g",
        /// Optical transport network, 400G wavelengths
        Otn400 = "otn-400g",
        /// Optical transport network, 800G wavelengths
        Otn800 = "otn-800g",
        /// A fibre without equipment of its own
        DarkFibre = "dark-fibre",
        /// Hollow-core fibre
        HollowCore = "hollow-core",
        /// Microwave
        Microwave = "microwave",
    }
}

impl Medium {
    /// The rate of one port or wavelength; `None` where the medium sets none.
    pub fn channel(self) -> Option<Rate> {
        let gigabits = match self {
            Self::TenGigabitPon | Self::TenGigabitEthernet => 10,
            Self::HundredGigabitEthernet | Self::Otn100 => 100,
            Self::FourHundredGigabitEthernet | Self::Otn400 => 400,
            Self::EightHundredGigabitEthernet | Self::Otn800 => 800,
            Self::DarkFibre | Self::HollowCore | Self::Microwave => return None,
        };
        Some(Rate(gigabits * 1_000_000_000))
    }

    /// Microseconds for a kilometre where the medium is not the fibre that the topology declares.
    pub fn us_per_km(self) -> Option<f64> {
        match self {
            // About 30 % faster than the 4.9 µs/km of solid fibre.
            Self::HollowCore => Some(3.4),
            Self::Microwave => Some(geodesy::VACUUM_US_PER_KM),
            _ => None,
        }
    }
}

choice! {
    /// Where a route's length is known from.
    pub enum RouteSource {
        /// Measured by optical time-domain reflectometry
        Otdr = "otdr",
        /// The design document
        Design = "design",
        /// A guess
        Estimate = "estimate",
    }
}

choice! {
    /// Whether a link carries traffic, or waits for another to fail.
    pub enum LinkRole {
        /// Carries traffic
        Work = "work",
        /// Takes over from the link it protects
        Protect = "protect",
    }
}

/// A connection between two sites, of one carrier, both ways.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// Whose it is.
    pub carrier: CarrierId,
    /// Its two ends.
    pub ends: [SiteId; 2],
    /// What it is made of.
    pub medium: Medium,
    /// What it could carry in each direction.
    #[serde(rename = "capacity_bps")]
    pub capacity: Rate,
    /// What is in service of it.
    #[serde(rename = "lit_bps")]
    pub lit: Rate,
    /// The length of the way it takes, in kilometres.
    pub route_km: f64,
    /// Where that length is known from.
    pub route_km_source: RouteSource,
    /// Regenerators on the way.
    pub regens: u32,
    /// What all equipment on it takes, one way: transponders, error correction, switches. Zero when it is not declared.
    #[serde(rename = "equipment_ns")]
    pub equipment: Nanos,
    /// Working or protecting.
    pub role: LinkRole,
    /// The link that it protects.
    pub protects: Option<LinkId>,
    /// Declared to go straight from end to end, through no other node.
    pub direct: bool,
    /// Shared-risk groups: ducts, bridges, stations that fail as one.
    pub srlg: Vec<String>,
    /// The building entry it uses at an end, where that is declared.
    pub entries: BTreeMap<SiteId, String>,
    /// Tags of the indicators that it counts toward.
    pub counts_toward: Vec<String>,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

impl Link {
    /// The other end, seen from `site`; `None` when the link does not end there.
    pub fn far_end(&self, site: &SiteId) -> Option<&SiteId> {
        match &self.ends {
            [a, b] if a == site => Some(b),
            [a, b] if b == site => Some(a),
            _ => None,
        }
    }
}

choice! {
    /// The layer that a promise is about; figures of different layers are not comparable.
    pub enum Layer {
        /// The optical layer
        Optical = "optical",
        /// A private IP network
        IpPrivate = "ip-private",
        /// The public Internet
        IpPublic = "ip-public",
    }
}

choice! {
    /// An address family.
    pub enum Family {
        /// IPv4
        V4 = "v4",
        /// IPv6
        V6 = "v6",
    }
}

impl Family {
    /// The family of an address.
    pub fn of(address: &IpAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }
}

/// What is promised between sites of some roles. It is judged in both directions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathClass {
    /// Its id.
    pub id: ClassId,
    /// The most that the one-way delay may be.
    #[serde(rename = "target_ns")]
    pub target: Nanos,
    /// Roles of the one end.
    pub from_role: Vec<String>,
    /// Roles of the other end.
    pub to_role: Vec<String>,
    /// The statistical profile that judges it.
    pub stat: String,
    /// The layer that the promise is about.
    pub layer: Layer,
    /// Whether paths between different carriers belong to it.
    pub cross_carrier: bool,
    /// The most IP hops that are allowed, when limited.
    pub max_ip_hops: Option<u32>,
    /// Sites that a path may pass through; empty means none, absent means any.
    pub allow_via: Option<Vec<SiteId>>,
    /// Address families that its probes must have.
    pub families: Vec<Family>,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

/// How a promise is judged, over an interval and over a period.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatProfile {
    /// How one interval is judged.
    pub profile: Profile,
    /// Share of a period's intervals that must be met, in (0, 1].
    pub share_of_intervals: f64,
    /// Local hours that are judged apart.
    pub busy_hours: Vec<BusyHours>,
    /// Share of the intervals of the busy hours that must be met, in (0, 1].
    pub busy_share: f64,
    /// An interval is severely violated above this multiple of the target.
    pub severe_factor: f64,
    /// Where it is declared; nowhere for a built-in.
    #[serde(skip)]
    pub places: Places,
}

impl StatProfile {
    /// A profile that is known without being declared.
    pub(crate) fn built_in(profile: Profile) -> Self {
        Self {
            profile,
            share_of_intervals: 0.95,
            busy_hours: vec![
                BusyHours {
                    from_minute: 9 * 60,
                    to_minute: 12 * 60,
                },
                BusyHours {
                    from_minute: 19 * 60,
                    to_minute: 23 * 60,
                },
            ],
            busy_share: 0.95,
            severe_factor: 1.5,
            places: Places::default(),
        }
    }
}

choice! {
    /// Where a probe's clock takes its time from.
    pub enum ClockSource {
        /// A satellite receiver
        Gnss = "gnss",
        /// A pulse per second
        Pps = "pps",
        /// Precision Time Protocol (IEEE 1588), profile not said
        Ptp = "ptp",
        /// PTP with full timing support (ITU-T G.8275.1)
        PtpFull = "ptp-g8275.1",
        /// PTP with partial timing support (ITU-T G.8275.2)
        PtpPartial = "ptp-g8275.2",
        /// Network Time Protocol
        Ntp = "ntp",
        /// Nothing: the clock runs free
        Free = "free",
    }
}

/// What a probe's clock is declared to be worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Clock {
    /// Where it takes its time from.
    pub source: ClockSource,
    /// The most that its expanded uncertainty (95 %) may be.
    #[serde(rename = "max_u95_ns")]
    pub max_u95: Nanos,
}

/// A host that measures, or one that only reflects.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probe {
    /// Its id.
    pub id: ProbeId,
    /// Where it stands.
    pub site: SiteId,
    /// Whose network it is in.
    pub carrier: CarrierId,
    /// The addresses of its session-reflector; the plan takes the first.
    pub addr: Vec<IpAddr>,
    /// The UDP port of its session-reflector (862, RFC 8762, unless said otherwise); with TWAMP-Control the TCP port of
    /// its server (862, RFC 5357, unless said otherwise).
    pub port: u16,
    /// What it is: a probe of ours, unless it is said to only reflect. Then no path begins there, and its clock decides
    /// nothing: what it says of that in its packets counts.
    pub reflector: ReflectorKind,
    /// As whom its TWAMP server is asked for sessions (a KeyID, RFC 4656, section 3.1); nobody, unauthenticated, when it is
    /// not said.
    pub twamp_user: Option<String>,
    /// The address that it sends test packets from; what its own configuration says when it is not said.
    pub sends_from: Option<IpAddr>,
    /// The collector's intakes that it reports to, tried in turn; those of its own configuration when there are none.
    pub reports_to: Vec<SocketAddr>,
    /// The name under which it is managed.
    pub mgmt: Option<String>,
    /// What its clock is worth.
    pub clock: Clock,
    /// Whether its network interface stamps packets.
    pub nic_hw_timestamp: bool,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

choice! {
    /// The test protocol of a measurement.
    pub enum Proto {
        /// Simple Two-way Active Measurement Protocol (RFC 8762)
        Stamp = "stamp",
    }
}

/// Probes that measure each other for one path class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measure {
    /// Its id.
    pub id: MeasureId,
    /// The class that it measures.
    pub class: ClassId,
    /// The probes; every pair of them that the class puts together measures each other.
    pub mesh: Vec<ProbeId>,
    /// The test protocol.
    pub proto: Proto,
    /// Test packets a second, on each ordered pair.
    pub rate_pps: f64,
    /// UDP payloads in octets; the plan takes the first.
    pub sizes: Vec<u32>,
    /// Code points; the plan takes the first.
    pub dscp: Vec<u8>,
    /// Address families that its probes must have.
    pub families: Vec<Family>,
    /// Flows that the packets of each ordered pair are spread over, 1 to 32: each has a source port of its own, so that
    /// equal-cost paths can be told apart. They share `rate_pps`.
    pub flows: u32,
    /// How the send times are drawn.
    pub schedule: Schedule,
    /// A packet without a reply for this long is lost.
    #[serde(rename = "timeout_ns")]
    pub timeout: Nanos,
    /// How often a probe reports.
    #[serde(rename = "report_every_ns")]
    pub report_every: Nanos,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

choice! {
    /// What the carriers of a multi-homed site must not share.
    pub enum Disjoint {
        /// A shared-risk group
        Srlg = "srlg",
        /// A building entry
        BuildingEntry = "building-entry",
    }
}

/// A site that several carriers must reach.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Multihome {
    /// Its id.
    pub id: String,
    /// The site.
    pub site: SiteId,
    /// The carriers.
    pub carriers: Vec<CarrierId>,
    /// How many of them must be up.
    pub min_up: u32,
    /// What they must not share.
    pub require_disjoint: Vec<Disjoint>,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

/// Announced work on links.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Maintenance {
    /// Its id.
    pub id: String,
    /// The links.
    pub links: Vec<LinkId>,
    /// When it begins.
    #[serde(rename = "start_ns")]
    pub start: Timestamp,
    /// When it ends.
    #[serde(rename = "end_ns")]
    pub end: Timestamp,
    /// When it was announced; a report shows it beside every exclusion.
    #[serde(rename = "declared_at_ns")]
    pub declared_at: Timestamp,
    /// Who announced it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

choice! {
    /// The standard of a passive optical network.
    pub enum PonStandard {
        /// ITU-T G.984
        Gpon = "gpon",
        /// ITU-T G.987
        XgPon = "xg-pon",
        /// ITU-T G.9807.1
        XgsPon = "xgs-pon",
        /// IEEE 802.3av
        TenGEpon = "10g-epon",
    }
}

/// The ports of an optical line terminal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pon {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub site: SiteId,
    /// Whose it is.
    pub carrier: CarrierId,
    /// The terminal's name in the carrier's own list.
    pub olt: String,
    /// Its standard.
    pub standard: PonStandard,
    /// Number of ports.
    pub ports: u32,
    /// Subscribers that share a port.
    pub split: u32,
    /// How ports are drawn for a test.
    pub sample_plan: Option<String>,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

choice! {
    /// What an indicator adds up.
    pub enum Sum {
        /// The capacity of the tagged links
        Capacity = "capacity",
        /// What is lit of the tagged links
        Lit = "lit",
        /// The ports of all passive optical networks
        PonPorts = "pon.ports",
    }
}

/// A sum that the declared network must reach.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Indicator {
    /// Its id.
    pub id: String,
    /// What the sum must reach: bits per second, or ports.
    pub target: u64,
    /// What is added up.
    pub sum: Sum,
    /// The tag by which links count toward it.
    pub tag: Option<String>,
    /// Where it is declared.
    #[serde(skip)]
    pub places: Places,
}

impl Indicator {
    /// An amount of this indicator as a person writes it: `17T`, `100000`.
    pub fn amount(&self, amount: u64) -> String {
        match self.sum {
            Sum::Capacity | Sum::Lit => Rate(amount).to_string(),
            Sum::PonPorts => amount.to_string(),
        }
    }
}
