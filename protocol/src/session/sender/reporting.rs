//! The sender of an Access Report (RFC 8972, section 4.6): it is said once, and
//! again only while nobody acknowledges it.

use owl_measure::time::{Monotonic, Nanos};

/// How often an Access Report that nobody acknowledges is said again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retransmission {
    /// After so long without an acknowledgement.
    pub after: Nanos,
    /// At most.
    pub times: u32,
}

impl Default for Retransmission {
    /// The RFC's: three seconds, four times.
    fn default() -> Self {
        Self {
            after: Nanos::from_secs(3),
            times: 4,
        }
    }
}

/// What has become of an Access Report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFate {
    /// Nobody has acknowledged it so far.
    Waiting,
    /// The reflector has: a reply repeats it as understood.
    Acknowledged,
    /// It was said as often as it may be, and the last time is over.
    GivenUp,
}

/// Decides which packets carry the report.
#[derive(Debug)]
pub(super) struct Reporting {
    retransmission: Retransmission,
    /// When it is said again.
    next: Option<Monotonic>,
    said: u32,
    fate: ReportFate,
}

impl Reporting {
    /// A report that is to be said with the first packet.
    pub(super) fn new(retransmission: Retransmission) -> Self {
        Self {
            retransmission,
            next: None,
            said: 0,
            fate: ReportFate::Waiting,
        }
    }

    /// Whether the packet that leaves now carries it.
    pub(super) fn take(&mut self, now: Monotonic) -> bool {
        if self.fate != ReportFate::Waiting || self.next.is_some_and(|next| now < next) {
            return false;
        }
        if self.said > self.retransmission.times {
            self.fate = ReportFate::GivenUp;
            return false;
        }
        self.said += 1;
        self.next = Some(now + self.retransmission.after);
        true
    }

    /// A reply repeats it. One that comes after it was given up counts, too.
    pub(super) fn acknowledged(&mut self) {
        self.fate = ReportFate::Acknowledged;
    }

    pub(super) fn fate(&self) -> ReportFate {
        self.fate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// In which of the seconds the report is said, when a packet leaves each second.
    fn said(reporting: &mut Reporting, seconds: std::ops::Range<i64>) -> Vec<i64> {
        seconds
            .filter(|second| reporting.take(Monotonic(second * SECOND)))
            .collect()
    }

    #[test]
    fn it_is_said_again_after_three_seconds_four_times_and_then_given_up() {
        let mut reporting = Reporting::new(Retransmission::default());
        assert_eq!(said(&mut reporting, 0..15), [0, 3, 6, 9, 12]);
        assert_eq!(reporting.fate(), ReportFate::Waiting);
        assert_eq!(said(&mut reporting, 15..100), [0_i64; 0]);
        assert_eq!(reporting.fate(), ReportFate::GivenUp);
        reporting.acknowledged();
        assert_eq!(reporting.fate(), ReportFate::Acknowledged);
    }

    #[test]
    fn both_can_be_set_and_an_acknowledgement_ends_it() {
        let mut reporting = Reporting::new(Retransmission {
            after: Nanos::from_secs(2),
            times: 1,
        });
        assert_eq!(said(&mut reporting, 0..2), [0]);
        reporting.acknowledged();
        assert_eq!(said(&mut reporting, 2..100), [0_i64; 0]);
        let mut once = Reporting::new(Retransmission {
            times: 0,
            ..Retransmission::default()
        });
        assert_eq!(said(&mut once, 0..100), [0]);
        assert_eq!(once.fate(), ReportFate::GivenUp);
    }
}
