//! What the judge keeps from window to window, so that symptoms become findings.

use owl_measure::clock::live::{MeshFindings, Span};
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::window::SessionOf;

use super::Finding;
use super::ledger::Ledger;
use super::route::Routes;
use super::symptoms::{AuditedWindow, symptoms};
use crate::store::{Audited, FindingsQuery, Reader, StoreError, Windowing};

/// Findings that are read at the start: more than can be open at once.
const RESTORED_MAX: usize = 2_000;

/// The findings of the shortest judged windows; longer ones hold the same packets, later.
#[derive(Debug)]
pub(crate) struct Inquest {
    length: Nanos,
    ledger: Ledger,
    routes: Routes,
}

impl Inquest {
    /// As it was when the collector stopped; the floors of the routes are learnt anew.
    pub(crate) fn restored(reader: &Reader, windowing: &Windowing) -> Result<Self, StoreError> {
        // Without a judged path there is no window to take note of.
        let length = windowing.lengths.iter().copied().min().unwrap_or_default();
        let windows = reader.audited_windows(length)?;
        let findings = reader.findings(FindingsQuery {
            open: None,
            since: windows
                .first()
                .map_or(Timestamp(i64::MIN), |window| window.start),
            limit: RESTORED_MAX,
        })?;
        Ok(Self {
            length,
            ledger: Ledger::restored(windows, findings),
            routes: Routes::default(),
        })
    }

    /// The findings that are open.
    pub(crate) fn open(&self) -> Vec<Finding> {
        self.ledger.open()
    }

    /// Takes note of an audited window; `None` when findings do not follow windows of its length.
    pub(crate) fn note(
        &mut self,
        span: Span,
        findings: &MeshFindings,
        sessions: &[SessionOf<'_>],
    ) -> Option<Box<Audited>> {
        if span.length != self.length {
            return None;
        }
        let answered = sessions
            .iter()
            .filter(|session| session.window.round_trip().count() > 0);
        let mut window = AuditedWindow {
            start: span.start,
            length: span.length,
            seen: answered
                .flat_map(|session| [session.from.to_owned(), session.to.to_owned()])
                .collect(),
            symptoms: symptoms(findings, sessions),
        };
        window
            .symptoms
            .extend(self.routes.note(span.start, sessions));
        Some(Box::new(Audited {
            changes: self.ledger.note(window.clone()),
            open: self.ledger.open(),
            window,
        }))
    }

    /// What was noted is stored.
    pub(crate) fn settle(&mut self) {
        self.ledger.settle();
    }
}
