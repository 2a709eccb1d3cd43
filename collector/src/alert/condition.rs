//! What is seen at an instant.

use std::collections::BTreeSet;

use owl_measure::time::{Nanos, Timestamp};
use owl_measure::words::Lang;
use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::subject::Subject;

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Words {
    pub(crate) en: String,
    pub(crate) zh: String,
}

impl Words {
    /// Made by a function that speaks both.
    pub(crate) fn of(say: impl Fn(Lang) -> String) -> Self {
        Self {
            en: say(Lang::En),
            zh: say(Lang::Zh),
        }
    }

    pub(crate) fn pick(&self, lang: Lang) -> &str {
        lang.pick(&self.en, &self.zh)
    }
}

/// Something is wrong with something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) kind: Kind,
    pub(crate) subject: Subject,
    /// Since when, as far as what shows it tells.
    pub(crate) since: Timestamp,
    /// The length of the windows in which it is seen; zero where it is not seen in windows.
    pub(crate) window: Nanos,
    /// One sentence: what exactly.
    pub(crate) detail: Words,
}

impl Condition {
    /// One that is not seen in windows, and of which there is nothing more to say.
    pub(crate) fn plain(kind: Kind, subject: Subject, since: Timestamp) -> Self {
        Self {
            kind,
            subject,
            since,
            window: Nanos::ZERO,
            detail: Words::default(),
        }
    }
}

/// All that is seen at an instant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight {
    /// What is wrong.
    pub(crate) conditions: Vec<Condition>,
    /// Paths of which nothing is known at this moment: what was wrong with them is neither gone nor there.
    pub(crate) unknown: BTreeSet<String>,
    /// Paths in maintenance, and until when.
    pub(crate) maintenance: std::collections::BTreeMap<String, Timestamp>,
}
