//! What is heard on one window, and how each of its paths is judged.
//!
//! A pure function of the stored reports and of a rulebook: the judge calls it
//! when a window has ended, and whoever wants a verdict explained calls it
//! again. Why nothing was measured is not in it, because that depends on who
//! was connected at the time.

use std::collections::BTreeSet;

use owl_measure::sample::Direction;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::window::{Claims, SessionOf, explain_path, withdrawn};
use owl_measure::verdict::{
    Claim, Evidence, Explanation, Quantile, Reason, SessionWindow, Verdict,
};

use crate::flow::FlowResult;
use crate::judgement::{Judgement, NoDataWhy, Percentile, Seat, Span};
use crate::rulebook::{Rule, Rulebook};
use crate::store::Sessions;
use crate::way::Way;

/// The quantiles of which every judgement keeps the bounds.
const KEPT: [Quantile; 3] = [Quantile::P50, Quantile::P95, Quantile::P99];

/// All that was reported on a window, and the rules that apply to it.
pub(crate) struct Hearing<'a> {
    book: &'a Rulebook,
    start: Timestamp,
    length: Nanos,
    sessions: &'a Sessions,
    /// Probes whose clocks' claims some packet of the window contradicts.
    withdrawn: BTreeSet<&'a str>,
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
        let heard = sessions.of.iter().filter_map(|(path, window)| {
            let (from, to) = path.split_once('~')?;
            let floors = book.rules.paths.get(path)?.floors;
            Some(SessionOf {
                from,
                to,
                window,
                floors,
            })
        });
        Self {
            book,
            start,
            length,
            sessions,
            withdrawn: withdrawn(heard),
        }
    }

    /// Whether the path's own session or the opposite one reported.
    pub(crate) fn is_heard(&self, path: &str) -> bool {
        self.judged(path).is_some()
    }

    /// Packets that the path's own session sent; `None` when it did not report.
    pub(crate) fn sent(&self, path: &str) -> Option<u64> {
        self.sessions.of.get(path).map(SessionWindow::sent)
    }

    /// Sessions of either probe of a path in which a packet was faster than light if both clocks kept their claims.
    pub(crate) fn contradictions(&self, path: &str) -> Vec<String> {
        let Some((from, to)) = path.split_once('~') else {
            return Vec::new();
        };
        let mut found: Vec<String> = self
            .sessions
            .of
            .iter()
            .filter(|(id, window)| {
                let of_ours = id
                    .split_once('~')
                    .is_some_and(|(a, b)| [a, b].iter().any(|&end| end == from || end == to));
                let rule = self.book.rules.paths.get(*id);
                of_ours && rule.is_some_and(|rule| window.contradicts_clocks(rule.floors))
            })
            .map(|(id, _)| id.clone())
            .collect();
        found.sort_unstable();
        found
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

    fn claims(&self, path: &str) -> Claims {
        let ends = path.split_once('~');
        let contradicted = ends.is_some_and(|(from, to)| {
            [from, to]
                .iter()
                .any(|probe| self.withdrawn.contains(probe))
        });
        if contradicted {
            Claims::Withdrawn
        } else {
            Claims::Stand
        }
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
        explain_path(
            own.map(|judged| judged.session),
            opposite.map(|judged| judged.session),
            rule.floors,
            self.claims(path),
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
            percentiles: judged.map_or_else(Vec::new, |judged| {
                let evidence = judged.session.evidence(
                    judged.direction,
                    self.length,
                    rule.floors,
                    self.claims(path),
                );
                percentiles(judged.session, judged.direction, &evidence)
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
            seat: judged.map(|judged| judged.seat),
            lost: judged.map_or(0, |judged| judged.session.lost(judged.direction)),
            lost_unknown: judged.map_or(0, |judged| judged.session.lost_somewhere()),
            own_loss: judged.map_or(0, |judged| judged.session.own_loss()),
            late: judged.map_or(0, |judged| judged.session.late()),
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
            let proved = evidence.proved(quantile);
            let claimed = match (proved, evidence.claim) {
                (Some(proved), Claim::Clocks(clocks)) if !evidence.contradicts(clocks) => {
                    evidence.claimed(quantile, proved, clocks)
                }
                _ => None,
            };
            let rank = quantile.rank(population);
            Percentile {
                quantile,
                one_way: claimed.or(proved),
                round_trip: Span::from(round_trip.at_rank(rank)),
                raw: Span::from(raw.at_rank(rank)),
            }
        })
        .collect()
}
