//! Samples whose T3 may yet be corrected.
//!
//! A reply carries the T3 that its reflector read before sending. The next
//! reply carries, as Follow-Up Telemetry, when the earlier one really left. A
//! sample waits for that, for the next reply or for a bounded time, and only
//! where the reflector has shown that it follows up.

use std::collections::VecDeque;

use owl_measure::reordering::Reordered;
use owl_measure::sample::{Sample, StampSource};
use owl_measure::time::{Monotonic, Nanos, Timestamp};

/// Samples that wait at once. At the bound the oldest is given out as it is.
const WAITING_MAX: usize = 64;
/// Samples that nobody has asked for yet. At the bound the oldest is dropped; who drives a session asks after each reply.
const KEPT_MAX: usize = 1 << 16;

#[derive(Debug)]
struct Held {
    sample: Sample,
    reordered: Reordered,
    /// The number of its reply.
    reflector_sequence: u32,
    since: Monotonic,
}

/// Samples in the order of their replies.
#[derive(Debug, Default)]
pub(super) struct HeldSamples {
    held: VecDeque<Held>,
    /// How many of the first are ready.
    ready: usize,
}

/// What a reply says of T3 of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Correction {
    pub(super) reflector_sequence: u32,
    pub(super) sent_at: Timestamp,
    pub(super) source: StampSource,
}

impl HeldSamples {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Keeps a sample until it is asked for.
    pub(super) fn push(
        &mut self,
        now: Monotonic,
        sample: Sample,
        reordered: Reordered,
        reflector_sequence: u32,
    ) {
        if self.held.len() >= KEPT_MAX {
            self.held.pop_front();
            self.ready = self.ready.saturating_sub(1);
        }
        self.held.push_back(Held {
            sample,
            reordered,
            reflector_sequence,
            since: now,
        });
        self.ready = self.ready.max(self.held.len().saturating_sub(WAITING_MAX));
    }

    /// Corrects T3 of the sample that it is about; that one and those of earlier replies wait no longer. A T3 before T2,
    /// or later than `slack` after the one that the reply carried, is none.
    pub(super) fn correct(&mut self, correction: &Correction, slack: Nanos) {
        for (k, held) in self.held.iter_mut().enumerate().skip(self.ready) {
            let sample = &mut held.sample;
            let ahead = correction
                .reflector_sequence
                .wrapping_sub(held.reflector_sequence)
                .cast_signed();
            if ahead == 0
                && correction.sent_at >= sample.reflector_received_at
                && correction.sent_at <= sample.reflector_sent_at + slack
            {
                sample.reflector_sent_at = correction.sent_at;
                sample.t3 = correction.source;
            }
            if ahead >= 0 {
                self.ready = k + 1;
            }
        }
    }

    /// Nothing more will be known of any.
    pub(super) fn settle(&mut self) {
        self.ready = self.held.len();
    }

    /// The next sample that is ready, or has waited longer than `patience`.
    pub(super) fn poll(&mut self, now: Monotonic, patience: Nanos) -> Option<(Sample, Reordered)> {
        if self.ready == 0 && now - self.held.front()?.since <= patience {
            return None;
        }
        let held = self.held.pop_front()?;
        self.ready = self.ready.saturating_sub(1);
        Some((held.sample, held.reordered))
    }

    /// When the first will have waited longer than `patience`.
    pub(super) fn deadline(&self, patience: Nanos) -> Option<Monotonic> {
        let first = self.held.front()?;
        Some(if self.ready > 0 {
            first.since
        } else {
            first.since + patience + Nanos(1)
        })
    }
}
