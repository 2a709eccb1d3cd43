//! The described API keeps what was promised: `docs/openapi.json` against `docs/openapi.released.json`.

use std::fs;

use owl_tests::{breaks, repository};
use serde_json::{Value, json};

fn document(name: &str) -> Value {
    let file = repository().join("docs").join(name);
    let text = fs::read_to_string(&file).expect("the document is there");
    serde_json::from_str(&text).expect("JSON")
}

/// A document with one address, as it was.
fn before() -> Value {
    json!({
        "paths": { "/a": { "get": {
            "parameters": [
                { "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": 9 } },
                { "$ref": "#/components/parameters/lang" },
            ],
            "responses": { "200": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/A" } } } } },
        } } },
        "components": {
            "parameters": { "lang": { "name": "lang", "in": "query", "schema": { "type": "string", "enum": ["en", "zh-CN"] } } },
            "schemas": {
                "A": { "type": "object", "required": ["n", "list"], "properties": {
                    "n": { "type": "integer" },
                    "list": { "type": "array", "items": { "$ref": "#/components/schemas/B" } },
                    "pair": { "type": "array", "prefixItems": [{ "type": "number" }, { "type": "number" }] },
                    "of": { "type": "object", "additionalProperties": { "type": "string" } },
                    "self": { "$ref": "#/components/schemas/A" },
                } },
                "B": { "oneOf": [
                    { "type": "object", "required": ["kind"], "properties": { "kind": { "type": "string", "const": "x" }, "s": { "type": "string", "enum": ["u", "v"] } } },
                    { "type": "object", "required": ["kind"], "properties": { "kind": { "type": "string", "const": "y" } } },
                ] },
            },
        },
    })
}

/// What is told of the document when `value` stands at `pointer`; `null` takes away what is there.
fn changed(pointer: &str, value: Value) -> Vec<String> {
    let mut after = before();
    let (parent, name) = pointer.rsplit_once('/').expect("a place in the document");
    let parent = after.pointer_mut(parent).expect("its parent is there");
    match (parent, value) {
        (Value::Object(fields), Value::Null) => {
            fields.remove(&name.replace("~1", "/"));
        }
        (Value::Object(fields), value) => {
            fields.insert(name.replace("~1", "/"), value);
        }
        (Value::Array(list), Value::Null) => {
            list.remove(name.parse().expect("a number"));
        }
        (Value::Array(list), value) => list.push(value),
        (other, _) => panic!("{other} has no parts"),
    }
    breaks(&before(), &after)
}

const GET: &str = "/paths/~1a/get";
const A: &str = "/components/schemas/A";
const B: &str = "/components/schemas/B";
const LANG: &str = "/components/parameters/lang";

#[test]
fn what_breaks_a_program_is_noticed() {
    for (pointer, value, expected) in [
        ("/paths/~1a".to_owned(), json!(null), "get /a: is gone"),
        (GET.to_owned(), json!(null), "get /a: is gone"),
        (
            format!("{GET}/parameters/0"),
            json!(null),
            "limit is taken no more",
        ),
        (
            format!("{GET}/parameters/0/required"),
            json!(true),
            "limit is required now",
        ),
        (
            format!("{GET}/parameters/0/schema/maximum"),
            json!(8),
            "a smaller range",
        ),
        (
            format!("{GET}/parameters/0/schema/minimum"),
            json!(2),
            "a smaller range",
        ),
        (
            format!("{GET}/parameters/0/schema/type"),
            json!("string"),
            "limit: was {\"integer\"}",
        ),
        (
            format!("{GET}/parameters/2"),
            json!({ "name": "site", "in": "query", "required": true, "schema": {} }),
            "the new site is required",
        ),
        (
            format!("{LANG}/schema/enum/1"),
            json!(null),
            "\"zh-CN\" is gone",
        ),
        (
            format!("{GET}/responses/200"),
            json!(null),
            "application/json is answered no more",
        ),
        (
            format!("{A}/properties/pair"),
            json!(null),
            "/pair: is gone",
        ),
        (
            format!("{A}/properties/n/type"),
            json!("number"),
            "/n: was {\"integer\"}",
        ),
        (
            format!("{A}/properties/n/type"),
            json!(["integer", "null"]),
            "/n: was",
        ),
        (
            format!("{A}/required/0"),
            json!(null),
            "/n: may be missing now",
        ),
        (
            format!("{A}/properties/list/items"),
            json!(null),
            "items is gone",
        ),
        (
            format!("{A}/properties/pair/prefixItems/0"),
            json!(null),
            "another number of items",
        ),
        (
            format!("{A}/properties/of/additionalProperties/type"),
            json!("integer"),
            "/of/*: was",
        ),
        (format!("{B}/oneOf/1"), json!(null), "[kind=y]: is gone"),
        (
            format!("{B}/oneOf/0/properties/s/enum/0"),
            json!(null),
            "\"u\" is gone",
        ),
        (
            format!("{B}/oneOf/0/properties/s"),
            json!(null),
            "/s: is gone",
        ),
    ] {
        let told = changed(&pointer, value);
        assert!(
            told.iter().any(|said| said.contains(expected)),
            "{pointer}: {told:?}"
        );
    }
}

#[test]
fn what_is_added_breaks_nothing() {
    for (pointer, value) in [
        ("/paths/~1b".to_owned(), json!({ "get": {} })),
        (format!("{GET}/description"), json!("words")),
        (
            format!("{GET}/parameters/2"),
            json!({ "name": "site", "in": "query", "schema": {} }),
        ),
        (format!("{GET}/parameters/0/schema/maximum"), json!(10)),
        (format!("{LANG}/schema/enum/2"), json!("de")),
        (format!("{A}/properties/more"), json!({ "type": "string" })),
        (format!("{A}/required/2"), json!("of")),
        (
            format!("{B}/oneOf/2"),
            json!({ "properties": { "kind": { "const": "z" } } }),
        ),
        (format!("{B}/oneOf/0/properties/s/enum/2"), json!("w")),
    ] {
        assert_eq!(changed(&pointer, value), Vec::<String>::new(), "{pointer}");
    }
}

#[test]
fn the_api_breaks_nothing_that_was_released() {
    let told = breaks(
        &document("openapi.released.json"),
        &document("openapi.json"),
    );
    assert!(
        told.is_empty(),
        "programs written by docs/openapi.released.json no longer work:\n{}\nkeep it, or make a new major version of the API",
        told.join("\n")
    );
}
