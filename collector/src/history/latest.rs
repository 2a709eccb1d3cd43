//! The latest windows of all paths, for whoever asks for all of them at once.
//!
//! A cache: the judge notes each window as it is judged, and after a start the
//! latest windows are read again. It takes no more than 6,000 octets a path.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use owl_measure::delay::Floors;
use owl_measure::sample::Direction;
use owl_measure::tier::{Recent, Room};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::window::Heard;
use owl_measure::verdict::{Quantile, SessionWindow};
use serde::Serialize;

use super::answer::{HistoryPercentile, percentiles};

/// The latest windows of every judged path.
#[derive(Debug, Default)]
pub(crate) struct Latest(RwLock<HashMap<String, Recent>>);

/// What one path was like over the latest windows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct LatestOf {
    pub(crate) path: String,
    #[serde(rename = "start_ns")]
    pub(crate) start: Timestamp,
    #[serde(rename = "end_ns")]
    pub(crate) end: Timestamp,
    pub(crate) windows: u64,
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) percentiles: Vec<HistoryPercentile>,
}

/// A judged window of a path, as it was measured.
pub(crate) struct Noted<'a> {
    pub(crate) path: &'a str,
    pub(crate) session: &'a SessionWindow,
    /// Of the path in the session.
    pub(crate) direction: Direction,
    pub(crate) heard: Heard,
}

impl Latest {
    /// Takes in what was measured in a window.
    pub(crate) fn note<'a>(
        &self,
        (start, length): (Timestamp, Nanos),
        windows: impl Iterator<Item = Noted<'a>>,
    ) {
        let mut paths = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for Noted {
            path,
            session,
            direction,
            heard,
        } in windows
        {
            let recent = match paths.get_mut(path) {
                Some(recent) => recent,
                None => paths.entry(path.to_owned()).or_default(),
            };
            recent.note(start, length, (session, direction), heard);
        }
    }

    /// What each of these paths was like in the windows that end no earlier than `reach` before its newest one; paths
    /// without a window are left out.
    pub(crate) fn percentiles<'a>(
        &self,
        paths: impl Iterator<Item = (&'a str, Floors)>,
        reach: Nanos,
        quantiles: &[Quantile],
    ) -> Vec<LatestOf> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut room = Room::default();
        let newest = held.values().filter_map(Recent::end).max();
        let Some(newest) = newest else {
            return Vec::new();
        };
        let told = paths.filter_map(|(path, floors)| {
            let gathered = held
                .get(path)?
                .gather((newest - reach, newest), floors, &mut room)?;
            Some(LatestOf {
                path: path.to_owned(),
                start: gathered.start,
                end: gathered.end,
                windows: gathered.windows,
                sent: gathered.evidence.sent,
                lost: gathered.evidence.lost,
                percentiles: percentiles(&gathered.evidence, quantiles),
            })
        });
        told.collect()
    }
}
