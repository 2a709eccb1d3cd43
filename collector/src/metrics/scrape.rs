//! One answer as it is being written.

use std::ops::Bound;
use std::str::FromStr;
use std::sync::Arc;

use owl_measure::time::{Nanos, Timestamp};

use super::families::{self, PathFamily, SeenPath};
use super::links::{self, Detail};
use super::own::Own;
use super::protobuf::Protobuf;
use super::sink::Sink;
use super::text::Text;
use crate::links::Figures;
use crate::live::{Judging, Live, LivePath, Table};

/// A piece ends with the first path that brings it to this many octets; one path has less than 8 KiB of a metric.
const PIECE_OCTETS: usize = 32_768;
/// Room for a piece and what its last path adds.
const ROOM: usize = PIECE_OCTETS + 8_192;
/// Paths that are looked at under one lock.
const PATHS_A_LOCK: usize = 512;
/// Shards at most.
const SHARDS_MAX: u64 = 64;

/// What of all series is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything.
    Whole,
    /// What is not of a path: probes, findings, the collector.
    Rest,
    /// The paths of one of `of` parts of all of them, counted from 0.
    Shard { which: u64, of: u64 },
}

/// A shard that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a shard is asked for as K/N with K from 1 to N, and N is at most {SHARDS_MAX}")]
pub(crate) struct ShardError;

impl FromStr for Part {
    type Err = ShardError;

    /// `K/N`, counted from 1.
    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (which, of) = text.split_once('/').ok_or(ShardError)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| ShardError);
        let (which, of) = (number(which)?, number(of)?);
        if !(1..=of.min(SHARDS_MAX)).contains(&which) || of > SHARDS_MAX {
            return Err(ShardError);
        }
        Ok(Self::Shard {
            which: which - 1,
            of,
        })
    }
}

impl Part {
    pub(crate) fn holds(self, path: &LivePath) -> bool {
        match self {
            Self::Whole => true,
            Self::Rest => false,
            Self::Shard { which, of } => path.shard % of == which,
        }
    }

    fn has_paths(self) -> bool {
        self != Self::Rest
    }

    fn has_the_rest(self) -> bool {
        !matches!(self, Self::Shard { .. })
    }
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The text format 0.0.4.
    Text,
    /// Messages, with native histograms.
    Protobuf,
}

/// What has been written of the present piece.
enum Piece {
    Text(Text),
    Protobuf(Protobuf),
}

impl Piece {
    fn sink(&mut self) -> &mut dyn Sink {
        match self {
            Self::Text(text) => text,
            Self::Protobuf(protobuf) => protobuf,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.out.len(),
            Self::Protobuf(protobuf) => protobuf.len(),
        }
    }

    fn is_full(&self) -> bool {
        self.len() >= PIECE_OCTETS
    }

    /// The octets so far; the next ones begin a new piece.
    fn take(&mut self) -> Vec<u8> {
        let next = Vec::with_capacity(ROOM);
        match self {
            Self::Text(text) => std::mem::replace(&mut text.out, next),
            Self::Protobuf(protobuf) => {
                protobuf.end_family();
                std::mem::replace(&mut protobuf.out, next)
            }
        }
    }
}

/// Where an answer is: each step is one metric, except the last two.
enum Step {
    /// A metric of paths, and the next path of the table.
    Paths(usize, usize),
    /// A metric of probes, and the last probe that was written.
    Probes(usize, Option<String>),
    Rest,
    /// A metric of links, and the next of them.
    Links(usize, usize),
    Own,
    Done,
}

/// An answer that is written piece by piece.
pub(crate) struct Scrape {
    live: Arc<Live>,
    own: Arc<Own>,
    part: Part,
    now: Timestamp,
    grace: Nanos,
    step: Step,
    detail: Detail,
    /// What links carry, once the answer has come to them.
    figures: Option<Arc<Figures>>,
    families: Vec<&'static PathFamily>,
    piece: Piece,
}

impl Scrape {
    pub(crate) fn new(
        live: Arc<Live>,
        own: Arc<Own>,
        (part, detail): (Part, Detail),
        form: Form,
        (now, grace): (Timestamp, Nanos),
    ) -> Self {
        // Of several collectors with one store, the one that judges shows what all of them know.
        let judging = live.read().judging;
        let step = match judging {
            Judging::Here if part.has_paths() => Step::Paths(0, 0),
            Judging::Here => Step::Probes(0, None),
            Judging::Elsewhere if part.has_the_rest() => Step::Rest,
            Judging::Elsewhere => Step::Done,
        };
        Self {
            live,
            own,
            part,
            now,
            grace,
            step,
            detail,
            figures: None,
            families: families::of_paths().collect(),
            piece: match form {
                Form::Text => Piece::Text(Text::default()),
                Form::Protobuf => Piece::Protobuf(Protobuf::default()),
            },
        }
    }

    /// Paths of one metric, under one lock; returns where to go on.
    fn paths(&mut self, family: usize, first: usize) -> Step {
        let table = self.live.read();
        let last = table.paths.len().min(first + PATHS_A_LOCK);
        let PathFamily { metric, write } = self.families[family];
        if first == 0 {
            self.piece.sink().metric(metric);
        }
        for index in first..last {
            if self.part.holds(&table.paths[index]) {
                let seen = SeenPath::at(&table, index, self.now, self.grace);
                write(seen, self.piece.sink());
                if self.piece.is_full() {
                    return Step::Paths(family, index + 1);
                }
            }
        }
        if last < table.paths.len() {
            Step::Paths(family, last)
        } else if family + 1 < self.families.len() {
            Step::Paths(family + 1, 0)
        } else if self.part.has_the_rest() {
            Step::Probes(0, None)
        } else {
            Step::Done
        }
    }

    /// Probes of one metric, under one lock.
    fn probes(&mut self, family: usize, after: Option<String>) -> Step {
        let table = self.live.read();
        let Some(families::ProbeFamily { metric, write }) = families::PROBES.get(family) else {
            return Step::Rest;
        };
        let from = match &after {
            Some(last) => Bound::Excluded(last.as_str()),
            None => {
                self.piece.sink().metric(metric);
                Bound::Unbounded
            }
        };
        let rest = table.probes.range::<str, _>((from, Bound::Unbounded));
        for (id, probe) in rest {
            write(probe, self.piece.sink());
            if self.piece.is_full() {
                return Step::Probes(family, Some(id.clone()));
            }
        }
        Step::Probes(family + 1, None)
    }

    fn rest(&mut self) -> Step {
        let table: &Table = &self.live.read();
        families::of_the_rest(table, self.piece.sink());
        match table.judging {
            Judging::Here => Step::Links(0, 0),
            Judging::Elsewhere => Step::Own,
        }
    }

    /// Links of one metric.
    fn links(&mut self, family: usize, first: usize) -> Step {
        let (live, now) = (&self.live, self.now);
        let figures = self
            .figures
            .get_or_insert_with(|| live.links().figures(now));
        let Some(of) = links::families(self.detail).nth(family) else {
            return Step::Own;
        };
        let sink = self.piece.sink();
        if first == 0 {
            sink.metric(of.metric);
        }
        for place in first..(of.count)(figures) {
            (of.write)(figures, place, self.piece.sink());
            if self.piece.is_full() {
                return Step::Links(family, place + 1);
            }
        }
        Step::Links(family + 1, 0)
    }
}

impl Iterator for Scrape {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        while !self.piece.is_full() {
            self.step = match std::mem::replace(&mut self.step, Step::Done) {
                Step::Paths(family, first) => self.paths(family, first),
                Step::Probes(family, after) => self.probes(family, after),
                Step::Rest => self.rest(),
                Step::Links(family, first) => self.links(family, first),
                Step::Own => {
                    self.own.series(self.piece.sink());
                    Step::Done
                }
                Step::Done => break,
            };
        }
        let piece = self.piece.take();
        (!piece.is_empty()).then_some(piece)
    }
}
