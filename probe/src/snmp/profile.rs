//! What agents of one make put up with.

use owl_measure::time::Nanos;

/// How an agent is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// What it is called in a configuration.
    pub name: &'static str,
    /// Requests at once, at most.
    pub window_max: u32,
    /// Rows in one answer, at most.
    pub rows_max: u32,
    /// Octets in one answer, at most: what a path without fragments carries.
    pub answer_octets_max: u32,
    /// Bits of a request identifier that it gives back.
    pub request_id_bits: u32,
    /// How old its counters may be when it answers.
    pub cache: Nanos,
}

impl Profile {
    /// An agent of which nothing is known.
    pub const GENERIC: Self = Self {
        name: "generic",
        window_max: 64,
        rows_max: 64,
        answer_octets_max: 1_472,
        request_id_bits: 31,
        cache: Nanos::ZERO,
    };

    /// All that are known.
    pub const ALL: [Self; 4] = [
        Self::GENERIC,
        // Debian's snmpd: it renews its copy of the kernel's counters every three seconds.
        Self {
            name: "net-snmp",
            cache: Nanos::from_secs(3),
            ..Self::GENERIC
        },
        // One request at a time, for agents that are known to fall over.
        Self {
            name: "careful",
            window_max: 1,
            rows_max: 8,
            ..Self::GENERIC
        },
        // Reported of ZTE C300 by a single user: identifiers above 16 bits come back cut, long answers are unreliable.
        Self {
            name: "short-id",
            window_max: 4,
            rows_max: 4,
            request_id_bits: 15,
            ..Self::GENERIC
        },
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name == name)
    }
}
