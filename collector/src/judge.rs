//! The judge: windows that are over become verdicts.
//!
//! Every window of every path is judged once its end and the grace have passed,
//! also when nobody reported: that is a verdict too ("not measured", with the
//! reason). A window that gets reports later is judged again. Windows that
//! began before the collector did are judged from what arrives, and what does
//! not arrive is not held against anybody.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use owl_measure::clock::SIGMAS;
use owl_measure::clock::live::{MeshFindings, Span as WindowSpan};
use owl_measure::delay::Floors;
use owl_measure::implied::ImpliedRoute;
use owl_measure::sample::Direction;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::window::{Heard, SessionOf, hear, judge_path};
use owl_measure::verdict::{Evidence, Quantile, Reason, SessionWindow, Statistics};
use owl_topology::Path;
use tracing::{error, info, warn};

use crate::finding::Inquest;
use crate::flow::FlowResult;
use crate::judgement::{Judgement, NoDataWhy, Percentile, Seat, Span};
use crate::live::{Live, LiveProbe, Table};
use crate::now::now;
use crate::store::{Audited, Dirty, Reader, Refused, Sessions, Store, StoreError, Windowing, Work};
use crate::way::Way;

/// How often the judge looks.
const PERIOD: Duration = Duration::from_secs(1);
/// Windows judged again in one round; the others wait for the next.
const DIRTY_A_ROUND: usize = 64;
/// Windows that the schedule catches up with in one round; when a clock jumps further ahead than that, the rest is
/// left out: nobody measured in time that did not pass.
const SCHEDULED_A_ROUND: usize = 120;
/// The quantiles of which every judgement keeps the bounds.
const KEPT: [Quantile; 3] = [Quantile::P50, Quantile::P95, Quantile::P99];

/// All paths that are judged in windows of one length.
struct Docket {
    length: Nanos,
    paths: Vec<Path>,
    /// The next window that is due by the clock.
    next: Timestamp,
}

pub(crate) struct Judge {
    store: Store,
    reader: Reader,
    live: Arc<Live>,
    windowing: Windowing,
    grace: Nanos,
    /// Since when the collector has been there to receive reports.
    watching_since: Timestamp,
    dockets: Vec<Docket>,
    floors: HashMap<String, Floors>,
    inquest: Inquest,
    failing: bool,
}

/// A round that did not come to its end.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Read(#[from] StoreError),
    #[error("cannot write verdicts")]
    Write(#[from] Refused),
}

impl Judge {
    pub(crate) fn new(
        store: Store,
        live: Arc<Live>,
        windowing: Windowing,
        grace: Nanos,
        watching_since: Timestamp,
    ) -> Result<Self, StoreError> {
        let reader = store.reader()?;
        let paths: Vec<Path> = live
            .read()
            .paths
            .iter()
            .map(|live| live.path.clone())
            .collect();
        let floors = paths
            .iter()
            .map(|path| (path.id.clone(), floors(path)))
            .collect();
        let dockets = windowing
            .lengths
            .iter()
            .map(|&length| {
                let running = watching_since.period_start(length, windowing.aligned_to);
                let next = if running == watching_since {
                    running
                } else {
                    running + length
                };
                Docket {
                    length,
                    next,
                    paths: paths
                        .iter()
                        .filter(|path| path.profile.interval == length)
                        .cloned()
                        .collect(),
                }
            })
            .collect();
        let inquest = Inquest::restored(&reader, &windowing)?;
        live.write().findings = inquest.open();
        Ok(Self {
            store,
            reader,
            live,
            windowing,
            grace,
            watching_since,
            dockets,
            floors,
            inquest,
            failing: false,
        })
    }

    /// Judges until `stop` is dropped.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        while stop.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
            match self.round(now()) {
                Ok(()) if self.failing => info!("the judge goes on"),
                // The writer has said why.
                Err(RoundError::Write(_)) => {}
                Err(RoundError::Read(error)) if !self.failing => {
                    error!(%error, "the judge cannot read; windows wait")
                }
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Judges what is due at `now`.
    fn round(&mut self, now: Timestamp) -> Result<(), RoundError> {
        let outcome = self.scheduled(now).and_then(|()| self.again(now));
        self.failing = outcome.is_err();
        outcome
    }

    fn scheduled(&mut self, now: Timestamp) -> Result<(), RoundError> {
        for k in 0..self.dockets.len() {
            for round in 0.. {
                let (start, length) = (self.dockets[k].next, self.dockets[k].length);
                if start + length + self.grace > now {
                    break;
                }
                if round == SCHEDULED_A_ROUND {
                    self.dockets[k].next = now.period_start(length, self.windowing.aligned_to);
                    warn!("the clock jumped ahead; the windows in between are not judged");
                    break;
                }
                self.judge(k, start, now)?;
                self.dockets[k].next = start + length;
            }
        }
        Ok(())
    }

    /// Windows with reports that no verdict has seen.
    fn again(&mut self, now: Timestamp) -> Result<(), RoundError> {
        for dirty in self.reader.dirty(now - self.grace, DIRTY_A_ROUND)? {
            let aligned = dirty
                .start
                .period_start(dirty.length, self.windowing.aligned_to)
                == dirty.start;
            let of_length = |docket: &Docket| aligned && docket.length == dirty.length;
            match self.dockets.iter().position(of_length) {
                Some(k) => self.judge(k, dirty.start, now)?,
                // No path is judged in such windows any more.
                None => self.write(Vec::new(), Some(dirty), None)?,
            }
        }
        Ok(())
    }

    fn write(
        &self,
        judgements: Vec<Judgement>,
        seen: Option<Dirty>,
        audited: Option<Box<Audited>>,
    ) -> Result<(), RoundError> {
        self.store.write_blocking(Work::Verdicts {
            judgements,
            seen,
            audited,
        })?;
        Ok(())
    }

    fn judge(&mut self, docket: usize, start: Timestamp, now: Timestamp) -> Result<(), RoundError> {
        let Docket { length, paths, .. } = &self.dockets[docket];
        // Before the reports are read: what comes in between makes the window dirty again.
        let seen = self.reader.dirty_window(*length, start)?;
        let sessions = self.reader.sessions(start, start + *length)?;
        let measured = measured(&self.floors, &sessions);
        let span = WindowSpan {
            start,
            length: *length,
        };
        let findings = hear(span, &measured);
        let watched = start >= self.watching_since;
        let table = self.live.read();
        let window = Window {
            start,
            length: *length,
            now,
            table: &table,
            findings: &findings,
            straddling: &sessions.straddling,
        };
        let judgements = paths
            .iter()
            .filter_map(|path| {
                let own = sessions.of.get(&path.id);
                let opposite = sessions.of.get(&format!("{}~{}", path.to, path.from));
                (watched || own.is_some() || opposite.is_some())
                    .then(|| window.judge(path, own, opposite))
            })
            .collect();
        drop(table);
        let audited = self.inquest.note(span, &findings, &measured);
        self.write(judgements, seen, audited)?;
        self.inquest.settle();
        Ok(())
    }
}

/// What a window's sessions measured on the plan's paths: all that its audit is made from, whatever its length.
fn measured<'a>(floors: &HashMap<String, Floors>, sessions: &'a Sessions) -> Vec<SessionOf<'a>> {
    let of = |(path, window): (&'a String, &'a SessionWindow)| {
        let (from, to) = path.split_once('~')?;
        let floors = *floors.get(path)?;
        Some(SessionOf {
            from,
            to,
            window,
            floors,
        })
    };
    let mut measured: Vec<SessionOf<'_>> = sessions.of.iter().filter_map(of).collect();
    measured.sort_unstable_by_key(|session| (session.from, session.to));
    measured
}

fn floors(path: &Path) -> Floors {
    Floors {
        forward: path.floor_forward,
        backward: path.floor_backward,
    }
}

/// What is the same for all paths of a window.
struct Window<'a> {
    start: Timestamp,
    length: Nanos,
    now: Timestamp,
    table: &'a Table,
    findings: &'a MeshFindings,
    straddling: &'a HashSet<String>,
}

impl Window<'_> {
    fn judge(
        &self,
        path: &Path,
        own: Option<&SessionWindow>,
        opposite: Option<&SessionWindow>,
    ) -> Judgement {
        let (from, to) = (path.from.as_str(), path.to.as_str());
        let heard = |seat| match seat {
            Seat::Own => Heard::of(self.findings, from, to),
            Seat::Opposite => Heard::of(self.findings, to, from),
        };
        let verdict = judge_path(
            own.map(|own| (own, heard(Seat::Own))),
            opposite.map(|opposite| (opposite, heard(Seat::Opposite))),
            floors(path),
            path.target,
            &path.profile,
        );
        let judged = match (own, opposite) {
            (Some(own), _) => Some((own, Direction::Forward, Seat::Own)),
            (None, Some(opposite)) => Some((opposite, Direction::Backward, Seat::Opposite)),
            (None, None) => None,
        };
        // The probe of the path answers for it; that the opposite session stood in and heard nothing explains less.
        let why = (verdict.reason == Some(Reason::NoData)).then(|| self.why(path, own));
        Judgement {
            path: path.id.clone(),
            profile: path.profile.id.clone(),
            quantile: path.profile.quantile,
            window_start: self.start,
            window: self.length,
            judged_at: self.now,
            why,
            percentiles: judged.map_or_else(Vec::new, |(session, direction, seat)| {
                percentiles(
                    session,
                    direction,
                    &session.evidence(direction, self.length, floors(path), heard(seat)),
                )
            }),
            // Seen from the path, whoever measured it.
            ways: judged.map_or_else(Vec::new, |(session, direction, _)| {
                Way::seen(session, direction, &KEPT)
            }),
            flows: judged.map_or_else(Vec::new, |(session, direction, _)| {
                let flows = session.flows().iter();
                flows
                    .map(|flow| FlowResult::seen(flow, direction))
                    .collect()
            }),
            // Without a packet there were no clocks to compare.
            clock_error_bound: judged
                .filter(|(session, ..)| session.round_trip().count() > 0)
                .and_then(|(session, ..)| Some(session.clocks()?.uncertainty())),
            clock_random: judged
                .map(|(session, ..)| session.clocks_random().times(SIGMAS))
                .filter(|random| *random > Nanos::ZERO),
            seat: judged.map(|(_, _, seat)| seat),
            implied: judged
                .and_then(|(session, direction, seat)| {
                    session
                        .evidence(direction, self.length, floors(path), heard(seat))
                        .fastest()
                })
                .map(|fastest| ImpliedRoute::of(fastest, path.declared())),
            lost: judged.map_or(0, |(session, direction, _)| session.lost(direction)),
            lost_unknown: judged.map_or(0, |(session, ..)| session.lost_somewhere()),
            own_loss: judged.map_or(0, |(session, ..)| session.own_loss()),
            late: judged.map_or(0, |(session, ..)| session.late()),
            statistics: judged.map(|(session, direction, seat)| {
                let evidence = session.evidence(direction, self.length, floors(path), heard(seat));
                Statistics::of(&evidence, path.target, &path.profile)
            }),
            verdict,
        }
    }

    /// Why nothing was measured, with or without a report of the path's own session.
    fn why(&self, path: &Path, own: Option<&SessionWindow>) -> NoDataWhy {
        let probe = path.from.to_string();
        let known = self.table.probes.get(&probe);
        match own.map(|own| (own.sent(), own.hindrance())) {
            Some((0, Some(hindrance))) => NoDataWhy::Hindered {
                probe,
                server: path.to.to_string(),
                hindrance,
            },
            Some((0, None)) => NoDataWhy::NothingSent { probe },
            Some((sent, _)) => NoDataWhy::NoReplies { sent },
            None if self.straddling.contains(&path.id) => NoDataWhy::Straddling { probe },
            None => match known.and_then(LiveProbe::reported_up_to) {
                Some(at) if at >= self.start + self.length => NoDataWhy::NotReported { probe },
                Some(since) => NoDataWhy::ProbeSilent { probe, since },
                None => NoDataWhy::NotStarted { probe },
            },
        }
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

#[cfg(test)]
mod tests;
