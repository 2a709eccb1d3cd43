//! Replies whose kernel transmit stamp has not come yet.

use std::collections::VecDeque;

use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::session::SessionReflector;
use owl_protocol::session::reflector::ReplyToken;

use super::ReflectorReading;
use crate::net::TransmitStamp;

/// Replies of one socket whose transmit stamp is awaited, twice those of a turn; the oldest is given up at the bound.
const AWAITED_MAX: usize = 256;

/// T3 as a reply carries it, and what entitles to tell the kernel's.
pub(super) type Note = (Timestamp, Option<ReplyToken>);

/// Replies of one socket whose stamp has not come yet, by the numbers of their sends, with the T3 that they carry.
#[derive(Debug)]
pub(super) struct Awaited(VecDeque<(u32, Note)>);

impl Awaited {
    pub(super) fn new() -> Self {
        Self(VecDeque::with_capacity(AWAITED_MAX))
    }

    /// Whether any is awaited.
    pub(super) fn is_waiting(&self) -> bool {
        !self.0.is_empty()
    }

    /// Awaits the stamp of a reply, which may be that of others too: numbers come in order, some of them again.
    pub(super) fn sent(&mut self, id: u32, note: Note) {
        if self.0.len() >= AWAITED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((id, note));
    }

    /// Sends are numbered anew: no stamp of an earlier one will come.
    pub(super) fn renumbered(&mut self) {
        self.0.clear();
    }

    /// Takes a stamp that has come.
    pub(super) fn stamped(
        &mut self,
        stamp: TransmitStamp,
        table: &mut SessionReflector,
        reading: &mut ReflectorReading,
    ) {
        // Numbers wrap; one that is ahead of the stamp waits for its own.
        while let Some((id, (t3, token))) = self
            .0
            .pop_front_if(|(id, ..)| id.wrapping_sub(stamp.id).cast_signed() <= 0)
        {
            if id == stamp.id {
                if let Some(token) = token {
                    table.handle_transmitted(token, stamp.stamp);
                }
                let early = (stamp.stamp.at - t3).max(Nanos::ZERO);
                reading.t3_stamped += 1;
                reading.t3_early_total += early;
                reading.t3_early_max = reading.t3_early_max.max(early);
            }
        }
    }
}
