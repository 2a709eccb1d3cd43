//! The key file of a command: read at its start, and what is said when it cannot be used.

use std::error::Error as _;
use std::path::Path;

use owl_measure::words::Lang;
use owl_probe::keys::KeyWatch;

use crate::failure::Failure;

/// Reads a key file. Later changes of it are logged to standard error.
///
/// # Errors
/// When it cannot be used.
pub(crate) fn open(file: &Path, lang: Lang) -> Result<KeyWatch, Failure> {
    super::log_to_stderr();
    KeyWatch::open(file).map_err(|error| {
        let hint = error.hint();
        let failure = Failure::usage(lang.pick("cannot protect", "无法保护"));
        let failure = match error.source() {
            Some(cause) => failure.because(format!("{error}: {cause}")),
            None => failure.because(error.to_string()),
        };
        failure.hint(hint)
    })
}
