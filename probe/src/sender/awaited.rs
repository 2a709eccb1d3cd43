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
