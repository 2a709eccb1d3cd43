//! In which format a command writes timestamps into packets.

use clap::ValueEnum;
use owl_probe::clock;
use owl_protocol::wire::{TaiOffset, TimestampFormat};

/// The format of this host's timestamps.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct StampFormat {
    /// Format of this host's timestamps in packets; the other host chooses its own
    #[arg(long, value_name = "FORMAT", default_value = "ntp")]
    format: Format,
    /// TAI less UTC in the PTP format, of either host; without it the kernel's, or 37. 0 where the other host writes UTC
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-100..=100))]
    tai_offset: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// 64-bit NTP
    Ntp,
    /// Truncated PTPv2, which counts TAI
    Ptp,
}

impl StampFormat {
    /// Whether TAI less UTC was told.
    pub(crate) fn is_offset(self) -> bool {
        self.tai_offset.is_some()
    }

    pub(crate) fn format(self) -> TimestampFormat {
        match self.format {
            Format::Ntp => TimestampFormat::Ntp,
            Format::Ptp => TimestampFormat::Ptp,
        }
    }

    pub(crate) fn tai_offset(self) -> TaiOffset {
        self.tai_offset
            .map_or_else(clock::tai_offset, TaiOffset::of)
    }
}
