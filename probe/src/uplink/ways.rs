//! Whether an intake is called over QUIC alone, or also over HTTPS.

/// Attempts over QUIC that end without a word of the collector, before HTTPS is tried behind each further one.
const SILENT_MAX: u32 = 3;

/// What is known of the way to one intake.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ways {
    silent: u32,
}

impl Ways {
    /// Takes in how an attempt over QUIC ended.
    pub(super) fn quic_ended(&mut self, was_connected: bool) {
        self.silent = if was_connected {
            0
        } else {
            self.silent.saturating_add(1)
        };
    }

    /// Whether UDP seems to be blocked. QUIC is tried first all the same: when the way is open again, it is taken.
    pub(super) fn https(self) -> bool {
        self.silent >= SILENT_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_is_tried_behind_the_third_silent_attempt_until_quic_gets_through() {
        let mut ways = Ways::default();
        let mut end = |was_connected| {
            ways.quic_ended(was_connected);
            ways.https()
        };
        let tried = [false, false, false, false, true, false].map(&mut end);
        assert_eq!(tried, [false, false, true, true, false, false]);
    }
}
