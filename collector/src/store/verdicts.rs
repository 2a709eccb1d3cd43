//! How a judgement is kept: as JSON, compressed.
//!
//! One judgement is too short to be compressed by itself and nearly all of it is
//! in every other one, so zstd is given one of them to begin with
//! (`verdict.dictionary`). Stores of before version 14 have the text itself, and
//! what they have stays as it is.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

use super::database::{DatabaseError, Row};
use crate::judgement::Judgement;

/// Belongs to the form: whoever changes it can read nothing that was written before.
const DICTIONARY: &[u8] = include_bytes!("verdict.dictionary");
/// The first octet: with this dictionary.
const FORM: u8 = 1;
/// What zstd is told: above this it takes several times as long for a tenth less.
const LEVEL: i32 = 3;
/// Octets of a text at most: one that says more is damaged. A judgement has some thousand, and some hundred more a flow.
const TEXT_MAX: usize = 1 << 20;

/// The columns that [`text`] takes, one after the other.
pub(super) const COLUMNS: &str = "body, packed";

thread_local! {
    static COMPRESSOR: RefCell<Compressor<'static>> = RefCell::new(compressor());
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::new(
        Decompressor::with_dictionary(DICTIONARY).expect("any octets can be a dictionary"));
}

fn compressor() -> Compressor<'static> {
    let mut compressor = Compressor::with_dictionary(LEVEL, DICTIONARY)
        .expect("any octets can be a dictionary, and the level is one that zstd has");
    let checked = compressor.include_checksum(true);
    checked.expect("nothing is being compressed yet");
    compressor
}

/// A judgement as it is written.
pub(super) fn pack(judgement: &Judgement) -> Result<Vec<u8>, DatabaseError> {
    let text = serde_json::to_string(judgement)?;
    let packed = COMPRESSOR.with_borrow_mut(|compressor| compressor.compress(text.as_bytes()));
    let mut octets = vec![FORM];
    octets.extend(packed.expect("memory is all that compression needs"));
    Ok(octets)
}

/// The text again; `None` when it is damaged.
pub(crate) fn unpack(packed: &[u8]) -> Option<String> {
    let packed = packed.strip_prefix(&[FORM])?;
    let length = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= TEXT_MAX)?;
    let text = DECOMPRESSOR
        .with_borrow_mut(|decompressor| decompressor.decompress(packed, length))
        .ok()?;
    String::from_utf8(text).ok()
}

/// The judgement's JSON from [`COLUMNS`], of which the first is the `first` of the row; an empty text, which is no
/// judgement, when it is damaged.
pub(super) fn text(row: &Row<'_>, first: usize) -> Result<String, DatabaseError> {
    Ok(match row.get::<Option<&[u8]>>(first + 1)? {
        Some(packed) => unpack(packed).unwrap_or_default(),
        None => row.get(first)?,
    })
}

/// The columns' texts.
pub(super) fn only(row: &Row<'_>) -> Result<String, DatabaseError> {
    text(row, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_small_and_comes_out_as_it_went_in() {
        let text = String::from_utf8_lossy(DICTIONARY);
        let begin = text.rfind("{\"path\"").unwrap();
        let typical: Judgement = serde_json::from_str(&text[begin..]).unwrap();
        let mut other = typical.clone();
        other.path = "somewhere~else".into();
        other.rule =
            Some("128584ddbe4497547ee0359607abcb496e8dd44617786e1626d93d4e2e314fb6".into());
        other.verdict.sent = 12_345;
        for judgement in [typical, other] {
            let packed = pack(&judgement).unwrap();
            assert!(packed.len() < 250, "{} octets", packed.len());
            let text = serde_json::to_string(&judgement).unwrap();
            assert_eq!(unpack(&packed).as_deref(), Some(text.as_str()));
            for place in 0..packed.len() {
                let mut damaged = packed.clone();
                damaged[place] ^= 1;
                // A bit that zstd does not read changes nothing; any other is noticed.
                assert!(unpack(&damaged).is_none_or(|it| it == text), "{place}");
                assert_eq!(unpack(&packed[..place]), None, "{place}");
            }
        }
    }

    #[test]
    fn what_says_that_it_is_very_large_is_damaged() {
        let large = vec![b' '; TEXT_MAX + 1];
        let packed = zstd::bulk::compress(&large, LEVEL).unwrap();
        assert_eq!(unpack(&[&[FORM][..], &packed].concat()), None);
    }
}
