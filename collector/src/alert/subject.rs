//! Of what an alert tells.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What sort of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Of {
    /// All paths of the topology; the name is the topology's.
    Network,
    /// All paths that begin or end at a site.
    Site,
    /// All paths that begin at a site.
    FromSite,
    /// All paths that end at a site.
    ToSite,
    /// A probe, or all paths that begin or end at it.
    Probe,
    /// One path.
    Path,
    /// The way between two probes, there and back.
    Pair,
    /// This collector; the name is the topology's.
    Collector,
}

impl Of {
    const ALL: [Self; 8] = [
        Self::Network,
        Self::Site,
        Self::FromSite,
        Self::ToSite,
        Self::Probe,
        Self::Path,
        Self::Pair,
        Self::Collector,
    ];

    /// The word for it in JSON and in the store.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Site => "site",
            Self::FromSite => "from-site",
            Self::ToSite => "to-site",
            Self::Probe => "probe",
            Self::Path => "path",
            Self::Pair => "pair",
            Self::Collector => "collector",
        }
    }
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Subject {
    /// What sort of thing.
    pub(crate) of: Of,
    /// Its id.
    pub(crate) name: String,
}

impl Subject {
    pub(crate) fn new(of: Of, name: &str) -> Self {
        Self {
            of,
            name: name.to_owned(),
        }
    }
}

/// `path/a~b`, as in the store.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.of.code(), self.name)
    }
}

/// A text that names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read \"{0}\" as what an alert tells of")]
pub(crate) struct NoSubject(String);

impl FromStr for Subject {
    type Err = NoSubject;

    fn from_str(text: &str) -> Result<Self, NoSubject> {
        let parts = text.split_once('/');
        let known = parts.and_then(|(code, name)| {
            let of = Of::ALL.into_iter().find(|of| of.code() == code)?;
            Some(Self::new(of, name))
        });
        known.ok_or_else(|| NoSubject(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_as_it_is_written() {
        for of in Of::ALL {
            let subject = Subject::new(of, "a~b/c");
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        assert!("path".parse::<Subject>().is_err() && "x/y".parse::<Subject>().is_err());
    }
}
