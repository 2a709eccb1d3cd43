//! One pass over the windows of a period: minutes make hours, hours make days.

use super::Period;
use super::availability::{Availability, AvailableTime};
use super::calendar::HoursOfDay;
use super::profile::{Hours, PeriodProfile, Rule};
use super::tally::Tally;
use super::window::{PeriodWindow, Statistic};
use crate::distribution::Bounds;
use crate::time::{Nanos, Timestamp};
use crate::verdict::State;

/// A mean put together from the means of windows, each weighing as much as it has packets.
///
/// Both ends are added up by themselves: a clock's error is in each of them, so it is in the sum as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct MeanSum {
    packets: i128,
    lo: i128,
    hi: i128,
    /// A part of it has no upper end.
    unbounded: bool,
}

impl MeanSum {
    fn add(&mut self, packets: u64, mean: Option<Bounds>) {
        let weight = i128::from(packets);
        self.packets += weight;
        // Of a mean that was not kept only that no delay is negative.
        let (lo, hi) = mean.map_or((Nanos::ZERO, Nanos::MAX), |mean| {
            (mean.at_least, mean.at_most)
        });
        self.lo += weight * i128::from(lo.0);
        if hi == Nanos::MAX {
            self.unbounded = true;
        } else {
            self.hi += weight * i128::from(hi.0);
        }
    }

    /// Between what the mean lies; `None` of no packets.
    pub(super) fn bounds(&self) -> Option<Bounds> {
        let narrow = |ns: i128| Nanos(i64::try_from(ns).unwrap_or(i64::MAX));
        (self.packets > 0).then(|| Bounds {
            at_least: narrow(self.lo.div_euclid(self.packets)),
            at_most: if self.unbounded {
                Nanos::MAX
            } else {
                narrow((self.hi + self.packets - 1).div_euclid(self.packets))
            },
        })
    }
}

/// Packets of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Packets {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) within: u64,
    pub(super) beyond: u64,
    /// Windows in which nothing was sent.
    pub(super) untested: u64,
    /// The most that a window was planned to send.
    pub(super) planned_a_window: u64,
}

/// An hour of the period, or a day.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// Its number in local time.
    pub(super) number: i64,
    pub(super) start: Timestamp,
    pub(super) all: Tally,
    pub(super) busy: Tally,
    pub(super) mean: MeanSum,
}

/// All that a rule may ask.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) hours: Vec<Part>,
    pub(super) available: AvailableTime,
    pub(super) packets: Packets,
    pub(super) min: Option<Bounds>,
    /// Measured windows without the statistic that the rule asks for.
    pub(super) unkept: u64,
    /// The least and the largest target.
    pub(super) targets: Option<(Nanos, Nanos)>,
}

/// The statistic by which windows are counted.
pub(super) fn counted_by(rule: &Rule) -> Statistic {
    match rule {
        Rule::ShareOfWindows { statistic, .. } => *statistic,
        Rule::DaysInARow { .. } | Rule::WholePeriod { .. } => Statistic::Mean,
        Rule::ShareOfPackets { .. } => Statistic::P95,
    }
}

/// Walks over a period under a profile; `excusing` leaves out what maintenance excuses.
pub(super) fn walk(period: &Period<'_>, profile: &PeriodProfile, excusing: Excusing) -> Walked {
    let busy_hours: &[HoursOfDay] = if profile.busy_hours.is_empty() {
        period.busy_hours
    } else {
        &profile.busy_hours
    };
    let mut walked = Walked::default();
    let mut kept = period.windows.iter().peekable();
    for start in period.starts() {
        while kept.next_if(|window| window.start < start).is_some() {}
        let window = kept.peek().copied().filter(|window| window.start == start);
        let busy = profile.hours != Hours::All && period.calendar.is_within(start, busy_hours);
        if profile.hours == Hours::Busy && !busy {
            continue;
        }
        let part = walked.hour(period.calendar.hour(start), start);
        let one = if excusing == Excusing::Announced
            && period.works.iter().any(|works| works.excuses(start))
        {
            Tally {
                excluded: 1,
                ..Tally::default()
            }
        } else {
            walked.count(part, window, profile)
        };
        let part = &mut walked.hours[part];
        part.all.add(&one);
        if busy {
            part.busy.add(&one);
        }
    }
    walked
}

/// Whether announced maintenance is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excusing {
    /// Everything counts.
    Nothing,
    /// Windows of works that were announced before they began do not count.
    Announced,
}

impl Walked {
    /// Where the hour is kept.
    fn hour(&mut self, number: i64, start: Timestamp) -> usize {
        if self.hours.last().is_none_or(|last| last.number != number) {
            self.hours.push(Part {
                number,
                start,
                all: Tally::default(),
                busy: Tally::default(),
                mean: MeanSum::default(),
            });
        }
        self.hours.len() - 1
    }

    /// Counts one window of an hour, and says as what.
    fn count(
        &mut self,
        hour: usize,
        window: Option<&PeriodWindow>,
        profile: &PeriodProfile,
    ) -> Tally {
        let mut one = Tally::default();
        let availability = window.map(Availability::of);
        self.available.count(availability);
        let Some(window) = window.filter(|window| !window.is_gap()) else {
            self.packets.untested += 1;
            // Nobody knows how bad it was.
            (one.gap, one.severe_possible) = (1, 1);
            return one;
        };
        if profile.available_time_only && availability == Some(Availability::Unavailable) {
            one.unavailable = 1;
            return one;
        }
        // May have to be left out: counted as something of which nothing is known, it spoils neither end of a share.
        let certain = !profile.available_time_only || availability == Some(Availability::Available);
        let statistic = counted_by(&profile.rule);
        let state = if certain {
            window.state(statistic)
        } else {
            State::Undecided
        };
        match state {
            State::Met => one.met = 1,
            State::Missed => one.missed = 1,
            State::Undecided => {
                one.undecided = 1;
                one.insufficient = u64::from(!window.sufficient);
            }
        }
        let judged = window.judged(statistic).filter(|_| certain);
        if let Rule::ShareOfWindows {
            severe_factor: Some(factor),
            ..
        } = profile.rule
        {
            let severe = Nanos((window.target.0 as f64 * factor) as i64);
            if judged.is_some_and(|bounds| bounds.at_least > severe) {
                one.severe = 1;
            } else if judged.is_none_or(|bounds| bounds.at_most > severe) {
                one.severe_possible = 1;
            }
        }
        self.sum(hour, window, certain);
        let unkept =
            |statistic: &Statistic| window.statistic(*statistic).is_none() && window.sufficient;
        self.unkept += u64::from(match &profile.rule {
            Rule::WholePeriod { statistics } => statistics.iter().any(unkept),
            _ => unkept(&statistic),
        });
        one
    }

    /// Adds up what rules on more than a window ask for.
    fn sum(&mut self, hour: usize, window: &PeriodWindow, certain: bool) {
        let Packets {
            sent,
            received,
            lost,
            within,
            beyond,
            planned_a_window,
            ..
        } = &mut self.packets;
        *sent += window.sent;
        *received += window.received;
        *planned_a_window = window.planned.max(window.sent).max(*planned_a_window);
        if certain {
            *lost += window.lost;
            *within += window.within;
            *beyond += window.beyond;
        }
        self.hours[hour]
            .mean
            .add(window.received, window.mean.filter(|_| certain));
        if window.received > 0 {
            // Of a minimum that was not kept only that no delay is negative.
            let min = window.min.filter(|_| certain).unwrap_or(Bounds {
                at_least: Nanos::ZERO,
                at_most: Nanos::MAX,
            });
            let so_far = self.min.unwrap_or(min);
            self.min = Some(Bounds {
                at_least: min.at_least.min(so_far.at_least),
                at_most: min.at_most.min(so_far.at_most),
            });
        }
        let (least, largest) = self.targets.unwrap_or((window.target, window.target));
        self.targets = Some((least.min(window.target), largest.max(window.target)));
    }

    /// The days, put together from the hours.
    pub(super) fn days(&self) -> Vec<Part> {
        let mut days: Vec<Part> = Vec::new();
        for hour in &self.hours {
            let number = hour.number.div_euclid(24);
            match days.last_mut() {
                Some(day) if day.number == number => {
                    day.all.add(&hour.all);
                    day.busy.add(&hour.busy);
                    day.mean.merge(&hour.mean);
                }
                _ => days.push(Part {
                    number,
                    ..hour.clone()
                }),
            }
        }
        days
    }
}

impl MeanSum {
    /// Adds the packets of another one.
    pub(super) fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.lo += other.lo;
        self.hi += other.hi;
        self.unbounded |= other.unbounded;
    }
}
