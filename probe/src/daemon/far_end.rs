//! How a planned session speaks to its far end.

use owl_protocol::session::sender::{Dialect, Question, Reflector};
use owl_protocol::wire::twamp::TestMode;
use owl_topology::ReflectorKind;

/// How a far end is spoken to.
pub(super) struct FarEnd {
    pub(super) dialect: Dialect,
    pub(super) known: Reflector,
    pub(super) question: Question,
}

impl FarEnd {
    /// What needs no agreement beforehand; what a TWAMP server agrees to is spoken instead of this. Who is not one of ours is asked nothing, and its word counts for less.
    pub(super) fn of(kind: ReflectorKind) -> Self {
        let (dialect, known) = match kind {
            ReflectorKind::Owl => (Dialect::Stamp, Reflector::Own),
            ReflectorKind::Stamp => (Dialect::Stamp, Reflector::Stranger),
            ReflectorKind::TwampLight | ReflectorKind::Twamp => {
                let dialect = Dialect::Twamp(TestMode::Unauthenticated);
                (dialect, Reflector::Stranger)
            }
        };
        Self {
            dialect,
            known,
            question: Question {
                follow_up: known == Reflector::Own,
                class_of_service: known == Reflector::Own,
                ..Question::default()
            },
        }
    }
}
