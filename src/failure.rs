//! How a command ends: its exit code, and what it says when it could not go on.
//!
//! The codes are those of the table in README.md: 0 met or ok, 1 missed or
//! failed, 2 usage or configuration, 3 undecided or could not measure, 4
//! stopped by a safety guard.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use owl_measure::words::Lang;

/// How a command ended that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Met, or simply done.
    Ok,
    /// A target was missed, or a check failed.
    Missed,
    /// Nothing can be said for certain.
    Undecided,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Ok => 0,
            Outcome::Missed => 1,
            Outcome::Undecided => 3,
        })
    }
}

/// Why a command could not go on.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Bad usage or a bad configuration (exit code 2).
    pub(crate) fn usage(what: impl fmt::Display) -> Self {
        Self {
            what: what.to_string(),
            cause: None,
            hint: None,
            code: 2,
        }
    }

    /// The measurement could not be made (exit code 3).
    pub(crate) fn unable(what: impl fmt::Display) -> Self {
        Self {
            code: 3,
            ..Self::usage(what)
        }
    }

    /// Something was found that should not be (exit code 1).
    pub(crate) fn found(what: impl fmt::Display) -> Self {
        Self {
            code: 1,
            ..Self::usage(what)
        }
    }

    /// Keeps the cause, which is printed behind the failure.
    pub(crate) fn because(self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..self
        }
    }

    /// Says how to mend it.
    pub(crate) fn hint(self, hint: impl fmt::Display) -> Self {
        Self {
            hint: Some(hint.to_string()),
            ..self
        }
    }

    /// Says how to mend it, when that is known.
    pub(crate) fn hint_if_any(self, hint: Option<&str>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Prints the failure, its causes and the hint on standard error.
    #[expect(clippy::print_stderr, reason = "the one place where a failure is said")]
    pub(crate) fn report(self, lang: Lang) -> ExitCode {
        let mut line = format!("owl: {}", self.what);
        let mut cause = self.cause.as_deref().map(|c| c as &dyn Error);
        while let Some(error) = cause {
            line.push_str(&format!(": {error}"));
            cause = error.source();
        }
        eprintln!("{line}");
        if let Some(hint) = self.hint {
            eprintln!("{}{hint}", lang.pick("hint: ", "提示："));
        }
        ExitCode::from(self.code)
    }
}
