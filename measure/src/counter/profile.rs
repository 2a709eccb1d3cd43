//! What is known of a counter and its agent before anything is read.

use super::CacheAge;

/// No link is faster; holds where the speed is not told (1.6 Tb/s is the fastest Ethernet, and a LAG has a few of them).
pub const FASTEST_LINK_BPS: u64 = 10_000_000_000_000;
/// What a link may carry beyond its told speed, in millionths: its clock (IEEE 802.3: 100 ppm) and the rounding of
/// ifHighSpeed to whole Mb/s (2488.32 Mb/s is told as 2488).
pub const LINE_RATE_TOLERANCE_PPM: u64 = 1_000;
/// What ifSpeed shows when the speed is more than it can show (RFC 2863, ifSpeed).
const IF_SPEED_TOO_LARGE: u64 = u32::MAX as u64;

/// How many bits a counter has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// ifInOctets and its like.
    Bits32,
    /// ifHCInOctets and its like.
    Bits64,
    /// Not told: 32 as long as all values fit into 32.
    Untold,
}

/// What is known of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// How many bits it has.
    pub width: Width,
    /// The speed of its link in b/s; `None` when it is not told.
    speed_bps: Option<u64>,
    /// How old the values may be that its agent answers with.
    pub cache: CacheAge,
}

impl Profile {
    /// A counter of a link with this speed in b/s, as ifSpeed or ifHighSpeed tell it: zero, and ifSpeed's largest value,
    /// mean that it is not known.
    pub fn new(width: Width, speed_bps: Option<u64>) -> Self {
        Self {
            width,
            speed_bps: speed_bps.filter(|&bps| bps != 0 && bps != IF_SPEED_TOO_LARGE),
            cache: CacheAge::NONE,
        }
    }

    /// The fastest that this link can be, in b/s, tolerance included; `None` when its speed is not known.
    pub fn line_rate_bps(&self) -> Option<u64> {
        self.speed_bps
            .map(|bps| bps.saturating_add(bps.div_ceil(1_000_000 / LINE_RATE_TOLERANCE_PPM)))
    }

    /// The fastest that any such link can be, in b/s.
    pub fn ceiling_bps(&self) -> u64 {
        self.line_rate_bps().unwrap_or(FASTEST_LINK_BPS)
    }
}
