//! What Ethernet frames take of their line.
//!
//! ifHCInOctets counts the frame with its FCS (RFC 3635, section 3.2.3), but the
//! line is also busy for preamble, start delimiter and the gap behind: 20 octets
//! a frame. Octets alone never show more than 76.2 % at 64 octets a frame.

use crate::time::Nanos;

/// Preamble (7), start frame delimiter (1) and inter-packet gap (12): IEEE 802.3, sections 3.2.1, 3.2.2 and 4.4.2.
pub const OCTETS_BESIDE_FRAME: u64 = 20;

/// Frames and their octets in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frames {
    /// Octets of frames, FCS included.
    pub octets: u64,
    /// How many frames.
    pub count: u64,
}

impl Frames {
    /// The mean frame in octets; `None` without any frame.
    pub fn mean_octets(self) -> Option<f64> {
        (self.count > 0).then(|| self.octets as f64 / self.count as f64)
    }

    /// The share of the time in which a line of this speed was busy: `8·(octets + 20·frames) ÷ (speed·time)`. Above 1 when the
    /// counters or the speed are wrong. `None` without a speed or a time.
    pub fn utilisation(self, speed_bps: u64, time: Nanos) -> Option<f64> {
        let line = speed_bps as f64 * time.as_secs_f64();
        let octets =
            u128::from(self.octets) + u128::from(self.count) * u128::from(OCTETS_BESIDE_FRAME);
        (line > 0.0).then(|| 8.0 * octets as f64 / line)
    }
}

/// The most octets of frames (FCS included) a second on a line of this speed, in b/s, when they have this mean size.
pub fn payload_bps(speed_bps: u64, mean_frame_octets: f64) -> f64 {
    speed_bps as f64 * mean_frame_octets / (mean_frame_octets + OCTETS_BESIDE_FRAME as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_full_of_frames_of_any_size_is_fully_used() {
        // 14,880,952 and 812,744 frames a second fill 10 Gb/s (RFC 2544, appendix B, and its formula).
        for (size, count) in [(64, 14_880_952), (1_518, 812_744)] {
            let frames = Frames {
                octets: size * count,
                count,
            };
            let used = frames
                .utilisation(10_000_000_000, Nanos::from_secs(1))
                .unwrap();
            assert!((used - 1.0).abs() < 1e-6, "{size}: {used}");
            assert_eq!(frames.mean_octets(), Some(size as f64));
        }
        assert!((payload_bps(10_000_000_000, 64.0) / 1e10 - 0.7619).abs() < 1e-4);
        let none = Frames {
            octets: 0,
            count: 0,
        };
        assert_eq!(none.mean_octets(), None);
        assert_eq!(none.utilisation(0, Nanos::from_secs(1)), None);
    }
}
