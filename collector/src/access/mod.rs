//! Who may see and do what: roles, users, tokens, sessions, and the log of it.
//!
//! What stands here is pure and is told the time, except [`password::Checker`]
//! and [`gate`], which the HTTP side asks.

pub(crate) mod act;
pub(crate) mod audit;
pub(crate) mod caller;
pub(crate) mod console;
pub(crate) mod directory;
pub(crate) mod gate;
pub(crate) mod grant;
pub(crate) mod lockout;
pub(crate) mod password;
mod ration;
pub(crate) mod role;
mod scope;
pub(crate) mod secret;
mod viewer;

pub(crate) use caller::{Peer, is_same_origin};
pub(crate) use gate::{COOKIES, Gate, LoggedIn, Refusal};
pub(crate) use grant::Grant;
pub(crate) use role::Right;
pub(crate) use scope::Scope;
pub(crate) use viewer::Viewer;
