//! What a session-reflector did with the TLVs that it was asked by.

use super::question::Fate;
use crate::wire::tlv::kind;

/// Types of TLV that there are, 0 among them (the IANA registry "STAMP TLV Types").
const KINDS: usize = kind::REFLECTED_CONTROL as usize + 1;

/// How many replies answered a TLV of one type in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TlvAnswers {
    /// Understood, and done or told.
    pub understood: u64,
    /// U: not understood, or not done.
    pub unrecognised: u64,
    /// M: malformed, the reflector says.
    pub malformed: u64,
    /// C: more than the reflector does (RFC 10052, section 3).
    pub beyond_limits: u64,
    /// Not in the reply where it was in the packet: the reflector cut or moved it.
    pub absent: u64,
}

/// [`TlvAnswers`] of each type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answers([TlvAnswers; KINDS]);

impl Answers {
    pub(super) fn count(&mut self, fates: impl Iterator<Item = (u8, Fate)>) {
        for (kind, fate) in fates {
            let Some(of) = self.0.get_mut(usize::from(kind)) else {
                continue;
            };
            let count = match fate {
                Fate::Understood => &mut of.understood,
                Fate::Unrecognised => &mut of.unrecognised,
                Fate::Malformed => &mut of.malformed,
                Fate::Beyond => &mut of.beyond_limits,
                Fate::Absent => &mut of.absent,
            };
            *count += 1;
        }
    }

    /// Those of a type that was asked by, and answered in some way.
    pub fn of(&self, kind: u8) -> Option<TlvAnswers> {
        self.0
            .get(usize::from(kind))
            .copied()
            .filter(|&answers| answers != TlvAnswers::default())
    }
}
