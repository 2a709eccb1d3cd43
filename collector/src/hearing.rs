//! What is heard on one window, and how each of its paths is judged.
//!
//! A pure function of the stored reports and of a rulebook: the judge calls it
//! when a window has ended, and whoever wants a verdict explained calls it
//! again. Why nothing was measured is not in it, because that depends on who
//! was connected at the time.

use std::collections::BTreeSet;

use owl_measure::clock::SIGMAS;
use owl_measure::clock::live::{MeshFindings, Span as WindowSpan};
use owl_measure::implied::ImpliedRoute;
use owl_measure::sample::Direction;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::window::{Heard, SessionOf, explain_path, hear};
use owl_measure::verdict::{
    Evidence, Explanation, Quantile, Reason, SessionWindow, Statistics, Verdict,
};

use crate::flow::FlowResult;
use crate::history::Noted;
use crate::judgement::{Judgement, NoDataWhy, Percentile, Seat, Span};
use crate::rulebook::{Rule, Rulebook};
use crate::store::{Disbelieved, Sessions};
use crate::way::Way;

/// The quantiles of which every judgement keeps the bounds.
const KEPT: [Quantile; 3] = [Quantile::P50, Quantile::P95, Quantile::P99];

/// All that was reported on a window, and the rules that apply to it.
pub(crate) struct Hearing<'a> {
    book: &'a Rulebook,
    start: Timestamp,
    length: Nanos,
    sessions: &'a Sessions,
    /// What the window's sessions measured on the rulebook's paths: all that its audit is made from.
    measured: Vec<SessionOf<'a>>,
    /// Whose claims stand, and what is known of the clocks.
    findings: MeshFindings,
}

/// The session that a path is judged by.
#[derive(Clone, Copy)]
struct Judged<'a> {
    id: &'a str,
    session: &'a SessionWindow,
    direction: Direction,
    seat: Seat,
}

impl<'a> Hearing<'a> {
    pub(crate) fn open(
        book: &'a Rulebook,
        start: Timestamp,
        length: Nanos,
        sessions: &'a Sessions,
    ) -> Self {
        let of = |(path, window): (&'a String, &'a SessionWindow)| {
            let (from, to) = path.split_once('~')?;
            let floors = book.rules.paths.get(path)?.floors;
            Some(SessionOf {
                from,
                to,
                window,
                floors,
            })
        };
        let mut measured: Vec<SessionOf<'_>> = sessions.of.iter().filter_map(of).collect();
        measured.sort_unstable_by_key(|session| (session.from, session.to));
        Self {
            book,
            start,
            length,
            sessions,
            findings: hear(WindowSpan { start, length }, &measured),
            measured,
        }
    }

    /// The window.
    pub(crate) fn span(&self) -> WindowSpan {
        WindowSpan {
            start: self.start,
            length: self.length,
        }
    }

    /// What the window's sessions measured on the rulebook's paths, in the order of their probes.
    pub(crate) fn measured(&self) -> &[SessionOf<'a>] {
        &self.measured
    }

    /// What the audit of the window says of its clocks.
    pub(crate) fn findings(&self) -> &MeshFindings {
        &self.findings
    }

    /// Whether the path's own session or the opposite one reported.
    pub(crate) fn is_heard(&self, path: &str) -> bool {
        self.judged(path).is_some()
    }

    /// What the path's own session measured; `None` when it did not report.
    pub(crate) fn own(&self, path: &str) -> Option<&'a SessionWindow> {
        self.sessions.of.get(path)
    }

    /// Of each of these paths that was heard, what measured it, for whoever keeps the latest windows.
    pub(crate) fn noted<'p>(
        &'p self,
        paths: impl Iterator<Item = &'p str>,
    ) -> impl Iterator<Item = Noted<'p>> {
        paths.filter_map(|path| {
            let judged = self.judged(path)?;
            Some(Noted {
                path,
                session: judged.session,
                direction: judged.direction,
                heard: self.heard(&judged),
            })
        })
    }

    /// Whom the audit of the window did not believe.
    pub(crate) fn disbelieved(&self) -> Disbelieved {
        let probes = || {
            self.measured
                .iter()
                .flat_map(|session| [session.from, session.to])
        };
        let among = |doubted: &dyn Fn(&str) -> bool| {
            let found: BTreeSet<&str> = probes().filter(|probe| doubted(probe)).collect();
            found.into_iter().map(str::to_owned).collect()
        };
        Disbelieved {
            start: self.start,
            end: self.start + self.length,
            clocks: among(&|probe| !self.findings.stands(probe)),
            places: among(&|probe| self.findings.misplaced.contains(probe)),
        }
    }

    fn judged(&self, path: &str) -> Option<Judged<'a>> {
        if let Some((id, session)) = self.sessions.of.get_key_value(path) {
            return Some(Judged {
                id,
                session,
                direction: Direction::Forward,
                seat: Seat::Own,
            });
        }
        let (from, to) = path.split_once('~')?;
        let (id, session) = self.sessions.of.get_key_value(&format!("{to}~{from}"))?;
        Some(Judged {
            id,
            session,
            direction: Direction::Backward,
            seat: Seat::Opposite,
        })
    }

    /// What the audit tells of the clocks of a session.
    fn heard(&self, judged: &Judged<'_>) -> Heard {
        let (from, to) = judged.id.split_once('~').unwrap_or((judged.id, ""));
        Heard::of(&self.findings, from, to)
    }

    /// How the verdict on a path comes about; `None` when the rulebook does not know it, or nobody reported on it.
    pub(crate) fn explain(&self, path: &str) -> Option<Explanation> {
        let Rule {
            path: rule,
            profile,
        } = self.book.rules.path(path)?;
        let own = self.judged(path).filter(|judged| judged.seat == Seat::Own);
        let opposite = self
            .judged(path)
            .filter(|judged| judged.seat == Seat::Opposite);
        let told = |judged: Judged<'a>| (judged.session, self.heard(&judged));
        explain_path(
            own.map(told),
            opposite.map(told),
            rule.floors,
            rule.target,
            profile,
        )
    }

    /// Judges a path at `judged_at`; `None` when the rulebook does not know it. `why` tells why nothing was measured.
    pub(crate) fn judge(
        &self,
        path: &str,
        judged_at: Timestamp,
        why: impl FnOnce() -> Option<NoDataWhy>,
    ) -> Option<Judgement> {
        let Rule {
            path: rule,
            profile,
        } = self.book.rules.path(path)?;
        let judged = self.judged(path);
        let evidence = judged.map(|judged| {
            let (length, floors) = (self.length, rule.floors);
            let heard = self.heard(&judged);
            judged
                .session
                .evidence(judged.direction, length, floors, heard)
        });
        let verdict = self
            .explain(path)
            .map_or_else(|| Verdict::no_data(rule.target, 0), |told| told.verdict);
        Some(Judgement {
            path: path.to_owned(),
            profile: profile.id.clone(),
            quantile: profile.quantile,
            window_start: self.start,
            window: self.length,
            judged_at,
            why: (verdict.reason == Some(Reason::NoData)).then(why).flatten(),
            percentiles: judged
                .zip(evidence.as_ref())
                .map_or_else(Vec::new, |(judged, evidence)| {
                    percentiles(judged.session, judged.direction, evidence)
                }),
            // Seen from the path, whoever measured it.
            ways: judged.map_or_else(Vec::new, |judged| {
                Way::seen(judged.session, judged.direction, &KEPT)
            }),
            flows: judged.map_or_else(Vec::new, |judged| {
                let flows = judged.session.flows().iter();
                flows
                    .map(|flow| FlowResult::seen(flow, judged.direction))
                    .collect()
            }),
            // Without a packet there were no clocks to compare.
            clock_error_bound: judged
                .filter(|judged| judged.session.round_trip().count() > 0)
                .and_then(|judged| Some(judged.session.clocks()?.uncertainty())),
            clock_random: judged
                .map(|judged| judged.session.clocks_random().times(SIGMAS))
                .filter(|random| *random > Nanos::ZERO),
            seat: judged.map(|judged| judged.seat),
            implied: evidence
                .as_ref()
                .and_then(Evidence::fastest)
                .map(|fastest| ImpliedRoute::of(fastest, rule.declared)),
            lost: judged.map_or(0, |judged| judged.session.lost(judged.direction)),
            lost_unknown: judged.map_or(0, |judged| judged.session.lost_somewhere()),
            own_loss: judged.map_or(0, |judged| judged.session.own_loss()),
            late: judged.map_or(0, |judged| judged.session.late()),
            statistics: evidence
                .as_ref()
                .map(|evidence| Statistics::of(evidence, rule.target, profile)),
            rule: Some(self.book.hash.clone()),
            inputs: judged.and_then(|judged| self.sessions.inputs.get(judged.id).cloned()),
            verdict,
        })
    }
}

fn percentiles(
    session: &SessionWindow,
    direction: Direction,
    evidence: &Evidence<'_>,
) -> Vec<Percentile> {
    let (raw, round_trip) = (session.raw(direction), session.round_trip());
    if raw.count() == 0 && evidence.lost == 0 {
        return Vec::new();
    }
    let population = evidence.sent.max(raw.count().saturating_add(evidence.lost));
    KEPT.into_iter()
        .map(|quantile| {
            let rank = quantile.rank(population);
            Percentile {
                quantile,
                one_way: evidence.known(quantile),
                round_trip: Span::from(round_trip.at_rank(rank)),
                raw: Span::from(raw.at_rank(rank)),
            }
        })
        .collect()
}
