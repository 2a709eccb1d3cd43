//! What two readings of a counter say of the time between them.

use super::evidence::Doubt;
use super::rate::{MeanRate, Rate};
use super::{CounterSample, Elapsed, Evidence, Profile, Reading, Unknown, delta, elapsed};
use crate::time::{Nanos, Timestamp};

/// So many octets passed between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Increase {
    /// Octets: exact, whatever is uncertain about the time.
    pub octets: u64,
    /// The middle of the earlier request, on the collector's clock.
    pub from: Timestamp,
    /// The middle of the later one.
    pub to: Timestamp,
    /// How much time passed between the two instants at which the agent answered.
    pub elapsed: Elapsed,
    /// No mean rate is below this one.
    pub(super) slowest: MeanRate,
    /// No mean rate is above this one.
    pub(super) fastest: MeanRate,
}

impl Increase {
    /// The mean rate between the instants at which the counter was read, and how far it may be off.
    ///
    /// `[8·octets ÷ longest time, 8·octets ÷ shortest time]`, the upper end being the line rate at most; wider where the
    /// agent answers with old values.
    pub fn rate(&self) -> Rate {
        let shown = MeanRate {
            octets: self.octets,
            over: self.elapsed.middle().max(Nanos(1)),
        };
        Rate::within(shown.bps(), self.slowest.bps(), self.fastest.bps())
    }

    /// No mean rate is above this one.
    pub fn fastest(&self) -> MeanRate {
        self.fastest
    }
}

/// What passes at a rate in a time, in octets: rounded down, and 2⁶⁴ − 1 at most.
pub(super) fn octets_at(bps: u64, span: Nanos) -> u64 {
    let bits = u128::from(bps) * u128::from(span.0.max(0).unsigned_abs());
    u64::try_from(bits / 8_000_000_000).unwrap_or(u64::MAX)
}

/// The rate of a line that is always busy.
pub(super) fn line(bps: u64) -> MeanRate {
    MeanRate {
        octets: bps,
        over: Nanos::from_secs(8),
    }
}

/// What two consecutive samples of a counter say, the earlier one first.
///
/// # Errors
/// The reason why they say nothing.
pub fn increase(
    previous: &CounterSample,
    next: &CounterSample,
    evidence: Evidence,
    profile: &Profile,
) -> Result<Increase, Unknown> {
    let (from, to) = match (previous.reading, next.reading) {
        (Reading::Octets(from), Reading::Octets(to)) => (from, to),
        (Reading::Missing, _) | (_, Reading::Missing) => return Err(Unknown::NoAnswer),
        (Reading::TooLarge, _) | (_, Reading::TooLarge) => return Err(Unknown::OutOfRange),
    };
    let (since, until) = previous.at.zip(next.at).ok_or(Unknown::NoTime)?;
    if since == until {
        return Err(Unknown::Duplicate);
    }
    if let (Some(before), Some(after)) = (previous.port, next.port)
        && before != after
    {
        return Err(Unknown::Renumbered);
    }
    for doubt in [evidence.restart, evidence.discontinuity] {
        if let Doubt::Found(what) = doubt {
            return Err(what);
        }
    }
    let elapsed = elapsed::elapsed(previous, next, evidence.agent_ppm).ok_or(Unknown::NoTime)?;
    if elapsed.at_most <= Nanos::ZERO {
        return Err(Unknown::TooClose);
    }
    let age = profile.cache.at_most;
    let most = octets_at(profile.ceiling_bps(), elapsed.at_most + age);
    let octets = delta::increase(from, to, profile, most)?;
    // A counter that had begun at zero in between could not have come further than this. One that is below may have. Where
    // the agent may have begun anew, its own clock does not tell how long it has been counting.
    let most_since_zero = match evidence.restart {
        Doubt::Open | Doubt::Untold => {
            let longest = elapsed::by_collector(previous, next).ok_or(Unknown::NoTime)?;
            octets_at(profile.ceiling_bps(), longest.at_most + age).max(most)
        }
        Doubt::Excluded | Doubt::Found(_) => most,
    };
    if to < from || to <= most_since_zero {
        match (evidence.restart, evidence.discontinuity) {
            (Doubt::Open | Doubt::Untold, _) => return Err(Unknown::RestartNotExcluded),
            (_, Doubt::Open) => return Err(Unknown::DiscontinuityNotExcluded),
            // An agent without ifCounterDiscontinuityTime that ran on is believed to have no discontinuities.
            _ => {}
        }
    }
    let shortest = elapsed.at_least - age;
    let fastest = if octets == 0 {
        MeanRate {
            octets: 0,
            over: Nanos(1),
        }
    } else {
        match (shortest > Nanos::ZERO, profile.line_rate_bps()) {
            (true, None) => MeanRate {
                octets,
                over: shortest,
            },
            (true, Some(bps)) if octets_at(bps, shortest) >= octets => MeanRate {
                octets,
                over: shortest,
            },
            (_, Some(bps)) => line(bps),
            (false, None) => return Err(Unknown::TooClose),
        }
    };
    Ok(Increase {
        octets,
        from: since,
        to: until,
        elapsed,
        slowest: MeanRate {
            octets,
            over: elapsed.at_most + age,
        },
        fastest,
    })
}
