//! Reordering (RFC 4737, section 3): a packet is reordered when its number is
//! smaller than the next one expected on arrival.
//!
//! Backward, the numbers are the reflector's and the arrival is ours. Forward,
//! the arrival order at the reflector is read from its numbers: a packet was
//! overtaken when a later packet carries an earlier reflector number.

/// Which way a packet was overtaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reordered {
    /// On the way to the session-reflector.
    pub forward: bool,
    /// On the way back.
    pub backward: bool,
}

/// Follows the two numbers of the replies of one session.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReorderingWatch {
    /// The largest sender number that came back, with its reflector number.
    furthest: Option<(u32, u32)>,
    largest_reflector: Option<u32>,
}

/// `a` comes after `b` on the circle of 32-bit numbers.
fn after(a: u32, b: u32) -> bool {
    (1..=u32::MAX / 2).contains(&a.wrapping_sub(b))
}

impl ReorderingWatch {
    /// Judges one arriving reply that is no duplicate.
    pub fn next(&mut self, sequence: u32, reflector_sequence: u32) -> Reordered {
        let mut reordered = Reordered::default();
        match self.furthest {
            Some((furthest, its_reflector)) if !after(sequence, furthest) => {
                reordered.forward = after(reflector_sequence, its_reflector);
            }
            _ => self.furthest = Some((sequence, reflector_sequence)),
        }
        match self.largest_reflector {
            Some(largest) if !after(reflector_sequence, largest) => reordered.backward = true,
            _ => self.largest_reflector = Some(reflector_sequence),
        }
        reordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(replies: &[(u32, u32)], forward: u32, backward: u32) {
        let mut watch = ReorderingWatch::default();
        let seen =
            replies
                .iter()
                .map(|&(s, r)| watch.next(s, r))
                .fold((0, 0), |(f, b), reordered| {
                    (
                        f + u32::from(reordered.forward),
                        b + u32::from(reordered.backward),
                    )
                });
        assert_eq!(seen, (forward, backward), "{replies:?}");
    }

    #[test]
    fn an_overtaken_packet_is_counted_in_the_direction_where_it_was_overtaken() {
        check(&[(0, 0), (1, 1), (2, 2)], 0, 0);
        check(&[(0, 0), (2, 1), (1, 2), (3, 3)], 1, 0);
        check(&[(0, 0), (2, 2), (1, 1), (3, 3)], 0, 1);
        check(&[(u32::MAX, 7), (0, 8), (1, 9)], 0, 0);
        check(&[(0, 0), (3, 2), (1, 1), (2, 3)], 1, 1);
    }
}
