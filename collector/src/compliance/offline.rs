//! A store as it lies on the disk, read beside a running collector or after it.

use std::path::{Path as FilePath, PathBuf};

use jiff::tz::TimeZone;
use owl_topology::{Path, Topology};

use super::ComplianceAnswer;
use super::asked::{AskError, Asked, Scene};
use crate::config::default_grace;
use crate::now::now;
use crate::store::{Place, Reader, StoreError};

/// A store that does not tell of a period.
#[derive(Debug, thiserror::Error)]
pub enum ComplianceError {
    /// There is no store.
    #[error("cannot read {file}: there is no store of a collector")]
    NoStore {
        /// Where it should be.
        file: PathBuf,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The question has no answer.
    #[error(transparent)]
    Asked(#[from] AskError),
}

/// Answers from the store in a collector's state directory; `topology` is the one that the collector judges.
///
/// # Errors
/// When there is no store, it cannot be read, or the question has no answer.
pub fn read_compliance(
    directory: &FilePath,
    topology: &Topology,
    asked: &Asked,
) -> Result<ComplianceAnswer, ComplianceError> {
    let file = directory.join("owl.sqlite");
    if !file.is_file() {
        return Err(ComplianceError::NoStore { file });
    }
    let reader = Reader::beside(&Place::Sqlite(file))?;
    let zone = TimeZone::get(&topology.timezone).unwrap_or(TimeZone::UTC);
    let scene = Scene {
        topology,
        zone: &zone,
        now: now(),
        // Windows that are not judged yet would count as gaps.
        grace: default_grace(topology),
    };
    let mut paths = topology.paths();
    for path in &mut paths {
        judged_by(&reader, path)?;
    }
    let resolved = asked.resolve(&scene, paths)?;
    Ok(resolved.answer(&reader, &scene)?)
}

/// Takes the profile that really judged a path last: the collector's configuration may have named another one.
fn judged_by(reader: &Reader, path: &mut Path) -> Result<(), StoreError> {
    if let Some((profile, length)) = reader.last_judged_by(&path.id)? {
        path.profile.id = profile;
        path.profile.interval = length;
    }
    Ok(())
}
