//! How a history comes to be.

use super::agent::TrueAnswer;
use super::traffic::Load;
use super::{History, Kind, Seen, Traffic, Truth};
use crate::random::Random;

const SECOND: i64 = 1_000_000_000;
const TICK_NS: i64 = 10_000_000;
/// How many answers a history has.
const ANSWERS: usize = 40;
/// When the first is asked for: whatever happens may have happened for a while.
const START_NS: i64 = 1_000 * SECOND;

/// What is planted, drawn once for a history.
struct Plan {
    bits: u32,
    speed_bps: u64,
    load: Load,
    interval_ns: i64,
    rtt_mean_ns: u64,
    rtt_max_ns: i64,
    restart_ppm: u32,
    keeps_values: bool,
    clear_ppm: u32,
    untold_up_ppm: u32,
    untold_discontinuity_ppm: u32,
    untold_rtt: bool,
    loss_ppm: u32,
    disorder_ppm: u32,
    copy_life_ns: i64,
    agent_ppm: f64,
    up_at_start: u64,
    value_at_start: u64,
}

impl Plan {
    fn clean(random: &mut Random) -> Self {
        const SPEEDS: [u64; 5] = [
            1_000_000_000,
            10_000_000_000,
            100_000_000_000,
            400_000_000_000,
            800_000_000_000,
        ];
        const INTERVALS: [i64; 5] = [1, 5, 10, 30, 60];
        Self {
            bits: 64,
            speed_bps: SPEEDS[random.choose(SPEEDS.len())],
            load: Load::Any,
            interval_ns: INTERVALS[random.choose(INTERVALS.len())] * SECOND,
            rtt_mean_ns: random.between(0.2e6, 20e6) as u64,
            rtt_max_ns: 200_000_000,
            restart_ppm: 0,
            keeps_values: false,
            clear_ppm: 0,
            untold_up_ppm: 0,
            untold_discontinuity_ppm: 0,
            untold_rtt: false,
            loss_ppm: 0,
            disorder_ppm: 0,
            copy_life_ns: 0,
            agent_ppm: random.between(-100.0, 100.0),
            up_at_start: random.between(1e5, 4e9) as u64,
            value_at_start: random.between(0.0, 9e18) as u64,
        }
    }

    fn of(kind: Kind, random: &mut Random) -> Self {
        let mut plan = Self::clean(random);
        match kind {
            Kind::Clean => {}
            Kind::Wraps32 => plan.wrap(100_000_000),
            Kind::FastWraps32 => plan.wrap(10_000_000_000),
            Kind::Wrap64 => plan.value_at_start = u64::MAX - random.between(0.0, 1e12) as u64,
            Kind::Restarts => plan.restart_ppm = 80_000,
            Kind::RestartsKept => {
                plan.restart_ppm = 80_000;
                plan.keeps_values = true;
            }
            Kind::RestartsUntold => {
                plan.restart_ppm = 80_000;
                plan.untold_up_ppm = 400_000;
            }
            Kind::Clears => plan.clear_ppm = 80_000,
            Kind::ClearsUntold => {
                plan.clear_ppm = 80_000;
                plan.untold_discontinuity_ppm = 400_000;
            }
            Kind::UpWraps => plan.up_at_start = (1 << 32) - random.between(0.0, 20_000.0) as u64,
            Kind::Loss => plan.loss_ppm = 150_000,
            Kind::Disorder => plan.disorder_ppm = 150_000,
            Kind::Copies => {
                plan.copy_life_ns = (plan.interval_ns as f64 * random.between(1.02, 4.0)) as i64;
            }
            Kind::BadClock => plan.agent_ppm = random.between(-5_000.0, 5_000.0),
            Kind::SlowAnswers => {
                plan.rtt_mean_ns = 500_000_000;
                plan.rtt_max_ns = 2 * SECOND;
            }
            Kind::NoUp => {
                plan.untold_up_ppm = 1_000_000;
                plan.restart_ppm = 40_000;
            }
            Kind::NoRtt => plan.untold_rtt = true,
            Kind::Full => plan.load = Load::Full,
            Kind::Idle => plan.load = Load::Idle,
            Kind::Everything => plan.everything(random),
        }
        plan
    }

    fn wrap(&mut self, speed_bps: u64) {
        self.bits = 32;
        self.speed_bps = speed_bps;
    }

    fn everything(&mut self, random: &mut Random) {
        if random.happens(500_000) {
            self.wrap(100_000_000);
        }
        self.restart_ppm = 30_000;
        self.keeps_values = random.happens(300_000);
        self.clear_ppm = 30_000;
        self.untold_up_ppm = 100_000;
        self.untold_discontinuity_ppm = 100_000;
        self.loss_ppm = 50_000;
        self.disorder_ppm = 50_000;
        self.up_at_start = (1 << 32) - random.between(0.0, 50_000.0) as u64;
        if random.happens(300_000) {
            self.copy_life_ns = (self.interval_ns as f64 * random.between(1.02, 3.0)) as i64;
        }
    }
}

/// The counter and its agent at one moment.
struct Agent {
    /// When the agent began, and what its sysUpTime was then.
    began_ns: i64,
    up_at_beginning: u64,
    /// ifCounterDiscontinuityTime.
    discontinuity: u64,
    /// (since when, the value then), one for each beginning of the counter.
    beginnings: Vec<(i64, u64)>,
    ppm: f64,
}

impl Agent {
    fn up(&self, at_ns: i64) -> u64 {
        let passed = (at_ns - self.began_ns) as f64 * (1.0 + self.ppm / 1e6);
        self.up_at_beginning + (passed / TICK_NS as f64) as u64
    }
}

pub(super) fn history(kind: Kind, seed: u64) -> History {
    let mut random = Random::seeded(seed.wrapping_mul(64).wrapping_add(kind as u64));
    let plan = Plan::of(kind, &mut random);
    let end_ns = START_NS + plan.interval_ns * (ANSWERS as i64 + 2);
    let traffic = Traffic::random(&mut random, plan.speed_bps, end_ns, plan.load);
    let mut agent = Agent {
        began_ns: 0,
        up_at_beginning: plan.up_at_start,
        discontinuity: 0,
        beginnings: vec![(0, plan.value_at_start)],
        ppm: plan.agent_ppm,
    };
    let copy_phase_ns = (plan.copy_life_ns as f64 * random.between(0.0, 1.0)) as i64;
    let mut seen = Vec::with_capacity(ANSWERS);
    let mut answers = Vec::with_capacity(ANSWERS);
    let mut last_ns = START_NS;
    for number in 0..ANSWERS {
        let jitter = random.between(-0.05, 0.05) * plan.interval_ns as f64;
        let asked_ns = START_NS + plan.interval_ns * (number as i64 + 1) + jitter as i64;
        let rtt_ns =
            (random.exponential_ns(plan.rtt_mean_ns) as i64).min(plan.rtt_max_ns) + 100_000;
        let answered_ns = asked_ns + (rtt_ns as f64 * random.between(0.0, 1.0)) as i64;
        happenings(
            &plan,
            &mut agent,
            &traffic,
            &mut random,
            last_ns,
            answered_ns,
        );
        last_ns = answered_ns;
        let mut read_ns = match plan.copy_life_ns {
            0 => answered_ns,
            life => answered_ns - (answered_ns - copy_phase_ns).rem_euclid(life),
        };
        // A counter that has begun anew is copied anew.
        read_ns = read_ns.max(agent.beginnings.last().map_or(0, |&(since, _)| since));
        let (since, value) = *agent
            .beginnings
            .last()
            .expect("an agent has begun at least once");
        let octets = traffic.octets_until(read_ns) - traffic.octets_until(since);
        let value = value.wrapping_add(octets) & (u64::MAX >> (64 - plan.bits));
        let told = |random: &mut Random, untold_ppm, ticks: u64| {
            (!random.happens(untold_ppm)).then_some(ticks as u32)
        };
        let answer = Seen {
            t_ns: asked_ns + rtt_ns / 2,
            rtt_ns: (!plan.untold_rtt).then_some(rtt_ns + 1),
            up: told(&mut random, plan.untold_up_ppm, agent.up(answered_ns)),
            discontinuity: told(
                &mut random,
                plan.untold_discontinuity_ppm,
                agent.discontinuity,
            ),
            value: (!random.happens(plan.loss_ppm)).then_some(value),
        };
        let truth = TrueAnswer {
            answered_ns,
            read_ns,
            beginnings: agent.beginnings.len() as u32,
            touched: answer.value.is_none()
                || answer.up.is_none()
                || answer.discontinuity.is_none(),
        };
        seen.push(answer);
        answers.push(truth);
        if random.happens(plan.disorder_ppm) {
            // The same answer once more.
            seen.push(answer);
            answers.push(TrueAnswer {
                touched: true,
                ..truth
            });
        }
    }
    disorder(&plan, &mut random, &mut seen, &mut answers);
    History {
        speed_bps: plan.speed_bps,
        bits: plan.bits,
        seen,
        truth: Truth { traffic, answers },
    }
}

/// Restarts and clearings between two answers.
fn happenings(
    plan: &Plan,
    agent: &mut Agent,
    traffic: &Traffic,
    random: &mut Random,
    since: i64,
    until: i64,
) {
    if random.happens(plan.restart_ppm) && until > since {
        let at = random.between(since as f64 + 1.0, until as f64) as i64;
        let (began, value) = *agent
            .beginnings
            .last()
            .expect("an agent has begun at least once");
        let kept = value.wrapping_add(traffic.octets_until(at) - traffic.octets_until(began));
        // While it is down, nothing is counted.
        let counts_ns = (at + (random.between(0.0, 0.5) * (until - at) as f64) as i64).min(until);
        let value = if plan.keeps_values { kept } else { 0 };
        agent.beginnings.push((counts_ns, value));
        agent.began_ns = at;
        agent.up_at_beginning = 0;
        agent.discontinuity = 0;
    }
    if random.happens(plan.clear_ppm) && until > since {
        let latest = agent
            .beginnings
            .last()
            .map_or(since, |&(began, _)| began.max(since));
        let at = random.between(latest as f64, until as f64) as i64;
        agent.beginnings.push((at, 0));
        agent.discontinuity = agent.up(at);
    }
}

/// Answers come in another order than they were asked for.
fn disorder(plan: &Plan, random: &mut Random, seen: &mut [Seen], answers: &mut [TrueAnswer]) {
    for place in 1..seen.len() {
        if random.happens(plan.disorder_ppm) {
            seen.swap(place - 1, place);
            answers.swap(place - 1, place);
        }
    }
}
