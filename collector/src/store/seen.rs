//! When each probe was last heard of, for whoever asks beside a running collector.

use std::collections::BTreeMap;

use owl_measure::time::Timestamp;

use super::{Place, Reader, StoreError};

/// The later of a probe's last call and its last batch, by probe; nothing where no collector ever ran.
pub(crate) fn last_seen(store: &Place) -> Result<BTreeMap<String, Timestamp>, StoreError> {
    if let Place::Sqlite(file) = store
        && !file.exists()
    {
        return Ok(BTreeMap::new());
    }
    let reader = Reader::open(store)?;
    let seen = reader.rows(
        "SELECT probe, max(at) FROM (SELECT probe, called_at_ns AS at FROM probe
             UNION ALL SELECT probe, received_at_ns FROM ack) AS heard GROUP BY probe",
        &[],
        |row| Ok((row.get(0)?, Timestamp(row.get(1)?))),
    )?;
    Ok(seen.into_iter().collect())
}
