//! Requests on their way: the identifier of a request is the place where it is remembered.

use owl_measure::time::Monotonic;

/// Requests on their way at once, to all agents together: what comes back of them fits into the socket's buffer.
pub(super) const SLOTS: usize = 1_024;
const SLOT_BITS: u32 = SLOTS.trailing_zeros();

/// A request on its way.
#[derive(Debug, Clone)]
pub(super) struct Request<T> {
    /// Of which target.
    pub(super) target: usize,
    /// What was asked.
    pub(super) ask: T,
    /// When it left.
    pub(super) sent_at: Monotonic,
    /// How often it has left before.
    pub(super) repeats: u32,
    id: i32,
}

/// All places. A place's generation tells an answer to what was asked there before.
#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Option<Request<T>>>,
    free: Vec<u16>,
    generation: u32,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Self {
            places: (0..SLOTS).map(|_| None).collect(),
            free: (0..SLOTS as u16).rev().collect(),
            generation: 0,
        }
    }

    /// Whether there is room for one more; a request that finds none waits until an answer comes or is given up.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Remembers a request, and gives it an identifier of so many bits; `None` when there is no room.
    pub(super) fn take(
        &mut self,
        target: usize,
        ask: T,
        repeats: u32,
        now: Monotonic,
        bits: u32,
    ) -> Option<i32> {
        let slot = self.free.pop()?;
        self.generation = self.generation.wrapping_add(1);
        let mask = (1_u32 << bits.clamp(SLOT_BITS + 1, 31)) - 1;
        let id = ((self.generation << SLOT_BITS | u32::from(slot)) & mask) as i32;
        self.places[usize::from(slot)] = Some(Request {
            target,
            ask,
            sent_at: now,
            repeats,
            id,
        });
        Some(id)
    }

    /// The request of this identifier, which is then forgotten; `None` when there is none, or it was another target's.
    pub(super) fn answered(&mut self, id: i32, target: usize) -> Option<Request<T>> {
        let slot = (id as u32 as usize) & (SLOTS - 1);
        let place = &mut self.places[slot];
        let request = place.take_if(|request| request.id == id && request.target == target)?;
        self.free.push(slot as u16);
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_belongs_to_the_request_that_is_there_now_and_to_its_target() {
        for bits in [15, 31] {
            let mut slots = Slots::new();
            let now = Monotonic(0);
            let first = slots.take(3, 'a', 0, now, bits).unwrap();
            assert!(slots.answered(first, 4).is_none());
            assert_eq!(slots.answered(first, 3).unwrap().ask, 'a');
            assert!(slots.answered(first, 3).is_none());
            let second = slots.take(3, 'b', 0, now, bits).unwrap();
            assert_ne!(first, second);
            assert!(slots.answered(first, 3).is_none());
            assert!(slots.answered(-1, 3).is_none());
            assert!(slots.answered(second, 3).is_some());
        }
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut slots = Slots::new();
        let ids: Vec<i32> = (0..SLOTS)
            .map(|k| slots.take(0, k, 0, Monotonic(0), 31).unwrap())
            .collect();
        assert!(!slots.has_room());
        assert_eq!(slots.take(0, 0, 0, Monotonic(0), 31), None);
        for (k, id) in ids.into_iter().enumerate() {
            assert_eq!(slots.answered(id, 0).unwrap().ask, k);
        }
        assert!(slots.has_room());
    }
}
