//! The bit error ratio in front of error correction, and how near it is to where correction fails.

use crate::time::Nanos;

/// A line with forward error correction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FecLine {
    /// Bits a second on the line, correction included.
    pub line_bps: f64,
    /// Bits of one block of the code.
    pub block_bits: f64,
    /// The bit error ratio up to which correction works as specified.
    pub limit: f64,
}

impl FecLine {
    /// 400GBASE-R: 400 Gb/s × 257/256 × 544/514 = 425 Gb/s, RS(544,514) of symbols of 10 bits, 2.4·10⁻⁴ (IEEE 802.3, clauses 119
    /// and 124).
    pub const GBASE_R_400: Self = Self {
        line_bps: 425e9,
        block_bits: 5_440.0,
        limit: 2.4e-4,
    };
    /// 800GBASE-R: two of it (IEEE 802.3df).
    pub const GBASE_R_800: Self = Self {
        line_bps: 850e9,
        ..Self::GBASE_R_400
    };
    /// 400ZR: concatenated FEC of 14.8 % over 400 Gb/s × 257/256 and its framing, 59.84 GBd × 8 bits, 1.25·10⁻² (OIF-400ZR).
    /// The block is that of the inner Hamming code SD(128,119).
    pub const ZR_400: Self = Self {
        line_bps: 478.75e9,
        block_bits: 128.0,
        limit: 1.25e-2,
    };

    /// The bit error ratio over a time in which so many bits were corrected and so many blocks could not be.
    ///
    /// A block that cannot be corrected has as many errors as it has bits, at the worst, and its errors are not among the
    /// corrected. `None` for no time.
    pub fn bit_errors(
        self,
        corrected: u64,
        uncorrectable_blocks: u64,
        time: Nanos,
    ) -> Option<BitErrorRatio> {
        let bits = self.line_bps * time.as_secs_f64();
        if bits <= 0.0 {
            return None;
        }
        let uncorrected = uncorrectable_blocks as f64 * self.block_bits;
        let ratio = |errors: f64| (errors / bits).min(1.0);
        Some(BitErrorRatio {
            at_least: ratio(fewest(corrected)),
            ratio: ratio(corrected as f64),
            at_most: ratio(most(corrected) + uncorrected),
        })
    }
}

/// A bit error ratio: the true one lies between the two bounds in 95 cases of 100 (errors being independent), because errors
/// are chance, and counting them is not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BitErrorRatio {
    /// No less.
    pub at_least: f64,
    /// As counted.
    pub ratio: f64,
    /// No more. With no error at all it is 3 ÷ bits, not zero.
    pub at_most: f64,
}

/// The two-sided 95 % point of the normal distribution.
const Z: f64 = 1.959_964;

/// The smallest mean that explains a Poisson count: Garwood 1936, by the cube of Wilson and Hilferty. Of one, where the cube is
/// too low by half: −ln 0.975.
fn fewest(count: u64) -> f64 {
    match count {
        0 => return 0.0,
        1 => return 0.0253,
        _ => {}
    }
    let n = count as f64;
    n * (1.0 - 1.0 / (9.0 * n) - Z / (3.0 * n.sqrt()))
        .max(0.0)
        .powi(3)
}

/// The largest one. Of no count at all, one-sided: −ln 0.05.
fn most(count: u64) -> f64 {
    if count == 0 {
        return 2.996;
    }
    let n = count as f64 + 1.0;
    n * (1.0 - 1.0 / (9.0 * n) + Z / (3.0 * n.sqrt())).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_the_limits_of_the_tables() {
        // Exact Poisson limits (Garwood 1936), two-sided 95 %.
        for (count, low, high) in [
            (1, 0.0253, 5.572),
            (5, 1.623, 11.668),
            (10, 4.795, 18.390),
            (100, 81.36, 121.63),
        ] {
            assert!(
                (fewest(count) - low).abs() < 0.02 * low + 0.01,
                "{count}: {}",
                fewest(count)
            );
            assert!(
                (most(count) - high).abs() < 0.01 * high,
                "{count}: {}",
                most(count)
            );
        }
    }

    #[test]
    fn no_error_is_a_bound_and_not_zero() {
        let second = Nanos::from_secs(1);
        let line = FecLine::GBASE_R_400;
        let clean = line.bit_errors(0, 0, second).unwrap();
        assert_eq!((clean.at_least, clean.ratio), (0.0, 0.0));
        assert!((clean.at_most * 425e9 - 3.0).abs() < 0.01);
        let lost = line.bit_errors(1_000, 2, second).unwrap();
        assert!(lost.at_most * 425e9 > 11_880.0 && lost.at_least * 425e9 > 930.0);
        let near = line.bit_errors(120_000_000, 0, second).unwrap();
        assert!(near.at_least > line.limit && near.ratio < 3e-4);
        assert_eq!(line.bit_errors(0, 0, Nanos::ZERO), None);
    }
}
