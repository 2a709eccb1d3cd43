//! What a probe reports of a port: readings of its counters, as they were read, and the peaks between them.
//!
//! Raw points travel, not rates: whoever doubts a figure can compute it again.
//! A report of a link has a number like every other, and is told apart by the
//! field that it is in (tag 60 of `Report`).

use prost::Message as _;

use super::{Report, ReportError, convert, wire};
use crate::counter::percentile95::IntervalRate;
use crate::counter::{CounterSample, Marks, Reading, Refresh, Ticks};
use crate::time::{Nanos, Timestamp};

/// Points of one report at most: an interval of ten seconds has one, a file of 15-minute bins of a day 97.
pub const POINTS_MAX: usize = 1_024;
/// Windows of which one report tells the peak, at most.
pub const PEAKS_MAX: usize = 16;
/// Octets of a port's name.
const NAME_MAX: usize = 64;

/// How the counters were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkSource {
    /// By the kernel of the probe's own host.
    Own,
    /// By SNMP.
    Snmp,
    /// From a file of performance measurements.
    Bins,
    /// By nobody: a simulator made them.
    Simulated,
}

impl LinkSource {
    /// Every one, with its number on the wire and its name for labels and machines.
    pub const ALL: [(Self, u32, &str); 4] = [
        (Self::Own, 1, "own"),
        (Self::Snmp, 2, "snmp"),
        (Self::Bins, 3, "bins"),
        (Self::Simulated, 4, "simulated"),
    ];

    /// Its name for labels and machines.
    pub fn code(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|of| of.0 == self).map_or("own", |of| of.2)
    }

    fn number(self) -> u32 {
        let mut all = Self::ALL.into_iter();
        all.find(|of| of.0 == self).map_or(0, |of| of.1)
    }

    fn of(number: u32) -> Result<Self, ReportError> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|of| of.1 == number).map(|of| of.0);
        found.ok_or(ReportError::Impossible("counters read in no known way"))
    }
}

/// One reading of a port's counters. Pairs are received and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkPoint {
    /// The middle of the request, by the probe's clock.
    pub at: Timestamp,
    /// How far from there the agent may have read.
    pub within: Nanos,
    /// Octets; `None` when nobody answered.
    pub octets: Option<[u64; 2]>,
    /// Frames; zero where they are not read.
    pub frames: [u64; 2],
    /// sysUpTime in the same answer.
    pub up: Option<Ticks>,
    /// snmpEngineBoots.
    pub boots: Option<u32>,
    /// ifCounterDiscontinuityTime.
    pub discontinuity: Option<Ticks>,
}

impl LinkPoint {
    /// What it says of one direction: 0 received, 1 sent.
    pub fn sample(&self, way: usize) -> CounterSample {
        let reading = self.octets.and_then(|octets| octets.get(way).copied());
        CounterSample {
            at: Some(self.at),
            within: self.within,
            up: self.up,
            marks: Marks {
                boots: self.boots,
                discontinuity: self.discontinuity,
                ..Marks::default()
            },
            port: None,
            reading: reading.map_or(Reading::Missing, Reading::Octets),
        }
    }
}

/// A peak of an interval, in b/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkPeak {
    /// Over any window of this length.
    pub window: Nanos,
    /// As measured.
    pub bps: u64,
    /// No less.
    pub at_least_bps: u64,
    /// No more.
    pub at_most_bps: u64,
}

impl LinkPeak {
    /// Bounds are rounded outwards.
    pub fn of(window: Nanos, rate: IntervalRate) -> Self {
        Self {
            window,
            bps: rate.bps.round() as u64,
            at_least_bps: rate.at_least.floor() as u64,
            at_most_bps: rate.at_most.ceil() as u64,
        }
    }
}

/// One direction in the interval from the last point of the report before to the last of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkWay {
    /// The highest rates over short windows, where the counter's own pace does not hide them.
    pub peaks: Vec<LinkPeak>,
    /// How the counter comes by its values.
    pub refresh: Refresh,
    /// Frames in error.
    pub errors: u64,
    /// Frames dropped.
    pub dropped: u64,
}

impl LinkWay {
    /// Of a counter of which nothing more was read.
    pub const PLAIN: Self = Self {
        peaks: Vec::new(),
        refresh: Refresh::Untold,
        errors: 0,
        dropped: 0,
    };
}

/// What one port of a device counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkReport {
    /// The port's id in the topology.
    pub port: String,
    /// Of the plan that was followed.
    pub generation: String,
    /// How the counters were read.
    pub source: LinkSource,
    /// The speed that the device tells, in b/s; `None` when it does not.
    pub speed_bps: Option<u64>,
    /// Whether the device says that the port is up; `None` when it does not.
    pub is_up: Option<bool>,
    /// Readings in order of time, one at least. None is told twice: the one before the first is in the report before.
    pub points: Vec<LinkPoint>,
    /// Received and sent.
    pub ways: [LinkWay; 2],
}

impl LinkReport {
    /// As octets, as it is kept in a spool or a store.
    pub fn encode(&self) -> Vec<u8> {
        let link = Some(self.to_wire());
        let report = wire::Report {
            link,
            ..wire::Report::default()
        };
        report.encode_to_vec()
    }

    /// When its first and its last reading was.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        let at = |point: Option<&LinkPoint>| point.map_or(Timestamp(0), |point| point.at);
        (at(self.points.first()), at(self.points.last()))
    }

    fn to_wire(&self) -> wire::Link {
        let point = |point: &LinkPoint| {
            let octets = point.octets.unwrap_or_default();
            wire::LinkPoint {
                at_ns: point.at.0,
                within_ns: convert::unsigned(point.within),
                received_octets: octets[0],
                sent_octets: octets[1],
                received_frames: point.frames[0],
                sent_frames: point.frames[1],
                unanswered: point.octets.is_none(),
                up: point.up.map(|ticks| ticks.0),
                boots: point.boots,
                discontinuity: point.discontinuity.map(|ticks| ticks.0),
            }
        };
        let [received, sent] = self.ways.each_ref().map(way_to_wire);
        wire::Link {
            port: self.port.clone(),
            generation: self.generation.clone(),
            source: self.source.number(),
            speed_bps: self.speed_bps.unwrap_or(0),
            is_up: self.is_up,
            points: self.points.iter().map(point).collect(),
            received: Some(received),
            sent: Some(sent),
        }
    }

    fn of_wire(link: wire::Link) -> Result<Self, ReportError> {
        if link.port.is_empty() || link.port.len() > NAME_MAX {
            return Err(ReportError::Impossible(
                "a port without a name, or with a long one",
            ));
        }
        if link.points.is_empty() || link.points.len() > POINTS_MAX {
            return Err(ReportError::Impossible("no reading of a port, or too many"));
        }
        let points: Vec<LinkPoint> = link.points.iter().map(point_of_wire).collect();
        if points.windows(2).any(|pair| pair[0].at > pair[1].at) {
            return Err(ReportError::Impossible(
                "readings of a port in no order of time",
            ));
        }
        let way = |way: Option<wire::LinkWay>| way_of_wire(way.unwrap_or_default());
        Ok(Self {
            port: link.port,
            generation: link.generation,
            source: LinkSource::of(link.source)?,
            speed_bps: (link.speed_bps > 0).then_some(link.speed_bps),
            is_up: link.is_up,
            points,
            ways: [way(link.received)?, way(link.sent)?],
        })
    }
}

fn point_of_wire(point: &wire::LinkPoint) -> LinkPoint {
    LinkPoint {
        at: Timestamp(point.at_ns),
        within: convert::span(point.within_ns),
        octets: (!point.unanswered).then_some([point.received_octets, point.sent_octets]),
        frames: [point.received_frames, point.sent_frames],
        up: point.up.map(Ticks),
        boots: point.boots,
        discontinuity: point.discontinuity.map(Ticks),
    }
}

fn way_to_wire(way: &LinkWay) -> wire::LinkWay {
    let (refresh, age) = match way.refresh {
        Refresh::Untold => (0, Nanos::ZERO),
        Refresh::Live => (1, Nanos::ZERO),
        Refresh::Copied(age) => (2, age),
    };
    let peak = |peak: &LinkPeak| wire::LinkPeak {
        window_ns: convert::unsigned(peak.window),
        bps: peak.bps,
        at_least_bps: peak.at_least_bps,
        at_most_bps: peak.at_most_bps,
    };
    wire::LinkWay {
        peaks: way.peaks.iter().map(peak).collect(),
        refresh,
        age_ns: convert::unsigned(age),
        errors: way.errors,
        dropped: way.dropped,
    }
}

fn way_of_wire(way: wire::LinkWay) -> Result<LinkWay, ReportError> {
    if way.peaks.len() > PEAKS_MAX {
        return Err(ReportError::Impossible("too many peaks of a port"));
    }
    let peak = |peak: &wire::LinkPeak| {
        let ordered = peak.at_least_bps <= peak.bps && peak.bps <= peak.at_most_bps;
        (ordered && peak.window_ns > 0).then(|| LinkPeak {
            window: convert::span(peak.window_ns),
            bps: peak.bps,
            at_least_bps: peak.at_least_bps,
            at_most_bps: peak.at_most_bps,
        })
    };
    let peaks: Option<Vec<LinkPeak>> = way.peaks.iter().map(peak).collect();
    Ok(LinkWay {
        peaks: peaks.ok_or(ReportError::Impossible("a peak outside of its bounds"))?,
        refresh: match way.refresh {
            1 => Refresh::Live,
            2 => Refresh::Copied(convert::span(way.age_ns)),
            _ => Refresh::Untold,
        },
        errors: way.errors,
        dropped: way.dropped,
    })
}

/// What has a number in a spool: one interval of a path's session, or of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// Of a path.
    Path(Box<Report>),
    /// Of a port.
    Link(Box<LinkReport>),
}

impl Reported {
    /// As octets, as it is kept in a spool or a store.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Path(report) => report.encode(),
            Self::Link(report) => report.encode(),
        }
    }

    /// From octets, as either of the two makes them.
    ///
    /// # Errors
    /// When they are neither.
    pub fn decode(octets: &[u8]) -> Result<Self, ReportError> {
        let mut report = wire::Report::decode(octets)?;
        match report.link.take() {
            Some(_) if report.summary.is_some() => Err(ReportError::Impossible(
                "a report of both a path and a port",
            )),
            Some(link) => LinkReport::of_wire(link).map(Box::new).map(Self::Link),
            None => convert::to_report(report).map(Box::new).map(Self::Path),
        }
    }

    /// The report of a path, if it is one.
    pub fn path(&self) -> Option<&Report> {
        match self {
            Self::Path(report) => Some(report),
            Self::Link(_) => None,
        }
    }
}

impl From<Report> for Reported {
    fn from(report: Report) -> Self {
        Self::Path(Box::new(report))
    }
}

impl From<LinkReport> for Reported {
    fn from(report: LinkReport) -> Self {
        Self::Link(Box::new(report))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> LinkReport {
        let point = |at_s: i64, octets| LinkPoint {
            at: Timestamp(at_s * 1_000_000_000),
            within: Nanos(2_000),
            octets,
            frames: [3, 4],
            up: Some(Ticks(7)),
            boots: Some(1),
            discontinuity: Some(Ticks(0)),
        };
        let peak = LinkPeak {
            window: Nanos::from_millis(1),
            bps: 5,
            at_least_bps: 4,
            at_most_bps: 6,
        };
        let way = |refresh| LinkWay {
            peaks: vec![peak],
            refresh,
            errors: 8,
            dropped: 9,
        };
        LinkReport {
            port: "r1-p1".into(),
            generation: "c0ffee".into(),
            source: LinkSource::Own,
            speed_bps: Some(400_000_000_000),
            is_up: Some(true),
            points: vec![point(1, Some([1, u64::MAX])), point(11, None)],
            ways: [way(Refresh::Live), way(Refresh::Copied(Nanos(77)))],
        }
    }

    #[test]
    fn what_is_sent_is_what_is_read_and_a_path_is_no_port() {
        let octets = report().encode();
        assert_eq!(Reported::decode(&octets), Ok(report().into()));
        assert!(
            Report::decode(&octets).is_err(),
            "no reader of paths takes it for one"
        );
        let samples = [0, 1].map(|way| report().points[0].sample(way).reading);
        assert_eq!(samples, [Reading::Octets(1), Reading::Octets(u64::MAX)]);
        assert_eq!(report().points[1].sample(1).reading, Reading::Missing);
        assert_eq!(report().span().1, Timestamp(11_000_000_000));
    }

    #[test]
    fn what_cannot_be_is_refused_and_no_octets_make_a_reader_panic() {
        let changed = |change: fn(&mut LinkReport)| {
            let mut report = report();
            change(&mut report);
            Reported::decode(&report.encode())
        };
        for refused in [
            changed(|report| report.port.clear()),
            changed(|report| report.port = "x".repeat(65)),
            changed(|report| report.points.clear()),
            changed(|report| report.points.reverse()),
            changed(|report| report.points = vec![report.points[0]; POINTS_MAX + 1]),
            changed(|report| report.ways[0].peaks[0].bps = 7),
            changed(|report| report.ways[0].peaks = vec![report.ways[0].peaks[0]; PEAKS_MAX + 1]),
        ] {
            assert!(
                matches!(refused, Err(ReportError::Impossible(_))),
                "{refused:?}"
            );
        }
        let octets = report().encode();
        for at in 0..octets.len() {
            let _ = Reported::decode(&octets[..at]);
            for flip in [1_u8, 0x80, 0xFF] {
                let mut broken = octets.clone();
                broken[at] ^= flip;
                let _ = Reported::decode(&broken);
            }
        }
    }
}
