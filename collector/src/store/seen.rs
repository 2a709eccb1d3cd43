//! When each probe was last heard of, for whoever asks beside a running collector.

use std::collections::BTreeMap;
use std::path::Path;

use owl_measure::time::Timestamp;

use super::{DATABASE, Reader, StoreError};

/// The later of a probe's last call and its last batch, by probe; nothing where no collector ever ran.
pub(crate) fn last_seen(state: &Path) -> Result<BTreeMap<String, Timestamp>, StoreError> {
    let file = state.join(DATABASE);
    if !file.exists() {
        return Ok(BTreeMap::new());
    }
    let reader = Reader::open(&file)?;
    let seen = reader.rows(
        "SELECT probe, max(at) FROM (SELECT probe, called_at_ns AS at FROM probe
             UNION ALL SELECT probe, received_at_ns FROM ack) GROUP BY probe",
        (),
        |row| Ok((row.get(0)?, Timestamp(row.get(1)?))),
    )?;
    Ok(seen.into_iter().collect())
}
