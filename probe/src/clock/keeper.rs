//! A thread of its own that watches the clock: daemons may take their time to answer, and test packets may not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::watch::{ClockWatch, Reading};

/// How often the clock is looked at for a step.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often its state is read.
const READ_EVERY: Duration = Duration::from_secs(1);

/// Reads the clock once a second, and at once after a step, until this is dropped.
#[derive(Debug)]
pub struct ClockKeeper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ClockKeeper {
    /// Starts the thread; `tell` is called with every reading.
    pub fn start(mut watch: ClockWatch, mut tell: impl FnMut(Reading) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut read_at = Instant::now() + READ_EVERY;
            while !stopped.load(Relaxed) {
                std::thread::sleep(LOOK_EVERY);
                let stepped = watch.look().is_some();
                let now = Instant::now();
                if stepped || now >= read_at {
                    tell(watch.read());
                    // A reading that took longer than a second is not made up for.
                    read_at = (read_at + READ_EVERY).max(now);
                }
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for ClockKeeper {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the clock panicked");
        }
    }
}
