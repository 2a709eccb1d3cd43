//! Alerts: what somebody should look at, told to those who call people.
//!
//! What is seen of the network at an instant ([`condition::Sight`], made from the live
//! table by [`look`]) goes into the [`book::Book`], which knows how long something
//! must last, what belongs together, and what explains what. All of that is
//! pure: instants are arguments. [`Watch`] does it every two seconds in the
//! collector that judges, and keeps what is told in the store; [`Delivery`]
//! brings each receiver up to that. A receiver is told the difference between
//! what it believes and what is so, so nothing queues up for one that is dead.

mod board;
mod book;
mod condition;
mod deliver;
mod group;
mod kind;
mod look;
mod map;
mod say;
mod subject;
#[cfg(test)]
mod testing;
mod track;
mod watch;

pub(crate) use board::{Board, Ended, told};
pub(crate) use book::{Alert, Key, Quiet};
pub use deliver::AlertReceiver;
pub(crate) use deliver::{AlertmanagerFile, Delivery, PagesAt, WebhookFile};
pub(crate) use kind::{Kind, Severity};
pub(crate) use map::Map;
#[cfg(test)]
pub(crate) use subject::Of;
pub(crate) use subject::Subject;
pub(crate) use watch::Watch;
