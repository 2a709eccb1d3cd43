//! What a check has to say: a code, a place, a message and how to mend it.
//!
//! The codes are stable; scripts and manuals may name them. The messages are
//! written in both languages where they arise, and one is picked when they are
//! shown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use owl_measure::words::Lang;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The topology is not accepted.
    Error,
    /// The topology is accepted, and something in it deserves a look.
    Warning,
}

/// What is wrong. An `E` blocks, a `W` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Code {
    /// The text is not TOML.
    E001,
    /// A key or a table that the schema does not know.
    E002,
    /// A key is missing, or its value is of the wrong kind or out of its range.
    E003,
    /// Too many: more text, tables, list items, pairs or findings than a topology may have.
    E004,
    /// An id, or a key that stands once in a topology, is defined twice.
    E101,
    /// A reference to something that is not defined.
    E102,
    /// Two probes have one address and port.
    E103,
    /// A coordinate out of range, or latitude and longitude swapped.
    E110,
    /// A site outside the declared region.
    E111,
    /// A route shorter than the straight line, the accuracy of the points allowed for.
    E120,
    /// A route more than 2.5 times the straight line, or a judged path over a link of estimated length.
    W121,
    /// A target that light in vacuum cannot meet.
    E122,
    /// A target that light in the declared fibre cannot meet.
    W122,
    /// Less than a fifth of the target left for equipment and queues.
    W123,
    /// A target that breaks when protection switches, and holds on the working path.
    W124,
    /// A capacity that the medium cannot have, or more lit than there is.
    E130,
    /// A maintenance window that ends before it starts, has no offset from UTC, or overlaps another by more than a day.
    E140,
    /// A maintenance window declared after it had begun.
    W141,
    /// A probe's clock is too uncertain to decide a class: its bound is above a quarter of the target.
    E150,
    /// A probe's clock bound is above a tenth of the target.
    W151,
    /// Measuring would load a link, or the links of a probe's site, with more than one thousandth of what is lit.
    E160,
    /// Carriers that must be disjoint at a site share a risk group or a building entry.
    E170,
    /// A carrier of a multi-homed site has no link there.
    E171,
    /// Disjoint building entries are required, and a link declares none: nothing can be shown.
    W172,
    /// The scope of a path class matches no pair of sites.
    E180,
    /// Pairs of a path class that nothing measures.
    W181,
    /// An ordered pair of probes is claimed twice: it would be judged by two rules.
    E182,
    /// An indicator's sum is below its target.
    W190,
    /// A link counts twice toward an indicator.
    E191,
    /// A probe lacks an address of a family that its class or measurement needs.
    W200,
    /// A port of a link that does not end where the port's device stands.
    E210,
    /// A port within itself, or within one of another device.
    E211,
    /// Two ports are one interface of one device.
    E212,
    /// A device of which it is not said how its counters are read, or with a secret instead of the name of a file.
    E213,
    /// The other end of a port is none: of the same device, of another link, or that of another port.
    E214,
    /// The ports that count a link's traffic are together faster than the link: octets would be counted twice.
    W215,
}

impl Code {
    /// Error or warning, as its letter says.
    pub fn severity(self) -> Severity {
        if self.to_string().starts_with('E') {
            Severity::Error
        } else {
            Severity::Warning
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// The name under which the text was handed in.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Where a table of a topology and its keys stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    pub(crate) head: Place,
    pub(crate) keys: BTreeMap<String, Place>,
}

impl Places {
    /// Where the table begins.
    pub fn head(&self) -> &Place {
        &self.head
    }

    /// Where the value of `key` stands, `clock.max_u95` for a key of an inner table; the table itself when the key is
    /// not written.
    pub fn key(&self, key: &str) -> &Place {
        self.keys.get(key).unwrap_or(&self.head)
    }

    /// Where the item `index` of the list `key` stands.
    pub fn item(&self, key: &str, index: usize) -> &Place {
        self.keys
            .get(&format!("{key}.{index}"))
            .unwrap_or_else(|| self.key(key))
    }
}

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// English
    pub en: String,
    /// Simplified Chinese
    pub zh: String,
}

impl Text {
    /// The sentence in one language.
    pub fn pick(&self, lang: Lang) -> &str {
        lang.pick(&self.en, &self.zh)
    }
}

/// The same sentence in English and in Chinese, formatted from the same variables.
macro_rules! text {
    ($en:literal, $zh:literal $(,)?) => {
        $crate::diagnostic::Text {
            en: format!($en),
            zh: format!($zh),
        }
    };
}
pub(crate) use text;

/// One finding of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub code: Code,
    /// Where.
    pub place: Place,
    /// What is wrong, with the names and numbers of the case.
    pub message: Text,
    /// How to mend it.
    pub hint: Text,
}

impl Diagnostic {
    /// The finding in one language, for people (`Display`) and for machines (`Serialize`).
    pub fn said(&self, lang: Lang) -> Said<'_> {
        Said {
            code: self.code,
            severity: self.code.severity(),
            file: &self.place.file,
            line: self.place.line,
            column: self.place.column,
            message: self.message.pick(lang),
            hint: self.hint.pick(lang),
        }
    }
}

/// A [`Diagnostic`] in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Said<'a> {
    /// What is wrong.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// The name under which the text was handed in.
    pub file: &'a str,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong, with the names and numbers of the case.
    pub message: &'a str,
    /// How to mend it.
    pub hint: &'a str,
}

impl fmt::Display for Said<'_> {
    /// Two lines; whatever a terminal could take for a command is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}:{}:{}: {} {}",
            Escaped(self.file),
            self.line,
            self.column,
            self.code,
            Escaped(self.message)
        )?;
        write!(f, "hint: {}", Escaped(self.hint))
    }
}

/// Text from a file as a terminal may show it: control characters are written as `\u{1b}`.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_control(c) {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

/// Whether a terminal might obey the character instead of showing it: control characters, line and paragraph
/// separators, and those that turn the direction of writing (UAX #9).
pub(crate) fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The beginning of a word that may be of any length, for a message.
pub(crate) fn shortened(word: &str) -> String {
    const MOST: usize = 64;
    let mut short: String = word.chars().take(MOST).collect();
    if short.len() < word.len() {
        short.push('…');
    }
    short
}

/// Everything that a check found, in the order of the files; at least one of it is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    /// The first error, and how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut errors = self
            .0
            .iter()
            .filter(|d| d.code.severity() == Severity::Error);
        if let Some(first) = errors.next() {
            let place = first.place.to_string();
            let (place, message) = (Escaped(&place), Escaped(&first.message.en));
            write!(f, "{place}: {} {message}", first.code)?;
        }
        match errors.count() {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

impl std::error::Error for Diagnostics {}
