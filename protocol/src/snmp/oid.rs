//! Object identifiers, kept as they are encoded: comparing and cutting them is comparing and cutting octets.

use std::fmt;
use std::str::FromStr;

use super::ber::Malformed;

/// How many numbers an object identifier has at most (RFC 2578, section 3.5).
pub const ARCS_MAX: usize = 128;

/// An object identifier.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Oid(Vec<u8>);

impl Oid {
    /// Of these numbers, of which there are two at least and [`ARCS_MAX`] at most; the first is 0, 1 or 2.
    pub fn new(arcs: &[u32]) -> Option<Self> {
        let ([first @ 0..=2, second, rest @ ..], ..=ARCS_MAX) = (arcs, arcs.len()) else {
            return None;
        };
        // The first two are one number (X.690, section 8.19.4).
        let first = second.checked_add(first * 40)?;
        let mut octets = Vec::with_capacity(arcs.len() + 4);
        put_arc(&mut octets, first);
        rest.iter().for_each(|&arc| put_arc(&mut octets, arc));
        Some(Self(octets))
    }

    /// As it stands in a message.
    pub fn encoded(&self) -> &[u8] {
        &self.0
    }

    /// This with one number more.
    pub fn child(&self, arc: u32) -> Self {
        let mut octets = Vec::with_capacity(self.0.len() + 5);
        octets.extend_from_slice(&self.0);
        put_arc(&mut octets, arc);
        Self(octets)
    }

    /// From a message.
    ///
    /// # Errors
    /// When its last number is cut, one is above 2³² − 1, or there are more than [`ARCS_MAX`].
    pub fn read(encoded: &[u8]) -> Result<Self, Malformed> {
        match arcs(encoded) {
            Some(_) => Ok(Self(encoded.to_vec())),
            None => Err(Malformed::Oid { at: 0 }),
        }
    }

    /// Its numbers.
    pub fn arcs(&self) -> Vec<u32> {
        arcs(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, arc) in self.arcs().into_iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            write!(f, "{arc}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no object identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no object identifier like 1.3.6.1.2.1.1.3.0")]
pub struct ParseOidError(String);

impl FromStr for Oid {
    type Err = ParseOidError;

    fn from_str(text: &str) -> Result<Self, ParseOidError> {
        let numbers = text.strip_prefix('.').unwrap_or(text).split('.');
        let arcs: Option<Vec<u32>> = numbers.map(|number| number.parse().ok()).collect();
        arcs.and_then(|arcs| Self::new(&arcs))
            .ok_or_else(|| ParseOidError(text.to_owned()))
    }
}

/// One number: seven bits an octet, all but the last with the top bit set.
pub(super) fn put_arc(octets: &mut Vec<u8>, arc: u32) {
    for shift in [28, 21, 14, 7] {
        if arc >> shift != 0 {
            octets.push((arc >> shift) as u8 | 0x80);
        }
    }
    octets.push(arc as u8 & 0x7f);
}

/// All numbers; `None` when they are no object identifier.
fn arcs(mut encoded: &[u8]) -> Option<Vec<u32>> {
    let (first, rest) = take_arc(encoded)?;
    let top = (first / 40).min(2);
    let mut arcs = vec![top, first - top * 40];
    encoded = rest;
    while !encoded.is_empty() {
        let (arc, rest) = take_arc(encoded)?;
        arcs.push(arc);
        encoded = rest;
        if arcs.len() > ARCS_MAX {
            return None;
        }
    }
    Some(arcs)
}

#[inline]
fn take_arc(encoded: &[u8]) -> Option<(u32, &[u8])> {
    let mut arc: u32 = 0;
    for (place, &octet) in encoded.iter().enumerate() {
        if arc >> 25 != 0 {
            return None;
        }
        arc = arc << 7 | u32::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            return Some((arc, &encoded[place + 1..]));
        }
    }
    None
}

/// What stands behind `prefix` in an encoded object identifier; `None` when it begins otherwise.
#[inline]
pub fn suffix<'a>(encoded: &'a [u8], prefix: &Oid) -> Option<&'a [u8]> {
    encoded.strip_prefix(prefix.0.as_slice())
}

/// The one number that an encoded suffix consists of; `None` when there are none or more.
#[inline]
pub fn last_arc(suffix: &[u8]) -> Option<u32> {
    match take_arc(suffix)? {
        (arc, []) => Some(arc),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_identifier_is_written_and_read_back() {
        for (text, octets) in [
            ("1.3.6.1.2.1.1.3.0", &[0x2b, 6, 1, 2, 1, 1, 3, 0][..]),
            ("1.3.4294967295", &[0x2b, 0x8f, 0xff, 0xff, 0xff, 0x7f]),
            (
                "1.2.840.10006.300",
                &[0x2a, 0x86, 0x48, 0xce, 0x16, 0x82, 0x2c],
            ),
            ("2.999.3", &[0x88, 0x37, 3]),
            ("0.0", &[0]),
        ] {
            let oid: Oid = text.parse().unwrap();
            assert_eq!(oid.encoded(), octets);
            assert_eq!(oid.to_string(), text);
            assert_eq!(Oid::read(octets), Ok(oid));
        }
        for text in ["", "1", "3.1", "1.x", "1.4294967296", "1..3"] {
            assert!(text.parse::<Oid>().is_err(), "{text}");
        }
        for octets in [
            &[][..],
            &[0x2b, 0x86],
            &[0x2b, 0x9f, 0xff, 0xff, 0xff, 0x7f],
        ] {
            assert!(Oid::read(octets).is_err(), "{octets:?}");
        }
        assert!(Oid::read(&[1; ARCS_MAX + 1]).is_err());
    }

    #[test]
    fn the_row_is_what_stands_behind_the_column() {
        let column: Oid = "1.3.6.1.2.1.31.1.1.1.6".parse().unwrap();
        let row = column.child(285_278_465);
        let behind = suffix(row.encoded(), &column).unwrap();
        assert_eq!(last_arc(behind), Some(285_278_465));
        assert_eq!(suffix(column.encoded(), &row), None);
        assert_eq!(last_arc(suffix(column.encoded(), &column).unwrap()), None);
        assert_eq!(last_arc(&[1, 2]), None);
    }
}
