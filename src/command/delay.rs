//! `owl delay HOST`: one session to one session-reflector, from the first packet to the verdict.

mod asking;
mod authentication;
mod dialect;
mod findings;
mod flows;
mod judged;
mod limit;
mod lines;
mod live;
mod meaning;
mod member;
mod numbers;
mod owamp;
mod patterns;
mod range;
mod route;
mod search;
mod session;
mod short;
mod show;
mod table;
mod target;
mod told;
mod twamp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use owl_measure::delay::Floors;
use owl_measure::sample::Sample;
use owl_measure::time::Nanos;
use owl_measure::verdict::{Population, Quantile};
use owl_measure::words::Lang;
use owl_probe::clock::Clock;
use owl_probe::keys::KeyWatch;
use owl_probe::member::Member;
use owl_probe::net::Stamping;
use owl_probe::sender::{Pace, SessionSenders, SessionSettings};
use owl_protocol::session::Schedule;
use owl_protocol::session::sender::{Dialect, Protection, Reflector, SenderConfig, TrafficClass};
use owl_protocol::wire::owamp::Modes;
use owl_topology::geodesy::{EARTH_RADIUS_KM, Point, proof_floor};
use serde_json::json;

use self::asking::Asking;
use self::authentication::{Authentication, Identity, Towards, no_key};
use self::dialect::{Protocol, Spoken};
use self::findings::{DIRECTIONS, Findings};
use self::flows::{Flows, Sending};
use self::judged::{Asked, Judged};
use self::live::Live;
use self::member::Over;
use self::range::{DURATION_MAX, distance, duration, interval, spin, timeout};
use self::session::{Ended, REPORT_INTERVAL, Running};
use self::show::{sample_json, stamp_source};
use self::target::{Family, Target};
use self::told::Told;
use self::twamp::Attended;
use super::duration::positive;
use super::own_clock::OwnClock;
use crate::failure::{Failure, Outcome};
use crate::stop;
use crate::terminal::{LiveLine, Reader, print, stream};

/// The first packet leaves this long after the sessions were described, for each of them: what their sockets take to be
/// opened and proved would make it late otherwise.
const PREPARATION: Nanos = Nanos::from_millis(50);
/// UDP payload of a test packet, unless another is asked for: STAMP's without TLVs, and enough for TWAMP to reply in kind.
const OCTETS: u16 = 44;
/// How often the numbers of a running session are shown.
const TICK: Duration = Duration::from_secs(1);

/// Measure delay both ways, round trip, delay variation and loss to a session-reflector
///
/// A one-way delay is shown twice: as the raw difference of two clocks' stamps, and as the interval that the true delay lies in.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Session-reflector as HOST, HOST:PORT or [IPv6]:PORT; without PORT, UDP 862 and 18862 are tried
    #[arg(value_name = "HOST[:PORT]")]
    reflector: Target,
    /// Only its IPv4 addresses
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Only its IPv6 addresses
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Time between test packets, 10us at least; a send time that is slept through is skipped and counted, and --duration ends all the same
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = interval)]
    interval: Nanos,
    /// How long to send; 0s goes on until Ctrl-C, and never longer than 24h
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    duration: Nanos,
    /// Send so many packets, however long it takes (24h at most)
    #[arg(long, value_name = "PACKETS", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    flows: Flows,
    /// Send at exponentially distributed gaps, of which --interval is the mean
    #[arg(long)]
    poisson: bool,
    /// Seed of those gaps, so that they can be repeated
    #[arg(long, value_name = "NUMBER", requires = "poisson")]
    seed: Option<u64>,
    /// Look at the clock instead of sleeping for the last DURATION before each packet, 1ms at most: packets leave nearer to
    /// their time, and each costs that much of a processor
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = spin)]
    spin: Nanos,
    /// DSCP of the test packets
    #[arg(long, value_name = "DSCP", default_value = "0", value_parser = clap::value_parser!(u8).range(0..64))]
    dscp: u8,
    /// UDP payload of a test packet at least: STAMP needs 44, and 64 for what is asked of an own reflector; TWAMP needs 14, or 48 when protected. The default is as long as the reply
    #[arg(long, value_name = "OCTETS", value_parser = clap::value_parser!(u16).range(14..=65_507))]
    octets: Option<u16>,
    /// A reply that takes longer is late, one that takes twice as long is lost
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = timeout)]
    timeout: Nanos,
    #[command(flatten)]
    spoken: Spoken,
    #[command(flatten)]
    asking: Asking,
    /// Send each packet as a frame over this interface, a member of a bond for instance, whatever the routes say (IPv4, needs
    /// CAP_NET_RAW); --ask micro-session=LINK tells the far end which link that is
    #[arg(long, value_name = "IFNAME")]
    member: Option<String>,
    #[command(flatten)]
    authentication: Authentication,
    #[command(flatten)]
    own_clock: OwnClock,
    /// Great-circle distance of the two hosts: no packet is faster than light over it
    #[arg(long, value_name = "KM", value_parser = distance)]
    distance: Option<f64>,
    /// Judge the one-way delay of both directions: exit code 0 when it is at most this, 1 when above, 3 when undecided
    #[arg(long, value_name = "DURATION", value_parser = positive)]
    max_delay: Option<Nanos>,
    /// The quantile that is judged
    #[arg(
        long,
        value_name = "QUANTILE",
        default_value = "0.95",
        requires = "max_delay"
    )]
    quantile: Quantile,
    /// What the quantile speaks of: of the `packets` that were sent, or of the `path`, of which they are a sample; then the
    /// verdict holds with 97.5 % confidence against chance, too
    #[arg(
        long,
        value_name = "POPULATION",
        default_value = "packets",
        requires = "max_delay"
    )]
    population: Population,
    /// The far end is `owl reflect`: believe its count of losses and its clock claim
    #[arg(long)]
    own: bool,
    /// Print JSON: one line for each second, and a last one with everything
    #[arg(long)]
    json: bool,
    /// Print a line for each packet that came back, too
    #[arg(long, requires = "json")]
    samples: bool,
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    args.refuse_meaningless(lang)?;
    let stop = stop::on_signal()?;
    let clock = Clock::honest();
    // Any number will do that the last session from here did not have.
    let seed = clock.now().0.cast_unsigned() ^ u64::from(std::process::id());
    let mut identity = args.authentication.identity(seed as u16, lang)?;
    let agreement = match args.spoken.protocol {
        Protocol::Owamp => return owamp::run(&args, &stop, lang),
        Protocol::Twamp => Some(twamp::agree(&args, &stop, lang)?),
        Protocol::Stamp | Protocol::TwampLight => None,
    };
    let reflector = match &agreement {
        Some(agreement) => agreement.agreed.reflector,
        None => args.search(&identity, lang)?,
    };
    let protection = identity.protect(reflector.ip(), lang)?;
    // The next hop may take a while to answer, which is not to make the first packets late.
    let member = args.way_over_member(reflector, lang)?;
    let sending = args.sending(clock, seed);
    let mut settings = args.settings(reflector, &identity, protection, clock, sending);
    let (mut source_port, mut attended, mut mode) = (None, None, None);
    if let Some(agreement) = agreement {
        let (client, agreed) = agreement.split();
        settings.sender.dialect = Dialect::Twamp(agreed.test_mode.clone());
        settings.sender.packet_octets = agreed.packet_octets;
        mode = Some(agreed.mode);
        let source = agreed.release();
        settings.local = Some(source.ip());
        source_port = Some(source.port());
        attended = Some(
            Attended::start(client, Arc::clone(&stop)).map_err(|error| no_thread(error, lang))?,
        );
    }
    let pace = Pace {
        spin: args.spin,
        ..Pace::default()
    };
    let mut senders = SessionSenders::new(clock, Arc::default()).at_pace(pace);
    for (schedule, packets) in args.flows.each(sending) {
        let mut settings = settings.clone();
        // A duration ends when it is over, whatever the host could not send in it.
        if args.count.is_some() {
            settings.sender.schedule = schedule;
            settings.sender.packets = Some(packets);
        } else {
            settings.sender.schedule = schedule.ending_after(packets);
        }
        match (source_port, &member) {
            (Some(port), _) => senders.open_from(port, settings),
            (None, Some(member)) => senders.open_over(member, settings),
            (None, None) => senders.open(settings),
        }
        .map_err(|error| member::not_opened(error, lang))?;
    }
    args.begin(reflector, mode, &senders, lang)?;
    let sending = (args.interval, args.timeout, args.flows);
    let running = session::start(senders, sending, args.own_clock, Arc::clone(&stop))
        .map_err(|error| no_thread(error, lang))?;
    args.watch(&running, &mut identity, &stop, lang)?;
    let ended = running.join().map_err(|error| {
        Failure::unable(lang.pick("cannot wait for packets", "无法等待报文")).because(error)
    })?;
    let kept = attended.map(|attended| attended.end(&args, lang));
    let outcome = args.conclude(reflector, &ended, member.as_ref(), lang)?;
    // What came back until then has been told.
    kept.unwrap_or(Ok(()))?;
    Ok(outcome)
}

fn no_thread(error: std::io::Error, lang: Lang) -> Failure {
    Failure::unable(lang.pick("cannot start a thread", "无法启动线程")).because(error)
}

impl Args {
    fn floors(&self) -> Floors {
        let at = |km: f64| Point {
            lat: 0.0,
            lon: (km / EARTH_RADIUS_KM).to_degrees(),
            accuracy_km: 0.0,
        };
        let floor = proof_floor(at(0.0), at(self.distance.unwrap_or(0.0)));
        Floors {
            forward: floor,
            backward: floor,
        }
    }

    /// As many packets as are sent at most.
    fn packets(&self) -> u64 {
        let fit = |span: Nanos| u64::try_from(span.0 / self.interval.0).unwrap_or(0).max(1);
        let most = fit(DURATION_MAX);
        match self.count {
            Some(count) => count.min(most),
            None if self.duration == Nanos::ZERO => most,
            None => fit(self.duration),
        }
    }

    fn family(&self) -> Family {
        match (self.ipv4, self.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        }
    }

    fn unknown(&self, lang: Lang) -> Failure {
        let host = &self.reflector;
        Failure::unable(lang.pick(format!("cannot find {host}"), format!("找不到 {host}")))
    }

    /// What a name has been found to mean: one address at least.
    fn found(
        &self,
        found: std::io::Result<Vec<SocketAddr>>,
        lang: Lang,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let found = found.map_err(|error| self.unknown(lang).because(error))?;
        if found.is_empty() {
            return Err(self.unknown(lang).hint(lang.pick(
                "it has no address of the family that was asked for",
                "它没有所要求地址族的地址",
            )));
        }
        Ok(found)
    }

    /// Where a server may listen whose port is this one unless another was given.
    fn addresses(&self, port: u16, lang: Lang) -> Result<Vec<SocketAddr>, Failure> {
        self.found(self.reflector.addresses(self.family(), port), lang)
    }

    /// The address at which the session-reflector answers.
    fn search(&self, identity: &Identity, lang: Lang) -> Result<SocketAddr, Failure> {
        let host = &self.reflector;
        let candidates = self.found(host.candidates(self.family()), lang)?;
        let keyless =
            |candidate: &SocketAddr| matches!(identity.towards(candidate.ip()), Towards::NoKey);
        if candidates.iter().all(keyless) {
            return Err(no_key(identity.ssid, lang));
        }
        let tried: Vec<_> = candidates.iter().map(ToString::to_string).collect();
        let tried = tried.join(", ");
        let silent = |lang: Lang| {
            Failure::unable(lang.pick(
                format!("cannot measure to {host}: no session-reflector answers at {tried}"),
                format!("无法测量到 {host}：{tried} 上没有会话反射端应答"),
            ))
            .hint(match identity.watch {
                None => lang.pick(
                    "run `owl reflect` on the far host, and let UDP through to the port that it prints; or it wants a key: `--key-file FILE`",
                    "请在远端主机运行 `owl reflect`，并放行它所显示的 UDP 端口；若它要求密钥：`--key-file FILE`",
                ),
                Some(_) => lang.pick(
                    "run `owl reflect --keys FILE` on the far host with the same key for this host and session identifier, and let UDP through",
                    "请在远端主机用相同密钥运行 `owl reflect --keys FILE`，并放行 UDP",
                ),
            })
        };
        match search::first_to_answer(&candidates, identity) {
            Ok(Some(reflector)) => Ok(reflector),
            Ok(None) => Err(silent(lang)),
            Err(error) => Err(silent(lang).because(error)),
        }
    }

    fn sending(&self, clock: Clock, seed: u64) -> Sending {
        Sending {
            interval: self.interval,
            start: clock.monotonic() + PREPARATION.times(self.flows.flows.into()),
            packets: self.packets(),
            seed: self.poisson.then_some(self.seed.unwrap_or(seed)),
        }
    }

    fn settings(
        &self,
        reflector: SocketAddr,
        identity: &Identity,
        protection: Protection,
        clock: Clock,
        sending: Sending,
    ) -> SessionSettings {
        // Each flow gets its own.
        let schedule = Schedule::periodic(sending.interval, sending.start);
        let kind = if self.own {
            Reflector::Own
        } else {
            Reflector::Stranger
        };
        SessionSettings {
            peer: reflector,
            local: None,
            sender: SenderConfig {
                dialect: self.spoken.dialect(),
                packet_octets: self.octets.unwrap_or(OCTETS).into(),
                class: self.class(),
                padding: self.asking.padding(),
                format: self.asking.stamp_format.format(),
                tai_offset: self.asking.stamp_format.tai_offset(),
                zero_ssid: self.asking.zero_ssid(),
                question: self.asking.question(self.own),
                protection,
                ..SenderConfig::new(identity.ssid, schedule, self.timeout, kind)
            },
            keys: identity.watch.as_ref().map(KeyWatch::live),
            report_interval: REPORT_INTERVAL,
            aligned_to: clock.now(),
            targets: self.max_delay.into_iter().collect(),
        }
    }

    /// What is to be judged, when something is.
    fn asked(&self) -> Option<Asked> {
        Some(Asked {
            target: self.max_delay?,
            quantile: self.quantile,
            population: self.population,
        })
    }

    fn class(&self) -> TrafficClass {
        TrafficClass {
            dscp: self.dscp,
            ecn: self.asking.ecn,
        }
    }

    fn begin(
        &self,
        reflector: SocketAddr,
        mode: Option<Modes>,
        senders: &SessionSenders,
        lang: Lang,
    ) -> Result<Outcome, Failure> {
        if self.json {
            let mode = mode.map(|mode| mode.to_string());
            let line = json!({ "kind": "begin", "protocol": self.spoken.protocol.name(), "mode": mode, "reflector": reflector.to_string(), "interval_ns": self.interval, "packets": self.packets(), "flows": self.flows.flows });
            return print(&format!("{line}\n"));
        }
        let octets = senders.session(0).packet_octets();
        let stamps = match senders.stamping(0) {
            Some(Stamping { transmit, receive }) => format!(
                "T1 {}, T4 {}",
                stamp_source(transmit, lang),
                stamp_source(receive, lang)
            ),
            None => lang.pick("not proved", "未经证实").to_owned(),
        };
        let spoken = match mode {
            Some(mode) => format!("{reflector} (TWAMP, {mode})"),
            None => reflector.to_string(),
        };
        let began = lang.pick(
            format!(
                "{spoken}: a packet of {octets} octets every {}; stamps {stamps}\n",
                self.interval
            ),
            format!(
                "{spoken}：每 {} 发送一个 {octets} 字节的报文；时间戳 {stamps}\n",
                self.interval
            ),
        );
        print(&format!(
            "{began}{}",
            self.too_short(lang).unwrap_or_default()
        ))
    }

    /// Shows what comes back until the session is over.
    fn watch(
        &self,
        running: &Running,
        identity: &mut Identity,
        stop: &AtomicBool,
        lang: Lang,
    ) -> Result<(), Failure> {
        let line = LiveLine::new();
        let mut live = Live::new(self.own_clock, self.interval, self.timeout, self.floors());
        let began = Instant::now();
        let mut seconds = 0;
        loop {
            let tick = TICK * (seconds + 1);
            match running
                .samples
                .recv_timeout(tick.saturating_sub(began.elapsed()))
            {
                Ok(sample) => {
                    self.show_sample(&sample, stop)?;
                    live.push(sample);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if began.elapsed() >= tick {
                seconds += 1;
                if let Some(watch) = &mut identity.watch {
                    watch.look();
                }
                let second = live.second(seconds.into());
                if self.json {
                    say(&format!("{}\n", second.json()), stop)?;
                } else {
                    line.show(&second.text(lang));
                }
            }
        }
        line.clear();
        Ok(())
    }

    fn show_sample(&self, sample: &Sample, stop: &AtomicBool) -> Result<(), Failure> {
        if self.samples {
            let flow = self.flows.flow_of(sample.sequence);
            say(&format!("{}\n", sample_json(sample, flow)), stop)
        } else {
            Ok(())
        }
    }

    fn conclude(
        &self,
        reflector: SocketAddr,
        ended: &Ended,
        member: Option<&Member>,
        lang: Lang,
    ) -> Result<Outcome, Failure> {
        let Some(found) = Findings::of(&ended.reports, self.floors()) else {
            return Err(Failure::unable(lang.pick(
                format!("cannot measure to {reflector}: stopped before anything came back"),
                format!("无法测量到 {reflector}：在收到任何应答之前已停止"),
            )));
        };
        let judged = self.asked().map(|asked| found.judged(asked));
        let outcome = Judged::outcome(judged.as_ref(), found.counts.received > 0);
        let result = show::Result {
            reflector,
            interval: self.interval,
            found: &found,
            told: Told {
                seen: &ended.observations,
                asked: self.asking.question(self.own),
                sent: self.class(),
            },
            ended,
            over: member
                .zip(ended.replies_over)
                .map(|(member, replies)| Over::new(member, replies)),
            routes: self.routes(DIRECTIONS.map(|way| (way, found.evidence(way).fastest()))),
            judged,
        };
        print(&if self.json {
            format!("{}\n", result.json(lang))
        } else {
            result.text(lang)
        })?;
        Ok(outcome)
    }
}

/// Prints, and ends the session when nobody reads any more.
fn say(text: &str, stop: &AtomicBool) -> Result<(), Failure> {
    if stream(text)? == Reader::Gone {
        stop.store(true, Relaxed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    pub(super) fn args(line: &str) -> Result<Args, clap::Error> {
        Line::try_parse_from(std::iter::once("delay").chain(line.split_whitespace()))
            .map(|line| line.args)
    }

    #[test]
    fn the_number_of_packets_is_bounded_whatever_is_asked_for() {
        let packets = |line: &str| args(line).unwrap().packets();
        assert_eq!(packets("h"), 100);
        assert_eq!(packets("h --interval 1s --duration 100ms"), 1);
        assert_eq!(packets("h --duration 0s"), 864_000);
        assert_eq!(packets("h --count 7"), 7);
        assert_eq!(packets("h --interval 1m --count 1000000"), 1_440);
    }

    #[test]
    fn what_cannot_be_is_refused_before_anything_is_sent() {
        for bad in [
            "h --interval 9us",
            "h --duration 25h",
            "h --duration -1s",
            "h --timeout 0s",
            "h --octets 13",
            "h --user yannan",
            "h --pass-phrase-file f",
            "h --protocol ping",
            "h --direction sideways",
            "h --dscp 64",
            "h --distance 30000",
            "h --distance nan",
            "h --seed 1",
            "h --quantile 0.9",
            "h --population path",
            "h --max-delay 1ms --population city",
            "h --max-delay 0s",
            "h --max-delay=-1ms",
            "h --clock-bound 0s",
            "h --clock-bound=-1ms",
            "h --samples",
            "h -4 -6",
            "h --count 5 --duration 1s",
        ] {
            assert!(args(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_floor_is_light_in_vacuum_over_the_sure_part_of_the_distance() {
        let floor = args("h --distance 1000").unwrap().floors().forward;
        assert!((floor - Nanos(3_318_963)).abs() <= Nanos(1), "{floor:?}");
        assert_eq!(args("h").unwrap().floors(), Floors::default());
    }
}
