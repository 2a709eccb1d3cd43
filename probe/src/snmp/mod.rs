//! Counters of links, asked of OLTs, switches and routers by SNMP.
//!
//! [`Poller`] is told datagrams and times and asks many agents at once, each with as many requests as it can use and no more;
//! [`Polling`] lends it sockets and a clock; [`Meter`] turns what a round brought into rates that say what they are worth.
//! What to ask is a [`Device`]: its secret is a file that is referred to. docs/snmp.md explains how it is asked and why.

mod answer;
mod column;
mod credentials;
mod device;
mod directory;
mod meter;
mod patience;
mod poller;
mod profile;
mod session;
mod shell;
mod slots;
mod sweep;
mod table;
mod target;
mod window;

pub use column::{Column, Lane};
pub use credentials::{Credentials, CredentialsError};
pub use device::Device;
pub use directory::{Directory, PORTS_MAX, Port, Row};
pub use meter::{Meter, Way};
pub use poller::{Poller, Transmit, Unheard};
pub use profile::Profile;
pub use session::Refusal;
pub use shell::{PollError, Polling};
pub use table::{Stamp, Table};
pub use target::{Round, Target, Trouble};
