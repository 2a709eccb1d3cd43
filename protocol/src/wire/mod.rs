//! Packets, octet by octet, big-endian.

pub mod authentication;
mod error_estimate;
pub mod owamp;
pub mod stamp;
mod timestamp;
pub mod tlv;
pub mod twamp;

pub use error_estimate::{ErrorEstimate, TimestampFormat};
pub use timestamp::{NtpTimestamp, PtpTimestamp, TaiOffset, WireTimestamp};

/// A datagram that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a datagram of {octets} octets is too short; {needed} are needed")]
pub struct TooShort {
    /// How long it is.
    pub octets: usize,
    /// How long it must be at least.
    pub needed: usize,
}

/// Reads fields in the order in which an RFC draws them.
struct Reader<'a> {
    datagram: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(datagram: &'a [u8]) -> Self {
        Self { datagram, at: 0 }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], TooShort> {
        let needed = self.at + N;
        let error = TooShort {
            octets: self.datagram.len(),
            needed,
        };
        let field = self
            .datagram
            .get(self.at..needed)
            .and_then(|octets| octets.try_into().ok())
            .ok_or(error)?;
        self.at = needed;
        Ok(field)
    }

    fn u8(&mut self) -> Result<u8, TooShort> {
        self.take::<1>().map(|[octet]| octet)
    }

    fn u16(&mut self) -> Result<u16, TooShort> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, TooShort> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, TooShort> {
        self.take().map(u64::from_be_bytes)
    }
}
