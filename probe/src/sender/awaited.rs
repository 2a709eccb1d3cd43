//! Packets of a socket whose kernel transmit stamp has not come yet.

use owl_measure::time::{Nanos, Timestamp};
use owl_protocol::session::sender::TransmitToken;

/// Packets whose transmit stamp is awaited on one socket: as many as it has sessions, within these. At the bound the oldest
/// keeps its user-space T1.
const AWAITED: std::ops::RangeInclusive<usize> = 1_024..=16_384;

/// A packet that was written, and is not stamped yet.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) session: u32,
    pub(super) token: TransmitToken,
    /// T1 as it stands in the packet.
    pub(super) origin: Timestamp,
    /// By how much that was after its time.
    pub(super) lateness: Nanos,
    /// When it came to the queueing discipline, if that was asked and has been told.
    pub(super) queued_at: Option<Timestamp>,
}

/// The packets of one send, by the number of its stamp: those that left in a bundle share one.
#[derive(Debug, Clone, Copy, Default)]
struct Bundle {
    id: u32,
    /// The number of its first packet.
    first: u32,
    packets: u32,
}

/// Sends whose stamp is awaited, and their packets.
#[derive(Debug)]
pub(super) struct Awaited {
    /// By the number of the packet, modulo its length.
    packets: Vec<Option<(u32, Note)>>,
    /// By the number of the send, modulo its length, which is the same.
    sends: Vec<Bundle>,
    /// The number of the next packet; it wraps.
    next: u32,
}

impl Awaited {
    pub(super) fn new() -> Self {
        let mut awaited = Self {
            packets: Vec::new(),
            sends: Vec::new(),
            next: 0,
        };
        awaited.make_room(0);
        awaited
    }

    /// Sees to it that a packet of each of so many sessions can be awaited, within the bounds.
    pub(super) fn make_room(&mut self, sessions: usize) {
        let room = sessions.next_power_of_two();
        let room = room.clamp(*AWAITED.start(), *AWAITED.end());
        self.packets.resize_with(room, || None);
        self.sends.resize_with(room, Bundle::default);
    }

    /// How many can be awaited.
    pub(super) fn room(&self) -> usize {
        self.packets.len()
    }

    /// Awaits the stamp of a packet that left in a send of this number: the packet that is not awaited any longer for it.
    pub(super) fn sent(&mut self, id: u32, note: Note) -> Option<Note> {
        let number = self.next;
        self.next = number.wrapping_add(1);
        let room = self.room();
        let bundle = &mut self.sends[id as usize % room];
        if bundle.packets > 0 && bundle.id == id {
            bundle.packets += 1;
        } else {
            *bundle = Bundle {
                id,
                first: number,
                packets: 1,
            };
        }
        let place = &mut self.packets[number as usize % room];
        place.replace((number, note)).map(|(_, note)| note)
    }

    /// Tells when the first packet of a send came to the queueing discipline.
    pub(super) fn queued(&mut self, id: u32, at: Timestamp) {
        let room = self.room();
        let bundle = self.sends[id as usize % room];
        if bundle.packets > 0
            && bundle.id == id
            && let Some((number, note)) = &mut self.packets[bundle.first as usize % room]
            && *number == bundle.first
        {
            note.queued_at = Some(at);
        }
    }

    /// Takes the packets of a send whose stamp has come.
    pub(super) fn stamped(&mut self, id: u32) -> impl Iterator<Item = Note> {
        let room = self.room();
        let bundle = &mut self.sends[id as usize % room];
        let (first, packets) = if bundle.id == id {
            (bundle.first, std::mem::take(&mut bundle.packets))
        } else {
            (0, 0)
        };
        let places = &mut self.packets;
        (0..packets).filter_map(move |k| {
            let number = first.wrapping_add(k);
            let place = &mut places[number as usize % room];
            place.take_if(|(of, _)| *of == number).map(|(_, note)| note)
        })
    }

    /// Sends are numbered anew, so no stamp of an earlier one is awaited: the packets that will get none.
    pub(super) fn renumbered(&mut self) -> impl Iterator<Item = Note> {
        self.sends.fill(Bundle::default());
        let places = self.packets.iter_mut();
        places.filter_map(|place| place.take().map(|(_, note)| note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::time::Monotonic;
    use owl_protocol::session::sender::{Reflector, SenderConfig};
    use owl_protocol::session::{Schedule, SessionSender};
    use owl_protocol::wire::ErrorEstimate;

    /// What makes notes, numbered from 0 in the place of a session.
    struct Notes(SessionSender, u32);

    impl Notes {
        fn new() -> Self {
            let schedule = Schedule::periodic(Nanos::from_millis(1), Monotonic(0));
            let timeout = Nanos::from_secs(1);
            let config = SenderConfig::new(1, schedule, timeout, Reflector::Own);
            Self(SessionSender::new(config), 0)
        }

        fn next(&mut self) -> Note {
            let session = self.1;
            self.1 += 1;
            let now = Monotonic(i64::from(session) * 1_000_000);
            let mut room = [0; 64];
            let transmit = self
                .0
                .poll_transmit(now, Timestamp(now.0), ErrorEstimate::NO_CLAIM, &mut room)
                .unwrap();
            Note {
                session,
                token: transmit.token,
                origin: transmit.origin,
                lateness: transmit.due.lateness,
                queued_at: None,
            }
        }
    }

    fn numbers(notes: impl Iterator<Item = Note>) -> Vec<u32> {
        notes.map(|note| note.session).collect()
    }

    #[test]
    fn a_stamp_is_that_of_all_packets_of_its_send_and_of_no_other() {
        let (mut awaited, mut notes) = (Awaited::new(), Notes::new());
        // The numbers of sends wrap.
        let ids = [u32::MAX - 1, u32::MAX, u32::MAX, u32::MAX, 0, 0, 1];
        for id in ids {
            assert!(awaited.sent(id, notes.next()).is_none());
        }
        awaited.queued(u32::MAX, Timestamp(5));
        for (id, packets) in [
            (0, vec![4, 5]),
            (0, vec![]),
            (2, vec![]),
            (u32::MAX - 1, vec![0]),
        ] {
            assert_eq!(numbers(awaited.stamped(id)), packets, "send {id}");
        }
        let queued_at: Vec<_> = awaited
            .stamped(u32::MAX)
            .map(|note| (note.session, note.queued_at))
            .collect();
        assert_eq!(queued_at, [(1, Some(Timestamp(5))), (2, None), (3, None)]);
        assert_eq!(numbers(awaited.renumbered()), [6]);
        assert!(numbers(awaited.stamped(1)).is_empty());
    }

    #[test]
    fn at_the_bound_the_oldest_is_given_up_and_the_others_keep_their_stamps() {
        let (mut awaited, mut notes) = (Awaited::new(), Notes::new());
        let room = awaited.room() as u32;
        // Two packets a send.
        for number in 0..room + 3 {
            let given_up = awaited.sent(number / 2, notes.next());
            let expected = number.checked_sub(room);
            assert_eq!(given_up.map(|note| note.session), expected);
        }
        for (id, packets) in [
            (0, vec![]),
            (1, vec![3]),
            (2, vec![4, 5]),
            (room / 2, vec![room, room + 1]),
        ] {
            assert_eq!(numbers(awaited.stamped(id)), packets, "send {id}");
        }
        let left = awaited.renumbered().count() as u32;
        assert_eq!(left, room - 5);
    }
}
