//! The running day and month of every path under the default profile, for those who scrape.
//!
//! They are worked out anew every minute at the most, and so seldom that it
//! never takes more than a fiftieth of one core however large the mesh is; when
//! that was is told with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::period::{Compliance, PeriodProfile};
use owl_topology::Path;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::{Judging, Span, WRITTEN};
use crate::live::Live;
use crate::now::now;
use crate::store::{Store, StoreError};

/// Between two rounds at the least.
const PERIOD: Duration = Duration::from_secs(60);
/// A round is followed by this many times its own length without one.
const REST: u32 = 50;

/// The running day and month of one path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunningCompliance {
    /// Today, in local time.
    pub(crate) day: Compliance,
    /// This month.
    pub(crate) month: Compliance,
}

/// Of all paths, in the order of the live table; empty before the first round.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Running {
    pub(crate) paths: Vec<RunningCompliance>,
    pub(crate) at: Option<Timestamp>,
}

/// What a round needs.
#[derive(Clone)]
struct Round {
    store: Store,
    live: Arc<Live>,
    zone: TimeZone,
    grace: Nanos,
}

/// Works them out again and again, until `stopped`.
pub(crate) async fn refresh(
    store: Store,
    live: Arc<Live>,
    grace: Nanos,
    mut stopped: watch::Receiver<()>,
) {
    let topology = live.followed().topology;
    let zone = TimeZone::get(&topology.timezone).unwrap_or(TimeZone::UTC);
    let round = Round {
        store,
        live,
        zone,
        grace,
    };
    let (mut rest, mut failing) = (Duration::ZERO, false);
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(rest) => {}
        }
        let (began, this) = (Instant::now(), round.clone());
        let outcome = spawn_blocking(move || this.run(now())).await;
        rest = PERIOD.max(began.elapsed() * REST);
        match outcome {
            Ok(Ok(())) if failing => {
                failing = false;
                info!("the running periods are judged again");
            }
            Ok(Err(error)) if !failing => {
                failing = true;
                warn!(%error, "the running periods cannot be judged; the last ones stay");
            }
            Ok(_) => {}
            Err(error) => warn!(%error, "the running periods were not judged to the end"),
        }
    }
}

impl Round {
    fn run(&self, now: Timestamp) -> Result<(), StoreError> {
        let reader = self.store.reader()?;
        let followed = self.live.followed();
        let paths: Vec<Path> = {
            let table = self.live.read();
            table.paths.iter().map(|live| live.path.clone()).collect()
        };
        let profile = [PeriodProfile::default_profile().clone()];
        let (day, month) = (Span::day(&self.zone, now), Span::month(&self.zone, now));
        let announced = reader.maintenance_after(month.start)?;
        let judging = |span| Judging {
            topology: &followed.topology,
            zone: &self.zone,
            span,
            announced: &announced,
            judged_until: now - self.grace - WRITTEN,
        };
        let under_default = |span, path: &Path| {
            let mut told = judging(span).path(&reader, path, &profile)?;
            let mut one = told.results.swap_remove(0);
            // Nobody scrapes them.
            one.forget_days();
            Ok::<Compliance, StoreError>(one)
        };
        let paths = paths
            .iter()
            .map(|path| {
                Ok(RunningCompliance {
                    day: under_default(&day, path)?,
                    month: under_default(&month, path)?,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let mut table = self.live.write();
        // They are told by their places: those of another topology wait for the next round.
        if self.live.followed().edition == followed.edition {
            table.running = Running {
                paths,
                at: Some(now),
            };
        }
        Ok(())
    }
}
