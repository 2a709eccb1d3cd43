//! What a PON port can carry of Ethernet frames.
//!
//! A frame of 125 µs loses octets to synchronisation, to error correction and to
//! the framing sublayer's headers; each Ethernet frame then travels with its FCS
//! and without preamble behind an XGEM header of 8 octets, padded to a multiple
//! of four (ITU-T G.987.3, G.9807.1, annex C). So "10G" of a PON port is 8.6 Gb/s.

/// How often a frame begins: every 125 µs.
const FRAMES_PER_SECOND: f64 = 8_000.0;
/// XGEM header.
const XGEM_HEADER_OCTETS: f64 = 8.0;
/// The most that padding to four octets adds.
const PADDING_OCTETS_MAX: f64 = 3.0;
/// Header (4) and trailer (4) of the framing sublayer: of each downstream frame, of each upstream burst.
const FS_OCTETS: f64 = 8.0;
/// One allocation in the bandwidth map.
const ALLOCATION_OCTETS: f64 = 8.0;
/// One PLOAM message.
const PLOAM_OCTETS: f64 = 48.0;
/// A dynamic bandwidth report (DBRu) of an upstream burst.
const REPORT_OCTETS: f64 = 4.0;

/// A direction of a kind of PON.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PonLine {
    /// The line's octets in a frame of 125 µs.
    frame_octets: f64,
    /// Synchronisation of a downstream frame (PSBd).
    sync_octets: f64,
    /// What error correction leaves.
    fec_share: f64,
}

impl PonLine {
    /// XGS-PON either way, and XG-PON downstream: 9.95328 Gb/s, RS(248,216).
    pub const XGS: Self = Self {
        frame_octets: 155_520.0,
        sync_octets: 24.0,
        fec_share: 216.0 / 248.0,
    };
    /// XG-PON upstream: 2.48832 Gb/s, RS(248,232).
    pub const XG_UPSTREAM: Self = Self {
        frame_octets: 38_880.0,
        sync_octets: 24.0,
        fec_share: 232.0 / 248.0,
    };
    /// 50G-PON either way: 49.7664 Gb/s, LDPC(17280,14592) (G.9804.2).
    pub const FIFTY: Self = Self {
        frame_octets: 777_600.0,
        sync_octets: 24.0,
        fec_share: 14_592.0 / 17_280.0,
    };

    /// What the line itself carries, in b/s.
    pub fn line_bps(self) -> f64 {
        self.frame_octets * 8.0 * FRAMES_PER_SECOND
    }

    /// Downstream: what it can carry of Ethernet frames.
    pub fn downstream(self, load: Downstream, mean_frame_octets: f64) -> Payload {
        let framed = (self.frame_octets - self.sync_octets) * self.fec_share
            - FS_OCTETS
            - ALLOCATION_OCTETS * f64::from(load.allocations)
            - PLOAM_OCTETS * f64::from(load.ploam_messages);
        Payload::of(framed, mean_frame_octets)
    }

    /// Upstream: what it can carry of Ethernet frames.
    pub fn upstream(self, load: Upstream, mean_frame_octets: f64) -> Payload {
        let bursts = f64::from(load.bursts);
        let framed = (self.frame_octets - bursts * f64::from(load.octets_between_bursts))
            * self.fec_share
            - bursts * (FS_OCTETS + REPORT_OCTETS);
        Payload::of(framed, mean_frame_octets)
    }
}

/// What a downstream frame holds besides payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Downstream {
    /// Allocations in its bandwidth map: about one for each ONU that may send.
    pub allocations: u32,
    /// PLOAM messages in it.
    pub ploam_messages: u32,
}

/// What an upstream frame is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upstream {
    /// Bursts in it: one for each ONU that sends.
    pub bursts: u32,
    /// Guard time, preamble and delimiter of a burst, in octets of line time: set by the operator, 64 is usual.
    pub octets_between_bursts: u32,
}

/// The most Ethernet octets a second (FCS included), in b/s. Only the mean frame is known, so the padding is not: it is an
/// interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Payload {
    /// With three octets of padding a frame.
    pub at_least_bps: f64,
    /// If all frames have the mean size.
    pub bps: f64,
    /// Without padding.
    pub at_most_bps: f64,
}

impl Payload {
    fn of(framed_octets: f64, mean_frame_octets: f64) -> Self {
        let mean = mean_frame_octets.max(1.0);
        let bps = |padding: f64| {
            let share = mean / (mean + XGEM_HEADER_OCTETS + padding);
            framed_octets.max(0.0) * share * 8.0 * FRAMES_PER_SECOND
        };
        let padding = (mean / 4.0).ceil() * 4.0 - mean;
        Self {
            at_least_bps: bps(PADDING_OCTETS_MAX),
            bps: bps(padding.min(PADDING_OCTETS_MAX)),
            at_most_bps: bps(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: Payload, gbps: f64) {
        assert!((payload.bps / 1e9 - gbps).abs() < 0.006, "{payload:?}");
        assert!(payload.at_least_bps <= payload.bps && payload.bps <= payload.at_most_bps);
    }

    #[test]
    fn xgs_pon_carries_8_6_gbps_and_less_with_small_frames() {
        let down = |allocations, ploam_messages, size| {
            let load = Downstream {
                allocations,
                ploam_messages,
            };
            PonLine::XGS.downstream(load, size)
        };
        check(down(0, 0, 64.0), 7.704);
        check(down(0, 0, 128.0), 8.157);
        check(down(0, 0, 512.0), 8.534);
        check(down(0, 0, 1_518.0), 8.610);
        check(down(0, 0, 9_000.0), 8.659);
        check(down(32, 1, 1_518.0), 8.591);
        check(down(128, 1, 64.0), 7.643);
    }

    #[test]
    fn every_burst_costs_upstream() {
        let up = |line: PonLine, bursts, size| {
            let load = Upstream {
                bursts,
                octets_between_bursts: 64,
            };
            line.upstream(load, size)
        };
        check(up(PonLine::XGS, 1, 64.0), 7.70);
        check(up(PonLine::XGS, 32, 1_518.0), 8.47);
        check(up(PonLine::XGS, 64, 1_518.0), 8.34);
        check(up(PonLine::XG_UPSTREAM, 1, 1_518.0), 2.31);
        check(up(PonLine::XGS, 100_000, 1_518.0), 0.0);
    }

    #[test]
    fn the_lines_have_their_rates() {
        assert_eq!(PonLine::XGS.line_bps(), 9_953_280_000.0);
        assert_eq!(PonLine::XG_UPSTREAM.line_bps(), 2_488_320_000.0);
        assert_eq!(PonLine::FIFTY.line_bps(), 49_766_400_000.0);
    }
}
