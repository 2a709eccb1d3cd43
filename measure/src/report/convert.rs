//! Between the values of this crate and the messages of the wire.

use super::{
    Abilities, FromCollector, FromProbe, Hello, Loss, Numbers, PlanFault, PlanStanding, Report,
    ReportBatch, ReportError, TurnedDown, wire,
};
use crate::clock::{BoundBasis, ClockSource, ClockState, ClockStatus, KernelClock};
use crate::hindrance::Hindrance;
use crate::histogram::{Cell, Histogram};
use crate::lengths::Lengths;
use crate::patterns::Patterns;
use crate::summary::{
    DirectionSummary, EnvelopePoint, Headers, PeerClockSummary, StampCounts, Summary, Within,
};
use crate::time::{Monotonic, Nanos, Timestamp};

/// A span that cannot be negative; a sender's negative one becomes zero.
fn unsigned(span: Nanos) -> u64 {
    u64::try_from(span.0).unwrap_or(0)
}

fn span(ns: u64) -> Nanos {
    Nanos(i64::try_from(ns).unwrap_or(i64::MAX))
}

pub(super) fn from_probe(message: &FromProbe) -> wire::FromProbe {
    let say = match message {
        FromProbe::Hello(hello) => wire::ProbeSays::Hello(wire::Hello {
            version: hello.version,
            probe: hello.probe.clone(),
            epoch: hello.epoch,
            software: hello.software.clone(),
            simulated: hello.simulated,
            abilities: hello.abilities.bits(),
        }),
        FromProbe::Batch(batch) => wire::ProbeSays::Batch(wire::ReportBatch {
            epoch: batch.epoch,
            first_sequence: batch.first_sequence,
            reports: batch.reports.clone(),
            spool_filled_ppm: batch.spool_filled_ppm,
        }),
        FromProbe::Gone(numbers, loss) => wire::ProbeSays::Gone(wire::Gone {
            numbers: Some(from_numbers(*numbers)),
            loss: loss.number(),
        }),
        FromProbe::Plan(standing) => wire::ProbeSays::Plan(from_standing(standing)),
    };
    wire::FromProbe { say: Some(say) }
}

pub(super) fn to_from_probe(message: wire::FromProbe) -> Result<FromProbe, ReportError> {
    Ok(
        match message.say.ok_or(ReportError::Missing("what is said"))? {
            wire::ProbeSays::Hello(hello) => FromProbe::Hello(Hello {
                version: hello.version,
                probe: hello.probe,
                epoch: hello.epoch,
                software: hello.software,
                simulated: hello.simulated,
                abilities: Abilities::from_bits(hello.abilities),
            }),
            wire::ProbeSays::Gone(gone) => {
                let numbers = gone.numbers.ok_or(ReportError::Missing("the numbers"))?;
                FromProbe::Gone(to_numbers(numbers)?, Loss::of(gone.loss))
            }
            wire::ProbeSays::Plan(standing) => FromProbe::Plan(to_standing(standing)?),
            wire::ProbeSays::Batch(batch) => {
                let count = batch.reports.len() as u64;
                if batch.first_sequence == 0 || batch.first_sequence.checked_add(count).is_none() {
                    return Err(ReportError::Impossible(
                        "a batch whose sequence numbers do not exist",
                    ));
                }
                FromProbe::Batch(ReportBatch {
                    epoch: batch.epoch,
                    first_sequence: batch.first_sequence,
                    reports: batch.reports,
                    spool_filled_ppm: batch.spool_filled_ppm,
                })
            }
        },
    )
}

pub(super) fn from_collector(message: &FromCollector) -> wire::FromCollector {
    wire::FromCollector {
        say: Some(match message {
            FromCollector::Plan(plan) => wire::CollectorSays::Plan(plan.clone()),
            FromCollector::Stored(sequence) => wire::CollectorSays::Stored(*sequence),
            FromCollector::Refusal(why) => wire::CollectorSays::Refusal(why.clone()),
            FromCollector::Welcome(abilities) => wire::CollectorSays::Welcome(wire::Welcome {
                abilities: abilities.bits(),
            }),
            FromCollector::Taken(numbers) => wire::CollectorSays::Taken(from_numbers(*numbers)),
            FromCollector::Again(numbers) => wire::CollectorSays::Again(from_numbers(*numbers)),
            FromCollector::Order(order) => wire::CollectorSays::Order(order.clone()),
            FromCollector::Highest(sequence) => wire::CollectorSays::Highest(*sequence),
        }),
    }
}

pub(super) fn to_from_collector(
    message: wire::FromCollector,
) -> Result<FromCollector, ReportError> {
    Ok(
        match message.say.ok_or(ReportError::Missing("what is said"))? {
            wire::CollectorSays::Plan(plan) => FromCollector::Plan(plan),
            wire::CollectorSays::Stored(sequence) => FromCollector::Stored(sequence),
            wire::CollectorSays::Refusal(why) => FromCollector::Refusal(why),
            wire::CollectorSays::Welcome(welcome) => {
                FromCollector::Welcome(Abilities::from_bits(welcome.abilities))
            }
            wire::CollectorSays::Taken(numbers) => FromCollector::Taken(to_numbers(numbers)?),
            wire::CollectorSays::Again(numbers) => FromCollector::Again(to_numbers(numbers)?),
            wire::CollectorSays::Order(order) => FromCollector::Order(order),
            wire::CollectorSays::Highest(sequence) if sequence > SEQUENCE_MAX => {
                return Err(ReportError::Impossible(
                    "a number that nobody can have reached",
                ));
            }
            wire::CollectorSays::Highest(sequence) => FromCollector::Highest(sequence),
        },
    )
}

fn from_standing(standing: &PlanStanding) -> wire::PlanStanding {
    let turned_down = |told: &TurnedDown| wire::TurnedDown {
        generation: told.generation,
        fault: told.fault.number(),
        detail: told.detail.clone(),
    };
    wire::PlanStanding {
        follows: standing.follows,
        on_trial: standing.on_trial,
        turned_down: standing.turned_down.as_ref().map(turned_down),
    }
}

fn to_standing(standing: wire::PlanStanding) -> Result<PlanStanding, ReportError> {
    let turned_down = |told: wire::TurnedDown| {
        let told = TurnedDown {
            generation: told.generation,
            fault: PlanFault::of(told.fault),
            detail: told.detail,
        };
        told.checked()
    };
    Ok(PlanStanding {
        follows: standing.follows,
        on_trial: standing.on_trial,
        turned_down: standing.turned_down.map(turned_down).transpose()?,
    })
}

/// No probe gives out as many.
const SEQUENCE_MAX: u64 = 1 << 62;

fn from_numbers(numbers: Numbers) -> wire::Numbers {
    wire::Numbers {
        epoch: numbers.epoch,
        first: numbers.first,
        count: numbers.count,
    }
}

fn to_numbers(numbers: wire::Numbers) -> Result<Numbers, ReportError> {
    let wire::Numbers {
        epoch,
        first,
        count,
    } = numbers;
    Numbers {
        epoch,
        first,
        count,
    }
    .checked()
}

pub(super) fn from_report(report: &Report) -> wire::Report {
    wire::Report {
        path: report.path.clone(),
        generation: report.generation.clone(),
        packet_interval_ns: unsigned(report.packet_interval),
        summary: Some(from_summary(&report.summary)),
        clock: Some(from_clock(&report.clock)),
        flow: report.flow,
    }
}

pub(super) fn to_report(report: wire::Report) -> Result<Report, ReportError> {
    Ok(Report {
        path: report.path,
        generation: report.generation,
        flow: report.flow,
        packet_interval: span(report.packet_interval_ns),
        summary: to_summary(report.summary.ok_or(ReportError::Missing("the summary"))?)?,
        clock: to_clock(&report.clock.ok_or(ReportError::Missing("the clock"))?)?,
    })
}

fn from_summary(summary: &Summary) -> wire::Summary {
    let (ttl_min, ttl_max) = summary.forward.headers.ttl.unwrap_or((0, 0));
    let (reply_ttl_min, reply_ttl_max) = summary.backward.headers.ttl.unwrap_or((0, 0));
    let (hindrance, hindrance_accept) = summary.hindrance.map_or((0, 0), Hindrance::to_numbers);
    wire::Summary {
        start_ns: summary.start.0,
        length_ns: unsigned(summary.length),
        sent: summary.sent,
        received: summary.received,
        late: summary.late,
        lost: summary.lost,
        skipped: summary.skipped,
        lateness_max_ns: unsigned(summary.lateness_max),
        own_loss: summary.own_loss,
        hindrance,
        hindrance_accept,
        forward: Some(from_direction(&summary.forward, summary.start)),
        backward: Some(from_direction(&summary.backward, summary.start)),
        round_trip: Some(from_histogram(&summary.round_trip)),
        round_trip_within: from_within(&summary.round_trip_within),
        transmit_stamps: Some(from_stamps(summary.transmit_stamps)),
        receive_stamps: Some(from_stamps(summary.receive_stamps)),
        reflector_stamps: Some(from_stamps(summary.reflector_stamps)),
        ttl_min: ttl_min.into(),
        ttl_max: ttl_max.into(),
        peer_claims: summary.peer_clock.claims,
        peer_no_claims: summary.peer_clock.no_claims,
        peer_widest_ns: unsigned(summary.peer_clock.widest),
        somewhere: from_patterns(&summary.somewhere),
        reply_ttl_min: reply_ttl_min.into(),
        reply_ttl_max: reply_ttl_max.into(),
    }
}

fn to_summary(summary: wire::Summary) -> Result<Summary, ReportError> {
    let start = Timestamp(summary.start_ns);
    let forward_ttl = to_ttl(summary.ttl_min, summary.ttl_max)?;
    let backward_ttl = to_ttl(summary.reply_ttl_min, summary.reply_ttl_max)?;
    if summary.length_ns == 0 {
        return Err(ReportError::Impossible("an interval without length"));
    }
    Ok(Summary {
        start,
        length: span(summary.length_ns),
        sent: summary.sent,
        received: summary.received,
        late: summary.late,
        lost: summary.lost,
        skipped: summary.skipped,
        lateness_max: span(summary.lateness_max_ns),
        own_loss: summary.own_loss,
        hindrance: Hindrance::from_numbers(summary.hindrance, summary.hindrance_accept),
        forward: to_direction(
            summary
                .forward
                .ok_or(ReportError::Missing("the forward direction"))?,
            start,
            forward_ttl,
        )?,
        backward: to_direction(
            summary
                .backward
                .ok_or(ReportError::Missing("the backward direction"))?,
            start,
            backward_ttl,
        )?,
        somewhere: to_patterns(summary.somewhere)?,
        round_trip: to_histogram(
            &summary
                .round_trip
                .ok_or(ReportError::Missing("the round trip"))?,
        )?,
        round_trip_within: to_within(&summary.round_trip_within),
        transmit_stamps: to_stamps(summary.transmit_stamps.unwrap_or_default()),
        receive_stamps: to_stamps(summary.receive_stamps.unwrap_or_default()),
        reflector_stamps: to_stamps(summary.reflector_stamps.unwrap_or_default()),
        peer_clock: PeerClockSummary {
            claims: summary.peer_claims,
            no_claims: summary.peer_no_claims,
            widest: span(summary.peer_widest_ns),
        },
    })
}

/// Smallest and largest; 0 is one that was not told.
fn to_ttl(min: u32, max: u32) -> Result<Option<(u8, u8)>, ReportError> {
    let octet =
        |ttl: u32| u8::try_from(ttl).map_err(|_| ReportError::Impossible("a TTL above 255"));
    let (min, max) = (octet(min)?, octet(max)?);
    if min > max {
        return Err(ReportError::Impossible("a smallest TTL above the largest"));
    }
    Ok((min != 0).then_some((min, max)))
}

fn from_direction(direction: &DirectionSummary, start: Timestamp) -> wire::Direction {
    let base = direction.raw.base();
    wire::Direction {
        raw: Some(from_histogram(&direction.raw)),
        ipdv: Some(from_histogram(&direction.ipdv)),
        within: from_within(&direction.within),
        lost: direction.lost,
        duplicated: direction.duplicated,
        reordered: direction.reordered,
        envelope_at_ns: direction
            .envelope
            .iter()
            .map(|point| (point.at - start).0)
            .collect(),
        envelope_raw_ns: direction
            .envelope
            .iter()
            .map(|point| (point.raw - base).0)
            .collect(),
        patterns: from_patterns(&direction.patterns),
        dscp_told: direction.headers.dscp_told,
        remarked: direction.headers.remarked,
        congestion: direction.headers.congestion,
    }
}

fn to_direction(
    direction: wire::Direction,
    start: Timestamp,
    ttl: Option<(u8, u8)>,
) -> Result<DirectionSummary, ReportError> {
    let raw = to_histogram(
        &direction
            .raw
            .ok_or(ReportError::Missing("the raw differences"))?,
    )?;
    if direction.envelope_at_ns.len() != direction.envelope_raw_ns.len() {
        return Err(ReportError::Impossible("an envelope of unequal lists"));
    }
    let points = direction
        .envelope_at_ns
        .iter()
        .zip(&direction.envelope_raw_ns);
    let envelope = points
        .map(|(&at, &above)| EnvelopePoint {
            at: start + Nanos(at),
            raw: raw.base() + Nanos(above),
        })
        .collect();
    Ok(DirectionSummary {
        ipdv: to_histogram(&direction.ipdv.ok_or(ReportError::Missing("the IPDV"))?)?,
        within: to_within(&direction.within),
        lost: direction.lost,
        duplicated: direction.duplicated,
        reordered: direction.reordered,
        patterns: to_patterns(direction.patterns)?,
        headers: Headers {
            ttl,
            dscp_told: direction.dscp_told,
            remarked: direction.remarked,
            congestion: direction.congestion,
        },
        envelope,
        raw,
    })
}

pub(crate) fn from_patterns(patterns: &Patterns) -> Option<wire::Patterns> {
    (!patterns.is_empty()).then(|| wire::Patterns {
        extents: from_lengths(&patterns.extents),
        n_reordering: from_lengths(&patterns.n_reordering),
        loss_periods: from_lengths(&patterns.loss_periods),
        loss_distances: from_lengths(&patterns.loss_distances),
        late_offsets: from_lengths(&patterns.late_offsets),
    })
}

/// Reports of older probes have none.
pub(crate) fn to_patterns(patterns: Option<wire::Patterns>) -> Result<Patterns, ReportError> {
    let patterns = patterns.unwrap_or_default();
    Ok(Patterns {
        extents: to_lengths(patterns.extents)?,
        n_reordering: to_lengths(patterns.n_reordering)?,
        loss_periods: to_lengths(patterns.loss_periods)?,
        loss_distances: to_lengths(patterns.loss_distances)?,
        late_offsets: to_lengths(patterns.late_offsets)?,
    })
}

fn from_lengths(lengths: &Lengths) -> Option<wire::Lengths> {
    let counts = lengths.counts();
    let used = counts.iter().rposition(|&count| count > 0)? + 1;
    Some(wire::Lengths {
        counts: counts[..used].to_vec(),
        longest: lengths.longest(),
        sum: lengths.sum(),
    })
}

fn to_lengths(lengths: Option<wire::Lengths>) -> Result<Lengths, ReportError> {
    let lengths = lengths.unwrap_or_default();
    Lengths::from_parts(&lengths.counts, lengths.longest, lengths.sum)
        .map_err(|_| ReportError::Impossible("more buckets of lengths than there are"))
}

fn from_histogram(histogram: &Histogram) -> wire::Histogram {
    let base = histogram.base();
    let (min, max) = histogram.extremes().unwrap_or((base, base));
    let side = |cells: &mut dyn ExactSizeIterator<Item = (u32, u64)>| {
        let (mut gaps, mut counts) = (
            Vec::with_capacity(cells.len()),
            Vec::with_capacity(cells.len()),
        );
        let mut last = 0;
        for (cell, count) in cells {
            gaps.push(cell - last);
            counts.push(count);
            last = cell;
        }
        (gaps, counts)
    };
    // Cells are in the order of their spans, so those below the base come first, the farthest of them at the beginning.
    let cells = histogram.cells();
    let (below, above) =
        cells.split_at(cells.partition_point(|(cell, _)| matches!(cell, Cell::Below(_))));
    let number = |&(cell, count): &(Cell, u64)| match cell {
        Cell::Below(cell) | Cell::AtOrAbove(cell) => (cell, count),
    };
    let (above_gaps, above_counts) = side(&mut above.iter().map(number));
    let (below_gaps, below_counts) = side(&mut below.iter().rev().map(number));
    wire::Histogram {
        base_ns: base.0,
        min_ns: (min - base).0,
        max_ns: (max - base).0,
        sum_ns: histogram.sum().0,
        above_gaps,
        above_counts,
        below_gaps,
        below_counts,
    }
}

fn to_histogram(histogram: &wire::Histogram) -> Result<Histogram, ReportError> {
    let mut cells = Vec::with_capacity(histogram.below_gaps.len() + histogram.above_gaps.len());
    let add = |cells: &mut Vec<_>, gaps: &[u32], counts: &[u64], side: fn(u32) -> Cell| {
        if gaps.len() != counts.len() {
            return Err(ReportError::Impossible("a histogram of unequal lists"));
        }
        let mut cell = 0_u32;
        for (&gap, &count) in gaps.iter().zip(counts) {
            cell = cell
                .checked_add(gap)
                .ok_or(ReportError::Impossible("a histogram cell out of range"))?;
            cells.push((side(cell), count));
        }
        Ok(())
    };
    add(
        &mut cells,
        &histogram.below_gaps,
        &histogram.below_counts,
        Cell::Below,
    )?;
    // They come from the base downwards, and stand from the smallest span on.
    cells.reverse();
    add(
        &mut cells,
        &histogram.above_gaps,
        &histogram.above_counts,
        Cell::AtOrAbove,
    )?;
    let base = Nanos(histogram.base_ns);
    let extremes = if cells.is_empty() {
        (Nanos::MAX, Nanos::MIN)
    } else {
        (
            base + Nanos(histogram.min_ns),
            base + Nanos(histogram.max_ns),
        )
    };
    Ok(Histogram::from_parts(
        base,
        extremes,
        Nanos(histogram.sum_ns),
        cells,
    )?)
}

fn from_within(within: &[Within]) -> Vec<wire::Within> {
    within
        .iter()
        .map(|entry| wire::Within {
            target_ns: entry.target.0,
            count: entry.count,
        })
        .collect()
}

fn to_within(within: &[wire::Within]) -> Vec<Within> {
    within
        .iter()
        .map(|entry| Within {
            target: Nanos(entry.target_ns),
            count: entry.count,
        })
        .collect()
}

pub(crate) fn from_stamps(stamps: StampCounts) -> wire::Stamps {
    wire::Stamps {
        hardware: stamps.hardware,
        kernel: stamps.kernel,
        user: stamps.user,
    }
}

pub(crate) fn to_stamps(stamps: wire::Stamps) -> StampCounts {
    StampCounts {
        hardware: stamps.hardware,
        kernel: stamps.kernel,
        user: stamps.user,
    }
}

fn from_clock(clock: &ClockState) -> wire::Clock {
    wire::Clock {
        as_of_ns: clock.as_of.0,
        source: match clock.source {
            ClockSource::Unknown => 0,
            ClockSource::Ptp => 1,
            ClockSource::Gnss => 2,
            ClockSource::Ntp => 3,
            ClockSource::Simulated => 4,
        },
        status: match clock.status {
            ClockStatus::Free => 0,
            ClockStatus::Synchronised => 1,
            ClockStatus::Holdover => 2,
            ClockStatus::Disrupted => 3,
        },
        bound_ns: clock.bound.map(|(bound, _)| unsigned(bound)),
        basis: match clock.bound {
            None | Some((_, BoundBasis::Declared)) => 0,
            Some((_, BoundBasis::Engineered)) => 1,
            Some((_, BoundBasis::Measured)) => 2,
        },
        drift_ppb: clock.drift_ppb,
        transmit_stamp_error_ns: unsigned(clock.transmit_stamp_error),
        receive_stamp_error_ns: unsigned(clock.receive_stamp_error),
        kernel_synchronised: clock.kernel.synchronised,
        kernel_max_error_ns: unsigned(clock.kernel.max_error),
        kernel_estimated_error_ns: unsigned(clock.kernel.estimated_error),
        kernel_tai_offset_s: clock.kernel.tai_offset_s,
        correction_ns: clock.correction.0,
        random_ns: unsigned(clock.random),
        void_after_ns: clock.void_after.map(|at| at.0),
        steps: clock.steps,
        as_of_monotonic_ns: clock.as_of_monotonic.0,
        kernel_frequency_ppb: clock.kernel.frequency_ppb,
    }
}

fn to_clock(clock: &wire::Clock) -> Result<ClockState, ReportError> {
    let basis = match clock.basis {
        0 => BoundBasis::Declared,
        1 => BoundBasis::Engineered,
        2 => BoundBasis::Measured,
        _ => {
            return Err(ReportError::Impossible(
                "a basis of a clock bound that this version does not know",
            ));
        }
    };
    Ok(ClockState {
        as_of: Timestamp(clock.as_of_ns),
        source: match clock.source {
            1 => ClockSource::Ptp,
            2 => ClockSource::Gnss,
            3 => ClockSource::Ntp,
            4 => ClockSource::Simulated,
            _ => ClockSource::Unknown,
        },
        // A status that this version does not know is no claim.
        status: match clock.status {
            1 => ClockStatus::Synchronised,
            2 => ClockStatus::Holdover,
            3 => ClockStatus::Disrupted,
            _ => ClockStatus::Free,
        },
        bound: clock.bound_ns.map(|bound| (span(bound), basis)),
        drift_ppb: clock.drift_ppb,
        transmit_stamp_error: span(clock.transmit_stamp_error_ns),
        receive_stamp_error: span(clock.receive_stamp_error_ns),
        kernel: KernelClock {
            synchronised: clock.kernel_synchronised,
            max_error: span(clock.kernel_max_error_ns),
            estimated_error: span(clock.kernel_estimated_error_ns),
            tai_offset_s: clock.kernel_tai_offset_s,
            frequency_ppb: clock.kernel_frequency_ppb,
        },
        correction: Nanos(clock.correction_ns),
        random: span(clock.random_ns),
        void_after: clock.void_after_ns.map(Timestamp),
        steps: clock.steps,
        as_of_monotonic: Monotonic(clock.as_of_monotonic_ns),
    })
}
