//! Reading a daemon's answer field by field; no answer can make it panic.

/// An answer that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerError {
    /// It ends too early.
    #[error("an answer of {octets} octets is too short")]
    Short {
        /// How long it is.
        octets: usize,
    },
    /// A field holds what it cannot hold.
    #[error("the {field} in an answer is {value:#x}, which this version does not know")]
    Unknown {
        /// Which field.
        field: &'static str,
        /// What it holds.
        value: u64,
    },
    /// The daemon refuses, with its own number for why.
    #[error("the daemon refuses the request (its error {0})")]
    Refused(u16),
}

/// Fields in their order, big-endian.
#[derive(Debug)]
pub(super) struct Octets<'a> {
    whole: usize,
    rest: &'a [u8],
}

impl<'a> Octets<'a> {
    pub(super) fn new(answer: &'a [u8]) -> Self {
        Self {
            whole: answer.len(),
            rest: answer,
        }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], AnswerError> {
        let (field, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(AnswerError::Short { octets: self.whole })?;
        self.rest = rest;
        Ok(*field)
    }

    pub(super) fn skip(&mut self, octets: usize) -> Result<(), AnswerError> {
        self.rest = self
            .rest
            .get(octets..)
            .ok_or(AnswerError::Short { octets: self.whole })?;
        Ok(())
    }

    pub(super) fn u8(&mut self) -> Result<u8, AnswerError> {
        self.take::<1>().map(|[octet]| octet)
    }

    pub(super) fn i8(&mut self) -> Result<i8, AnswerError> {
        self.take().map(i8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, AnswerError> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, AnswerError> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, AnswerError> {
        self.take().map(i64::from_be_bytes)
    }
}

/// A reply from a test's table of captured octets.
#[cfg(test)]
pub(super) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
