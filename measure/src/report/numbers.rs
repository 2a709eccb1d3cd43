//! Ranges of sequence numbers in messages, and why some of them have no report any more.

use std::ops::RangeInclusive;

use super::ReportError;

/// Consecutive sequence numbers of one spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Of the spool.
    pub epoch: u64,
    /// The first of them; numbers begin with 1.
    pub first: u64,
    /// How many there are, one at least.
    pub count: u64,
}

impl Numbers {
    /// The numbers of a range, which must hold one at least.
    pub fn of(epoch: u64, range: &RangeInclusive<u64>) -> Self {
        Self {
            epoch,
            first: *range.start(),
            count: (range.end() - range.start()).saturating_add(1),
        }
    }

    /// From the first to the last of them.
    pub fn range(&self) -> RangeInclusive<u64> {
        self.first..=self.first.saturating_add(self.count - 1)
    }

    /// What was sent, when there can be such numbers.
    pub(super) fn checked(self) -> Result<Self, ReportError> {
        // A store keeps numbers in 63 bits; a spool that gave out a thousand a second for a million years comes nowhere near.
        let last = self.first.checked_add(self.count);
        let exist = self.first > 0 && self.count > 0;
        match last {
            Some(last) if exist && i64::try_from(last).is_ok() => Ok(self),
            _ => Err(ReportError::Impossible(
                "sequence numbers that do not exist",
            )),
        }
    }
}

/// Why a spool has no report under a number that it gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// It does not know.
    Unknown,
    /// Dropped to make room, before a collector had it.
    Full,
    /// On the disk it is not what was written there.
    Damaged,
    /// A collector had it, and the time for which such reports are kept is over or their room was needed.
    Released,
}

impl Loss {
    /// Every one, with its number on the wire and its name for labels and machines.
    pub const ALL: [(Self, u32, &str); 4] = [
        (Self::Unknown, 0, "unknown"),
        (Self::Full, 1, "full"),
        (Self::Damaged, 2, "damaged"),
        (Self::Released, 3, "released"),
    ];

    /// Its number on the wire.
    pub fn number(self) -> u32 {
        let all = Self::ALL.into_iter();
        all.filter(|(loss, ..)| *loss == self).map(|of| of.1).sum()
    }

    /// Its name for labels and machines.
    pub fn code(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(loss, ..)| *loss == self)
            .map_or("unknown", |of| of.2)
    }

    /// The one with a number; one that this version does not know is unknown.
    pub fn of(number: u32) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|of| of.1 == number)
            .map_or(Self::Unknown, |of| of.0)
    }
}

/// What one end can do beyond the first version of the contract. A bit that the other end does not know means nothing to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities(u64);

impl Abilities {
    /// None of them: the first version.
    pub const NONE: Self = Self(0);
    /// Reports may come in any order, each batch is acknowledged by its own numbers, and numbers that did not come are asked for
    /// again ([`super::FromCollector::Again`]) or told to be gone ([`super::FromProbe::Gone`]).
    pub const RANGES: Self = Self(1);
    /// Plans are signed ([`super::FromCollector::Order`]) and may come at any time; which one is followed is told
    /// ([`super::FromProbe::Plan`]).
    pub const PLANS: Self = Self(2);
    /// The collector tells the highest number that it has of the probe's spool before anything is sent
    /// ([`super::FromCollector::Highest`]), so that an older copy of a spool gives no number out twice.
    pub const HIGHEST: Self = Self(1 << 4);
    /// What this version can do.
    pub const OURS: Self = Self(Self::RANGES.0 | Self::PLANS.0 | Self::HIGHEST.0);

    /// From the bits of a message.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As the bits of a message.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Whether all of `other` are among them.
    pub fn include(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_exist_are_refused() {
        let check = |first: u64, count: u64| {
            let numbers = Numbers {
                epoch: 7,
                first,
                count,
            };
            numbers.checked().map(|numbers| numbers.range())
        };
        assert_eq!(check(1, 1), Ok(1..=1));
        assert_eq!(check(5, 3), Ok(5..=7));
        for (first, count) in [(0, 1), (1, 0), (u64::MAX, 1), (1, u64::MAX), (1 << 63, 1)] {
            assert!(check(first, count).is_err(), "{first} {count}");
        }
        assert_eq!(Numbers::of(7, &(5..=7)).range(), 5..=7);
    }

    #[test]
    fn every_loss_has_a_number_and_a_name_of_its_own() {
        for (loss, number, name) in Loss::ALL {
            assert_eq!((Loss::of(number), loss.number()), (loss, number));
            assert_eq!(loss.code(), name);
        }
        assert_eq!(Loss::of(99), Loss::Unknown);
        let later = Abilities::from_bits(Abilities::OURS.bits() | 1 << 63);
        assert!(later.include(Abilities::RANGES));
        assert!(!Abilities::NONE.include(Abilities::RANGES));
    }
}
