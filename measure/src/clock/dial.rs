//! The assumption dial: how much of the slack of a pair may be asymmetric.
//!
//! The slack S is the floor of the round trip less both light floors. That a
//! share a of it is asymmetric puts the clocks' difference within ± a·S/2 of
//! the symmetric guess, besides the noise of the guess. At a = 1 that is the
//! proof, at a = 0 the guess. The smallest share at which no statement
//! contradicts another is a lower bound on the mesh's asymmetry, measured.

use super::matrix::DifferenceBounds;
use super::window::Window;

/// The shares that are tried, ascending; the last one is the proof.
pub const SHARES: [f64; 26] = [
    0.0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5,
    0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0,
];

/// Random parts enter every bound as three standard deviations.
const SIGMAS: f64 = 3.0;

/// A clock that is within a span of UTC: x at least, at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anchor {
    /// Which clock.
    pub clock: usize,
    /// No smaller than this, in nanoseconds.
    pub at_least: f64,
    /// No larger than this.
    pub at_most: f64,
}

/// The bounds of a window were no more than `share` of any slack asymmetric and the anchors true; `None` when that
/// contradicts the packets.
pub fn assumed(window: &Window, share: f64, anchors: &[Anchor]) -> Option<DifferenceBounds> {
    let mut bounds = window.bounds(|pair| {
        if share >= 1.0 {
            return pair.upper;
        }
        let half = share * pair.slack / 2.0 + SIGMAS * pair.noise;
        [
            pair.upper[0].min(pair.line.offset + half),
            pair.upper[1].min(half - pair.line.offset),
        ]
    });
    anchor(&mut bounds, window, anchors);
    bounds.closed().ok()
}

/// The bounds of a window by proof and anchors; `None` when they contradict each other.
pub fn anchored(window: &Window, anchors: &[Anchor]) -> Option<DifferenceBounds> {
    window.proved.as_ref()?;
    let mut bounds = window.bounds(|pair| pair.upper);
    anchor(&mut bounds, window, anchors);
    bounds.closed().ok()
}

fn anchor(bounds: &mut DifferenceBounds, window: &Window, anchors: &[Anchor]) {
    let utc = window.utc();
    for anchor in anchors {
        if window.stepped[anchor.clock] {
            continue;
        }
        let doubt = window.wander[anchor.clock];
        bounds.state(utc, anchor.clock, anchor.at_most + doubt);
        bounds.state(anchor.clock, utc, doubt - anchor.at_least);
    }
}

/// The place in [`SHARES`] of the smallest share that contradicts nothing; `None` when even the proof does.
pub fn least_share(window: &Window, anchors: &[Anchor]) -> Option<usize> {
    let fits = |place: usize| assumed(window, SHARES[place], anchors).is_some();
    if !fits(SHARES.len() - 1) {
        return None;
    }
    let (mut low, mut high) = (0, SHARES.len() - 1);
    while low < high {
        let middle = low.midpoint(high);
        if fits(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::envelope::Point;
    use crate::clock::window::PairPoints;

    /// Three clocks that agree; 0 → 1 takes `longer` more than 1 → 0.
    fn window(longer: f64) -> Window {
        let way = |delay: f64| {
            (-5..=5)
                .map(|k| Point {
                    at: f64::from(k) * 5e9,
                    raw: delay,
                })
                .collect::<Vec<_>>()
        };
        let pair = |a, b, forward| PairPoints {
            a,
            b,
            forward: way(forward),
            backward: way(700e3),
            floors: [300e3; 2],
        };
        Window::of(
            3,
            60e9,
            &[
                pair(0, 1, 700e3 + longer),
                pair(0, 2, 700e3),
                pair(1, 2, 700e3),
            ],
        )
    }

    #[test]
    fn the_smallest_share_that_fits_is_the_asymmetry_that_the_loop_shows() {
        assert_eq!(SHARES[least_share(&window(0.0), &[]).unwrap()], 0.0);
        // 240 more of a slack of 1040, shared by the slacks of 800 of the other two: 120 / 1320 = 0.09.
        assert_eq!(SHARES[least_share(&window(240e3), &[]).unwrap()], 0.1);
    }

    #[test]
    fn a_claim_that_the_packets_exclude_fits_no_share() {
        let anchors = |far: f64| {
            [0.0, far]
                .map(|x| x)
                .into_iter()
                .enumerate()
                .map(|(clock, x)| Anchor {
                    clock,
                    at_least: x - 1e3,
                    at_most: x + 1e3,
                })
        };
        let fits = |far: f64| least_share(&window(0.0), &anchors(far).collect::<Vec<_>>());
        assert_eq!(fits(0.0), Some(0));
        // 100 of the half slack of 400 is a quarter.
        assert_eq!(SHARES[fits(100e3).unwrap()], 0.25);
        assert_eq!(fits(450e3), None);
    }

    #[test]
    fn the_dial_ends_at_the_proof() {
        let window = window(50e3);
        let ends = assumed(&window, 1.0, &[]).unwrap();
        let proved = window.proved.as_ref().unwrap();
        for from in 0..3 {
            for to in 0..3 {
                assert!((ends.at_most(from, to) - proved.at_most(from, to)).abs() < 1.0);
            }
        }
    }
}
