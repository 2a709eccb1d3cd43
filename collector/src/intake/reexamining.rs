//! Looks once more at reports that were kept aside, when somebody asks for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{debug, info};

use super::Desk;
use crate::now::now;
use crate::store::{Aside, StoreError, Work};

/// How often it is seen whether somebody asks. At the start it is seen at once.
const LOOK: Duration = Duration::from_secs(5);

/// Goes on as long as the collector does.
pub(super) async fn run(desk: Arc<Desk>) {
    loop {
        // One batch right after the other while there are any; a store that refuses is asked again after a pause.
        while let Some(stored) = round(&desk).await {
            info!(
                stored,
                "reports that were kept aside were looked at once more"
            );
        }
        sleep(LOOK).await;
    }
}

/// Looks at some; tells how many are stored now, and nothing when there were none.
async fn round(desk: &Arc<Desk>) -> Option<u64> {
    let store = desk.store.clone();
    let asked = spawn_blocking(move || store.reader()?.asked());
    let asked = match asked.await {
        Ok(Ok(asked)) => asked,
        Ok(Err(error)) => {
            let error: StoreError = error;
            debug!(%error, "cannot see what is kept aside");
            return None;
        }
        Err(_) => return None,
    };
    let mut stored = 0;
    if asked.is_empty() {
        return None;
    }
    for aside in asked {
        stored += reexamine(desk, aside).await?;
    }
    Some(stored)
}

async fn reexamine(desk: &Desk, aside: Aside) -> Option<u64> {
    let outcome = desk.examine(&aside.probe, aside.body.clone(), now());
    let outcome = outcome
        .map(|admitted| admitted.report)
        .map_err(|rejected| rejected.refusal);
    desk.store
        .write(Work::Reexamined { aside, outcome })
        .await
        .ok()
}
