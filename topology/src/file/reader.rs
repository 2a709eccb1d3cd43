//! Takes one TOML table apart, key by key, and remembers where each stood.
//!
//! A table is known by the keys that were asked of it: whatever is left over is
//! unknown, and the nearest of the asked ones is what was probably meant.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{Fault, Value};
use crate::diagnostic::{Code, Diagnostic, Place, Places, Text, shortened, text};
use crate::id;

/// A file's name and where its lines begin.
pub(super) struct Lines<'a> {
    name: Arc<str>,
    text: &'a str,
    starts: Vec<usize>,
    /// How many characters begin before each [`BLOCK`] of octets, so that a column deep in a long line costs no more
    /// than one at its beginning.
    characters: Vec<usize>,
}

/// Octets between two marks of [`Lines::characters`].
const BLOCK: usize = 1_024;

impl<'a> Lines<'a> {
    pub(super) fn of(name: &str, text: &'a str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let mut before = 0;
        let characters = text
            .as_bytes()
            .chunks(BLOCK)
            .map(|block| {
                let mark = before;
                before += begun(block);
                mark
            })
            .collect();
        Self {
            name: name.into(),
            text,
            starts,
            characters,
        }
    }

    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|&start| start <= offset).max(1);
        let before = self.before(offset) - self.before(self.starts[line - 1]);
        Place {
            file: self.name.clone(),
            line,
            column: before + 1,
        }
    }

    /// How many characters begin before an offset.
    fn before(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        let block = offset / BLOCK;
        let marked = self.characters.get(block).copied().unwrap_or_default();
        // At the very end of a text of whole blocks there is no mark.
        match block * BLOCK {
            start if block < self.characters.len() => {
                marked + begun(&self.text.as_bytes()[start..offset])
            }
            _ => self.text.chars().count(),
        }
    }
}

/// How many characters begin in these octets of UTF-8.
fn begun(octets: &[u8]) -> usize {
    octets.iter().filter(|&&octet| octet & 0xc0 != 0x80).count()
}

/// Findings that are told before reading says that there are more.
const FOUND_MAX: usize = 1_000;
/// Items of a list, unless said otherwise.
const ITEMS_MAX: usize = 16;

/// A table that is being read.
pub(super) struct Section<'t, 'f> {
    lines: &'t Lines<'t>,
    table: &'t DeTable<'t>,
    /// What a person calls it: `site`, `probe "p1"`, `path_class.scope`.
    title: String,
    asked: Vec<&'static str>,
    places: Places,
    found: &'f mut Vec<Diagnostic>,
}

impl<'t, 'f> Section<'t, 'f> {
    pub(super) fn of(
        lines: &'t Lines<'t>,
        table: &'t DeTable<'t>,
        (kind, span): (&str, Range<usize>),
        found: &'f mut Vec<Diagnostic>,
    ) -> Self {
        let title = match table.get("id").map(|id| id.get_ref()) {
            Some(DeValue::String(id)) => format!("{kind} \"{}\"", shortened(id)),
            _ => kind.to_owned(),
        };
        let places = Places {
            head: lines.place(span.start),
            ..Places::default()
        };
        Self {
            lines,
            table,
            title,
            asked: Vec::new(),
            places,
            found,
        }
    }

    /// The value of a key that may be left out.
    pub(super) fn optional<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let value = self.ask(key)?;
        self.read(key, value)
    }

    /// The value of a key that must be there.
    pub(super) fn required<T: Value>(&mut self, key: &'static str) -> Option<T> {
        match self.ask(key) {
            Some(value) => self.read(key, value),
            None => self.missing(key),
        }
    }

    /// The items of a list that may be left out; `None` also when one of them is refused.
    pub(super) fn list<T: Value>(&mut self, key: &'static str) -> Option<Vec<T>> {
        self.list_up_to(key, ITEMS_MAX)
    }

    fn list_up_to<T: Value>(&mut self, key: &'static str, most: usize) -> Option<Vec<T>> {
        let value = self.ask(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            let fault = Fault::expected(text!("a list in [ ]", "用 [ ] 写的列表"));
            return self.refuse(key, value.span(), fault);
        };
        if let Some(one_too_many) = items.get(most) {
            return self.too_many(key, most, one_too_many.span());
        }
        let mut read = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = self.lines.place(item.span().start);
            self.places.keys.insert(format!("{key}.{index}"), place);
            read.extend(self.read::<T>(key, item));
        }
        (read.len() == items.len()).then_some(read)
    }

    /// The items of a list that must be there.
    pub(super) fn required_list<T: Value>(&mut self, key: &'static str) -> Option<Vec<T>> {
        self.required_list_up_to(key, ITEMS_MAX)
    }

    fn required_list_up_to<T: Value>(&mut self, key: &'static str, most: usize) -> Option<Vec<T>> {
        if self.table.get(key).is_none() {
            self.asked.push(key);
            return self.missing(key);
        }
        self.list_up_to(key, most)
    }

    /// The items of a list that must be there and hold at least one.
    pub(super) fn filled<T: Value>(&mut self, key: &'static str) -> Option<Vec<T>> {
        self.filled_up_to(key, ITEMS_MAX)
    }

    /// The same, for a list that may be longer than others.
    pub(super) fn filled_up_to<T: Value>(
        &mut self,
        key: &'static str,
        most: usize,
    ) -> Option<Vec<T>> {
        let list = self.required_list_up_to(key, most)?;
        if list.is_empty() {
            self.fault(
                key,
                text!("{key} is empty", "{key} 为空"),
                text!("give at least one", "至少给出一项"),
            );
        }
        Some(list)
    }

    /// An inner table that may be left out.
    pub(super) fn inner<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'t, '_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.ask(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            let fault = Fault::expected(text!("a table in {{ }}", "用 {{ }} 写的表"));
            return self.refuse(key, value.span(), fault);
        };
        let title = format!("{}.{key}", self.title);
        let mut section = Section::of(self.lines, table, (&title, value.span()), &mut *self.found);
        let result = read(&mut section);
        let inner = section.finish();
        self.places.keys.extend(
            inner
                .keys
                .into_iter()
                .map(|(name, place)| (format!("{key}.{name}"), place)),
        );
        result
    }

    /// An inner table that must be there.
    pub(super) fn inner_required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'t, '_>) -> Option<T>,
    ) -> Option<T> {
        if self.table.get(key).is_none() {
            self.asked.push(key);
            return self.missing(key);
        }
        self.inner(key, read)
    }

    /// An inner table whose keys are not known beforehand, in the order of its keys.
    pub(super) fn pairs<T: Value>(&mut self, key: &'static str) -> Vec<(String, T)> {
        let Some(value) = self.ask(key) else {
            return Vec::new();
        };
        let DeValue::Table(table) = value.get_ref() else {
            let fault = Fault::expected(text!("a table in {{ }}", "用 {{ }} 写的表"));
            self.refuse::<()>(key, value.span(), fault);
            return Vec::new();
        };
        if let Some((name, _)) = table.iter().nth(ITEMS_MAX) {
            self.too_many::<()>(key, ITEMS_MAX, name.span());
            return Vec::new();
        }
        table
            .iter()
            .filter_map(|(name, value)| Some((name.get_ref().to_string(), self.read(key, value)?)))
            .collect()
    }

    /// The tables `[[key]]`, each read by `read`, until `into` holds as many as there may be in all texts together.
    pub(super) fn tables<T>(
        &mut self,
        (key, most): (&'static str, usize),
        mut read: impl FnMut(&mut Section<'t, '_>) -> Option<T>,
        into: &mut Vec<T>,
        set_places: impl Fn(&mut T, Places),
    ) {
        let Some(value) = self.ask(key) else { return };
        let DeValue::Array(items) = value.get_ref() else {
            let fault = Fault::expected(text!("tables [[{key}]]", "形如 [[{key}]] 的表"));
            self.refuse::<()>(key, value.span(), fault);
            return;
        };
        for item in items {
            if into.len() == most {
                self.too_many::<()>(key, most, item.span());
                return;
            }
            let DeValue::Table(table) = item.get_ref() else {
                let fault = Fault::expected(text!("tables [[{key}]]", "形如 [[{key}]] 的表"));
                self.refuse::<()>(key, item.span(), fault);
                continue;
            };
            let mut section = Section::of(self.lines, table, (key, item.span()), &mut *self.found);
            let result = read(&mut section);
            let places = section.finish();
            if let Some(mut value) = result {
                set_places(&mut value, places);
                into.push(value);
            }
        }
    }

    /// Says that the value of a key is not acceptable for a reason that its kind does not show.
    pub(super) fn fault(&mut self, key: &'static str, message: Text, hint: Text) {
        let place = self.places.key(key).clone();
        let title = &self.title;
        let message = Text {
            en: format!("{title}: {}", message.en),
            zh: format!("{title}：{}", message.zh),
        };
        self.tell(Diagnostic {
            code: Code::E003,
            place,
            message,
            hint,
        });
    }

    /// Where the keys stood. Reports the keys that nobody asked for.
    pub(super) fn finish(mut self) -> Places {
        let table = self.table;
        for (name, _) in table {
            if self.asked.contains(&name.get_ref().as_ref()) {
                continue;
            }
            let (title, key) = (&self.title, shortened(name.get_ref()));
            let hint = match id::nearest(&key, self.asked.iter().copied()) {
                Some(near) => text!("did you mean \"{near}\"?", "是否想写“{near}”？"),
                None => {
                    let known = self.asked.join(", ");
                    text!("known here: {known}", "此处可用：{known}")
                }
            };
            let told = self.tell(Diagnostic {
                code: Code::E002,
                place: self.lines.place(name.span().start),
                message: text!("{title}: unknown key \"{key}\"", "{title}：未知的键“{key}”"),
                hint,
            });
            if !told {
                break;
            }
        }
        self.places
    }

    /// Adds a finding. After [`FOUND_MAX`] the next one is replaced by the word that there are more, and what follows is
    /// dropped: `false`.
    fn tell(&mut self, finding: Diagnostic) -> bool {
        let told = self.found.len() < FOUND_MAX;
        if told {
            self.found.push(finding);
        } else if self.found.len() == FOUND_MAX {
            self.found.push(Diagnostic {
                code: Code::E004,
                place: finding.place,
                message: text!(
                    "too many findings: those after the first {FOUND_MAX} are not told",
                    "问题过多：只列出前 {FOUND_MAX} 个"
                ),
                hint: text!("mend these first", "请先更正已列出的问题"),
            });
        }
        told
    }

    fn too_many<T>(&mut self, key: &str, most: usize, span: Range<usize>) -> Option<T> {
        let title = &self.title;
        self.tell(Diagnostic {
            code: Code::E004,
            place: self.lines.place(span.start),
            message: text!(
                "{title}: too many of {key}, {most} are the most",
                "{title}：{key} 过多，最多 {most} 个"
            ),
            hint: text!(
                "this is the first one too many: take it and the rest out",
                "此处为超出的第一个：请去掉它及其后各项"
            ),
        });
        None
    }

    fn ask(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.push(key);
        let value = self.table.get(key)?;
        self.places
            .keys
            .insert(key.into(), self.lines.place(value.span().start));
        Some(value)
    }

    fn read<T: Value>(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<T> {
        match T::read(value.get_ref()) {
            Ok(read) => Some(read),
            Err(fault) => self.refuse(key, value.span(), fault),
        }
    }

    fn refuse<T>(&mut self, key: &str, span: Range<usize>, fault: Fault) -> Option<T> {
        let (title, Text { en, zh }) = (&self.title, fault.expected);
        self.tell(Diagnostic {
            code: fault.code,
            place: self.lines.place(span.start),
            message: Text {
                en: format!("{title}: {key} must be {en}"),
                zh: format!("{title}：{key} 应为{zh}"),
            },
            hint: fault.hint,
        });
        None
    }

    fn missing<T>(&mut self, key: &str) -> Option<T> {
        let title = &self.title;
        self.tell(Diagnostic {
            code: Code::E003,
            place: self.places.head.clone(),
            message: text!("{title}: {key} is missing", "{title}：缺少 {key}"),
            hint: text!("add the key {key}", "补上键 {key}"),
        });
        None
    }
}
