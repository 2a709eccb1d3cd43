//! The judge: windows that are over become verdicts.
//!
//! Every window of every path is judged once its end and the grace have passed,
//! also when nobody reported: that is a verdict too ("not measured", with the
//! reason). A window that gets reports later is judged again. Windows that
//! began before the collector did are judged from what arrives, and what does
//! not arrive is not held against anybody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use owl_measure::tier::recent::REACH;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::SessionWindow;
use owl_topology::{Path, Topology};
use tracing::{error, info, warn};

use crate::finding::Inquest;
use crate::hearing::Hearing;
use crate::judgement::{Judgement, NoDataWhy};
use crate::live::{Live, LiveProbe, Table};
use crate::now::now;
use crate::rulebook::Rulebook;
use crate::store::{
    Audited, Change, Dirty, Reader, Refused, Sessions, Store, StoreError, Windowing, Work,
};

/// How often the judge looks.
const PERIOD: Duration = Duration::from_secs(1);
/// Windows judged again in one round; the others wait for the next.
const DIRTY_A_ROUND: usize = 64;
/// Windows that the schedule catches up with in one round; when a clock jumps further ahead than that, the rest is
/// left out: nobody measured in time that did not pass.
const SCHEDULED_A_ROUND: usize = 120;

/// Releases that are remembered for windows that began before the last one.
const CHAPTERS_MAX: usize = 16;

/// All paths that are judged in windows of one length.
struct Docket {
    length: Nanos,
    /// The next window that is due by the clock.
    next: Timestamp,
}

/// What is judged, and by which rules, in windows that begin at an instant or later.
struct Chapter {
    since: Timestamp,
    book: Arc<Rulebook>,
    /// The ids of the paths by the length of their windows.
    paths: BTreeMap<Nanos, Arc<[String]>>,
}

impl Chapter {
    fn of(topology: &Topology, paths: &[Path], since: Timestamp) -> Self {
        let mut by_length: BTreeMap<Nanos, Vec<String>> = BTreeMap::new();
        for path in paths {
            let of_length = by_length.entry(path.profile.interval).or_default();
            of_length.push(path.id.clone());
        }
        let by_length = by_length.into_iter();
        Self {
            since,
            book: Arc::new(Rulebook::of(topology, paths)),
            paths: by_length
                .map(|(length, ids)| (length, ids.into()))
                .collect(),
        }
    }
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
    /// In order; a window is judged by the last that began no later than it. There is one at least.
    chapters: Vec<Chapter>,
    /// Of the topology that the last of them is of.
    edition: u64,
    inquest: Inquest,
    /// The epoch of the lease under which it judges; `None` while another collector of the store does.
    office: Option<i64>,
    failing: bool,
}

/// A round that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoundError {
    #[error(transparent)]
    Read(#[from] StoreError),
    #[error("cannot write verdicts")]
    Write(#[from] Refused),
}

impl Judge {
    pub(crate) fn new(
        store: Store,
        topology: &Topology,
        live: Arc<Live>,
        windowing: Windowing,
        grace: Nanos,
        watching_since: Timestamp,
    ) -> Result<Self, StoreError> {
        let reader = store.reader()?;
        let paths: Vec<Path> = {
            let table = live.read();
            table.paths.iter().map(|live| live.path.clone()).collect()
        };
        let chapter = Chapter::of(topology, &paths, Timestamp(i64::MIN));
        let mut dockets = Vec::new();
        enter(&mut dockets, &chapter, watching_since, windowing.aligned_to);
        let inquest = Inquest::restored(&reader, &windowing)?;
        live.write().findings = inquest.open();
        Ok(Self {
            reader,
            edition: live.followed().edition,
            live,
            windowing,
            grace,
            watching_since,
            dockets,
            chapters: vec![chapter],
            inquest,
            // The only collector of a store has just read what there is to know.
            office: store.lease().epoch().filter(|_| !store.lease().is_shared()),
            store,
            failing: false,
        })
    }

    /// Windows that began before the last release are judged by what held then: the earlier releases that are known, in order.
    pub(crate) fn after<'a>(
        mut self,
        releases: impl Iterator<Item = (Timestamp, &'a Arc<Topology>)>,
    ) -> Self {
        let chapters: Vec<Chapter> = releases
            .map(|(since, topology)| {
                Chapter::of(topology, &self.live.judged_paths(topology), since)
            })
            .collect();
        if let Some(last) = self.chapters.pop() {
            let since = chapters.last().map_or(last.since, |last| last.since);
            let earlier = chapters.len().saturating_sub(1);
            self.chapters = chapters.into_iter().take(earlier).collect();
            self.chapters.push(Chapter { since, ..last });
        }
        self
    }

    /// Follows another topology from its release on.
    fn follow(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let followed = self.live.followed();
        if followed.edition == self.edition {
            return Ok(());
        }
        let paths = self.live.judged_paths(&followed.topology);
        let since = followed.since.min(now);
        let chapter = Chapter::of(&followed.topology, &paths, since);
        let aligned_to = self.windowing.aligned_to;
        self.dockets
            .retain(|docket| chapter.paths.contains_key(&docket.length) || docket.next < since);
        enter(&mut self.dockets, &chapter, since, aligned_to);
        self.windowing = Windowing::of(&self.live, aligned_to);
        self.inquest = Inquest::restored(&self.reader, &self.windowing)?;
        if self.chapters.len() == CHAPTERS_MAX {
            self.chapters.remove(0);
        }
        self.chapters.push(chapter);
        self.edition = followed.edition;
        Ok(())
    }

    /// By which a window is judged that begins at `start`.
    fn chapter(&self, start: Timestamp) -> &Chapter {
        let mut latest_first = self.chapters.iter().rev();
        let of_then = latest_first.find(|chapter| chapter.since <= start);
        of_then.unwrap_or(&self.chapters[0])
    }

    /// Those paths that are judged in such a window.
    fn paths(&self, start: Timestamp, length: Nanos) -> Arc<[String]> {
        let paths = self.chapter(start).paths.get(&length);
        paths.cloned().unwrap_or_default()
    }

    /// Judges until `stop` is dropped.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        if let Err(error) = self.remember() {
            warn!(%error, "the latest windows are not told until they are judged anew");
        }
        while stop.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
            let failed_before = self.failing;
            match self.round(now()) {
                Ok(()) if failed_before => info!("the judge goes on"),
                // The writer has said why.
                Err(RoundError::Write(_)) => {}
                Err(RoundError::Read(error)) if !failed_before => {
                    error!(%error, "the judge cannot read; windows wait")
                }
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Reads the latest windows again, which are held in memory only. What is not there yet comes with the next window.
    fn remember(&self) -> Result<(), StoreError> {
        for Docket { length, next } in &self.dockets {
            let mut start = (*next - REACH).period_start(*length, self.windowing.aligned_to);
            while start < *next {
                let end = start + *length;
                let sessions = self.reader.at_once(|reader| reader.sessions(start, end))?;
                let paths = self.paths(start, *length);
                let book = &self.chapter(start).book;
                let hearing = Hearing::open(book, start, *length, &sessions);
                let heard = hearing.noted(paths.iter().map(String::as_str));
                self.live.latest().note((start, *length), heard);
                start = end;
            }
        }
        Ok(())
    }

    /// Judges what is due at `now`.
    pub(crate) fn round(&mut self, now: Timestamp) -> Result<(), RoundError> {
        let Some(epoch) = self.store.lease().epoch() else {
            (self.office, self.failing) = (None, false);
            // Nobody else may have anything to write, and then nobody would notice that the store takes it again.
            if self.live.read().store_failure.is_some() {
                self.store.write_blocking(Work::Nothing)?;
            }
            return Ok(());
        };
        let outcome = self
            .take_office(epoch)
            .and_then(|()| Ok(self.follow(now)?))
            .and_then(|()| self.scheduled(now))
            .and_then(|()| self.again(now));
        self.failing = outcome.is_err();
        outcome
    }

    /// Goes on where the collector left off that judged before.
    fn take_office(&mut self, epoch: i64) -> Result<(), RoundError> {
        if self.office == Some(epoch) {
            return Ok(());
        }
        self.inquest = Inquest::restored(&self.reader, &self.windowing)?;
        self.live.write().findings = self.inquest.open();
        for docket in &mut self.dockets {
            if let Some(last) = self.reader.last_judged(docket.length, docket.next)? {
                docket.next = last + docket.length;
            }
        }
        self.office = Some(epoch);
        Ok(())
    }

    fn scheduled(&mut self, now: Timestamp) -> Result<(), RoundError> {
        for k in 0..self.dockets.len() {
            let Docket { length, next } = self.dockets[k];
            if next > now + length {
                // The windows since are judged when they are over by this clock, too; what nobody has reported on them since
                // is judged as it was.
                self.dockets[k].next = now.period_start(length, self.windowing.aligned_to);
                warn!("the clock jumped back; its windows are judged as they come");
            }
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
            let reported = dirty.start >= self.reader.inputs_to()?;
            let of_length = |docket: &Docket| aligned && reported && docket.length == dirty.length;
            match self.dockets.iter().position(of_length) {
                Some(k) => self.judge(k, dirty.start, now)?,
                // No path is judged in such windows any more, or nothing but what was judged is left of that time.
                None => self.write(dirty.start, Vec::new(), Some(dirty), None)?,
            }
        }
        Ok(())
    }

    fn write(
        &self,
        start: Timestamp,
        judgements: Vec<Judgement>,
        seen: Option<Dirty>,
        audited: Option<Box<Audited>>,
    ) -> Result<(), RoundError> {
        let work = Work::Verdicts {
            judgements,
            book: Arc::clone(&self.chapter(start).book),
            seen,
            audited,
        };
        let epoch = self.office.ok_or(Refused)?;
        self.store.write_judged(work, epoch)?;
        Ok(())
    }

    fn judge(&mut self, docket: usize, start: Timestamp, now: Timestamp) -> Result<(), RoundError> {
        let length = &self.dockets[docket].length;
        let paths = self.paths(start, *length);
        // Before the reports are read: what comes in between makes the window dirty again.
        let seen = self.reader.dirty_window(*length, start)?;
        let ask = |reader: &Reader| reader.sessions(start, start + *length);
        let sessions: Sessions = self.reader.at_once::<_, StoreError>(ask)?;
        if let Some((damage, count)) = &sessions.damaged {
            error!(error = %damage, count, "the store is damaged; the window is judged without what cannot be read");
        }
        let book = Arc::clone(&self.chapter(start).book);
        let hearing = Hearing::open(&book, start, *length, &sessions);
        let watched = start >= self.watching_since;
        let table = self.live.read();
        let absence = Absence {
            end: start + *length,
            table: &table,
            sessions: &sessions,
        };
        let judgements = paths
            .iter()
            .filter(|path| watched || hearing.is_heard(path))
            .filter_map(|path| hearing.judge(path, now, || absence.why(path, hearing.own(path))))
            .collect();
        drop(table);
        let heard = hearing.noted(paths.iter().map(String::as_str));
        self.live.latest().note((start, *length), heard);
        // Written where it changed: nearly always everybody is believed.
        let disbelieved = hearing.disbelieved();
        if self.reader.disbelieved_in(start, *length)? != disbelieved {
            let change = Change::Audited(disbelieved);
            let epoch = self.office.ok_or(Refused)?;
            self.store.write_judged(Work::Tiers(change), epoch)?;
        }
        let audited = self
            .inquest
            .note(hearing.span(), hearing.findings(), hearing.measured());
        self.write(start, judgements, seen, audited)?;
        self.inquest.settle();
        Ok(())
    }
}

/// Adds a docket for each length of window that has none yet; its first window begins at `from` or right after.
fn enter(dockets: &mut Vec<Docket>, chapter: &Chapter, from: Timestamp, aligned_to: Timestamp) {
    for &length in chapter.paths.keys() {
        if dockets.iter().any(|docket| docket.length == length) {
            continue;
        }
        let running = from.period_start(length, aligned_to);
        let next = if running == from {
            running
        } else {
            running + length
        };
        dockets.push(Docket { length, next });
    }
}

/// What is known at this moment of those who did not report on a window.
struct Absence<'a> {
    end: Timestamp,
    table: &'a Table,
    sessions: &'a Sessions,
}

impl Absence<'_> {
    /// Why nothing was measured on a path, with or without a report of its own session.
    ///
    /// The probe of the path answers for it; that the opposite session stood in and heard nothing explains less.
    fn why(&self, path: &str, own: Option<&SessionWindow>) -> Option<NoDataWhy> {
        let (from, to) = path.split_once('~')?;
        let probe = from.to_owned();
        let known = self.table.probes.get(&probe);
        Some(match own.map(|own| (own.sent(), own.hindrance())) {
            Some((0, Some(hindrance))) => NoDataWhy::Hindered {
                probe,
                server: to.to_owned(),
                hindrance,
            },
            Some((0, None)) => NoDataWhy::NothingSent { probe },
            Some((sent, _)) => NoDataWhy::NoReplies { sent },
            None if self.sessions.straddling.contains(path) => NoDataWhy::Straddling { probe },
            None => match known.and_then(LiveProbe::reported_up_to) {
                Some(at) if at >= self.end => NoDataWhy::NotReported { probe },
                Some(since) => NoDataWhy::ProbeSilent { probe, since },
                None => NoDataWhy::NotStarted { probe },
            },
        })
    }
}

#[cfg(test)]
mod tests;
