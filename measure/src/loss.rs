//! Which way a lost packet was lost (RFC 7680, one direction at a time).
//!
//! A stateful session-reflector numbers its replies. Between two replies that
//! arrived, the numbers tell how many packets it saw in between: those that it
//! saw were lost on the way back, the others on the way there. A stateless
//! reflector copies the sender's number and tells nothing, so its losses have
//! no direction.

use crate::sample::Direction;
use crate::time::Timestamp;

/// A packet that did not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The session-sender's number of the packet.
    pub sequence: u32,
    /// T1 of the packet.
    pub origin: Timestamp,
    /// Where it was lost, when the reflector's numbers tell.
    pub direction: Option<Direction>,
    /// Where all losses of its loss period (RFC 3357) were; `None` also when some went missing each way, for then nobody
    /// knows which of them did.
    pub period: Option<Direction>,
}

/// How the losses between two arrived replies divide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossSplit {
    /// So many forward and so many backward.
    Known {
        /// Never reached the session-reflector.
        forward: u32,
        /// Reached it, and the reply was lost.
        backward: u32,
    },
    /// The numbers do not tell: the reflector restarted, duplicated, or keeps no state.
    Unknown,
}

impl LossSplit {
    /// The one direction of all of them, when there is one.
    pub fn only(self) -> Option<Direction> {
        match self {
            Self::Known { backward: 0, .. } => Some(Direction::Forward),
            Self::Known { forward: 0, .. } => Some(Direction::Backward),
            _ => None,
        }
    }
}

/// Divides `lost` packets between two replies, whose reflector numbers are `before` and `after`.
pub fn split(lost: u32, before: u32, after: u32) -> LossSplit {
    let seen_between = after.wrapping_sub(before).wrapping_sub(1);
    match lost.checked_sub(seen_between) {
        Some(forward) => LossSplit::Known {
            forward,
            backward: seen_between,
        },
        None => LossSplit::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reflectors_numbers_tell_the_direction() {
        let known = |forward, backward| LossSplit::Known { forward, backward };
        assert_eq!(split(3, 10, 11), known(3, 0));
        assert_eq!(split(3, 10, 14), known(0, 3));
        assert_eq!(split(3, 10, 12), known(2, 1));
        assert_eq!(split(2, u32::MAX, 1), known(1, 1));
        assert_eq!(
            split(3, 10, 0),
            LossSplit::Unknown,
            "the reflector restarted"
        );
        assert_eq!(
            split(3, 10, 99),
            LossSplit::Unknown,
            "it saw more than was sent"
        );
        assert_eq!(known(2, 0).only(), Some(Direction::Forward));
        assert_eq!(known(1, 1).only(), None);
    }
}
