//! What a change of an OpenAPI document breaks for programs that were written by the old one.
//!
//! Addresses, parameters and fields may be added; none may go, none that was always there may be missing sometimes,
//! nothing new may be required of the asker, and no type may be another. New words of an answer (a new state, a new kind
//! of event) are additions: docs/api.md asks programs to expect them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Schemas within schemas that are looked at; a document that nests deeper is refused.
const DEPTH_MAX: usize = 64;

/// What the new document breaks, each as a sentence; nothing when old programs go on working.
pub fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut check = Check {
        old,
        new,
        seen: BTreeSet::new(),
        found: Vec::new(),
    };
    for (path, operations) in fields(&old["paths"]) {
        for (method, operation) in fields(operations) {
            check.operation(
                &format!("{method} {path}"),
                operation,
                &new["paths"][path][method],
            );
        }
    }
    check.found
}

/// On which side a schema stands: what may come in may grow, what goes out may not be another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Asked,
    Answered,
}

struct Check<'a> {
    old: &'a Value,
    new: &'a Value,
    /// Pairs of named schemas that were compared already: names may name themselves.
    seen: BTreeSet<(String, String, Side)>,
    found: Vec<String>,
}

impl<'a> Check<'a> {
    fn says(&mut self, at: &str, what: &str) {
        self.found.push(format!("{at}: {what}"));
    }

    fn operation(&mut self, at: &str, old: &'a Value, new: &'a Value) {
        if new.is_null() {
            return self.says(at, "is gone");
        }
        let (before, after) = (parameters(self.old, old), parameters(self.new, new));
        for told in &after {
            let (kind, name) = key(told);
            match before.iter().find(|old| key(old) == (kind, name)) {
                Some(old) if told["required"] == true && old["required"] != true => {
                    self.says(at, &format!("{name} is required now"));
                }
                None if told["required"] == true => {
                    self.says(at, &format!("the new {name} is required"));
                }
                _ => {}
            }
        }
        for told in &before {
            let (kind, name) = key(told);
            match after.iter().find(|new| key(new) == (kind, name)) {
                None => self.says(at, &format!("{name} is taken no more")),
                Some(new) => {
                    let at = format!("{at} {name}");
                    self.schema(&at, (&told["schema"], &new["schema"]), Side::Asked, 0);
                }
            }
        }
        for (status, response) in fields(&old["responses"]) {
            let before = resolved(self.old, response);
            let after = resolved(self.new, &new["responses"][status]);
            for (kind, content) in fields(&before["content"]) {
                let at = format!("{at} {status}");
                match &after["content"][kind] {
                    Value::Null => self.says(&at, &format!("{kind} is answered no more")),
                    new => {
                        let pair = (&content["schema"], &new["schema"]);
                        self.schema(&at, pair, Side::Answered, 0);
                    }
                }
            }
        }
    }

    fn schema(&mut self, at: &str, (old, new): (&'a Value, &'a Value), side: Side, depth: usize) {
        assert!(depth < DEPTH_MAX, "{at}: the document nests too deeply");
        if let (Some(before), Some(after)) = (old["$ref"].as_str(), new["$ref"].as_str())
            && !self
                .seen
                .insert((before.to_owned(), after.to_owned(), side))
        {
            return;
        }
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        let depth = depth + 1;
        self.types(at, old, new, side);
        for (name, before) in fields(&old["properties"]) {
            let at = format!("{at}/{name}");
            match &new["properties"][name] {
                Value::Null => self.says(&at, "is gone"),
                after => {
                    let was = list(&old["required"]).any(|required| required == name.as_str());
                    let is = list(&new["required"]).any(|required| required == name.as_str());
                    if was && !is {
                        self.says(&at, "may be missing now");
                    }
                    self.schema(&at, (before, after), side, depth);
                }
            }
        }
        for keyword in ["items", "additionalProperties"] {
            let (before, after) = (&old[keyword], &new[keyword]);
            match (before.is_object(), after.is_object()) {
                (true, true) => self.schema(&format!("{at}/*"), (before, after), side, depth),
                (true, false) => self.says(at, &format!("{keyword} is gone")),
                (false, _) => {}
            }
        }
        let (before, after) = (list(&old["prefixItems"]), list(&new["prefixItems"]));
        if before.clone().count() != after.clone().count() {
            self.says(at, "has another number of items");
        }
        for (k, pair) in before.zip(after).enumerate() {
            self.schema(&format!("{at}/{k}"), pair, side, depth);
        }
        self.variants(at, (old, new), side, depth);
    }

    /// Each variant of the old is one of the new, by the constant that names it, or else by its place.
    fn variants(&mut self, at: &str, (old, new): (&'a Value, &'a Value), side: Side, depth: usize) {
        let after: Vec<&Value> = list(&new["oneOf"]).collect();
        for (k, before) in list(&old["oneOf"]).enumerate() {
            let tag = tag(before);
            let found = match tag {
                Some(tag) => after
                    .iter()
                    .copied()
                    .find(|variant| self::tag(variant) == Some(tag)),
                None => after.get(k).copied(),
            };
            let name = tag.map_or(k.to_string(), |(name, value)| format!("{name}={value}"));
            let at = format!("{at}[{name}]");
            match found {
                None => self.says(&at, "is gone"),
                Some(found) => self.schema(&at, (before, found), side, depth),
            }
        }
    }

    fn types(&mut self, at: &str, old: &Value, new: &Value, side: Side) {
        let kinds = |schema: &Value| -> BTreeSet<String> {
            match &schema["type"] {
                Value::String(one) => BTreeSet::from([one.clone()]),
                many => list(many)
                    .filter_map(|one| one.as_str().map(str::to_owned))
                    .collect(),
            }
        };
        let (before, after) = (kinds(old), kinds(new));
        let fits = match side {
            Side::Asked => after.is_superset(&before),
            Side::Answered => after == before,
        };
        if !fits {
            self.says(at, &format!("was {before:?} and is {after:?}"));
        }
        if new["const"] != old["const"] {
            self.says(at, &format!("was {} and is {}", old["const"], new["const"]));
        }
        // Without a list every word is taken.
        let narrowed = old["enum"].is_null() && !new["enum"].is_null();
        if narrowed && side == Side::Asked {
            self.says(at, "takes a list of words only");
        }
        if !new["enum"].is_null() {
            for word in list(&old["enum"]) {
                if !list(&new["enum"]).any(|known| known == word) {
                    self.says(at, &format!("{word} is gone"));
                }
            }
        }
        if side == Side::Asked {
            let end = |schema: &Value, name, without| schema[name].as_f64().unwrap_or(without);
            let least = end(new, "minimum", f64::MIN) > end(old, "minimum", f64::MIN);
            let most = end(new, "maximum", f64::MAX) < end(old, "maximum", f64::MAX);
            if least || most {
                self.says(at, "takes a smaller range");
            }
        }
    }
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    value.as_array().map_or(&[][..], Vec::as_slice).iter()
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|to| to.strip_prefix('#'));
    let found = pointer.and_then(|pointer| document.pointer(pointer));
    found.unwrap_or(value)
}

fn parameters<'a>(document: &'a Value, operation: &'a Value) -> Vec<&'a Value> {
    let all = list(&operation["parameters"]);
    all.map(|told| resolved(document, told)).collect()
}

fn key(parameter: &Value) -> (&str, &str) {
    let text = |name: &str| parameter[name].as_str().unwrap_or_default();
    (text("in"), text("name"))
}

/// The constant that tells a variant from the others.
fn tag(variant: &Value) -> Option<(&str, &str)> {
    fields(&variant["properties"])
        .find_map(|(name, told)| Some((name.as_str(), told["const"].as_str()?)))
}
