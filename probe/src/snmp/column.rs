//! What is asked of each port, and how often.

use owl_protocol::snmp::Oid;

/// A column of ifTable or ifXTable (RFC 2863).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// ifHCInOctets.
    InOctets,
    /// ifHCOutOctets.
    OutOctets,
    /// ifHCInUcastPkts.
    InPackets,
    /// ifHCOutUcastPkts.
    OutPackets,
    /// ifInErrors.
    InErrors,
    /// ifOutErrors.
    OutErrors,
    /// ifCounterDiscontinuityTime.
    Discontinuity,
    /// ifName.
    Name,
    /// ifAlias.
    Alias,
    /// ifHighSpeed, Mb/s.
    HighSpeed,
    /// ifOperStatus: 1 is up.
    OperStatus,
}

impl Column {
    /// Its name.
    pub fn oid(self) -> Oid {
        let arcs: &[u32] = match self {
            Self::OperStatus => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 8],
            Self::InErrors => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 14],
            Self::OutErrors => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 20],
            Self::Name => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1],
            Self::InOctets => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6],
            Self::InPackets => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 7],
            Self::OutOctets => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10],
            Self::OutPackets => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 11],
            Self::HighSpeed => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 15],
            Self::Alias => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 18],
            Self::Discontinuity => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 19],
        };
        Oid::new(arcs).expect("the table above holds identifiers")
    }
}

/// What is asked together, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// The octets alone: two columns cost an agent 3.5 times less than seven.
    Octets,
    /// The octets and what says whether they are to be believed: packets, errors, discontinuities.
    Health,
    /// What seldom changes: names, speeds, what is up.
    Names,
}

impl Lane {
    /// What it asks of each port.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Octets => &[Column::InOctets, Column::OutOctets],
            Self::Health => &[
                Column::InOctets,
                Column::OutOctets,
                Column::InPackets,
                Column::OutPackets,
                Column::InErrors,
                Column::OutErrors,
                Column::Discontinuity,
            ],
            // Of the names themselves it is not known which rows there are; they are walked before.
            Self::Names => &[Column::Alias, Column::HighSpeed, Column::OperStatus],
        }
    }
}

/// sysUpTime, as GETBULK asks for it: without the last number, so that the next name is the value's.
pub(super) fn up_time() -> Oid {
    Oid::new(&[1, 3, 6, 1, 2, 1, 1, 3]).expect("an identifier")
}

/// ifTableLastChange, likewise.
pub(super) fn table_last_change() -> Oid {
    Oid::new(&[1, 3, 6, 1, 2, 1, 31, 1, 5]).expect("an identifier")
}
