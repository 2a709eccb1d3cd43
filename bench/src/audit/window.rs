//! One window of a large mesh, for the time that its audit takes.

use owl_measure::clock::dial::{self, Anchor};
use owl_measure::clock::envelope::Point;
use owl_measure::clock::live::{self, Sighting, Span};
use owl_measure::clock::window::{PairPoints, Window};
use owl_measure::delay::Floors;
use owl_measure::summary::EnvelopePoint;
use owl_measure::time::{Nanos, Timestamp};

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

/// Such a window as the collector holds it: the lower envelope of each session, in the order of time.
pub fn envelopes(pairs: &[PairPoints]) -> Vec<[Vec<EnvelopePoint>; 2]> {
    let envelope = |points: &[Point]| {
        let point = |point: &Point| EnvelopePoint {
            at: Timestamp((point.at + LENGTH / 2.0) as i64),
            raw: Nanos(point.raw as i64),
        };
        points.iter().map(point).collect()
    };
    pairs
        .iter()
        .map(|pair| [envelope(&pair.forward), envelope(&pair.backward)])
        .collect()
}

/// The collector's audit of such a window: a session a pair, each clock claiming two microseconds. Returns how many
/// clocks are not believed.
pub fn audit_envelopes(pairs: &[PairPoints], envelopes: &[[Vec<EnvelopePoint>; 2]]) -> usize {
    let names: Vec<String> = (0..=pairs.iter().map(|pair| pair.b).max().unwrap_or(0))
        .map(|probe| format!("p{probe:03}"))
        .collect();
    let sightings: Vec<Sighting<'_>> = pairs
        .iter()
        .zip(envelopes)
        .map(|(pair, [forward, backward])| Sighting {
            from: &names[pair.a],
            to: &names[pair.b],
            forward,
            backward,
            round_trip: forward
                .iter()
                .zip(backward)
                .map(|(out, home)| out.raw + home.raw)
                .min(),
            floors: Floors {
                forward: Nanos(pair.floors[0] as i64),
                backward: Nanos(pair.floors[1] as i64),
            },
            claims: [Some(Nanos(2_000)); 2],
        })
        .collect();
    let span = Span {
        start: Timestamp(0),
        length: Nanos(LENGTH as i64),
    };
    let findings = live::audit_window(span, &sightings);
    findings
        .probes
        .values()
        .filter(|found| !found.stands)
        .count()
}
