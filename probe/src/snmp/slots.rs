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
    serial: u64,
}

/// All places. Identifiers go through what is left of their bits, so that an answer to what was asked at a place before is
/// told from one to what is asked there now.
#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Option<Request<T>>>,
    free: Vec<u16>,
    serial: u64,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Self {
            places: (0..SLOTS).map(|_| None).collect(),
            free: (0..SLOTS as u16).rev().collect(),
            serial: 0,
        }
    }

    /// Whether there is room for one more; a request that finds none waits until an answer comes or is given up.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Remembers a request, and gives it an identifier of so many bits, and a number that no other request ever had; `None`
    /// when there is no room.
    pub(super) fn take(
        &mut self,
        target: usize,
        ask: T,
        repeats: u32,
        now: Monotonic,
        bits: u32,
    ) -> Option<(i32, u64)> {
        let slot = self.free.pop()?;
        self.serial += 1;
        let mask = (1_u32 << bits.clamp(SLOT_BITS + 1, 31)) - 1;
        let id = (((self.serial as u32) << SLOT_BITS | u32::from(slot)) & mask) as i32;
        self.places[usize::from(slot)] = Some(Request {
            target,
            ask,
            sent_at: now,
            repeats,
            id,
            serial: self.serial,
        });
        Some((id, self.serial))
    }

    /// The request of this identifier, which is then forgotten; `None` when there is none, or it was another target's.
    pub(super) fn answered(&mut self, id: i32, target: usize) -> Option<Request<T>> {
        self.remove(id, |request| request.id == id && request.target == target)
    }

    /// The request of this identifier and number, which is then forgotten; `None` when it was answered.
    pub(super) fn overdue(&mut self, id: i32, serial: u64) -> Option<Request<T>> {
        self.remove(id, |request| request.serial == serial)
    }

    fn remove(
        &mut self,
        id: i32,
        is_it: impl FnOnce(&mut Request<T>) -> bool,
    ) -> Option<Request<T>> {
        let slot = (id as u32 as usize) & (SLOTS - 1);
        let request = self.places[slot].take_if(is_it)?;
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
            let (first, serial) = slots.take(3, 'a', 0, now, bits).unwrap();
            assert!(slots.answered(first, 4).is_none());
            assert_eq!(slots.answered(first, 3).unwrap().ask, 'a');
            assert!(slots.answered(first, 3).is_none());
            let (second, _) = slots.take(3, 'b', 0, now, bits).unwrap();
            assert_ne!(first, second);
            assert!(slots.answered(first, 3).is_none());
            assert!(slots.answered(-1, 3).is_none());
            assert!(slots.overdue(second, serial).is_none());
            assert!(slots.answered(second, 3).is_some());
        }
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut slots = Slots::new();
        let ids: Vec<i32> = (0..SLOTS)
            .map(|k| slots.take(0, k, 0, Monotonic(0), 31).unwrap().0)
            .collect();
        assert!(!slots.has_room());
        assert_eq!(slots.take(0, 0, 0, Monotonic(0), 31), None);
        for (k, id) in ids.into_iter().enumerate() {
            assert_eq!(slots.answered(id, 0).unwrap().ask, k);
        }
        assert!(slots.has_room());
    }
}
