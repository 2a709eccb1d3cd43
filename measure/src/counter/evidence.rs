//! What is known of the time between two readings: did the agent restart, did the counter begin anew?

use super::{AGENT_CLOCK_BROKEN_PPM, AGENT_CLOCK_PPM, CounterSample, Unknown, elapsed};

/// How far something can be excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It did not happen.
    Excluded,
    /// This agent does not tell.
    Untold,
    /// This agent tells, but not of this time.
    Open,
    /// It happened, or something else that spoils the pair.
    Found(Unknown),
}

impl Doubt {
    /// What two witnesses say together: one that has seen it is believed before one that has not.
    fn and(self, other: Self) -> Self {
        use Doubt::{Excluded, Found, Open, Untold};
        match (self, other) {
            (Found(what), _) | (_, Found(what)) => Found(what),
            (Excluded, _) | (_, Excluded) => Excluded,
            (Open, _) | (_, Open) => Open,
            (Untold, Untold) => Untold,
        }
    }
}

/// What is known of the time between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// Of a restart of the agent.
    pub restart: Doubt,
    /// Of a new beginning of the counter while the agent ran on.
    pub discontinuity: Doubt,
    /// How far the agent's clock may be wrong, in millionths.
    pub agent_ppm: i64,
}

/// One kind of witness: which samples tell, and what two of them say of the time between them.
struct Witness {
    tells: fn(&CounterSample) -> bool,
    compare: fn(&CounterSample, &CounterSample) -> Doubt,
}

impl Witness {
    /// What it says of the gap between two samples.
    fn gap(&self, previous: &CounterSample, next: &CounterSample) -> Doubt {
        match ((self.tells)(previous), (self.tells)(next)) {
            (true, true) => (self.compare)(previous, next),
            (false, false) => Doubt::Untold,
            _ => Doubt::Open,
        }
    }

    /// What it says of each gap. Where a sample does not tell, its neighbours do: when they agree, nothing happened anywhere
    /// between them; when they do not, it may have been in any of the gaps.
    fn gaps(&self, samples: &[&CounterSample]) -> Vec<Doubt> {
        let tellers: Vec<usize> = (0..samples.len())
            .filter(|&i| (self.tells)(samples[i]))
            .collect();
        let untold = if tellers.is_empty() {
            Doubt::Untold
        } else {
            Doubt::Open
        };
        let mut doubts = vec![untold; samples.len().saturating_sub(1)];
        for pair in tellers.windows(2) {
            let said = (self.compare)(samples[pair[0]], samples[pair[1]]);
            doubts[pair[0]..pair[1]].fill(said);
        }
        doubts
    }
}

const UP_TIME: Witness = Witness {
    tells: |sample| sample.at.is_some() && sample.up.is_some(),
    compare: elapsed::restart,
};
const BOOTS: Witness = Witness {
    tells: |sample| sample.marks.boots.is_some(),
    compare: |a, b| same(Unknown::Restart, a.marks.boots, b.marks.boots),
};
const DISCONTINUITY_TIME: Witness = Witness {
    tells: |sample| sample.marks.discontinuity.is_some(),
    compare: |a, b| {
        let (a, b) = (a.marks.discontinuity, b.marks.discontinuity);
        same(Unknown::Discontinuity, a, b)
    },
};
const LAST_CLEAR: Witness = Witness {
    tells: |sample| sample.marks.last_clear_ns.is_some(),
    compare: |a, b| {
        let (a, b) = (a.marks.last_clear_ns, b.marks.last_clear_ns);
        same(Unknown::Discontinuity, a, b)
    },
};
const BIN: Witness = Witness {
    tells: |sample| sample.marks.bin.is_some(),
    compare: |a, b| same(Unknown::NewBin, a.marks.bin, b.marks.bin),
};

fn same<T: PartialEq>(changed: Unknown, before: Option<T>, after: Option<T>) -> Doubt {
    if before == after {
        Doubt::Excluded
    } else {
        Doubt::Found(changed)
    }
}

/// How far the agent's clock may be wrong, in millionths: the most that the longest stretch without a restart leaves open. Two
/// samples that are a second apart cannot tell a good clock from a bad one; an hour of them can.
fn agent_ppm(samples: &[&CounterSample], restarts: &[Doubt]) -> i64 {
    let tellers: Vec<usize> = (0..samples.len())
        .filter(|&i| (UP_TIME.tells)(samples[i]))
        .collect();
    let (mut at_least, mut at_most) = (0, AGENT_CLOCK_BROKEN_PPM);
    for stretch in tellers.chunk_by(|&a, _| restarts.get(a) == Some(&Doubt::Excluded)) {
        let ends = stretch.first().zip(stretch.last());
        let told = ends.and_then(|(&a, &b)| elapsed::agent_clock(samples[a], samples[b]));
        if let Some((least, most)) = told.filter(|_| stretch.len() > 1) {
            at_least = least.max(at_least);
            at_most = most.min(at_most);
        }
    }
    at_most
        .max(at_least)
        .clamp(AGENT_CLOCK_PPM, AGENT_CLOCK_BROKEN_PPM)
}

impl Evidence {
    /// Whether anything was found.
    pub(super) fn is_spoilt(&self) -> bool {
        [self.restart, self.discontinuity]
            .iter()
            .any(|doubt| matches!(doubt, Doubt::Found(_)))
    }

    /// What two samples alone tell of the time between them. Allocates nothing, for whoever judges a hundred thousand ports.
    pub fn between(previous: &CounterSample, next: &CounterSample) -> Self {
        let [up, boots, discontinuity, clear, bin] =
            [UP_TIME, BOOTS, DISCONTINUITY_TIME, LAST_CLEAR, BIN]
                .map(|witness| witness.gap(previous, next));
        let clock = elapsed::agent_clock(previous, next).filter(|_| up == Doubt::Excluded);
        Self {
            restart: up.and(boots),
            discontinuity: discontinuity.and(clear).and(bin),
            agent_ppm: clock.map_or(AGENT_CLOCK_BROKEN_PPM, |(at_least, at_most)| {
                at_most
                    .min(AGENT_CLOCK_BROKEN_PPM)
                    .max(at_least)
                    .clamp(AGENT_CLOCK_PPM, AGENT_CLOCK_BROKEN_PPM)
            }),
        }
    }

    /// What each gap of a series is known to have seen, the samples being in order of time.
    pub(super) fn of_gaps(samples: &[&CounterSample]) -> Vec<Self> {
        let [up, boots, discontinuity, clear, bin] =
            [UP_TIME, BOOTS, DISCONTINUITY_TIME, LAST_CLEAR, BIN]
                .map(|witness| witness.gaps(samples));
        let agent_ppm = agent_ppm(samples, &up);
        (0..samples.len().saturating_sub(1))
            .map(|gap| Self {
                restart: up[gap].and(boots[gap]),
                discontinuity: discontinuity[gap].and(clear[gap]).and(bin[gap]),
                agent_ppm,
            })
            .collect()
    }
}
