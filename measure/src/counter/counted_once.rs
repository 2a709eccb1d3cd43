//! Which interfaces to add up so that no octet is counted twice.

/// An interface as a sum sees it. Numbers are places in the list of all interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// The interface that counts this one's octets, too: a member's LAG (dot3adAggPortAttachedAggID, or ifStackTable with a LAG
    /// above), a VLAN's port (ifStackTable), a lane's port.
    pub within: Option<usize>,
    /// The other end of the same link (lldpRemTable, or the topology).
    pub peer: Option<usize>,
}

/// Which of the asked interfaces to add up: every octet that any of them counts, once.
///
/// An interface within another one that is asked for is left out, and so is the later of a link's two ends. What is not
/// asked for is never put in: two members of a LAG of four are two members.
pub fn counted_once(interfaces: &[Interface], asked: &[usize]) -> Vec<usize> {
    let mut asked_for = vec![false; interfaces.len()];
    for &index in asked {
        if let Some(asked) = asked_for.get_mut(index) {
            *asked = true;
        }
    }
    // Through interfaces that were not asked for, too: a VLAN of a LAG's member is within the LAG.
    let inside = |index: usize| {
        let mut outer = interfaces[index].within;
        // No chain is longer than there are interfaces; a circle of false claims ends there.
        for _ in 0..interfaces.len() {
            match outer {
                Some(next) if next != index && asked_for.get(next) == Some(&true) => return true,
                Some(next) if next != index => outer = interfaces.get(next).and_then(|i| i.within),
                _ => return false,
            }
        }
        false
    };
    let outermost: Vec<bool> = (0..interfaces.len())
        .map(|index| asked_for[index] && !inside(index))
        .collect();
    (0..interfaces.len())
        .filter(|&index| outermost[index])
        .filter(|&index| !covered_by_other_end(interfaces, &outermost, index))
        .collect()
}

/// Whether the other end of the link is counted and comes first, or a bundle is at the other end that is.
fn covered_by_other_end(interfaces: &[Interface], outermost: &[bool], index: usize) -> bool {
    let named = interfaces[index].peer;
    // One end may know the other without being known by it.
    let naming = (0..interfaces.len()).filter(|&other| interfaces[other].peer == Some(index));
    named
        .into_iter()
        .chain(naming)
        .any(|other| other < index && outermost.get(other) == Some(&true))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 and 1 are members of the LAG 2; 3 is a VLAN over the LAG; 4 is the other end of 5; 6 is alone.
    fn interfaces() -> Vec<Interface> {
        let within = |outer| Interface {
            within: Some(outer),
            peer: None,
        };
        let peer = |other| Interface {
            within: None,
            peer: Some(other),
        };
        vec![
            within(2),
            within(2),
            Interface::default(),
            within(2),
            peer(5),
            Interface::default(),
            Interface::default(),
        ]
    }

    #[track_caller]
    fn check(asked: &[usize], counted: &[usize]) {
        assert_eq!(counted_once(&interfaces(), asked), counted);
    }

    #[test]
    fn no_octet_is_counted_twice_and_none_is_left_out() {
        check(&[0, 1, 2, 3], &[2]);
        check(&[0, 1], &[0, 1]);
        check(&[3, 2], &[2]);
        check(&[3], &[3]);
        check(&[4, 5, 6, 6], &[4, 6]);
        check(&[5], &[5]);
        check(&[], &[]);
        check(&[99], &[]);
    }

    #[test]
    fn a_circle_of_false_claims_ends() {
        let within = |outer| Interface {
            within: Some(outer),
            peer: None,
        };
        let circle = [within(1), within(0), within(2)];
        assert_eq!(counted_once(&circle, &[2]), [2]);
        assert!(counted_once(&circle, &[0, 1]).len() <= 2);
    }
}
