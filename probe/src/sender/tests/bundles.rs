//! Packets that leave as one, under one transmit stamp.

use owl_protocol::session::Schedule;

use super::*;

#[test]
fn packets_that_are_due_together_for_one_way_leave_as_one_and_each_is_measured() {
    const SESSIONS: u16 = LANES_MAX as u16 + 2;
    const PACKETS: u64 = 100;
    among_reflectors(1, |peers| {
        let stats = Arc::<SenderStats>::default();
        let mut senders = SessionSenders::new(Clock::honest(), stats.clone());
        // The last two share the sockets, and the send times, of the first two.
        let start = Clock::honest().monotonic();
        for ssid in 1..=SESSIONS {
            let mut settings = settings(peers[0], ssid, PACKETS);
            settings.sender.schedule = Schedule::periodic(Nanos::from_millis(2), start);
            senders.open(settings).unwrap();
        }
        assert_eq!(senders.sockets(), LANES_MAX);
        let mut kept = Kept::default();
        senders
            .run(&AtomicBool::new(false), || None, &mut kept)
            .unwrap();
        let read = stats.read();
        assert!(read.bundled > 0, "{read:?}");
        assert_eq!(
            (read.bundles_refused, read.unsent, read.unstamped),
            (0, 0, 0)
        );
        assert_eq!(kept.samples.len() as u64, read.sent);
        for sample in &kept.samples {
            assert_eq!(sample.sent_at.source, StampSource::Kernel);
            let between = [sample.forward(), sample.round_trip()];
            assert!(between.iter().all(|&it| it >= Nanos::ZERO), "{sample:?}");
        }
    });
}
