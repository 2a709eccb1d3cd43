//! Between summaries and the messages of a store.

use prost::Message as _;

use super::spread::Spread;
use super::summary::{
    Believed, ClaimTally, Generations, TARGETS_MAX, TierDirection, TierSummary, WithinTally,
};
use super::{TierError, wire};
use crate::clock::ClockClaim;
use crate::report::convert::{from_patterns, from_stamps, to_patterns, to_stamps};
use crate::summary::Headers;
use crate::time::{Nanos, Timestamp};

fn unsigned(span: Nanos) -> u64 {
    u64::try_from(span.0).unwrap_or(0)
}

fn span(ns: u64) -> Nanos {
    Nanos(i64::try_from(ns).unwrap_or(i64::MAX))
}

impl TierSummary {
    /// As octets, as it is kept in a store.
    pub fn encode(&self) -> Vec<u8> {
        let (generation, generations) = match &self.generations {
            Generations::None => (None, false),
            Generations::One(generation) => (Some(generation.clone()), false),
            Generations::Several => (None, true),
        };
        let message = wire::TierSummary {
            start_ns: self.start.0,
            length_ns: unsigned(self.end - self.start),
            intervals: self.intervals,
            interval_ns: unsigned(self.interval),
            flows: self.flows,
            packet_interval_ns: unsigned(self.packet_interval),
            generation,
            generations,
            sent: self.sent,
            received: self.received,
            late: self.late,
            lost: self.lost,
            own_loss: self.own_loss,
            lost_somewhere: self.lost_somewhere,
            skipped: self.skipped,
            stepped: self.stepped,
            forward: Some(from_direction(&self.forward)),
            backward: Some(from_direction(&self.backward)),
            somewhere: from_patterns(&self.somewhere),
            round_trip: from_spread(&self.round_trip),
            round_trip_within: from_within(&self.round_trip_within),
            transmit_stamps: Some(from_stamps(self.transmit_stamps)),
            receive_stamps: Some(from_stamps(self.receive_stamps)),
            reflector_stamps: Some(from_stamps(self.reflector_stamps)),
            transmit_stamp_error_ns: unsigned(self.transmit_stamp_error),
            receive_stamp_error_ns: unsigned(self.receive_stamp_error),
            own_clock: Some(from_claims(&self.own_clock)),
            peer_clock: Some(from_claims(&self.peer_clock)),
            withdrawn: self.believed.withdrawn,
            misplaced: self.believed.misplaced,
        };
        message.encode_to_vec()
    }

    /// From octets.
    ///
    /// # Errors
    /// When they are no summary.
    pub fn decode(octets: &[u8]) -> Result<Self, TierError> {
        let message = wire::TierSummary::decode(octets)?;
        if message.intervals == 0 || message.interval_ns == 0 {
            return Err(TierError::Impossible("a summary of nothing"));
        }
        let impossible = |_| TierError::Impossible("more buckets of lengths than there are");
        let start = Timestamp(message.start_ns);
        Ok(Self {
            start,
            end: start + span(message.length_ns),
            intervals: message.intervals,
            interval: span(message.interval_ns),
            flows: message.flows,
            packet_interval: span(message.packet_interval_ns),
            generations: match (message.generation, message.generations) {
                (None, false) => Generations::None,
                (Some(generation), false) => Generations::One(generation),
                (_, true) => Generations::Several,
            },
            sent: message.sent,
            received: message.received,
            late: message.late,
            lost: message.lost,
            own_loss: message.own_loss,
            lost_somewhere: message.lost_somewhere,
            skipped: message.skipped,
            stepped: message.stepped,
            forward: to_direction(message.forward.unwrap_or_default())?,
            backward: to_direction(message.backward.unwrap_or_default())?,
            somewhere: to_patterns(message.somewhere).map_err(impossible)?,
            round_trip: to_spread(message.round_trip)?,
            round_trip_within: to_within(&message.round_trip_within)?,
            transmit_stamps: to_stamps(message.transmit_stamps.unwrap_or_default()),
            receive_stamps: to_stamps(message.receive_stamps.unwrap_or_default()),
            reflector_stamps: to_stamps(message.reflector_stamps.unwrap_or_default()),
            transmit_stamp_error: span(message.transmit_stamp_error_ns),
            receive_stamp_error: span(message.receive_stamp_error_ns),
            own_clock: to_claims(&message.own_clock.unwrap_or_default())?,
            peer_clock: to_claims(&message.peer_clock.unwrap_or_default())?,
            believed: Believed {
                withdrawn: message.withdrawn,
                misplaced: message.misplaced,
            },
        })
    }
}

fn from_direction(direction: &TierDirection) -> wire::Direction {
    let (ttl_min, ttl_max) = direction.headers.ttl.unwrap_or((0, 0));
    wire::Direction {
        raw: from_spread(&direction.raw),
        within: from_within(&direction.within),
        lost: direction.lost,
        duplicated: direction.duplicated,
        reordered: direction.reordered,
        patterns: from_patterns(&direction.patterns),
        ttl_min: ttl_min.into(),
        ttl_max: ttl_max.into(),
        dscp_told: direction.headers.dscp_told,
        remarked: direction.headers.remarked,
        congestion: direction.headers.congestion,
    }
}

fn to_direction(direction: wire::Direction) -> Result<TierDirection, TierError> {
    let octet = |ttl: u32| u8::try_from(ttl).map_err(|_| TierError::Impossible("a TTL above 255"));
    let (ttl_min, ttl_max) = (octet(direction.ttl_min)?, octet(direction.ttl_max)?);
    Ok(TierDirection {
        raw: to_spread(direction.raw)?,
        within: to_within(&direction.within)?,
        lost: direction.lost,
        duplicated: direction.duplicated,
        reordered: direction.reordered,
        patterns: to_patterns(direction.patterns)
            .map_err(|_| TierError::Impossible("more buckets of lengths than there are"))?,
        headers: Headers {
            ttl: (ttl_min != 0).then_some((ttl_min, ttl_max.max(ttl_min))),
            dscp_told: direction.dscp_told,
            remarked: direction.remarked,
            congestion: direction.congestion,
        },
    })
}

/// Absent when there is no span.
fn from_spread(spread: &Spread) -> Option<wire::Spread> {
    let (min, max) = spread.extremes()?;
    let sum = spread.sum();
    Some(wire::Spread {
        min_ns: min.0,
        range_ns: max.0.wrapping_sub(min.0).cast_unsigned(),
        sum_high: (sum >> 64) as i64,
        sum_low: sum as u64,
        cells: spread.octets().to_vec(),
    })
}

fn to_spread(spread: Option<wire::Spread>) -> Result<Spread, TierError> {
    let Some(spread) = spread else {
        return Ok(Spread::default());
    };
    let min = spread.min_ns;
    let max = min
        .checked_add_unsigned(spread.range_ns)
        .ok_or(TierError::Impossible("a span that is too large"))?;
    let sum = (i128::from(spread.sum_high) << 64) + i128::from(spread.sum_low);
    let extremes = (Nanos(min), Nanos(max));
    Ok(Spread::from_parts(extremes, sum, spread.cells.into())?)
}

fn from_within(within: &[WithinTally]) -> Vec<wire::Within> {
    let tally = |tally: &WithinTally| wire::Within {
        target_ns: tally.target.0,
        count: tally.count,
        of: tally.of,
    };
    within.iter().map(tally).collect()
}

fn to_within(within: &[wire::Within]) -> Result<Vec<WithinTally>, TierError> {
    let ordered = within
        .windows(2)
        .all(|pair| pair[0].target_ns < pair[1].target_ns);
    if within.len() > TARGETS_MAX || !ordered {
        return Err(TierError::Impossible("targets that are not in order"));
    }
    let tally = |tally: &wire::Within| WithinTally {
        target: Nanos(tally.target_ns),
        count: tally.count,
        of: tally.of,
    };
    Ok(within.iter().map(tally).collect())
}

fn from_claims(claims: &ClaimTally) -> wire::Claims {
    let (at_least, at_most, random) = claims
        .widest
        .map_or_else(Default::default, ClockClaim::parts);
    wire::Claims {
        claims: claims.claims,
        no_claims: claims.no_claims,
        at_least_ns: at_least.0,
        at_most_ns: at_most.0,
        random_ns: unsigned(random),
    }
}

fn to_claims(claims: &wire::Claims) -> Result<ClaimTally, TierError> {
    let (at_least, at_most) = (Nanos(claims.at_least_ns), Nanos(claims.at_most_ns));
    if at_least > at_most {
        return Err(TierError::Impossible("a claim that allows nothing"));
    }
    Ok(ClaimTally {
        claims: claims.claims,
        no_claims: claims.no_claims,
        widest: (claims.claims > 0)
            .then(|| ClockClaim::from_parts(at_least, at_most, span(claims.random_ns))),
    })
}
