//! One timer wheel for all sessions of a process.
//!
//! A hierarchical wheel (Varghese and Lauck, 1987): putting a timer in, moving
//! it and taking it out cost the same for ten sessions and for ten thousand,
//! and nothing is allocated after the timers have been made. Deadlines are
//! kept to the nanosecond; only the order of timers within one turn of the
//! finest wheel, 16 µs, is not kept.

use owl_measure::time::{Monotonic, Nanos};

/// A slot of the finest wheel is 2¹⁴ ns, about 16 µs, wide.
const TICK_BITS: u32 = 14;
/// Slots of each wheel: as many as a word has bits, so that one instruction finds the next that is not empty.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Nine wheels of 64 slots reach further than a 63-bit nanosecond does, so no deadline is too far.
const WHEELS: usize = 9;

/// No timer; also the place of a timer that is not set.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Timer {
    deadline: Monotonic,
    next: u32,
    previous: u32,
    /// The slot that it is in, counted through all wheels.
    slot: u32,
}

/// Timers, each with at most one deadline.
#[derive(Debug)]
pub struct TimerWheel {
    timers: Vec<Timer>,
    /// The first timer of each slot.
    slots: Box<[u32]>,
    /// For each wheel, which of its slots are not empty.
    occupied: [u64; WHEELS],
    /// All slots of the finest wheel before this tick are empty. A timer is in the wheel of the highest digit in which
    /// its tick differs from this one, so all timers of a finer wheel are due before those of a coarser one.
    cursor: u64,
}

fn tick_of(at: Monotonic) -> u64 {
    at.0.max(0).cast_unsigned() >> TICK_BITS
}

impl TimerWheel {
    /// A wheel of so many timers, numbered from 0, none of them set. `now` is the earliest that one is expected to be set to.
    pub fn new(timers: usize, now: Monotonic) -> Self {
        let mut wheel = Self {
            timers: Vec::new(),
            slots: vec![NONE; WHEELS * SLOTS].into_boxed_slice(),
            occupied: [0; WHEELS],
            cursor: tick_of(now),
        };
        wheel.grow(timers);
        wheel
    }

    /// Makes it so many timers at least; the new ones are not set.
    pub fn grow(&mut self, timers: usize) {
        let unset = Timer {
            deadline: Monotonic(0),
            next: NONE,
            previous: NONE,
            slot: NONE,
        };
        // A number of a timer is never NONE.
        let timers = timers.min(NONE as usize).max(self.timers.len());
        self.timers.resize(timers, unset);
    }

    /// When a timer is due; `None` when it is not set.
    pub fn deadline(&self, timer: u32) -> Option<Monotonic> {
        let timer = self.timers[timer as usize];
        (timer.slot != NONE).then_some(timer.deadline)
    }

    /// Sets a timer, anew when it was set already. One in the past is due at once.
    pub fn set(&mut self, timer: u32, deadline: Monotonic) {
        self.clear(timer);
        self.timers[timer as usize].deadline = deadline;
        self.insert(timer);
    }

    /// Makes a timer due never.
    pub fn clear(&mut self, timer: u32) {
        let Timer {
            next,
            previous,
            slot,
            ..
        } = self.timers[timer as usize];
        if slot == NONE {
            return;
        }
        if next != NONE {
            self.timers[next as usize].previous = previous;
        }
        if previous == NONE {
            self.slots[slot as usize] = next;
            if next == NONE {
                self.occupied[slot as usize / SLOTS] &= !(1 << (slot as usize % SLOTS));
            }
        } else {
            self.timers[previous as usize].next = next;
        }
        self.timers[timer as usize].slot = NONE;
    }

    fn insert(&mut self, timer: u32) {
        let tick = tick_of(self.timers[timer as usize].deadline).max(self.cursor);
        let differs = (tick ^ self.cursor) | 1;
        let wheel = (differs.ilog2() / SLOT_BITS) as usize;
        let place = (tick >> (SLOT_BITS as usize * wheel)) as usize % SLOTS;
        let slot = wheel * SLOTS + place;
        let first = self.slots[slot];
        if first != NONE {
            self.timers[first as usize].previous = timer;
        }
        let entry = &mut self.timers[timer as usize];
        (entry.next, entry.previous, entry.slot) = (first, NONE, slot as u32);
        self.slots[slot] = timer;
        self.occupied[wheel] |= 1 << place;
    }

    /// The finest wheel with a timer, and its first slot that is not empty.
    fn first_slot(&self) -> Option<(usize, usize)> {
        let wheel = self.occupied.iter().position(|&slots| slots != 0)?;
        Some((wheel, self.occupied[wheel].trailing_zeros() as usize))
    }

    fn timers_in(&self, slot: usize) -> impl Iterator<Item = (u32, Monotonic)> + '_ {
        let mut next = self.slots[slot];
        std::iter::from_fn(move || {
            let timer = next;
            let entry = self.timers.get(timer as usize)?;
            next = entry.next;
            Some((timer, entry.deadline))
        })
    }

    /// The earliest deadline of all, to the nanosecond.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let (wheel, place) = self.first_slot()?;
        self.timers_in(wheel * SLOTS + place)
            .map(|(_, deadline)| deadline)
            .min()
    }

    /// The latest deadline that is not later than the earliest of all by more than `span`: whoever wakes then finds all of
    /// them due. At a turn of the finest wheel, every millisecond, it may be an earlier one of them.
    pub fn last_deadline_within(&self, span: Nanos) -> Option<Monotonic> {
        let first = self.next_deadline()?;
        let (wheel, place) = self.first_slot()?;
        let limit = first + span.max(Nanos::ZERO);
        let places = match wheel {
            0 => {
                let ticks = tick_of(limit) - tick_of(first);
                place..SLOTS.min(place + 1 + usize::try_from(ticks).unwrap_or(SLOTS))
            }
            _ => place..place + 1,
        };
        places
            .filter(|place| self.occupied[wheel] & 1 << place != 0)
            .flat_map(|place| self.timers_in(wheel * SLOTS + place))
            .map(|(_, deadline)| deadline)
            .filter(|&deadline| deadline <= limit)
            .max()
    }

    /// Takes a timer that is due out of the wheel. Ask until there is none; those that are due within the same 16 µs come
    /// in any order.
    pub fn pop_due(&mut self, now: Monotonic) -> Option<u32> {
        loop {
            let Some((wheel, place)) = self.first_slot() else {
                // Empty, so that nothing hinders the wheel from going on.
                self.cursor = self.cursor.max(tick_of(now));
                return None;
            };
            let digit = SLOT_BITS as usize * wheel;
            let above = self.cursor >> digit >> SLOT_BITS << SLOT_BITS;
            let begins = (above | place as u64) << digit;
            if begins.max(self.cursor) > tick_of(now) {
                return None;
            }
            self.cursor = self.cursor.max(begins);
            let slot = wheel * SLOTS + place;
            if wheel == 0 {
                let (due, _) = self
                    .timers_in(slot)
                    .find(|&(_, deadline)| deadline <= now)?;
                self.clear(due);
                return Some(due);
            }
            // The cursor has come to a slot of a coarser wheel: its timers belong into finer ones now.
            let mut timer = std::mem::replace(&mut self.slots[slot], NONE);
            self.occupied[wheel] &= !(1 << place);
            while timer != NONE {
                let next = self.timers[timer as usize].next;
                self.insert(timer);
                timer = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_pcg::Pcg64;
    use rand_pcg::rand_core::{Rng as _, SeedableRng as _};
    use std::collections::BTreeMap;

    /// The same, sorted.
    #[derive(Default)]
    struct Reference(BTreeMap<u32, Monotonic>);

    impl Reference {
        fn next(&self) -> Option<Monotonic> {
            self.0.values().min().copied()
        }
    }

    fn drain(wheel: &mut TimerWheel, now: i64) -> Vec<u32> {
        std::iter::from_fn(|| wheel.pop_due(Monotonic(now))).collect()
    }

    #[test]
    fn it_does_what_a_sorted_list_does_whatever_is_set_and_cleared() {
        const TIMERS: u32 = 200;
        for seed in 0..60 {
            let mut random = Pcg64::seed_from_u64(seed);
            let mut below = |most: u64| random.next_u64() % most;
            let mut now = below(1 << 40).cast_signed();
            let mut wheel = TimerWheel::new(TIMERS as usize, Monotonic(now));
            let mut reference = Reference::default();
            for _ in 0..2_000 {
                let timer = below(u64::from(TIMERS)) as u32;
                match below(8) {
                    0 => {
                        wheel.clear(timer);
                        reference.0.remove(&timer);
                    }
                    1..4 => {
                        // From microseconds to years, now and then in the past.
                        let reach = 10 + below(46);
                        let ahead = below(1 << reach).cast_signed();
                        let at = Monotonic(now + ahead - below(100_000).cast_signed());
                        wheel.set(timer, at);
                        reference.0.insert(timer, at);
                    }
                    4 if reference.next().is_some() => now = now.max(reference.next().unwrap().0),
                    _ => {
                        let reach = 8 + below(30);
                        now += below(1 << reach).cast_signed();
                    }
                }
                assert_eq!(wheel.next_deadline(), reference.next(), "seed {seed}");
                assert_eq!(
                    wheel.deadline(timer),
                    reference.0.get(&timer).copied(),
                    "seed {seed}"
                );
                if below(3) == 0 {
                    let mut due = drain(&mut wheel, now);
                    due.sort_unstable();
                    let expected: Vec<u32> = reference
                        .0
                        .extract_if(.., |_, &mut at| at.0 <= now)
                        .map(|(timer, _)| timer)
                        .collect();
                    assert_eq!(due, expected, "seed {seed}");
                }
            }
        }
    }

    #[test]
    fn one_wake_serves_those_that_are_due_soon_after_each_other() {
        const US: i64 = 1_000;
        for (deadlines_us, span_us, last_us) in [
            (&[] as &[i64], 100, None),
            (&[500], 100, Some(500)),
            (&[500, 601], 100, Some(500)),
            (&[600, 500, 560, 601], 100, Some(600)),
            (&[600, 500, 560, 601], 0, Some(500)),
            // Of one slot.
            (&[500, 505, 509], 5, Some(505)),
            // So far away that they are in a coarser wheel.
            (&[50_000, 50_090, 70_000], 100, Some(50_090)),
        ] {
            let mut wheel = TimerWheel::new(8, Monotonic(0));
            for (timer, us) in (0..).zip(deadlines_us) {
                wheel.set(timer, Monotonic(us * US));
            }
            let last = wheel.last_deadline_within(Nanos(span_us * US));
            assert_eq!(
                last,
                last_us.map(|us| Monotonic(us * US)),
                "{deadlines_us:?}"
            );
        }
    }

    #[test]
    fn timers_of_different_turns_come_in_order() {
        let mut wheel = TimerWheel::new(1_000, Monotonic(0));
        for timer in 0..1_000_u32 {
            wheel.set(
                timer,
                Monotonic(i64::from(timer * 7_919 % 1_000) * 3_000_000),
            );
        }
        let times: Vec<_> = drain(&mut wheel, i64::MAX)
            .iter()
            .map(|timer| timer * 7_919 % 1_000)
            .collect();
        assert_eq!(times, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_timer_is_due_to_the_nanosecond_and_once() {
        let mut wheel = TimerWheel::new(1, Monotonic(0));
        for at in [5, 20_000, 1_048_575, 1_048_576, 3_600_000_000_000, i64::MAX] {
            wheel.set(0, Monotonic(at));
            assert_eq!(drain(&mut wheel, at - 1), [] as [u32; 0], "{at}");
            assert_eq!(wheel.next_deadline(), Some(Monotonic(at)));
            assert_eq!(drain(&mut wheel, at), [0], "{at}");
            assert_eq!(wheel.next_deadline(), None);
        }
        wheel.set(0, Monotonic(-1));
        assert_eq!(drain(&mut wheel, i64::MAX), [0], "the past is due at once");
    }
}
