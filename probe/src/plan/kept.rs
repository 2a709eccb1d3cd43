//! What a probe keeps of its plans, in one file.
//!
//! The last plan under which it could report, the one on trial beside it, and
//! what it turned down. The file is replaced as a whole and is on the disk
//! before its name is, so whenever the process ends it holds all of one moment.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use owl_measure::report::{PlanFault, TurnedDown};
use prost::Message as _;

/// Octets of the file: two plans of the largest size, and little else.
const OCTETS_MAX: u64 = 4 << 20;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Kept {
    /// The signed order under which a report was acknowledged last.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(super) good: Option<Vec<u8>>,
    /// The signed order that is followed on trial.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) trial: Option<Vec<u8>>,
    /// Since when.
    #[prost(int64, tag = "3")]
    pub(super) trial_since_ns: i64,
    /// The highest generation that was ever followed.
    #[prost(uint64, tag = "4")]
    pub(super) highest: u64,
    #[prost(message, optional, tag = "5")]
    pub(super) turned_down: Option<KeptFault>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct KeptFault {
    #[prost(uint64, tag = "1")]
    generation: u64,
    #[prost(uint32, tag = "2")]
    fault: u32,
    #[prost(string, tag = "3")]
    detail: String,
}

impl KeptFault {
    pub(super) fn of(told: &TurnedDown) -> Self {
        Self {
            generation: told.generation,
            fault: told.fault.number(),
            detail: told.detail.clone(),
        }
    }

    pub(super) fn told(&self) -> TurnedDown {
        TurnedDown::new(self.generation, PlanFault::of(self.fault), &self.detail)
    }
}

impl Kept {
    /// What the file holds; nothing when there is none, or when another version wrote it.
    pub(super) fn read(file: &Path) -> Self {
        let read = || -> io::Result<Self> {
            let mut octets = Vec::new();
            File::open(file)?
                .take(OCTETS_MAX)
                .read_to_end(&mut octets)?;
            Self::decode(octets.as_slice()).map_err(io::Error::other)
        };
        match read() {
            Ok(kept) => kept,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(file = %file.display(), %error, "the kept plan cannot be used; waiting for the collector's");
                }
                Self::default()
            }
        }
    }

    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        let new = file.with_extension("new");
        let mut opened = File::create(&new)?;
        opened.write_all(&self.encode_to_vec())?;
        opened.sync_all()?;
        fs::rename(&new, file)?;
        let folder = file.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_a_torn_new_file_is_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan");
        assert_eq!(Kept::read(&file), Kept::default());
        let told = TurnedDown::new(9, PlanFault::Forged, "x");
        let kept = Kept {
            good: Some(vec![1]),
            trial: Some(vec![2]),
            trial_since_ns: 3,
            highest: 4,
            turned_down: Some(KeptFault::of(&told)),
        };
        kept.write(&file).unwrap();
        fs::write(file.with_extension("new"), b"torn").unwrap();
        let read = Kept::read(&file);
        assert_eq!(read, kept);
        assert_eq!(read.turned_down.unwrap().told(), told);
        fs::write(&file, b"\xff").unwrap();
        assert_eq!(Kept::read(&file), Kept::default());
    }
}
