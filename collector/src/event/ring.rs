//! The last events, by number.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use owl_measure::time::Timestamp;
use serde::Serialize;

use super::Event;

/// Events that are remembered, at some 300 octets each; the oldest makes room, and who has not had it is told that some are lost.
const EVENTS_MAX: usize = 10_000;
/// Events handed out at once.
const AT_ONCE_MAX: usize = 256;

/// Up to where somebody has heard: the number of an event, and the process that told it. Written `PROCESS-NUMBER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    process: i64,
    number: u64,
}

impl Cursor {
    /// Where no event has ever been.
    pub(crate) const NOWHERE: Self = Self {
        process: i64::MIN,
        number: 0,
    };
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.process, self.number)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (process, number) = text.rsplit_once('-').ok_or(())?;
        Ok(Self {
            process: process.parse().map_err(|_| ())?,
            number: number.parse().map_err(|_| ())?,
        })
    }
}

/// An event as it is told: its name and its JSON.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) cursor: Cursor,
    pub(crate) name: &'static str,
    pub(crate) data: Arc<str>,
}

/// What comes behind a cursor.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// These, in order; none when there are no more.
    Events(Vec<Line>),
    /// Some are lost: they are too long ago, or another process told them. What is still there begins behind `resume`.
    Lost {
        /// From where to go on.
        resume: Cursor,
        /// How many, where that is known.
        missed: Option<u64>,
    },
}

#[derive(Debug)]
pub(super) struct Ring {
    process: i64,
    /// How many there have been; numbers begin with 1.
    count: u64,
    events: VecDeque<(&'static str, Arc<str>)>,
}

#[derive(Serialize)]
struct Dated<'a> {
    at_ns: Timestamp,
    #[serde(flatten)]
    event: &'a Event,
}

impl Ring {
    pub(super) fn new(started_at: Timestamp) -> Self {
        Self {
            process: started_at.0,
            count: 0,
            events: VecDeque::new(),
        }
    }

    fn at(&self, number: u64) -> Cursor {
        Cursor {
            process: self.process,
            number,
        }
    }

    pub(super) fn end(&self) -> Cursor {
        self.at(self.count)
    }

    pub(super) fn push(&mut self, at: Timestamp, event: &Event) {
        let data = serde_json::to_string(&Dated { at_ns: at, event })
            .expect("our own structs have string keys and no other maps");
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back((event.name(), data.into()));
        self.count += 1;
    }

    pub(super) fn after(&self, cursor: Cursor) -> Told {
        let forgotten = self.count - self.events.len() as u64;
        if cursor.process != self.process || cursor.number > self.count {
            return Told::Lost {
                resume: self.end(),
                missed: None,
            };
        }
        if cursor.number < forgotten {
            return Told::Lost {
                resume: self.at(forgotten),
                missed: Some(forgotten - cursor.number),
            };
        }
        let heard = usize::try_from(cursor.number - forgotten).unwrap_or(usize::MAX);
        let lines = self.events.iter().zip(forgotten + 1..).skip(heard);
        let line = |((name, data), number): (&(&'static str, Arc<str>), u64)| Line {
            cursor: self.at(number),
            name,
            data: Arc::clone(data),
        };
        Told::Events(lines.take(AT_ONCE_MAX).map(line).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring_of(count: usize) -> Ring {
        let mut ring = Ring::new(Timestamp(7));
        for k in 0..count {
            let event = Event::ProbeConnected {
                probe: k.to_string(),
            };
            ring.push(Timestamp(0), &event);
        }
        ring
    }

    /// The numbers told behind a cursor, or what is lost.
    fn behind(ring: &Ring, cursor: &str) -> Result<Vec<u64>, (String, Option<u64>)> {
        match ring.after(cursor.parse().unwrap()) {
            Told::Events(lines) => Ok(lines.iter().map(|line| line.cursor.number).collect()),
            Told::Lost { resume, missed } => Err((resume.to_string(), missed)),
        }
    }

    #[test]
    fn who_was_away_hears_what_he_missed_or_that_it_is_lost() {
        let ring = ring_of(3);
        assert_eq!(behind(&ring, "7-0"), Ok(vec![1, 2, 3]));
        assert_eq!(behind(&ring, "7-2"), Ok(vec![3]));
        assert_eq!(behind(&ring, "7-3"), Ok(vec![]));
        // Never told, or by another process.
        for strange in ["7-4", "6-2", "-9-2"] {
            assert_eq!(
                behind(&ring, strange),
                Err(("7-3".to_owned(), None)),
                "{strange}"
            );
        }
    }

    #[test]
    fn the_oldest_events_make_room_and_are_counted() {
        let ring = ring_of(EVENTS_MAX + 5);
        assert_eq!(behind(&ring, "7-2"), Err(("7-5".to_owned(), Some(3))));
        let told = behind(&ring, "7-5").unwrap();
        assert_eq!((told[0], told.len()), (6, AT_ONCE_MAX));
        assert_eq!(behind(&ring, &ring.end().to_string()), Ok(vec![]));
    }

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        for text in ["0-0", "1795000000000000000-12", "-5-3"] {
            assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
        }
        for text in ["", "7", "7-", "-7", "a-1", "7-1-x", "7--1"] {
            assert_eq!(text.parse::<Cursor>(), Err(()), "{text}");
        }
    }

    #[test]
    fn an_event_is_told_with_its_instant() {
        let Told::Events(lines) = ring_of(1).after("7-0".parse().unwrap()) else {
            panic!("nothing is lost");
        };
        assert_eq!(
            &*lines[0].data,
            r#"{"at_ns":0,"event":"probe-connected","probe":"0"}"#
        );
    }
}
