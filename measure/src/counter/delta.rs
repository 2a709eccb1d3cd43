//! How far a counter went, when it may have wrapped.

use super::{Profile, Unknown, Width};

/// How far a counter went from one value to the next, when no more than `most` octets can have passed.
///
/// It wraps at 2³² or 2⁶⁴. The smallest increase that explains the two values is taken, and only when one wrap more
/// would be above `most`.
pub(super) fn increase(from: u64, to: u64, profile: &Profile, most: u64) -> Result<u64, Unknown> {
    const MOST_32: u64 = u32::MAX as u64;
    let fits = from <= MOST_32 && to <= MOST_32;
    let (bits32, fell) = match profile.width {
        Width::Bits32 if !fits => return Err(Unknown::OutOfRange),
        Width::Bits32 => (true, to < from),
        Width::Bits64 => (false, to < from),
        Width::Untold if to < from => return Err(Unknown::CounterFell),
        Width::Untold => (fits, false),
    };
    let passed = if bits32 {
        to.wrapping_sub(from) & MOST_32
    } else {
        to.wrapping_sub(from)
    };
    if passed > most {
        return Err(if fell {
            Unknown::CounterFell
        } else {
            Unknown::AboveLineRate
        });
    }
    let one_wrap_more = u128::from(passed) + if bits32 { 1 << 32 } else { 1 << 64 };
    if one_wrap_more <= u128::from(most) {
        return Err(Unknown::AmbiguousWrap);
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const G: u64 = 1 << 32;

    #[track_caller]
    fn check(width: Width, from: u64, to: u64, most: u64, expected: Result<u64, Unknown>) {
        assert_eq!(
            increase(from, to, &Profile::new(width, None), most),
            expected
        );
    }

    #[test]
    fn a_wrap_is_taken_only_when_exactly_one_number_of_wraps_is_possible() {
        use Unknown::{AboveLineRate, AmbiguousWrap, CounterFell, OutOfRange};
        let (w32, w64, untold) = (Width::Bits32, Width::Bits64, Width::Untold);
        check(w32, 10, 60, G, Ok(50));
        check(w32, G - 10, 40, G, Ok(50));
        check(w32, 10, 60, G + 49, Ok(50));
        check(w32, 10, 60, G + 50, Err(AmbiguousWrap));
        check(w32, 60, 10, G / 2, Err(CounterFell));
        check(w32, 10, 60, 49, Err(AboveLineRate));
        check(w32, G, G + 1, G, Err(OutOfRange));
        check(w64, u64::MAX - 9, 40, G, Ok(50));
        check(w64, 60, 10, G, Err(CounterFell));
        check(w64, 0, u64::MAX, u64::MAX, Ok(u64::MAX));
        check(untold, 10, 60, G, Ok(50));
        check(untold, 10, 60, 2 * G, Err(AmbiguousWrap));
        check(untold, G, G + 50, 2 * G, Ok(50));
        check(untold, G - 10, 40, G, Err(CounterFell));
    }
}
