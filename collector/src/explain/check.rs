//! Whether what the store says is what it gives when it is computed again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::judgement::Judgement;
use crate::store::StoredVerdict;

/// Differences that are told; a verdict that differs in more differs in all.
const TOLD_MAX: usize = 32;

/// What came of recomputing a stored verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub(crate) enum Check {
    /// The same text, octet for octet.
    Identical,
    /// Another one.
    Differs {
        /// In what, no more than the first 32.
        differences: Vec<Difference>,
    },
    /// It was made by a version that kept no rules with its verdicts.
    RulesNotKept,
    /// It was made by a version that judged otherwise.
    OtherJudge {
        /// Which one.
        method: u32,
    },
}

/// A field that is not what was stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Difference {
    /// Its place in the verdict, such as `delay.hi_ns`.
    pub(crate) field: String,
    /// What the store says; absent when it says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stored: Option<Value>,
    /// What the reports and the rules give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recomputed: Option<Value>,
}

/// Compares a stored verdict with what its reports and rules give now.
///
/// When it was judged and why nothing was reported are not recomputed: they are facts of that moment. `stored` is the
/// row's body as it was read.
pub(super) fn compare(
    row: &StoredVerdict,
    stored: &Judgement,
    recomputed: Option<Judgement>,
) -> Check {
    let mut differences = columns(row, stored);
    let text = recomputed.map(|recomputed| {
        let recomputed = Judgement {
            judged_at: stored.judged_at,
            why: recomputed.why.or_else(|| stored.why.clone()),
            ..recomputed
        };
        serde_json::to_string(&recomputed)
            .expect("our own structs have string keys and finite numbers")
    });
    if text.as_deref() != Some(row.body.as_str()) {
        let fields = |text: &str| {
            let mut fields = BTreeMap::new();
            if let Ok(value) = serde_json::from_str(text) {
                flatten("", value, &mut fields);
            }
            fields
        };
        let (before, mut now) = (fields(&row.body), fields(text.as_deref().unwrap_or("null")));
        for (field, stored) in before {
            let recomputed = now.remove(&field);
            if recomputed.as_ref() != Some(&stored) {
                differences.push(Difference {
                    field,
                    stored: Some(stored),
                    recomputed,
                });
            }
        }
        differences.extend(now.into_iter().map(|(field, recomputed)| Difference {
            field,
            stored: None,
            recomputed: Some(recomputed),
        }));
        if differences.is_empty() {
            // Every value is the same, and yet the text is not the one that a judge writes.
            differences.push(Difference {
                field: "body".into(),
                stored: Some(row.body.clone().into()),
                recomputed: text.map(Value::from),
            });
        }
    }
    if differences.is_empty() {
        Check::Identical
    } else {
        differences.truncate(TOLD_MAX);
        Check::Differs { differences }
    }
}

/// What the row's columns say beside its body.
fn columns(row: &StoredVerdict, stored: &Judgement) -> Vec<Difference> {
    let columns: [(&str, Value, Value); 6] = [
        ("path", row.path.clone().into(), stored.path.clone().into()),
        (
            "profile",
            row.profile.clone().into(),
            stored.profile.clone().into(),
        ),
        (
            "state",
            row.state.clone().into(),
            stored.verdict.state.code().into(),
        ),
        (
            "window_start_ns",
            row.window_start.0.into(),
            stored.window_start.0.into(),
        ),
        ("window_ns", row.window.0.into(), stored.window.0.into()),
        (
            "judged_at_ns",
            row.judged_at.0.into(),
            stored.judged_at.0.into(),
        ),
    ];
    columns
        .into_iter()
        .filter(|(_, column, body)| column != body)
        .map(|(name, column, body)| Difference {
            field: format!("column {name}"),
            stored: Some(column),
            recomputed: Some(body),
        })
        .collect()
}

/// The leaves of a JSON value, by their place. The depth is that of a judgement: serde_json reads no more than 128 levels.
fn flatten(place: &str, value: Value, into: &mut BTreeMap<String, Value>) {
    let below = |name: &str| {
        if place.is_empty() {
            name.to_owned()
        } else {
            format!("{place}.{name}")
        }
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&below(&name), value, into);
            }
        }
        Value::Array(items) => {
            for (k, value) in items.into_iter().enumerate() {
                flatten(&below(&k.to_string()), value, into);
            }
        }
        leaf => {
            into.insert(place.to_owned(), leaf);
        }
    }
}
