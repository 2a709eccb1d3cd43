//! ClockBound as the teller of the clock, by its shared memory.
//!
//! ClockBound (2.x) writes chrony's bound into a small file, with its own rules
//! for how long it holds and whether the machine was suspended or moved. Layout
//! as in its PROTOCOL.md, versions 1 and 2 of the memory; all fields are in the
//! order of the machine.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use owl_measure::clock::{BoundBasis, ClockSource, ClockStatus};
use owl_measure::time::{Monotonic, Nanos, Timestamp};

use super::assessment::{Assessment, PartKind, drifted};
use super::datagram::TellError;
use super::finding::Finding;
use super::octets::AnswerError;
use super::settings::Trust;

/// Where ClockBound 2 keeps its memory.
const MEMORY: &str = "/var/run/clockbound/shm0";
/// What the file begins with.
const MAGIC: [u32; 2] = [0x414D_5A4E, 0x4342_0200];
/// More of the file is not read.
const OCTETS_MAX: u64 = 256;
/// How often a file that is just being written is read again.
const TRIES: usize = 5;
/// While its daemon restarts, what it said is believed for so long (its own rule).
const GRACE: Nanos = Nanos::from_secs(5);

/// What the memory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    as_of: Monotonic,
    void_after: Monotonic,
    bound: Nanos,
    drift_ppb: u32,
    status: i32,
}

/// A ClockBound whose memory is read once a second.
#[derive(Debug)]
pub(super) struct ClockBound {
    path: PathBuf,
}

impl ClockBound {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self {
            path: path.unwrap_or_else(|| MEMORY.into()),
        }
    }

    /// Reads and judges; the second instant is CLOCK_MONOTONIC's own value, which ClockBound writes.
    ///
    /// # Errors
    /// When the memory cannot be read or understood.
    pub(super) fn tell(
        &self,
        now: impl Fn() -> (Timestamp, Monotonic),
        trust: &Trust,
    ) -> Result<Assessment, TellError> {
        let memory = read(&self.path)?;
        let (now, monotonic) = now();
        Ok(judge(&memory, now, monotonic, trust))
    }
}

fn read(path: &Path) -> Result<Memory, TellError> {
    let whom = || path.display().to_string();
    let ask = |source| TellError::Ask {
        whom: whom(),
        source,
    };
    for _ in 0..TRIES {
        let mut octets = Vec::new();
        File::open(path)
            .and_then(|memory| memory.take(OCTETS_MAX).read_to_end(&mut octets))
            .map_err(ask)?;
        let generation = decode(&octets).map_err(|source| TellError::Answer {
            whom: whom(),
            source,
        })?;
        if let Some(memory) = generation {
            return Ok(memory);
        }
    }
    Err(ask(io::ErrorKind::WouldBlock.into()))
}

/// Fields in the order of the machine.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn at<const N: usize>(&self, from: usize) -> Result<[u8; N], AnswerError> {
        self.0
            .get(from..from + N)
            .and_then(|octets| octets.try_into().ok())
            .ok_or(AnswerError::Short {
                octets: self.0.len(),
            })
    }

    fn u32(&self, from: usize) -> Result<u32, AnswerError> {
        self.at(from).map(u32::from_ne_bytes)
    }

    fn i64(&self, from: usize) -> Result<i64, AnswerError> {
        self.at(from).map(i64::from_ne_bytes)
    }

    /// A `timespec`.
    fn instant(&self, from: usize) -> Result<Monotonic, AnswerError> {
        let (seconds, nanos) = (self.i64(from)?, self.i64(from + 8)?);
        Ok(Monotonic(Nanos::from_secs(seconds).0) + Nanos(nanos))
    }
}

/// Reads the memory; `None` while it is being written.
fn decode(octets: &[u8]) -> Result<Option<Memory>, AnswerError> {
    let fields = Fields(octets);
    let magic = [fields.u32(0)?, fields.u32(4)?];
    if magic != MAGIC {
        return Err(AnswerError::Unknown {
            field: "beginning of ClockBound's memory",
            value: u64::from(magic[0]) << 32 | u64::from(magic[1]),
        });
    }
    let version = u16::from_ne_bytes(fields.at(12)?);
    let generation = u16::from_ne_bytes(fields.at(14)?);
    // Version 2 has the disruption marker before the drift.
    let drift_at = match version {
        1 => 56,
        2 => 64,
        _ => {
            return Err(AnswerError::Unknown {
                field: "version of ClockBound's memory",
                value: version.into(),
            });
        }
    };
    let status_at = if version == 1 { 64 } else { 68 };
    if generation == 0 || generation % 2 == 1 {
        return Ok(None);
    }
    Ok(Some(Memory {
        as_of: fields.instant(16)?,
        void_after: fields.instant(32)?,
        bound: Nanos(fields.i64(48)?),
        drift_ppb: fields.u32(drift_at)?,
        status: i32::from_ne_bytes(fields.at(status_at)?),
    }))
}

fn judge(memory: &Memory, now: Timestamp, monotonic: Monotonic, trust: &Trust) -> Assessment {
    let free = |why| Assessment::free(now, ClockSource::Ntp, why);
    let age = monotonic - memory.as_of;
    let limit = memory.void_after - memory.as_of;
    let status = match memory.status {
        1 if age <= GRACE => ClockStatus::Synchronised,
        1 | 2 => ClockStatus::Holdover,
        3 => {
            return Assessment {
                status: ClockStatus::Disrupted,
                ..free(Finding::Unsynchronised)
            };
        }
        _ => return free(Finding::Unsynchronised),
    };
    if age < -Nanos::from_millis(10) || age > limit || memory.bound <= Nanos::ZERO {
        return free(Finding::Stale { age, limit });
    }
    let drift_ppb = memory.drift_ppb.max(trust.drift_ppb);
    let mut assessment = Assessment {
        as_of: now,
        source: ClockSource::Ntp,
        status,
        basis: BoundBasis::Measured,
        correction: Nanos::ZERO,
        parts: Vec::new(),
        random: Nanos::ZERO,
        drift_ppb,
        measured_at: Some(Timestamp(memory.as_of.0)),
        void_after: Some(now + (limit - age)),
        findings: Vec::new(),
    };
    assessment.add(PartKind::ClockBound, memory.bound);
    assessment.add(PartKind::Drift, drifted(drift_ppb, age));
    if status == ClockStatus::Holdover {
        assessment.findings.push(Finding::Holdover { age });
    }
    assessment
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// Written as PROTOCOL.md draws it.
    fn octets(version: u16, generation: u16, status: i32) -> Vec<u8> {
        let mut octets = Vec::new();
        octets.extend(MAGIC.iter().flat_map(|word| word.to_ne_bytes()));
        octets.extend(80_u32.to_ne_bytes());
        octets.extend(version.to_ne_bytes());
        octets.extend(generation.to_ne_bytes());
        for word in [100_i64, 500, 1_100, 500, 250_000] {
            octets.extend(word.to_ne_bytes());
        }
        if version == 2 {
            octets.extend(7_u64.to_ne_bytes());
        }
        octets.extend(50_000_u32.to_ne_bytes());
        if version == 1 {
            octets.extend(0_u32.to_ne_bytes());
        }
        octets.extend(status.to_ne_bytes());
        octets.extend([0; 8]);
        octets
    }

    #[test]
    fn both_versions_of_the_memory_are_read() {
        for version in [1, 2] {
            assert_eq!(
                decode(&octets(version, 4, 1)).unwrap(),
                Some(Memory {
                    as_of: Monotonic(100 * SECOND + 500),
                    void_after: Monotonic(1_100 * SECOND + 500),
                    bound: Nanos(250_000),
                    drift_ppb: 50_000,
                    status: 1,
                })
            );
        }
    }

    #[test]
    fn a_memory_that_is_being_written_is_read_again_and_a_strange_one_is_refused() {
        assert_eq!(decode(&octets(2, 0, 1)), Ok(None));
        assert_eq!(decode(&octets(2, 7, 1)), Ok(None));
        assert!(matches!(
            decode(&octets(3, 4, 1)),
            Err(AnswerError::Unknown { value: 3, .. })
        ));
        let mut other = octets(2, 4, 1);
        other[0] = 0;
        assert!(decode(&other).is_err());
        let whole = octets(2, 4, 1);
        for length in 0..72 {
            assert!(decode(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_file_is_read_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shm0");
        let missing = read(&path).unwrap_err();
        assert!(missing.chain().contains("shm0"), "{missing}");
        std::fs::write(&path, octets(1, 2, 1)).unwrap();
        assert_eq!(read(&path).unwrap().bound, Nanos(250_000));
        std::fs::write(&path, octets(1, 3, 1)).unwrap();
        assert!(matches!(read(&path), Err(TellError::Ask { .. })));
    }

    #[test]
    fn the_bound_grows_and_ends_when_clockbound_says() {
        for (second, status, expected, bound) in [
            (100, 1, ClockStatus::Synchronised, Some(250_000)),
            (102, 1, ClockStatus::Synchronised, Some(350_000)),
            (110, 1, ClockStatus::Holdover, Some(750_000)),
            (100, 2, ClockStatus::Holdover, Some(250_000)),
            (1_101, 1, ClockStatus::Free, None),
            (99, 1, ClockStatus::Free, None),
            (100, 3, ClockStatus::Disrupted, None),
            (100, 0, ClockStatus::Free, None),
        ] {
            let memory = decode(&octets(2, 2, status)).unwrap().unwrap();
            let at = Monotonic(second * SECOND + 500);
            let assessment = judge(&memory, Timestamp(0), at, &Trust::default());
            assert_eq!(assessment.status, expected, "{second} s, {status}");
            assert_eq!(assessment.bound(), bound.map(Nanos));
        }
    }
}
