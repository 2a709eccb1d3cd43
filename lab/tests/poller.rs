//! The poller against simulated OLTs in simulated time: the truth of every port is known, and nothing waits.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{Ipv4Addr, SocketAddr};

use owl_lab::olt::{self, Agent, Options, User};
use owl_measure::counter::Unknown;
use owl_measure::time::{Monotonic, Nanos};
use owl_probe::snmp::{
    Credentials, Device, Lane, Meter, Poller, Profile, Refusal, Target, Trouble, Way,
};
use owl_protocol::snmp::usm::MasterKeys;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

const INTERVAL: Nanos = Nanos::from_secs(10);

/// A datagram on its way: when it comes, its number, to which OLT or from it, and what it is.
type Event = Reverse<(Monotonic, u64, usize, Vec<u8>)>;

/// Agents, the way to them, and who asks them.
struct Network {
    poller: Poller,
    meters: Vec<Meter>,
    agents: Vec<(Agent, Monotonic)>,
    answers: BinaryHeap<Event>,
    number: u64,
    random: Pcg64Mcg,
    now: Monotonic,
}

fn keys(passphrase: &str) -> MasterKeys {
    MasterKeys::new(passphrase.as_bytes(), Some(passphrase.as_bytes())).unwrap()
}

fn community() -> Credentials {
    Credentials::Community(b"public".to_vec())
}

impl Network {
    fn new(olts: &[Options], credentials: &Credentials, profile: Profile, seed: u64) -> Self {
        let device = |k: usize| Device {
            name: format!("olt-{k}"),
            address: SocketAddr::from((Ipv4Addr::from(0xc000_0201 + k as u32), 161)),
            credentials: credentials.clone(),
            profile,
        };
        let began = Monotonic(0);
        Self {
            poller: Poller::new((0..olts.len()).map(device).collect(), seed),
            meters: olts.iter().map(|_| Meter::default()).collect(),
            agents: olts
                .iter()
                .enumerate()
                .map(|(k, options)| (Agent::new(options.clone(), k as u32, began), began))
                .collect(),
            answers: BinaryHeap::new(),
            number: 0,
            random: Pcg64Mcg::seed_from_u64(seed),
            // So that no counter begins at zero.
            now: Monotonic(3_600_000_000_000),
        }
    }

    fn lost(&mut self, ppm: u32) -> bool {
        self.random.next_u32() % 1_000_000 < ppm
    }

    /// One round of all agents, to its end.
    fn round(&mut self, lane: Lane) {
        for k in 0..self.agents.len() {
            self.poller.begin(k, lane, self.now);
        }
        loop {
            while let Some(transmit) = self.poller.poll_transmit(self.now) {
                let SocketAddr::V4(to) = transmit.to else {
                    panic!("only IPv4 here");
                };
                let k = (to.ip().to_bits() - 0xc000_0201) as usize;
                let datagram = transmit.datagram.to_vec();
                let (agent, free_at) = &mut self.agents[k];
                let options = agent.options().clone();
                let half = Nanos(options.round_trip.0 / 2);
                let begun = Monotonic((self.now + half).0.max(free_at.0));
                let answer = agent
                    .answer(&datagram, begun)
                    .map(|(answer, bindings)| (answer.to_vec(), bindings));
                if self.lost(options.loss_ppm) || self.lost(options.loss_ppm) {
                    continue;
                }
                if let Some((answer, bindings)) = answer {
                    let done = begun + options.service.times(bindings as i64);
                    self.agents[k].1 = done;
                    self.number += 1;
                    let event = (done + half, self.number, k, answer);
                    self.answers.push(Reverse(event));
                }
            }
            if !self.poller.is_running() {
                return;
            }
            let next = self.answers.peek().map(|Reverse((at, ..))| *at);
            let deadline = self.poller.next_deadline();
            self.now = next.into_iter().chain(deadline).min().unwrap();
            if next == Some(self.now) {
                let Reverse((_, _, k, answer)) = self.answers.pop().unwrap();
                self.poller.handle(Some(k), &answer, self.now);
            }
            self.poller.handle_timeout(self.now);
        }
    }

    /// So many rounds, each an interval after the one before; after each, all that is known of rates is held against the
    /// truth. How many rates were known and unknown.
    fn run(&mut self, rounds: u32) -> (usize, Vec<Unknown>) {
        let (mut known, mut unknown) = (0, Vec::new());
        for k in 0..rounds {
            let began = self.now;
            self.round(if k % 3 == 0 {
                Lane::Health
            } else {
                Lane::Octets
            });
            for (meter, target) in self.meters.iter_mut().zip(self.poller.targets()) {
                meter.take(target);
                for row in target.directory().rows() {
                    let truth = truth_bps(target, row.port);
                    for (way, factor) in [(Way::In, 1.0), (Way::Out, 2.0)] {
                        match meter.outcome(row.port, way) {
                            None => {}
                            Some(Err(reason)) => unknown.push(reason),
                            Some(Ok(increase)) => {
                                known += 1;
                                let (rate, truth) = (increase.rate(), factor * truth);
                                // A counter shows whole octets: one of them over the interval.
                                let grain = 16e9 / (increase.to - increase.from).0 as f64;
                                assert!(
                                    rate.at_least() <= truth + grain
                                        && truth <= rate.at_most() + grain,
                                    "{}: {rate:?}, not {truth}",
                                    target.directory().ports()[row.port].name
                                );
                            }
                        }
                    }
                }
            }
            self.now = Monotonic(self.now.0.max((began + INTERVAL).0));
        }
        (known, unknown)
    }

    fn target(&self, k: usize) -> &Target {
        &self.poller.targets()[k]
    }
}

/// What the port of this name carries.
fn truth_bps(target: &Target, place: usize) -> f64 {
    let name = &target.directory().ports()[place].name;
    let (slot, port) = name
        .strip_prefix("xgpon-")
        .unwrap()
        .split_once('/')
        .unwrap();
    let port = slot.parse::<u32>().unwrap() * 16 + port.parse::<u32>().unwrap();
    assert_eq!(&olt::name(port), name);
    olt::bps(port) as f64
}

#[test]
fn every_port_is_read_in_every_round_and_no_rate_is_wrong() {
    let near = Options {
        ports: 150,
        round_trip: Nanos::from_millis(5),
        ..Options::default()
    };
    let user = Credentials::User {
        name: "owl".to_owned(),
        keys: keys("maplesyrup"),
    };
    let users = Options {
        user: Some(User::new("owl", "maplesyrup", "maplesyrup").unwrap()),
        ..near.clone()
    };
    let lossy = Options {
        loss_ppm: 10_000,
        ..near.clone()
    };
    let copying = Options {
        cache: Nanos::from_secs(3),
        ..near.clone()
    };
    let slow = Options {
        service: Nanos::from_micros(100),
        ..near.clone()
    };
    let short = Options {
        answer_octets_max: 484,
        ..near.clone()
    };
    let copies = Profile {
        cache: Nanos::from_secs(3),
        ..Profile::GENERIC
    };
    let careful = Profile::named("careful").unwrap();
    let short_id = Profile::named("short-id").unwrap();
    for (what, options, credentials, profile) in [
        ("near", &near, &community(), Profile::GENERIC),
        ("SNMPv3", &users, &user, Profile::GENERIC),
        ("1 % lost", &lossy, &community(), Profile::GENERIC),
        ("copies", &copying, &community(), copies),
        ("slow", &slow, &community(), Profile::GENERIC),
        ("short answers", &short, &community(), Profile::GENERIC),
        ("one at a time", &near, &community(), careful),
        ("short identifiers", &near, &community(), short_id),
    ] {
        for seed in 0..2 {
            let olts = vec![options.clone(); 3];
            let mut network = Network::new(&olts, credentials, profile, seed);
            let (known, unknown) = network.run(7);
            assert_eq!(unknown, [], "{what}, seed {seed}");
            assert_eq!(known, 6 * 3 * 150 * 2, "{what}, seed {seed}");
            for target in network.poller.targets() {
                assert_eq!(target.round().trouble, None, "{what}, seed {seed}");
            }
        }
    }
}

#[test]
fn a_restart_that_gives_ports_other_numbers_makes_unknown_rates_and_no_wrong_ones() {
    for every_s in [17, 25, 31, 60] {
        let options = Options {
            ports: 50,
            round_trip: Nanos::from_millis(5),
            restart_every: Some(Nanos::from_secs(every_s)),
            renumbers: true,
            ..Options::default()
        };
        let mut network = Network::new(&[options], &community(), Profile::GENERIC, 1);
        let (known, unknown) = network.run(20);
        assert!(known > 0, "each {every_s} s");
        assert!(!unknown.is_empty(), "each {every_s} s");
        assert_eq!(network.target(0).directory().rows().len(), 50);
    }
}

#[test]
fn a_slow_agent_is_kept_busy_with_four_requests_at_most() {
    let options = Options {
        ports: 2_048,
        round_trip: Nanos::from_millis(5),
        service: Nanos::from_micros(100),
        ..Options::default()
    };
    let mut network = Network::new(&[options], &community(), Profile::GENERIC, 1);
    for _ in 0..3 {
        let began = network.now;
        network.round(Lane::Health);
        let round = network.target(0).round();
        assert!(round.window <= 4, "{round:?}");
        network.now = began + Nanos::from_secs(60);
    }
    let round = network.target(0).round();
    let bindings = 2_048.0 * 7.0;
    let share = bindings / 10_000.0 / (round.ended - round.began).as_secs_f64();
    assert!(share >= 0.95, "{share}: {round:?}");
}

#[test]
fn who_does_not_answer_holds_up_nobody_and_is_told_apart_from_who_refuses() {
    let options = Options {
        ports: 100,
        user: Some(User::new("owl", "maplesyrup", "maplesyrup").unwrap()),
        ..Options::default()
    };
    let dead = Options {
        loss_ppm: 1_000_000,
        ..options.clone()
    };
    let user = |name: &str, passphrase: &str| Credentials::User {
        name: name.to_owned(),
        keys: keys(passphrase),
    };
    let wrong = |refusal| Some(Trouble::Refused(refusal));
    for (credentials, trouble) in [
        (community(), None),
        (user("owl", "maplesyrup"), None),
        (user("owl", "maplesyrop"), wrong(Refusal::WrongKeys)),
        (user("owls", "maplesyrup"), wrong(Refusal::UnknownUser)),
        (
            Credentials::Community(b"secret".to_vec()),
            Some(Trouble::NoAnswer),
        ),
    ] {
        let olts = [options.clone(), dead.clone()];
        let mut network = Network::new(&olts, &credentials, Profile::GENERIC, 1);
        let began = network.now;
        network.round(Lane::Octets);
        assert_eq!(network.target(0).round().trouble, trouble);
        assert_eq!(network.target(1).round().trouble, Some(Trouble::NoAnswer));
        let answered = network.target(0).table().answered();
        assert_eq!(answered, if trouble.is_none() { 100 } else { 0 });
        assert!(network.now - began <= Nanos::from_secs(8));
    }
}

#[test]
fn octets_from_anybody_change_nothing() {
    let options = Options {
        ports: 64,
        ..Options::default()
    };
    let mut agent = Agent::new(options.clone(), 0, Monotonic(0));
    let mut network = Network::new(&[options], &community(), Profile::GENERIC, 1);
    network.poller.begin(0, Lane::Health, network.now);
    let mut random = Pcg64Mcg::seed_from_u64(7);
    for _ in 0..200 {
        let Some(transmit) = network.poller.poll_transmit(network.now) else {
            break;
        };
        let datagram = transmit.datagram.to_vec();
        let Some((answer, _)) = agent.answer(&datagram, network.now) else {
            continue;
        };
        let answer = answer.to_vec();
        for _ in 0..50 {
            let mut changed = answer.clone();
            let at = random.next_u32() as usize % changed.len();
            changed[at] ^= 1 << (random.next_u32() % 8);
            // Of no agent, and cut short.
            network.poller.handle(None, &changed, network.now);
            changed.truncate(at);
            network.poller.handle(Some(0), &changed, network.now);
        }
        network.poller.handle(Some(0), &answer, network.now);
    }
    assert!(!network.poller.is_running());
    assert_eq!(network.target(0).table().answered(), 64);
    let unheard = network.poller.unheard();
    assert!(
        unheard.strangers > 0 && unheard.malformed > 0,
        "{unheard:?}"
    );
}
