//! Ctrl-C: the first one asks a command to end with what it has, the second one ends it at once. SIGHUP asks one that
//! reads a file to read it again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::failure::Failure;

/// The exit code of a command that was not given the time to end: it could not measure.
const IMPATIENT: i32 = 3;

/// A flag that the next SIGINT or SIGTERM sets.
///
/// # Errors
/// When the system gives no handler.
pub(crate) fn on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Handlers run in this order, so the one that ends the process sees only what an earlier signal set.
        register_conditional_shutdown(signal, IMPATIENT, Arc::clone(&stop))
            .and_then(|_| register(signal, Arc::clone(&stop)))
            .map_err(|error| Failure::unable("cannot handle signals").because(error))?;
    }
    Ok(stop)
}

/// A flag that the next SIGHUP sets, who takes it away sees the next one too.
///
/// # Errors
/// When the system gives no handler.
pub(crate) fn on_hangup() -> Result<Arc<AtomicBool>, Failure> {
    let hangup = Arc::new(AtomicBool::new(false));
    register(SIGHUP, Arc::clone(&hangup))
        .map_err(|error| Failure::unable("cannot handle signals").because(error))?;
    Ok(hangup)
}
