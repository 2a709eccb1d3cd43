//! The rule and the reports of a verdict, as an explanation tells them.

use owl_measure::clock::{BoundBasis, ClockSource, ClockState, ClockStatus};
use owl_measure::delay::Floors;
use owl_measure::implied::Declared;
use owl_measure::summary::StampCounts;
use owl_measure::time::{Nanos, Timestamp};
use owl_measure::verdict::Profile;
use serde::{Deserialize, Serialize};

use crate::rulebook::{Rule, Rulebook, SiteRule};
use crate::store::{ReportNumber, StoredReport};

/// The rule by which a path was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RuleTold {
    /// SHA-256 of the rulebook.
    pub(super) rulebook: String,
    /// Which judge applies it.
    pub(super) method: u32,
    /// The topology's name.
    pub(super) topology: String,
    /// SHA-256 of its files.
    pub(super) generation: String,
    /// Its time zone.
    pub(super) timezone: String,
    /// The path class that sets the target.
    pub(super) class: String,
    /// The target.
    #[serde(rename = "target_ns")]
    pub(super) target: Nanos,
    /// The statistical profile.
    pub(super) profile: Profile,
    /// The light floors, seen along the path.
    pub(super) floors: Floors,
    /// What is declared of its route: its kilometres enter no verdict, but what is told beside it.
    pub(super) declared: Declared,
    /// Where the path begins, and where it ends.
    pub(super) sites: Vec<SiteTold>,
}

/// A site and its coordinates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SiteTold {
    /// Its id.
    pub(super) id: String,
    /// Where it is, and how exactly that is known.
    #[serde(flatten)]
    pub(super) place: SiteRule,
}

impl RuleTold {
    pub(super) fn of(book: &Rulebook, path: &str) -> Option<Self> {
        let Rule {
            path: rule,
            profile,
        } = book.rules.path(path)?;
        let sites = [&rule.from_site, &rule.to_site].into_iter();
        Some(Self {
            rulebook: book.hash.clone(),
            method: book.rules.method,
            topology: book.rules.topology.clone(),
            generation: book.rules.generation.clone(),
            timezone: book.rules.timezone.clone(),
            class: rule.class.clone(),
            target: rule.target,
            profile: profile.clone(),
            floors: rule.floors,
            declared: rule.declared,
            sites: sites
                .filter_map(|id| {
                    let place = *book.rules.sites.get(id)?;
                    Some(SiteTold {
                        id: id.clone(),
                        place,
                    })
                })
                .collect(),
        })
    }
}

/// A report that a verdict was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ReportTold {
    /// Its name.
    #[serde(flatten)]
    pub(super) number: ReportNumber,
    /// When it came; absent when its receipt is no longer there.
    #[serde(rename = "received_at_ns", skip_serializing_if = "Option::is_none")]
    pub(super) received_at: Option<Timestamp>,
    /// Of the plan that the probe followed.
    pub(super) generation: String,
    /// When its interval began, by the probe's clock.
    #[serde(rename = "start_ns")]
    pub(super) start: Timestamp,
    /// How long that is.
    #[serde(rename = "length_ns")]
    pub(super) length: Nanos,
    /// Which flow of the path.
    pub(super) flow: u32,
    /// Packets sent.
    pub(super) sent: u64,
    /// Packets that came back in time.
    pub(super) received: u64,
    /// Packets that came back late.
    pub(super) late: u64,
    /// Packets that never came back: forward, backward, and all of them.
    pub(super) lost_forward: u64,
    pub(super) lost_backward: u64,
    pub(super) lost: u64,
    /// The clock of the session-sender.
    pub(super) clock: ClockTold,
    /// What the session-reflector claimed of its clock.
    pub(super) peer_clock: PeerClockTold,
    /// Where T1, T4 and T3 were taken.
    pub(super) transmit_stamps: StampsTold,
    pub(super) receive_stamps: StampsTold,
    pub(super) reflector_stamps: StampsTold,
}

/// A session-sender's clock at its worst in an interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ClockTold {
    /// What disciplines it.
    pub(super) source: ClockSource,
    /// Whether it does.
    pub(super) status: ClockStatus,
    /// How far it was from UTC at most at the end of the interval; absent when it claims nothing.
    #[serde(rename = "bound_ns", skip_serializing_if = "Option::is_none")]
    pub(super) bound: Option<Nanos>,
    /// Where that comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) basis: Option<BoundBasis>,
    /// Steps in the interval; with one its delays mean nothing.
    pub(super) steps: u32,
    /// How early a transmit stamp may be.
    #[serde(rename = "transmit_stamp_error_ns")]
    pub(super) transmit_stamp_error: Nanos,
    /// How late a receipt stamp may be.
    #[serde(rename = "receive_stamp_error_ns")]
    pub(super) receive_stamp_error: Nanos,
}

/// What a session-reflector claimed of its clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PeerClockTold {
    /// Replies with a claim.
    pub(super) claims: u64,
    /// Replies without one; with one of them the interval has no claim.
    pub(super) no_claims: u64,
    /// The widest bound among the claims.
    #[serde(rename = "widest_ns")]
    pub(super) widest: Nanos,
}

/// Stamps by who took them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StampsTold {
    pub(super) hardware: u64,
    pub(super) kernel: u64,
    pub(super) user: u64,
}

impl From<StampCounts> for StampsTold {
    fn from(counts: StampCounts) -> Self {
        let StampCounts {
            hardware,
            kernel,
            user,
        } = counts;
        Self {
            hardware,
            kernel,
            user,
        }
    }
}

impl ClockTold {
    fn of(clock: &ClockState, end: Timestamp) -> Self {
        Self {
            source: clock.source,
            status: clock.status,
            bound: clock.bound_at(end),
            basis: clock.bound.map(|(_, basis)| basis),
            steps: clock.steps,
            transmit_stamp_error: clock.transmit_stamp_error,
            receive_stamp_error: clock.receive_stamp_error,
        }
    }
}

impl ReportTold {
    pub(super) fn of(stored: &StoredReport) -> Self {
        let report = &stored.report;
        let summary = &report.summary;
        Self {
            number: stored.number.clone(),
            received_at: stored.received_at,
            generation: report.generation.clone(),
            start: summary.start,
            length: summary.length,
            flow: report.flow,
            sent: summary.sent,
            received: summary.received,
            late: summary.late,
            lost_forward: summary.forward.lost,
            lost_backward: summary.backward.lost,
            lost: summary.lost,
            clock: ClockTold::of(&report.clock, summary.start + summary.length),
            peer_clock: PeerClockTold {
                claims: summary.peer_clock.claims,
                no_claims: summary.peer_clock.no_claims,
                widest: summary.peer_clock.widest,
            },
            transmit_stamps: summary.transmit_stamps.into(),
            receive_stamps: summary.receive_stamps.into(),
            reflector_stamps: summary.reflector_stamps.into(),
        }
    }
}
