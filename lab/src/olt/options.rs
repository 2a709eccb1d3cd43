//! What a simulated OLT is like.

use owl_measure::time::Nanos;
use owl_protocol::snmp::usm::{MasterKeys, ShortPassphrase};

/// Who may ask by SNMPv3.
#[derive(Debug, Clone)]
pub struct User {
    /// The name.
    pub name: String,
    /// The keys.
    pub keys: MasterKeys,
}

impl User {
    /// With these pass phrases.
    ///
    /// # Errors
    /// When one is shorter than eight octets.
    pub fn new(name: &str, authentication: &str, privacy: &str) -> Result<Self, ShortPassphrase> {
        Ok(Self {
            name: name.to_owned(),
            keys: MasterKeys::new(authentication.as_bytes(), Some(privacy.as_bytes()))?,
        })
    }
}

/// What an OLT is like.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many PON ports it has.
    pub ports: u32,
    /// Who may ask by SNMPv2c.
    pub community: String,
    /// Who may ask by SNMPv3; `None`: nobody.
    pub user: Option<User>,
    /// Its answers have no more octets than this.
    pub answer_octets_max: usize,
    /// How far away it is.
    pub round_trip: Nanos,
    /// How long it works on one variable binding; requests wait for each other.
    pub service: Nanos,
    /// Datagrams lost each way, in millionths.
    pub loss_ppm: u32,
    /// How long it answers with the same copy of the counters; zero: it reads them for each answer.
    pub cache: Nanos,
    /// It restarts each time this has passed; `None`: never.
    pub restart_every: Option<Nanos>,
    /// After a restart each port has the number that the port before it had.
    pub renumbers: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ports: 16,
            community: "public".to_owned(),
            user: None,
            answer_octets_max: 1_472,
            round_trip: Nanos::ZERO,
            service: Nanos::ZERO,
            loss_ppm: 0,
            cache: Nanos::ZERO,
            restart_every: None,
            renumbers: false,
        }
    }
}
