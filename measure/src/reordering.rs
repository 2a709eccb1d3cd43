//! Reordering (RFC 4737): a packet is reordered when its number is smaller than
//! the next one expected on arrival (section 3).
//!
//! Backward, the numbers are the reflector's and the arrival is ours. Forward,
//! the arrival order at the reflector is read from its numbers: a packet was
//! overtaken when a later packet carries an earlier reflector number. A
//! reflector that only copies the sender's number tells nothing of its own
//! arrivals, so what was overtaken there has no direction.
//!
//! Only packets that came back are seen, so the forward extents and n are never
//! too large and may be too small: a packet whose reply is lost or overtaken
//! cannot be told as the one that overtook.

use std::collections::VecDeque;

use crate::time::{Nanos, Timestamp};

/// Stretches of arrivals in order that are remembered. At the bound the oldest is forgotten: the extent of a packet
/// that was overtaken before that is told as far as is known.
const STRETCHES_MAX: usize = 32;
/// Packets in one stretch, so that all stretches together are well within half the circle of 32-bit numbers.
const STRETCH_MAX: u32 = 1 << 25;
/// Arrivals of which the time is remembered, and the largest n of n-reordering that is told: a packet after more larger ones
/// is told as this, and the offset of one that is later than that as far as it is known.
const N_MAX: usize = 32;
/// So many replies in a row whose packets are newer than all before and whose numbers are not: the reflector began anew.
const BEGAN_ANEW: u8 = 3;

/// How a packet was overtaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overtaken {
    /// Arrivals since the earliest packet with a larger number (RFC 4737, section 4.2: i − j).
    pub extent: u32,
    /// The largest n for which it is n-reordered: so many packets right before it all have larger numbers (section 5).
    pub n: u32,
    /// How long after that earliest packet it arrived (late-time offset, section 4.3). Both times are of one clock, so no
    /// offset between clocks is in it.
    pub late: Nanos,
}

/// Which way a packet was overtaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reordered {
    /// On the way to the session-reflector.
    pub forward: Option<Overtaken>,
    /// On the way back.
    pub backward: Option<Overtaken>,
    /// Nobody knows on which.
    pub somewhere: Option<Overtaken>,
}

/// What the numbers in replies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyNumbers {
    /// The reflector counts its replies.
    Counted,
    /// It copies the sender's numbers, or has not shown yet that it counts.
    Copied,
}

/// What is looked at of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// The sender's number of the packet.
    pub sequence: u32,
    /// The reflector's number of the reply.
    pub reflector_sequence: u32,
    /// T2: when the packet reached the reflector, by its clock.
    pub reached: Timestamp,
    /// T4: when the reply came back, by the sender's clock.
    pub returned: Timestamp,
}

/// Follows the two numbers of the replies of one session.
#[derive(Debug, Clone, Default)]
pub struct ReorderingWatch {
    forward: Arrivals,
    backward: Arrivals,
    arrived: u32,
    furthest: Option<u32>,
    behind: u8,
}

/// `a` comes after `b` on the circle of 32-bit numbers.
fn after(a: u32, b: u32) -> bool {
    (1..=u32::MAX / 2).contains(&a.wrapping_sub(b))
}

impl ReorderingWatch {
    /// Judges one arriving reply that is no duplicate.
    pub fn next(&mut self, reply: Arrived, numbers: ReplyNumbers) -> Reordered {
        let Arrived {
            sequence,
            reflector_sequence,
            reached,
            returned,
        } = reply;
        let forward = self.forward.next(reflector_sequence, sequence, reached);
        let backward = self
            .backward
            .next(self.arrived, reflector_sequence, returned);
        self.arrived = self.arrived.wrapping_add(1);
        if self
            .furthest
            .is_none_or(|furthest| after(sequence, furthest))
        {
            self.furthest = Some(sequence);
            self.behind = if backward.is_some() {
                self.behind + 1
            } else {
                0
            };
            if self.behind >= BEGAN_ANEW {
                *self = Self {
                    furthest: self.furthest,
                    ..Self::default()
                };
                self.forward.next(reflector_sequence, sequence, reached);
                self.backward
                    .next(self.arrived, reflector_sequence, returned);
                self.arrived = 1;
            }
        }
        match numbers {
            ReplyNumbers::Counted => Reordered {
                forward,
                backward,
                somewhere: None,
            },
            ReplyNumbers::Copied => Reordered {
                somewhere: backward,
                ..Reordered::default()
            },
        }
    }
}

/// Packets that arrived one right after the other with numbers that follow each other.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    /// Place of the first in the order of arrival.
    place: u32,
    /// Its number.
    number: u32,
    length: u32,
}

impl Stretch {
    fn last_number(&self) -> u32 {
        self.number.wrapping_add(self.length - 1)
    }
}

/// One arrival.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    place: u32,
    number: u32,
    at: Timestamp,
}

/// The order in which packets arrived somewhere.
///
/// The earliest arrival with a number above some other is always one that was larger than all before it; so only
/// those are remembered, and they are ascending both in place and in number.
#[derive(Debug, Clone)]
struct Arrivals {
    stretches: VecDeque<Stretch>,
    /// The last arrivals, by place.
    latest: [Option<Arrival>; N_MAX],
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            stretches: VecDeque::with_capacity(STRETCHES_MAX),
            latest: [None; N_MAX],
        }
    }
}

impl Arrivals {
    /// How the packet was overtaken that arrived at this place, with this number, at this time; `None` when it was not.
    fn next(&mut self, place: u32, number: u32, at: Timestamp) -> Option<Overtaken> {
        let n = (1..=N_MAX as u32)
            .take_while(|&back| {
                self.at(place.wrapping_sub(back))
                    .is_some_and(|arrival| after(arrival.number, number))
            })
            .count() as u32;
        self.latest[place as usize % N_MAX] = Some(Arrival { place, number, at });
        let largest = self.stretches.back().map(Stretch::last_number);
        if largest.is_none_or(|largest| after(number, largest)) {
            self.furthest(place, number);
            return None;
        }
        let stretch = self
            .stretches
            .iter()
            .find(|stretch| after(stretch.last_number(), number))?;
        let into = if after(stretch.number, number) {
            0
        } else {
            number.wrapping_sub(stretch.number) + 1
        };
        let earliest = stretch.place.wrapping_add(into);
        after(place, earliest).then(|| Overtaken {
            extent: place.wrapping_sub(earliest),
            n,
            late: self.since(earliest, place, at),
        })
    }

    /// The arrival at this place, if it is remembered.
    fn at(&self, place: u32) -> Option<&Arrival> {
        let arrival = self.latest[place as usize % N_MAX].as_ref();
        arrival.filter(|arrival| arrival.place == place)
    }

    /// How long before `at`, the time of `place`, the arrival at an earlier place was: at least, when it is not remembered
    /// any more.
    fn since(&self, earliest: u32, place: u32, at: Timestamp) -> Nanos {
        let remembered = place.wrapping_sub(N_MAX as u32 - 1);
        let first = if after(remembered, earliest) {
            remembered
        } else {
            earliest
        };
        // Places of packets whose replies were lost are empty.
        let before = place.wrapping_sub(first).min(N_MAX as u32);
        let known = (0..before).find_map(|on| self.at(first.wrapping_add(on)));
        known.map_or(Nanos::ZERO, |arrival| (at - arrival.at).max(Nanos::ZERO))
    }

    /// A packet with a larger number than all before. Its place may be before theirs, when what tells of it was itself
    /// overtaken: they are then no longer the earliest of anything.
    fn furthest(&mut self, place: u32, number: u32) {
        while let Some(last) = self.stretches.back_mut() {
            let before = place.wrapping_sub(last.place);
            if after(place, last.place.wrapping_add(last.length - 1)) {
                break;
            }
            if after(place, last.place) {
                last.length = before;
                break;
            }
            self.stretches.pop_back();
        }
        if let Some(last) = self.stretches.back_mut()
            && last.length < STRETCH_MAX
            && place == last.place.wrapping_add(last.length)
            && number == last.number.wrapping_add(last.length)
        {
            last.length += 1;
            return;
        }
        if self.stretches.len() == STRETCHES_MAX {
            self.stretches.pop_front();
        }
        self.stretches.push_back(Stretch {
            place,
            number,
            length: 1,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(replies: &[(u32, u32)], numbers: ReplyNumbers) -> Vec<Reordered> {
        let mut watch = ReorderingWatch::default();
        replies
            .iter()
            .enumerate()
            .map(|(place, &(s, r))| watch.next(reply(s, r, place), numbers))
            .collect()
    }

    /// Of the reflector's times and ours that are these functions of the places in the orders of arrival.
    fn reply(sequence: u32, reflector_sequence: u32, place: usize) -> Arrived {
        Arrived {
            sequence,
            reflector_sequence,
            reached: time(reflector_sequence.into()),
            returned: time(place as i64),
        }
    }

    /// Not evenly spaced, and ascending.
    fn time(place: i64) -> Timestamp {
        Timestamp(place * 1_000 + place * place)
    }

    #[track_caller]
    fn check(replies: &[(u32, u32)], forward: usize, backward: usize) {
        let seen = watched(replies, ReplyNumbers::Counted);
        let of = |pick: fn(&Reordered) -> Option<Overtaken>| seen.iter().filter_map(pick).count();
        assert_eq!(
            (of(|r| r.forward), of(|r| r.backward), of(|r| r.somewhere)),
            (forward, backward, 0),
            "{replies:?}"
        );
    }

    #[test]
    fn an_overtaken_packet_is_counted_in_the_direction_where_it_was_overtaken() {
        check(&[(0, 0), (1, 1), (2, 2)], 0, 0);
        check(&[(0, 0), (2, 1), (1, 2), (3, 3)], 1, 0);
        check(&[(0, 0), (2, 2), (1, 1), (3, 3)], 0, 1);
        check(&[(u32::MAX, 7), (0, 8), (1, 9)], 0, 0);
        check(&[(0, 0), (3, 2), (1, 1), (2, 3)], 1, 1);
    }

    /// The definitions of RFC 4737, sections 4.2, 4.3 and 5, as they are written: on everything that ever arrived. The offset
    /// as far as it is remembered.
    fn defined(arrivals: &[u32]) -> Vec<Option<(u32, u32, Nanos)>> {
        (0..arrivals.len())
            .map(|i| {
                let larger = |j: &usize| arrivals[*j] > arrivals[i];
                let earliest = (0..i).find(larger)?;
                let n = (0..i).rev().take_while(larger).count();
                let known = earliest.max((i + 1).saturating_sub(N_MAX));
                let late = time(i as i64) - time(known as i64);
                Some(((i - earliest) as u32, n as u32, late))
            })
            .collect()
    }

    #[track_caller]
    fn as_defined(arrivals: &[u32]) {
        let told = |overtaken: Option<Overtaken>| overtaken.map(|o| (o.extent, o.n, o.late));
        let expected = defined(arrivals);
        let backward: Vec<(u32, u32)> = arrivals.iter().map(|&a| (a, a)).collect();
        let copied = watched(&backward, ReplyNumbers::Copied);
        assert_eq!(
            copied.iter().map(|r| told(r.somewhere)).collect::<Vec<_>>(),
            expected,
            "{arrivals:?}"
        );
        let forward: Vec<(u32, u32)> = arrivals.iter().copied().zip(0..).collect();
        let counted = watched(&forward, ReplyNumbers::Counted);
        assert_eq!(
            counted.iter().map(|r| told(r.forward)).collect::<Vec<_>>(),
            expected,
            "{arrivals:?}"
        );
        assert!(counted.iter().all(|r| r.backward.is_none()));
    }

    #[test]
    fn extents_and_n_are_counted_in_arrivals() {
        as_defined(&[1, 2, 3, 5, 6, 7, 8, 4, 9]);
        as_defined(&[1, 2, 3, 7, 8, 9, 4, 5, 6, 10]);
        let late = time(7) - time(3);
        assert_eq!(defined(&[1, 2, 3, 5, 6, 7, 8, 4, 9])[7], Some((4, 4, late)));
        assert_eq!(
            defined(&[3, 1, 2])[2],
            Some((2, 0, time(2) - time(0))),
            "reordered, and not even 1-reordered"
        );
    }

    #[test]
    fn extents_and_n_are_as_defined_for_any_shuffle() {
        // Packets are held back by up to eight places; a few are lost.
        for seed in 0_u64..200 {
            let hash = |k: u64| (k + seed * 977).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            let mut packets: Vec<(u64, u32)> = (0..60)
                .filter(|&k| hash(k) % 11 != 0)
                .map(|k| {
                    (
                        k * 2
                            + if hash(k + 100) % 4 == 0 {
                                hash(k + 200) % 16
                            } else {
                                0
                            },
                        k as u32,
                    )
                })
                .collect();
            packets.sort_unstable();
            as_defined(&packets.into_iter().map(|(_, k)| k).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_long_quiet_stretch_costs_no_memory_and_keeps_extents_exact() {
        let mut arrivals: Vec<u32> = (0..5_000).filter(|&k| k != 10).collect();
        arrivals.push(10);
        let told = watched(
            &arrivals.iter().map(|&a| (a, a)).collect::<Vec<_>>(),
            ReplyNumbers::Copied,
        );
        let overtaken = told.last().unwrap().somewhere.unwrap();
        assert_eq!((overtaken.extent, overtaken.n), (4_989, N_MAX as u32));
        assert_eq!(overtaken.late, time(4_999) - time(4_999 - 31));
    }

    #[test]
    fn at_the_bound_an_extent_is_told_as_far_as_it_is_known() {
        // Every second packet is lost, so every stretch holds one packet.
        let mut arrivals: Vec<u32> = (0..1_000).filter(|k| k % 2 == 0).collect();
        arrivals.push(1);
        let mut watch = ReorderingWatch::default();
        let told = arrivals
            .iter()
            .map(|&a| watch.next(reply(a, a, 0), ReplyNumbers::Copied))
            .last()
            .unwrap();
        assert_eq!(told.somewhere.unwrap().extent, STRETCHES_MAX as u32);
        assert!(watch.backward.stretches.len() <= STRETCHES_MAX);
    }

    #[test]
    fn a_reflector_that_begins_anew_is_not_taken_for_one_that_reorders_for_ever() {
        let replies: Vec<(u32, u32)> = (0..100)
            .map(|s| (s, if s < 50 { s } else { s - 50 }))
            .collect();
        let told = watched(&replies, ReplyNumbers::Counted);
        let backward = told.iter().filter(|r| r.backward.is_some()).count();
        assert_eq!(backward, usize::from(BEGAN_ANEW));
        assert!(told.iter().all(|r| r.forward.is_none()));
    }
}
