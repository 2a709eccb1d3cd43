//! Rates of all ports of one agent, from what each round brings.
//!
//! A port's last reading waits for the next one; [`owl_measure::counter`] says what lies between, or why nothing can be said.

use owl_measure::counter::{
    AGENT_CLOCK_BROKEN_PPM, CacheAge, CounterSample, Doubt, Evidence, Increase, Profile, Reading,
    Ticks, Unknown, Width, increase,
};
use owl_measure::time::Timestamp;

use super::column::Column;
use super::directory::Port;
use super::table::Stamp;
use super::target::Target;

/// Which way octets went, as the port sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// ifHCInOctets.
    In,
    /// ifHCOutOctets.
    Out,
}

/// What is known of a port.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    last: Option<Last>,
    /// What the last two readings said, each way.
    outcome: Option<[Result<Increase, Unknown>; 2]>,
    /// The last discontinuity time that was told, and when.
    discontinuity: Option<(Timestamp, Ticks)>,
    /// Rates since then are withdrawn: the counters began anew somewhere in between.
    withdrawn_since: Option<Timestamp>,
}

/// A reading that waits for the next.
#[derive(Debug, Clone, Copy)]
struct Last {
    stamp: Stamp,
    octets: [Option<u64>; 2],
    identity: u64,
}

impl Last {
    fn sample(&self, way: usize, discontinuity: Option<Ticks>) -> CounterSample {
        let mut sample = CounterSample::new(self.stamp.at(), self.stamp.within(), 0);
        sample.up = Some(self.stamp.up);
        sample.marks.boots = self.stamp.boots;
        sample.marks.discontinuity = discontinuity;
        sample.port = Some(self.identity);
        sample.reading = self.octets[way].map_or(Reading::Missing, Reading::Octets);
        sample
    }
}

/// Rates of all ports of one agent.
#[derive(Debug, Default)]
pub struct Meter {
    ports: Vec<Kept>,
    /// An early answer of this run of the agent: the longer the stretch, the better its clock is known.
    anchor: Option<Last>,
}

impl Meter {
    /// Takes what a round of the agent brought.
    pub fn take(&mut self, target: &Target) {
        let (table, directory) = (target.table(), target.directory());
        self.ports
            .resize_with(directory.ports().len(), Kept::default);
        let cache = CacheAge::stated(target.device().profile.cache);
        let mut agent_ppm = None;
        for (row, &place) in directory.rows().iter().enumerate() {
            let port = &directory.ports()[place.port];
            let kept = &mut self.ports[place.port];
            let Some(stamp) = table.read_at(row) else {
                kept.outcome = Some([Err(Unknown::NoAnswer); 2]);
                continue;
            };
            let next = Last {
                stamp,
                octets: [Column::InOctets, Column::OutOctets]
                    .map(|column| table.value(row, column)),
                identity: port.identity(),
            };
            let ppm = *agent_ppm.get_or_insert_with(|| agent_clock(&mut self.anchor, next));
            let told = table
                .value(row, Column::Discontinuity)
                .and_then(|ticks| u32::try_from(ticks).ok())
                .map(Ticks);
            kept.take(next, told, port, cache, ppm);
        }
    }

    /// What the last two readings of a port said; `None` before there were two.
    pub fn outcome(&self, port: usize, way: Way) -> Option<Result<Increase, Unknown>> {
        let outcome = self.ports.get(port)?.outcome?;
        Some(match way {
            Way::In => outcome[0],
            Way::Out => outcome[1],
        })
    }

    /// Since when earlier rates of a port are withdrawn: the round found that its counters began anew, and they may have done
    /// so at any time since then.
    pub fn withdrawn_since(&self, port: usize) -> Option<Timestamp> {
        self.ports.get(port)?.withdrawn_since
    }
}

/// How far the agent's clock may be wrong, in millionths, by the longest stretch that is known.
fn agent_clock(anchor: &mut Option<Last>, next: Last) -> i64 {
    let Some(first) = anchor else {
        *anchor = Some(next);
        return AGENT_CLOCK_BROKEN_PPM;
    };
    let evidence = Evidence::between(&first.sample(0, None), &next.sample(0, None));
    if evidence.restart != Doubt::Excluded {
        *anchor = Some(next);
        return AGENT_CLOCK_BROKEN_PPM;
    }
    evidence.agent_ppm
}

impl Kept {
    fn take(
        &mut self,
        next: Last,
        told: Option<Ticks>,
        port: &Port,
        cache: CacheAge,
        agent_ppm: i64,
    ) {
        self.withdrawn_since = None;
        if let Some(last) = self.last {
            // Where this round did not ask, the counters are believed to have gone on; the next round that asks withdraws it.
            let known = told.and(self.discontinuity).map(|(_, ticks)| ticks);
            let samples = |way| (last.sample(way, known), next.sample(way, told));
            let (before, after) = samples(0);
            let mut evidence = Evidence::between(&before, &after);
            evidence.agent_ppm = evidence.agent_ppm.min(agent_ppm);
            let mut profile = Profile::new(Width::Bits64, port.speed_bps);
            profile.cache = cache;
            self.outcome = Some([0, 1].map(|way| {
                let (before, after) = samples(way);
                increase(&before, &after, evidence, &profile)
            }));
            if let (Some((since, known)), Some(told)) = (self.discontinuity, told)
                && known != told
                && last.identity == next.identity
                && since < last.stamp.at()
            {
                self.withdrawn_since = Some(since);
            }
        }
        if self.last.is_some_and(|last| last.identity != next.identity) {
            self.discontinuity = None;
        }
        if let Some(told) = told {
            self.discontinuity = Some((next.stamp.at(), told));
        }
        self.last = Some(next);
    }
}
