//! What changes: told to whoever listens, and remembered for a while for whoever was away.
//!
//! Nobody reports changes: the table in memory is looked at once a second and
//! held against what it was, so what began and ended between two looks is not
//! told, and a change is told by whichever way it came into the table.

mod difference;
mod ring;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use owl_measure::time::{Nanos, Timestamp};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

pub(crate) use ring::{Cursor, Told};

use self::difference::Known;
use self::ring::Ring;
use crate::live::Live;
use crate::now::now;

/// How often the table is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// A path's state, or the reason of it, is another.
    Verdict {
        path: String,
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
        before: &'static str,
        /// The window that says so; without one none was judged.
        #[serde(skip_serializing_if = "Option::is_none")]
        window_start_ns: Option<Timestamp>,
    },
    /// Something is wrong that was not.
    FindingOpened {
        kind: &'static str,
        subject: String,
        since_ns: Timestamp,
    },
    /// Something is wrong no more, or turned out not to be.
    FindingClosed {
        kind: &'static str,
        subject: String,
        since_ns: Timestamp,
    },
    /// A probe is connected.
    ProbeConnected { probe: String },
    /// A probe is connected no more.
    ProbeDisconnected { probe: String },
}

impl Event {
    /// Its name, as the event type of a stream.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Verdict { .. } => "verdict",
            Self::FindingOpened { .. } => "finding-opened",
            Self::FindingClosed { .. } => "finding-closed",
            Self::ProbeConnected { .. } => "probe-connected",
            Self::ProbeDisconnected { .. } => "probe-disconnected",
        }
    }
}

/// The events of this process, for everyone who listens.
#[derive(Debug)]
pub(crate) struct Events {
    ring: Mutex<Ring>,
    news: watch::Sender<()>,
}

impl Events {
    /// None yet, since `started_at`, which tells them from those of every other process.
    pub(crate) fn new(started_at: Timestamp) -> Self {
        Self {
            ring: Mutex::new(Ring::new(started_at)),
            news: watch::Sender::new(()),
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Every change of it is one push, so a ring left by a panicking holder is still whole.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of what there is: whoever begins here hears what comes.
    pub(crate) fn end(&self) -> Cursor {
        self.ring().end()
    }

    /// Some events behind `cursor`.
    pub(crate) fn after(&self, cursor: Cursor) -> Told {
        self.ring().after(cursor)
    }

    /// Something to wait for: it changes when there are more events.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    pub(crate) fn tell(&self, at: Timestamp, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        let mut ring = self.ring();
        for event in events {
            ring.push(at, event);
        }
        drop(ring);
        self.news.send_replace(());
    }

    /// Looks at `live` and tells what changed, for ever.
    pub(crate) async fn watch(&self, live: &Arc<Live>, grace: Nanos) {
        let mut known = Known::of(&live.read(), now(), grace);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let at = now();
            let events = known.look(&live.read(), at, grace);
            self.tell(at, &events);
        }
    }
}
