//! A session that a sender's thread has, as the plan sees it.

use owl_topology::PlannedSession;

use crate::flow::Flow;

/// One session of a thread, in the place of its number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    pub(super) session: PlannedSession,
    pub(super) flow: u32,
    ssid: u16,
    protected: bool,
    /// Whether it goes on.
    pub(super) runs: bool,
}

impl Slot {
    pub(super) fn of(flow: &Flow<'_>, protected: bool) -> Self {
        Self {
            session: flow.session.clone(),
            flow: flow.number,
            ssid: flow.ssid,
            protected,
            runs: true,
        }
    }

    /// Whether it does what a plan wants of this flow: same path, peer and parameters. The identifier is its place in the plan,
    /// which changes with the others; it goes on with its own, unless a key goes by it.
    pub(super) fn does(&self, flow: &Flow<'_>, protected: bool) -> bool {
        self.runs
            && self.session == *flow.session
            && self.flow == flow.number
            && self.protected == protected
            && (!protected || self.ssid == flow.ssid)
    }
}
