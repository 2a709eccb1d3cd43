//! Labels as they are written, made once and copied from then on.

use owl_topology::Path;

use crate::totals::WITHIN;

/// Some labels of a series, each with its value, and the text of all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Labels {
    pub(super) pairs: Vec<(&'static str, String)>,
    /// `,name="value"` for each: a comma first, so that texts can follow each other.
    pub(super) text: String,
}

impl Labels {
    /// In the order in which they are given.
    pub(crate) fn of<const N: usize>(pairs: [(&'static str, &str); N]) -> Self {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.push(name, value);
        }
        labels
    }

    /// The labels of a metric's table row, with one value each.
    pub(super) fn named<const N: usize>(names: &[&'static str], values: [&str; N]) -> Self {
        let mut labels = Self::default();
        for (&name, value) in names.iter().zip(values) {
            labels.push(name, value);
        }
        labels
    }

    /// These, and one more.
    pub(super) fn and(&self, name: &'static str, value: &str) -> Self {
        let mut labels = self.clone();
        labels.push(name, value);
        labels
    }

    /// Each with its value.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// No label.
    pub(crate) fn none() -> &'static Self {
        &NONE
    }

    /// The last bucket of every histogram.
    pub(crate) fn infinite() -> &'static Self {
        &super::edges::INFINITE
    }

    fn push(&mut self, name: &'static str, value: &str) {
        self.text.push(',');
        self.text.push_str(name);
        self.text.push_str("=\"");
        // Backslash, quote and newline are escaped (Prometheus text format 0.0.4).
        for c in value.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                c => self.text.push(c),
            }
        }
        self.text.push('"');
        self.pairs.push((name, value.to_owned()));
    }
}

/// No label.
pub(super) static NONE: Labels = Labels {
    pairs: Vec::new(),
    text: String::new(),
};

/// The labels of a path; the topology says all of them.
#[derive(Debug, Clone)]
pub(crate) struct PathLabels {
    /// The path and its class.
    pub(super) plain: Labels,
    /// With its two ends.
    pub(super) info: Labels,
    /// What stands after them where packets within the target in seconds are counted, by `crate::totals::WITHIN`.
    pub(super) within: [Labels; 3],
}

impl PathLabels {
    pub(crate) fn of(path: &Path) -> Self {
        let plain = Labels::of([("path", path.id.as_str()), ("class", path.class.as_str())]);
        let ends = [
            ("from_probe", path.from.as_str()),
            ("to_probe", path.to.as_str()),
            ("from_site", path.from_site.as_str()),
            ("to_site", path.to_site.as_str()),
            ("from_carrier", path.from_carrier.as_str()),
            ("to_carrier", path.to_carrier.as_str()),
        ];
        let info = ends
            .into_iter()
            .fold(plain.clone(), |labels, (name, value)| {
                labels.and(name, value)
            });
        let target = path.target.as_secs_f64().to_string();
        let within = WITHIN
            .map(|direction| Labels::of([("direction", direction), ("target", target.as_str())]));
        Self {
            plain,
            info,
            within,
        }
    }
}
