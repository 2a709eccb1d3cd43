//! Which octets of a frame a device counts.
//!
//! RFC 3635 wants the frame with its FCS; some devices leave that out, some count
//! the line's preamble and gap, some only the packet. Where a probe's own
//! interface is at the other end of the fibre, what it sent is what the port
//! received, and the difference, frame by frame, tells which.

use super::Volume;

/// What a device counts of an Ethernet frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Convention {
    /// The IP packet alone.
    Packet,
    /// The frame without its FCS, as most drivers of Linux do.
    WithoutFcs,
    /// The frame with its FCS: RFC 3635, section 3.2.3.
    Frame,
    /// The frame with preamble, start delimiter and gap.
    Line,
}

impl Convention {
    /// Every one, and how many octets it counts beyond the frame without FCS, which the probe's kernel counts.
    pub const ALL: [(Self, i32); 4] = [
        (Self::Packet, -14),
        (Self::WithoutFcs, 0),
        (Self::Frame, 4),
        (Self::Line, 24),
    ];
}

/// What one end sent, exactly: octets of frames without FCS, and frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentFrames {
    /// Octets, without FCS.
    pub octets: u64,
    /// Frames.
    pub frames: u64,
}

/// The convention of a device that counted what the probe sent, and nothing else, in one window; `None` when its bounds leave more than
/// one, or none of them, as when somebody else sent, too.
pub fn convention(sent: SentFrames, counted: &Volume) -> Option<Convention> {
    let fits = |beyond: i32| {
        let expected = i128::from(sent.octets) + i128::from(beyond) * i128::from(sent.frames);
        let bound = |octets: u128| i128::try_from(octets).unwrap_or(i128::MAX);
        (bound(counted.at_least)..=bound(counted.at_most)).contains(&expected)
    };
    let mut found = Convention::ALL
        .into_iter()
        .filter(|(_, beyond)| sent.frames > 0 && fits(*beyond));
    let (first, other) = (found.next()?, found.next());
    other.is_none().then_some(first.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_convention_is_told_where_its_bounds_leave_one() {
        let sent = SentFrames {
            octets: 1_514_000,
            frames: 1_000,
        };
        let check = |at_least: u128, at_most: u128, told| {
            let counted = Volume {
                at_least,
                at_most,
                ..Volume::default()
            };
            assert_eq!(convention(sent, &counted), told, "{at_least} {at_most}");
        };
        check(1_517_900, 1_518_100, Some(Convention::Frame));
        check(1_513_500, 1_514_500, Some(Convention::WithoutFcs));
        check(1_538_000, 1_538_000, Some(Convention::Line));
        check(1_499_000, 1_501_000, Some(Convention::Packet));
        // Too wide for one, and traffic of somebody else.
        check(1_513_000, 1_519_000, None);
        check(1_700_000, 1_700_100, None);
        let nothing = SentFrames {
            octets: 0,
            frames: 0,
        };
        assert_eq!(convention(nothing, &Volume::default()), None);
    }
}
