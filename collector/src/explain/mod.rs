//! A verdict explained: what it was made from, by which formula, and whether the store still gives the same.
//!
//! Everything comes from the store, and the judge's own function judges again
//! what it judged then. Nothing is written, and no collector need run.

mod at;
mod check;
mod error;
mod ground;
mod interval;
mod mesh;
mod text;
mod told;

use std::path::Path;

use owl_measure::time::Timestamp;
use owl_measure::verdict::Explanation;
use serde::{Deserialize, Serialize};

pub use at::{At, AtError};
pub use error::ExplainError;

use self::check::{Check, compare};
use self::mesh::MeshTold;
use self::told::{ReportTold, RuleTold};
use crate::hearing::Hearing;
use crate::judgement::{Judgement, Seat};
use crate::now::now;
use crate::rulebook::Rulebook;
pub use crate::rulebook::RulebookError;
use crate::store::{Reader, Side, StoreError, StoredVerdict};

pub(crate) use self::text::Section;

/// Reports that are told one by one: those of a path of 32 flows in a minute of ten-second intervals, and some.
const REPORTS_TOLD_MAX: usize = 256;
/// Windows that are named on either side when the wanted one is not there.
const NEARBY: u32 = 2;
/// Paths that are named when the wanted one is not there.
const PATHS_NAMED: usize = 5;

/// Which verdict is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The path, `FROM~TO`.
    pub path: String,
    /// An instant of the judged window.
    pub at: At,
    /// The profile; the one that was judged last when several judged that instant and none is named.
    pub profile: Option<String>,
}

/// How a recomputed verdict compares with the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recomputed {
    /// The same, octet for octet.
    Identical,
    /// Another one, so something in the store is not what it was.
    Differs,
    /// It cannot be recomputed: it was made by another version.
    Impossible,
}

/// A verdict, explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// As it is stored.
    verdict: Judgement,
    /// Other profiles that judged the same instant.
    also_judged_by: Vec<String>,
    /// Reports came that it has not seen: it will be judged again.
    pending: bool,
    /// The rule in force; absent when none was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RuleTold>,
    /// The reports of the judged session, as they are stored; no more than 256.
    reports: Vec<ReportTold>,
    /// The reports themselves are gone: these are what judges read of them, as it was digested when it was judged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    kept_inputs: bool,
    /// What the audit of the window says of the two clocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    mesh: Option<MeshTold>,
    /// How it comes about from them.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
    /// Whether that is what is stored.
    recomputed: Check,
}

/// Explains a verdict from the store in a collector's state directory, also while that collector runs.
///
/// # Errors
/// When the store cannot be read, holds no such verdict, or is damaged.
pub fn explain(state: &Path, question: &Question) -> Result<Explained, ExplainError> {
    Reader::of_directory(state)?.at_once(|reader| explained(reader, question))
}

/// Explains a verdict from a store.
pub(crate) fn explained(reader: &Reader, question: &Question) -> Result<Explained, ExplainError> {
    let Question { path, at, .. } = question;
    let last = match reader.last_rulebook()? {
        Some((hash, text)) => match Rulebook::read(&hash, text) {
            Ok(book) => Some(book),
            // Which instant is meant, only the rulebook tells.
            Err(source) if at.needs_zone() => {
                return Err(ExplainError::Rulebook {
                    path: path.clone(),
                    hash,
                    source: Some(source),
                });
            }
            Err(_) => None,
        },
        None => None,
    };
    let zone = last.as_ref().map_or("UTC", |book| &book.rules.timezone);
    let at = at.in_zone(zone, now());
    let mut found = reader.verdicts_at(path, at)?;
    if found.is_empty() {
        return Err(nothing(reader, question, at, last.as_ref())?);
    }
    let wanted = |row: &StoredVerdict| {
        let profile = question.profile.as_ref();
        profile.is_none_or(|profile| *profile == row.profile)
    };
    let Some(k) = found.iter().position(wanted) else {
        return Err(ExplainError::NoProfile {
            path: path.clone(),
            profile: question.profile.clone().unwrap_or_default(),
            judged_by: found.into_iter().map(|row| row.profile).collect(),
        });
    };
    let row = found.remove(k);
    let also_judged_by = found.into_iter().map(|row| row.profile).collect();
    explain_row(reader, &row, also_judged_by)
}

fn explain_row(
    reader: &Reader,
    row: &StoredVerdict,
    also_judged_by: Vec<String>,
) -> Result<Explained, ExplainError> {
    let (start, length) = (row.window_start, row.window);
    let end = start + length;
    let verdict = reader.judgement(&row.body)?;
    let session = match verdict.seat {
        Some(Seat::Opposite) => match row.path.split_once('~') {
            Some((from, to)) => format!("{to}~{from}"),
            None => row.path.clone(),
        },
        Some(Seat::Own) | None => row.path.clone(),
    };
    let reports = reader.reports_of(&session, (start, end), REPORTS_TOLD_MAX)?;
    let mut told = Explained {
        also_judged_by,
        pending: reader.dirty_window(length, start)?.is_some(),
        rule: None,
        reports: reports.iter().map(ReportTold::of).collect(),
        kept_inputs: start < reader.inputs_to()?,
        mesh: None,
        explanation: None,
        recomputed: Check::RulesNotKept,
        verdict,
    };
    let Some(hash) = told.verdict.rule.clone() else {
        return Ok(told);
    };
    let fault = |source| ExplainError::Rulebook {
        path: row.path.clone(),
        hash: hash.clone(),
        source,
    };
    let text = reader.rulebook(&hash)?.ok_or_else(|| fault(None))?;
    let book = Rulebook::read(&hash, text).map_err(|source| fault(Some(source)))?;
    told.rule = RuleTold::of(&book, &row.path);
    if !book.is_of_this_judge() {
        told.recomputed = Check::OtherJudge {
            method: book.rules.method,
        };
        return Ok(told);
    }
    let mut sessions = reader.sessions(start, end)?;
    if let Some((damage, _)) = sessions.damaged.take() {
        return Err(damage.into());
    }
    let hearing = Hearing::open(&book, start, length, &sessions);
    told.mesh = Some(MeshTold::of(hearing.findings(), &row.path));
    told.explanation = hearing.explain(&row.path);
    let again = hearing.judge(&row.path, told.verdict.judged_at, || None);
    told.recomputed = compare(row, &told.verdict, again);
    Ok(told)
}

/// Says what there is when there is no such verdict.
fn nothing(
    reader: &Reader,
    question: &Question,
    at: Timestamp,
    last: Option<&Rulebook>,
) -> Result<ExplainError, StoreError> {
    let path = question.path.clone();
    let mut beside = reader.windows_beside(&path, at, Side::Before, NEARBY)?;
    beside.reverse();
    beside.extend(reader.windows_beside(&path, at, Side::After, NEARBY)?);
    if beside.is_empty() {
        let known = last.map_or_else(Vec::new, |book| {
            let from = path.split('~').next().unwrap_or_default();
            let (alike, others): (Vec<_>, Vec<_>) = book
                .rules
                .paths
                .keys()
                .cloned()
                .partition(|id| id.split('~').any(|end| end == from));
            alike.into_iter().chain(others).take(PATHS_NAMED).collect()
        });
        return Ok(ExplainError::NoPath { path, known });
    }
    let zone = last.map_or("UTC", |book| &book.rules.timezone);
    Ok(ExplainError::NoWindow {
        path,
        at: question.at,
        nearby: beside
            .iter()
            .map(|row| text::window(zone, row.window_start, row.window))
            .collect(),
    })
}

impl Explained {
    /// Without what the audit of the whole mesh says of the clocks: it names other probes than those of the path.
    pub(crate) fn of_one_path(self) -> Self {
        Self { mesh: None, ..self }
    }

    /// How the recomputed verdict compares with the stored one.
    pub fn recomputed(&self) -> Recomputed {
        match self.recomputed {
            Check::Identical => Recomputed::Identical,
            Check::Differs { .. } => Recomputed::Differs,
            Check::RulesNotKept | Check::OtherJudge { .. } => Recomputed::Impossible,
        }
    }
}
