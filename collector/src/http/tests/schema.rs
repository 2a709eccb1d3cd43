//! A reader of the JSON Schema (2020-12) that `docs/openapi.json` uses, stricter than the standard: a field that the
//! schema does not name is an error, so that no answer says more than is written down.

use serde_json::{Map, Value};

/// Keywords that are for people.
const WORDS: [&str; 2] = ["description", "title"];

/// What of `value` is not as the schema says, each with its place.
pub(super) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(document, schema, value, "", &mut found);
    found
}

fn look(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let schema = schema.as_object().expect("a schema is an object");
    if let Some(to) = schema.get("$ref") {
        look(document, resolved(document, to), value, at, found);
    }
    for (keyword, told) in schema {
        let fits = match keyword.as_str() {
            "type" => match told {
                Value::String(one) => is_of(value, one),
                many => words(many).any(|one| is_of(value, one)),
            },
            "const" => value == told,
            "enum" => told.as_array().expect("a list").contains(value),
            "minimum" => value
                .as_f64()
                .is_none_or(|value| Some(value) >= told.as_f64()),
            "maximum" => value
                .as_f64()
                .is_none_or(|value| Some(value) <= told.as_f64()),
            "minItems" => value
                .as_array()
                .is_none_or(|list| Some(list.len() as u64) >= told.as_u64()),
            "maxItems" => value
                .as_array()
                .is_none_or(|list| Some(list.len() as u64) <= told.as_u64()),
            "oneOf" => {
                let variants = told.as_array().expect("a list");
                let each = variants
                    .iter()
                    .map(|variant| faults(document, variant, value));
                let each: Vec<_> = each.collect();
                let one = each.iter().filter(|faults| faults.is_empty()).count() == 1;
                if !one {
                    found.push(format!("{at}: fits not one of {each:?}"));
                }
                continue;
            }
            "items" => {
                for (k, item) in value.as_array().into_iter().flatten().enumerate() {
                    look(document, told, item, &format!("{at}/{k}"), found);
                }
                continue;
            }
            "prefixItems" => {
                let items = value.as_array().into_iter().flatten();
                for (k, (item, told)) in items.zip(told.as_array().expect("a list")).enumerate() {
                    look(document, told, item, &format!("{at}/{k}"), found);
                }
                continue;
            }
            "required" => {
                let missing = |name: &&str| value.is_object() && value.get(name).is_none();
                found.extend(
                    words(told)
                        .filter(missing)
                        .map(|name| format!("{at}/{name}: missing")),
                );
                continue;
            }
            "properties" | "additionalProperties" => continue,
            "$ref" => continue,
            word if WORDS.contains(&word) => continue,
            unknown => panic!("{at}: this reader does not know the keyword {unknown}"),
        };
        if !fits {
            found.push(format!("{at}: {value} is against {keyword} {told}"));
        }
    }
    fields(document, schema, value, at, found);
}

/// Each field of an object by its name, or as one of many.
fn fields(
    document: &Value,
    schema: &Map<String, Value>,
    value: &Value,
    at: &str,
    found: &mut Vec<String>,
) {
    let (named, others) = (schema.get("properties"), schema.get("additionalProperties"));
    let Some(object) = value.as_object() else {
        return;
    };
    if named.is_none() && others.is_none() {
        return;
    }
    for (name, value) in object {
        let at = format!("{at}/{name}");
        match (named.and_then(|named| named.get(name)), others) {
            (Some(told), _) => look(document, told, value, &at, found),
            (None, Some(Value::Bool(true))) => {}
            (None, Some(told)) => look(document, told, value, &at, found),
            (None, None) => found.push(format!("{at}: is not in the schema")),
        }
    }
}

pub(super) fn resolved<'a>(document: &'a Value, to: &Value) -> &'a Value {
    let to = to.as_str().and_then(|to| to.strip_prefix('#'));
    let to = to.expect("a reference within the document");
    document
        .pointer(to)
        .unwrap_or_else(|| panic!("nothing is at {to}"))
}

fn words(list: &Value) -> impl Iterator<Item = &str> {
    let list = list.as_array().expect("a list").iter();
    list.map(|word| word.as_str().expect("a word"))
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        kind => panic!("{kind} is no type"),
    }
}
