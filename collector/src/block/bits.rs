//! Numbers as tokens and bits.
//!
//! A small number is one token. A larger one is a token for its octave and half
//! octave, and bits for where in it the number lies. The tokens compress, the
//! bits are as good as random and are kept as they are.

use super::BlockError;

/// Numbers below this are tokens of their own.
const DIRECT: u64 = 32;
/// Bits of [`DIRECT`].
const DIRECT_BITS: u32 = DIRECT.ilog2();
/// One more than the largest token: two for each octave from [`DIRECT`] on.
pub(super) const TOKENS: u8 = DIRECT as u8 + 2 * (u64::BITS - DIRECT_BITS) as u8;

/// Bits in a row, the least significant one of an octet first.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    octets: Vec<u8>,
    pending: u64,
    /// Bits in `pending`: fewer than 8 between two calls.
    held: u32,
}

impl BitWriter {
    /// Appends the lowest `count` bits, 63 at most.
    fn put(&mut self, bits: u64, count: u32) {
        if count > 32 {
            self.put(bits & u64::from(u32::MAX), 32);
            return self.put(bits >> 32, count - 32);
        }
        self.pending |= bits << self.held;
        self.held += count;
        while self.held >= 8 {
            self.octets.push(self.pending as u8);
            self.pending >>= 8;
            self.held -= 8;
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.held > 0 {
            self.octets.push(self.pending as u8);
        }
        self.octets
    }
}

/// Reads what a [`BitWriter`] wrote.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    rest: &'a [u8],
    pending: u64,
    held: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self {
            rest: octets,
            pending: 0,
            held: 0,
        }
    }

    /// Whether nothing is left but what fills up the last octet.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty() && self.pending == 0
    }

    fn take(&mut self, count: u32) -> Result<u64, BlockError> {
        if count > 32 {
            let low = self.take(32)?;
            return Ok(low | self.take(count - 32)? << 32);
        }
        while self.held < count {
            let (&octet, rest) = self.rest.split_first().ok_or(BlockError::Short)?;
            self.rest = rest;
            self.pending |= u64::from(octet) << self.held;
            self.held += 8;
        }
        let bits = self.pending & ((1 << count) - 1);
        self.pending >>= count;
        self.held -= count;
        Ok(bits)
    }
}

/// Writes a number: its token to `tokens`, the rest of it to `bits`.
pub(super) fn put(number: u64, tokens: &mut Vec<u8>, bits: &mut BitWriter) {
    put_from(0, number, tokens, bits);
}

/// The same with tokens that begin at `first`.
pub(super) fn put_from(first: u8, number: u64, tokens: &mut Vec<u8>, bits: &mut BitWriter) {
    if number < DIRECT {
        return tokens.push(first + number as u8);
    }
    let octave = number.ilog2();
    let half = (number >> (octave - 1)) & 1;
    tokens.push(first + DIRECT as u8 + 2 * (octave - DIRECT_BITS) as u8 + half as u8);
    bits.put(number & ((1 << (octave - 1)) - 1), octave - 1);
}

/// The number of a token, which is below [`TOKENS`].
pub(super) fn take(token: u8, bits: &mut BitReader<'_>) -> Result<u64, BlockError> {
    let token = u64::from(token);
    if token < DIRECT {
        return Ok(token);
    }
    let place = token - DIRECT;
    let octave = (place / 2) as u32 + DIRECT_BITS;
    if octave >= u64::BITS {
        return Err(BlockError::Token);
    }
    Ok((1 << octave) | (place % 2) << (octave - 1) | bits.take(octave - 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_read_back_after_the_ones_before_it() {
        let numbers: Vec<u64> = (0..u64::BITS)
            .flat_map(|shift| {
                let power = 1_u64 << shift;
                [power - 1, power, power + power / 2, power | power / 3]
            })
            .chain([u64::MAX, u64::MAX - 1])
            .collect();
        let (mut tokens, mut bits) = (Vec::new(), BitWriter::default());
        for &number in &numbers {
            put(number, &mut tokens, &mut bits);
        }
        assert!(tokens.iter().all(|&token| token < TOKENS));
        let octets = bits.finish();
        let mut bits = BitReader::new(&octets);
        let read: Result<Vec<u64>, _> =
            tokens.iter().map(|&token| take(token, &mut bits)).collect();
        assert_eq!(read, Ok(numbers));
        let mut short = BitReader::new(&octets[..octets.len() - 1]);
        let outcome: Result<Vec<u64>, _> = tokens
            .iter()
            .map(|&token| take(token, &mut short))
            .collect();
        assert_eq!(outcome, Err(BlockError::Short));
    }
}
