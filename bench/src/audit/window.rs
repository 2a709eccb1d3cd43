//! One window of a large mesh, for the time that its audit takes.

use owl_measure::clock::dial::{self, Anchor};
use owl_measure::clock::envelope::Point;
use owl_measure::clock::window::{PairPoints, Window};

/// The length of a window in nanoseconds.
const LENGTH: f64 = 60e9;

/// Every pair of so many probes, so many packets a direction, light queues, stamps of interfaces; clocks a microsecond apart, one 2 ms.
pub fn large_window(probes: usize, packets: u32) -> Vec<PairPoints> {
    // Knuth's multiplicative hash: any spread will do, and it must cost little beside what is timed.
    let mut state = 1_u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f64 / (1_u64 << 24) as f64
    };
    let clock = |probe: usize| {
        if probe == 7 {
            2e6
        } else {
            (probe % 13) as f64 * 77.0
        }
    };
    let mut pairs = Vec::new();
    for a in 0..probes {
        for b in a + 1..probes {
            let floor = 300e3 + 2_000e3 * next();
            let mut way = |theta: f64| -> Vec<Point> {
                (0..packets)
                    .map(|k| {
                        let queue = -(1.0 - next()).ln() * 20e3 - 10e3;
                        Point {
                            at: (f64::from(k) + 0.5) / f64::from(packets) * LENGTH - LENGTH / 2.0,
                            raw: floor + queue.max(0.0) + 60.0 * next() + theta,
                        }
                    })
                    .collect()
            };
            let theta = clock(b) - clock(a);
            pairs.push(PairPoints {
                a,
                b,
                forward: way(theta),
                backward: way(-theta),
                floors: [floor * 0.6; 2],
            });
        }
    }
    pairs
}

/// All that the audit of one window does: bounds from packets, the claims' own, and how symmetric the mesh must be with
/// and without the claims. Returns how many clocks have an offset.
pub fn audit_window(probes: usize, pairs: &[PairPoints]) -> usize {
    let window = Window::of(probes, LENGTH, pairs);
    let claims: Vec<Anchor> = (0..probes)
        .filter(|&clock| clock != 7)
        .map(|clock| Anchor {
            clock,
            at_least: -2e3,
            at_most: 2e3,
        })
        .collect();
    let claimed = dial::anchored(&window, &claims).is_some();
    let shares = [&[][..], &claims].map(|claims| dial::least_share(&window, claims).is_some());
    if claimed && shares == [true; 2] {
        window.offsets.iter().flatten().count()
    } else {
        0
    }
}
