//! A record, its canonical octets, and its link to the record before.

use std::collections::BTreeMap;

use owl_measure::time::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::Deed;

/// What stands for the record before the first; the schema begins with it.
#[cfg(test)]
pub(crate) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Characters of what a record says in each of its texts; the rest is cut off.
const TEXT_MAX: usize = 256;

/// What happened, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When, by this collector's clock.
    pub at: Timestamp,
    /// Who: the name of a user, `token NAME`, `console USER` for who uses the command line, or `-` for nobody known.
    pub who: String,
    /// From where: an address, or `-` for the command line.
    pub from: String,
    /// What.
    pub deed: Deed,
    /// With what: a name, an address of a page, a role.
    pub what: String,
}

/// A record in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Counted from 1.
    pub(crate) number: u64,
    /// The canonical octets of the record.
    pub(crate) body: String,
    /// Of the record before.
    pub(crate) previous: String,
    /// SHA-256 of that and of the octets, in hexadecimal.
    pub(crate) hash: String,
}

impl Record {
    /// The record as it stands in the chain: JSON in canonical form (RFC 8785), which is what is hashed.
    ///
    /// Its values are texts and one small number, and its keys are ASCII, so sorted keys and the least of escaping are
    /// all that the RFC asks for.
    fn canonical(&self, number: u64) -> String {
        let text = |text: &str| Value::from(text.chars().take(TEXT_MAX).collect::<String>());
        let fields = [
            ("at", Value::from(instant(self.at))),
            ("deed", Value::from(self.deed.code())),
            ("from", text(&self.from)),
            ("number", Value::from(number)),
            ("what", text(&self.what)),
            ("who", text(&self.who)),
        ];
        let fields: Map<String, Value> = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        canonical(&fields)
    }

    /// Links it to the chain whose last record has this number and this hash.
    pub(crate) fn link(&self, last: u64, previous: &str) -> Link {
        let number = last.saturating_add(1);
        let body = self.canonical(number);
        let hash = hash(previous, &body);
        Link {
            number,
            body,
            previous: previous.to_owned(),
            hash,
        }
    }
}

impl Link {
    /// The line of an export: the record with its place in the chain, in canonical form as well.
    pub(crate) fn line(&self) -> String {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(&self.body) else {
            return String::new();
        };
        fields.insert("previous".into(), self.previous.as_str().into());
        fields.insert("hash".into(), self.hash.as_str().into());
        canonical(&fields)
    }
}

/// A line of an export, taken apart again: its canonical octets are made anew from what it says.
///
/// Keys that this version does not know are hashed with the others, so a later version may add some.
pub(super) fn taken_apart(line: &str) -> Option<Link> {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
        return None;
    };
    let mut take = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (previous, hash) = (take("previous")?, take("hash")?);
    let number = fields.get("number")?.as_u64()?;
    Some(Link {
        number,
        body: canonical(&fields),
        previous,
        hash,
    })
}

/// A record of an export, for who reads it; `None` when the line is none, whatever its hash.
pub fn parse(line: &str) -> Option<(u64, Map<String, Value>)> {
    let Ok(Value::Object(fields)) = serde_json::from_str(line) else {
        return None;
    };
    let number = fields.get("number")?.as_u64()?;
    Some((number, fields))
}

/// SHA-256 of the hash before and of the record's canonical octets.
pub(super) fn hash(previous: &str, body: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(previous.as_bytes());
    hasher.update(body.as_bytes());
    data_encoding::HEXLOWER.encode(&hasher.finalize())
}

/// Sorted by keys; texts are escaped by `serde_json` as RFC 8785, section 3.2.2.2, has it.
fn canonical(fields: &Map<String, Value>) -> String {
    let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
    serde_json::to_string(&sorted).expect("a map of JSON values is JSON")
}

/// RFC 3339 in UTC: an integer of nanoseconds would be beyond what RFC 8785 can carry.
fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at.0))
        .map(|at| format!("{at:.9}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            at: Timestamp(1_795_406_400_000_000_007),
            who: "张 \"x\"\n".into(),
            from: "192.0.2.7".into(),
            deed: Deed::Login,
            what: "viewer".into(),
        }
    }

    #[test]
    fn a_record_is_hashed_in_canonical_form_with_the_hash_before() {
        let link = record().link(6, GENESIS);
        assert_eq!(
            link.body,
            r#"{"at":"2026-11-23T04:00:00.000000007Z","deed":"login","from":"192.0.2.7","number":7,"what":"viewer","who":"张 \"x\"\n"}"#
        );
        // printf '%s%s' "$PREVIOUS" "$BODY" | sha256sum
        let mut told = Sha256::new();
        told.update(format!("{GENESIS}{}", link.body));
        assert_eq!(link.hash, data_encoding::HEXLOWER.encode(&told.finalize()));
    }

    #[test]
    fn a_line_is_taken_apart_to_what_it_was_made_from() {
        let link = record().link(6, GENESIS);
        assert_eq!(taken_apart(&link.line()), Some(link.clone()));
        for text in ["", "{}", "[1]", "{\"number\":1}", &link.body] {
            assert_eq!(taken_apart(text), None, "{text}");
        }
        assert_eq!(parse(&link.line()).map(|(number, _)| number), Some(7));
    }

    #[test]
    fn no_text_is_longer_than_a_line_may_be() {
        let long = Record {
            what: "长".repeat(10_000),
            ..record()
        };
        assert!(long.link(0, GENESIS).body.len() < 4 * TEXT_MAX);
    }
}
