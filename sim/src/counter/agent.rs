//! An agent and its counter, as they are and as they are seen.

use super::Traffic;

/// What an answer holds, as a collector writes it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The middle of the request on the collector's clock, in nanoseconds.
    pub t_ns: i64,
    /// The round trip in nanoseconds; `None` when it was not written down.
    pub rtt_ns: Option<i64>,
    /// sysUpTime, in 1/100 s modulo 2³².
    pub up: Option<u32>,
    /// ifCounterDiscontinuityTime, in 1/100 s modulo 2³².
    pub discontinuity: Option<u32>,
    /// The counter; `None` when nobody answered.
    pub value: Option<u64>,
}

/// What is true of a pair of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TruePair {
    /// Octets that passed between the two instants at which the counter was read.
    pub octets: u64,
    /// The time between these two.
    pub elapsed_ns: i64,
    /// Octets that passed between the two instants at which the agent answered.
    pub octets_between_answers: u64,
    /// The time between those.
    pub between_answers_ns: i64,
    /// Whether the counter counted through: no restart, no clearing.
    pub whole: bool,
    /// Whether anything was planted that touches this pair.
    pub touched: bool,
}

/// What happened to an agent.
#[derive(Debug, Clone)]
pub struct Truth {
    pub(super) traffic: Traffic,
    /// Of each answer in [`super::History::seen`].
    pub(super) answers: Vec<TrueAnswer>,
}

/// When an answer was made, and from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TrueAnswer {
    /// When the agent answered.
    pub(super) answered_ns: i64,
    /// When the value was read from the hardware.
    pub(super) read_ns: i64,
    /// How often the counter had begun anew by then.
    pub(super) beginnings: u32,
    /// Whether something was planted in this answer.
    pub(super) touched: bool,
}

impl Truth {
    /// Octets that passed the link between two instants, whether anybody counted them or not.
    pub fn octets_between(&self, since_ns: i64, until_ns: i64) -> u64 {
        let until = self.traffic.octets_until(until_ns);
        until.saturating_sub(self.traffic.octets_until(since_ns))
    }

    /// What is true of two answers, named by their places in the history.
    pub fn pair(&self, from: usize, to: usize) -> TruePair {
        let (a, b) = (self.answers[from], self.answers[to]);
        TruePair {
            octets: self.octets_between(a.read_ns, b.read_ns),
            elapsed_ns: b.read_ns - a.read_ns,
            octets_between_answers: self.octets_between(a.answered_ns, b.answered_ns),
            between_answers_ns: b.answered_ns - a.answered_ns,
            whole: a.beginnings == b.beginnings,
            touched: a.touched || b.touched || a.beginnings != b.beginnings,
        }
    }
}
