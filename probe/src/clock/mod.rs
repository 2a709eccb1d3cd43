//! The host's clock, and what is known of it.
//!
//! Daemons that discipline the clock are asked once a second ([`ClockWatch`]);
//! each adapter reads what they answer (its `wire`, pure) and judges what it is
//! worth (its `judge`, pure). The kernel's own figures are a cross-check and
//! never a bound. [`declared`] is what remains where nobody can be asked.

mod assessment;
mod chrony;
mod clockbound;
mod datagram;
pub mod declared;
pub mod finding;
mod keeper;
mod ntpd_rs;
mod octets;
mod ptp4l;
pub mod settings;
mod shown;
mod step;
mod tellers;
mod watch;

pub use crate::history::ClockHistory;
pub use assessment::{Part, PartKind};
pub use declared::{Declared, state};
pub use finding::{Finding, Teller};
pub use keeper::ClockKeeper;
pub use settings::ClockConfig;
pub use shown::Clock;
pub(crate) use step::BothClocks;
pub use watch::{ClockWatch, Reading, tai_offset};
