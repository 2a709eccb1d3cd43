//! A period under one rule: the numbers, and what follows from them.

use serde::{Deserialize, Serialize};

use super::Period;
use super::availability::AvailableTime;
use super::bootstrap;
use super::profile::{Hours, LostPacket, PeriodProfile, Rule, Untested};
use super::tally::{Share, Tally};
use super::walk::{Excusing, MeanSum, Packets, Part, Walked, walk};
use super::why::{Unit, Why};
use super::window::Statistic;
use crate::distribution::Bounds;
use crate::time::{Nanos, Timestamp};
use crate::verdict::State;

/// The two ends of an interval of a delay; 9223372036854775807 ns is no upper end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// No smaller than this.
    #[serde(rename = "lo_ns")]
    pub lo: Nanos,
    /// No larger than this.
    #[serde(rename = "hi_ns")]
    pub hi: Nanos,
}

impl From<Bounds> for Ends {
    fn from(bounds: Bounds) -> Self {
        Self {
            lo: bounds.at_least,
            hi: bounds.at_most,
        }
    }
}

/// A day in local time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// When its first window that is in the period began.
    #[serde(rename = "start_ns")]
    pub start: Timestamp,
    /// Its windows.
    pub tally: Tally,
    /// Between what the mean delay of its packets lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Ends>,
    /// How that mean stands, where the rule is about days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}

/// The share of packets at most the target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PacketShare {
    /// No smaller than this.
    pub lo: f64,
    /// No larger than this.
    pub hi: f64,
    /// What must be reached.
    pub required: f64,
    /// Of how many packets.
    pub packets: u64,
}

/// The most days in a row above the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// For certain.
    pub certain: u64,
    /// If every day that is not known was above it.
    pub possible: u64,
}

/// What a period comes to under one rule, with or without announced maintenance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the rule was kept.
    pub state: State,
    /// Why that cannot be told; only when undecided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// The windows that the rule looks at.
    pub tally: Tally,
    /// Those of the busy hours, where they are judged apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy: Option<Tally>,
    /// The share of windows, for rules about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// The same in the busy hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_share: Option<Share>,
    /// The share of packets, for rules about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packet_share: Option<PacketShare>,
    /// Days in a row above the target, for rules about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// The mean delay of all packets of those windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Ends>,
    /// The smallest delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Ends>,
    /// The share of those windows that was measured well enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Available and unavailable time.
    pub available: AvailableTime,
    /// Day by day; empty when that was let go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
}

/// A verdict on the way: decided, or why not.
type Found = Result<State, Why>;

impl Outcome {
    /// Judges a period under a profile.
    pub(super) fn of(period: &Period<'_>, profile: &PeriodProfile, excusing: Excusing) -> Self {
        let walked = walk(period, profile, excusing);
        let parts = walked.days();
        let (mut tally, mut busy, mut mean) =
            (Tally::default(), Tally::default(), MeanSum::default());
        for part in &parts {
            tally.add(&part.all);
            busy.add(&part.busy);
            mean.merge(&part.mean);
        }
        let mut outcome = Self {
            state: State::Undecided,
            why: None,
            tally,
            busy: (profile.hours == Hours::Apart).then_some(busy),
            share: None,
            busy_share: None,
            packet_share: None,
            run: None,
            mean: mean.bounds().map(Ends::from),
            min: walked.min.map(Ends::from),
            coverage: tally.coverage(),
            available: walked.available,
            days: parts
                .iter()
                .map(|part| Day {
                    start: part.start,
                    tally: part.all,
                    mean: part.mean.bounds().map(Ends::from),
                    state: None,
                })
                .collect(),
        };
        let found = outcome.judge(period, profile, &walked, &parts);
        match found {
            Ok(state) => outcome.state = state,
            Err(why) => outcome.why = Some(why),
        }
        outcome
    }

    fn judge(
        &mut self,
        period: &Period<'_>,
        profile: &PeriodProfile,
        walked: &Walked,
        parts: &[Part],
    ) -> Found {
        let found = match &profile.rule {
            Rule::ShareOfWindows {
                share,
                busy_share,
                severe_factor,
                confident,
                ..
            } => {
                let rule = ShareRule {
                    share_ppm: ppm(*share),
                    busy_share_ppm: ppm(*busy_share),
                    severe: severe_factor.is_some(),
                    confident: *confident,
                };
                self.share_of_windows(&rule, profile, walked)
            }
            Rule::DaysInARow { days } => self.days_in_a_row(*days, profile, walked, parts),
            Rule::WholePeriod { statistics } => self
                .measured(profile)
                .and_then(|()| self.whole_period(statistics, walked)),
            Rule::ShareOfPackets {
                share,
                lost,
                untested,
            } => {
                let packets = share_of_packets(&walked.packets, *share, *lost, *untested);
                self.packet_share = packets;
                self.measured(profile)
                    .and_then(|()| packets.map_or(Err(Why::NoData), |share| share.found()))
            }
        };
        // The numbers are told all the same; what they would prove is not what the profile speaks of.
        if let Some(wanted) = profile.interval.filter(|wanted| *wanted != period.length) {
            return Err(Why::WindowLength {
                judged: period.length,
                wanted,
            });
        }
        found.map_err(|why| match why {
            Why::Straddles if walked.unkept > 0 => Why::NotKept {
                statistic: super::walk::counted_by(&profile.rule),
                windows: walked.unkept,
            },
            why => why,
        })
    }

    /// Whether enough was measured to say anything that is not forced by the counts alone.
    fn measured(&self, profile: &PeriodProfile) -> Result<(), Why> {
        let windows = self.tally.windows();
        if windows == 0 && self.tally.unavailable > 0 {
            return Err(Why::NoAvailableTime);
        }
        // Where a test that was not made has failed, a gap is an answer.
        if profile.min_coverage > 0.0 && windows == self.tally.gap {
            return Err(Why::NoData);
        }
        match self.coverage {
            Some(measured) if measured < profile.min_coverage => Err(Why::Coverage {
                measured,
                required: profile.min_coverage,
            }),
            _ => Ok(()),
        }
    }

    fn share_of_windows(
        &mut self,
        rule: &ShareRule,
        profile: &PeriodProfile,
        walked: &Walked,
    ) -> Found {
        let interval = |pick: fn(&Part) -> &Tally| {
            rule.confident
                .then(|| bootstrap::interval(walked.hours.iter().map(pick)))
                .flatten()
        };
        self.share = Share::of(&self.tally, rule.share_ppm, interval(|hour| &hour.all));
        self.busy_share = self
            .busy
            .and_then(|busy| Share::of(&busy, rule.busy_share_ppm, interval(|hour| &hour.busy)));
        let shares: Vec<Share> = self.share.into_iter().chain(self.busy_share).collect();
        let certain = |share: &&Share| !rule.confident || share.is_confident();
        let mut missed = shares
            .iter()
            .filter(|share| share.state == State::Missed)
            .peekable();
        if self.tally.severe > 0 && rule.severe {
            return Ok(State::Missed);
        }
        if missed.peek().is_some() {
            // What is not measured cannot save a share that is missed already.
            return if missed.any(|share| certain(&share)) {
                Ok(State::Missed)
            } else {
                Err(doubt(&shares))
            };
        }
        self.measured(profile)?;
        if shares.is_empty() || shares.iter().any(|share| share.state != State::Met) {
            return Err(Why::Straddles);
        }
        // A period without a busy hour says nothing of them.
        if self.busy.is_some() && self.busy_share.is_none() {
            return Err(Why::few_hours());
        }
        if !shares.iter().all(|share| certain(&share)) {
            return Err(doubt(&shares));
        }
        if rule.severe && self.tally.severe_possible > 0 {
            return Err(Why::Severe {
                windows: self.tally.severe_possible,
            });
        }
        Ok(State::Met)
    }

    fn days_in_a_row(
        &mut self,
        needed: usize,
        profile: &PeriodProfile,
        walked: &Walked,
        parts: &[Part],
    ) -> Found {
        let target = one_target(walked)?;
        for (day, part) in self.days.iter_mut().zip(parts) {
            let covered = part
                .all
                .coverage()
                .is_some_and(|coverage| coverage >= profile.min_coverage);
            let side = day.mean.filter(|_| covered).map(|mean| side(mean, target));
            day.state = Some(side.unwrap_or(State::Undecided));
        }
        let longest = |above: fn(State) -> bool| {
            let (mut run, mut longest) = (0, 0);
            for day in &self.days {
                run = if day.state.is_some_and(above) {
                    run + 1
                } else {
                    0
                };
                longest = longest.max(run);
            }
            longest
        };
        let run = Run {
            certain: longest(|state| state == State::Missed),
            possible: longest(|state| state != State::Met),
        };
        self.run = Some(run);
        let needed_days = needed as u64;
        if run.certain >= needed_days {
            return Ok(State::Missed);
        }
        if self.days.len() < needed {
            return Err(Why::TooShort {
                needed,
                unit: Unit::Days,
            });
        }
        self.measured(profile)?;
        if run.possible < needed_days {
            Ok(State::Met)
        } else {
            Err(Why::Straddles)
        }
    }

    fn whole_period(&self, statistics: &[Statistic], walked: &Walked) -> Found {
        let target = one_target(walked)?;
        let states = statistics.iter().map(|statistic| {
            let ends = match statistic {
                Statistic::Min => self.min,
                _ => self.mean,
            };
            ends.map_or(State::Undecided, |ends| side(ends, target))
        });
        let states: Vec<State> = states.collect();
        if states.contains(&State::Missed) {
            Ok(State::Missed)
        } else if states.contains(&State::Undecided) {
            Err(Why::Straddles)
        } else {
            Ok(State::Met)
        }
    }
}

/// A rule about the share of windows, its shares in millionths.
struct ShareRule {
    share_ppm: u64,
    busy_share_ppm: u64,
    severe: bool,
    confident: bool,
}

fn ppm(share: f64) -> u64 {
    (share * 1e6).round() as u64
}

/// Why a share on one side is not enough.
fn doubt(shares: &[Share]) -> Why {
    if shares.iter().any(|share| share.confidence.is_none()) {
        Why::few_hours()
    } else {
        Why::Confidence
    }
}

/// The one target of the period.
fn one_target(walked: &Walked) -> Result<Nanos, Why> {
    match walked.targets {
        Some((least, largest)) if least == largest => Ok(least),
        Some(_) => Err(Why::TargetChanged),
        None => Err(Why::NoData),
    }
}

fn side(ends: Ends, target: Nanos) -> State {
    if ends.hi <= target {
        State::Met
    } else if ends.lo > target {
        State::Missed
    } else {
        State::Undecided
    }
}

/// The share of packets at most the target; `None` without packets.
fn share_of_packets(
    packets: &Packets,
    required: f64,
    lost: LostPacket,
    untested: Untested,
) -> Option<PacketShare> {
    let not_made = match untested {
        Untested::Failed => packets
            .untested
            .saturating_mul(packets.planned_a_window.max(1)),
        Untested::Ignored => 0,
    };
    let (all, failed) = match lost {
        LostPacket::Late => (
            packets.sent.saturating_add(not_made),
            packets.beyond + packets.lost + not_made,
        ),
        // Whoever is not lost for certain may have arrived, and at any time.
        LostPacket::LeftOut => (
            packets
                .sent
                .saturating_sub(packets.lost)
                .saturating_add(not_made),
            packets.beyond + not_made,
        ),
    };
    let of_all = |count: u64| count.min(all) as f64 / all as f64;
    (all > 0).then(|| PacketShare {
        lo: of_all(packets.within),
        hi: of_all(all.saturating_sub(failed)),
        required,
        packets: all,
    })
}

impl PacketShare {
    fn found(self) -> Found {
        if self.lo >= self.required {
            Ok(State::Met)
        } else if self.hi < self.required {
            Ok(State::Missed)
        } else {
            Err(Why::Straddles)
        }
    }
}
