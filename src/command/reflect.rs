//! `owl reflect`: answers test packets until it is told to stop.

mod control;
mod provision;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use owl_measure::sample::StampSource;
use owl_measure::time::Nanos;
use owl_measure::words::Lang;
use owl_probe::clock::Clock;
use owl_probe::interface::interfaces;
use owl_probe::keys::KeyWatch;
use owl_probe::net::{SocketError, ThreadError};
use owl_probe::reflector::{
    HIGH_PORT, Memory, Priority, Reflector, ReflectorEngine, ReflectorError, ReflectorReading,
    ReflectorStats, STAMP_PORT, THREADS_MAX, XdpError,
};
use serde_json::{Value, json};

use self::control::{Control, ServerStats, Servers};
use self::provision::Provision;
use super::own_clock::{self, OwnClock};
use crate::failure::{Failure, Outcome};
use crate::stop;
use crate::terminal::{LiveLine, print};

/// How often the counts are shown.
const TICK: Duration = Duration::from_secs(1);
/// How often it is looked whether to stop.
const LOOK: Duration = Duration::from_millis(100);

/// Answer the test packets of `owl delay`, of probes and of any other STAMP session-sender
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen, may be repeated; without it every address on UDP port 862, or on 18862 when 862 cannot be had
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<SocketAddr>,
    /// Answer on N threads, 1 to 64, each with a socket of its own; all packets of a session go to the same one. One
    /// thread answers more than 100,000 packets a second
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = threads)]
    threads: usize,
    /// Keep the threads to these processors, in turn: 2,3 puts the first on processor 2
    #[arg(long, value_name = "PROCESSOR,…", value_delimiter = ',')]
    pin: Vec<usize>,
    /// Run the threads before every ordinary one (SCHED_FIFO): replies do not wait for a busy processor, but a flood of
    /// requests leaves little of it to other programs
    #[arg(long)]
    real_time: bool,
    /// Keep no sessions: copy sequence numbers from requests and ask the kernel for no transmit stamps. Costs less a
    /// packet, but senders see neither in which direction packets were lost nor when replies really left
    #[arg(long)]
    stateless: bool,
    /// Answer base packets (44 octets, no TLVs) in the driver of INTERFACE, before the kernel sees them (XDP): a fraction
    /// of a microsecond each and T3 exact, but without sessions, as with `--stateless`. Other packets come to the threads
    /// as ever. Needs root, and a driver with native XDP
    #[arg(long, value_name = "INTERFACE", conflicts_with_all = ["keys", "allow"])]
    xdp: Option<String>,
    #[command(flatten)]
    control: Control,
    #[command(flatten)]
    provision: Provision,
    #[command(flatten)]
    own_clock: OwnClock,
    /// Print JSON: one line where it listens, and one with the counts at the end
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    let stop = stop::on_signal()?;
    let (settings, watch) = args.provision.settings(args.own_clock, lang)?;
    let keys = watch.map(Keys::new).transpose()?;
    let reflector =
        bind(&args.listen, &engine(&args)).map_err(|error| refused(error, &args.listen, lang))?;
    let reflector = reflector.provisioned(settings);
    let servers = args.control.bind(lang)?;
    let addresses = reachable(&reflector.local());
    print(&if args.json {
        let mut began = began_json(&reflector, &addresses, args.own_clock);
        servers.began_json(&mut began);
        format!("{began}\n")
    } else {
        let key_option = keys.as_ref().map_or("", |_| " --key-file FILE");
        let began = began(&reflector, &addresses, key_option, args.own_clock, lang);
        format!("{}{began}", servers.began(lang))
    })?;
    let stats = ReflectorStats::default();
    let server_stats = servers.stats();
    let served = (servers, &server_stats);
    reflect(reflector, &stats, served, &stop, args.own_clock, keys, lang).map_err(|error| {
        Failure::unable(lang.pick("cannot go on reflecting", "无法继续反射")).because(error)
    })?;
    let reading = stats.read();
    print(&if args.json {
        let mut counts = counts_json(&reading);
        server_stats.counts_json(&mut counts);
        format!("{counts}\n")
    } else {
        format!("{}{}\n", counts(&reading, lang), server_stats.counts(lang))
    })
}

fn threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok();
    threads
        .filter(|threads| (1..=THREADS_MAX).contains(threads))
        .ok_or_else(|| format!("it must be 1 to {THREADS_MAX}"))
}

fn engine(args: &Args) -> ReflectorEngine {
    ReflectorEngine {
        threads: args.threads,
        pin: args.pin.clone(),
        priority: if args.real_time {
            Priority::RealTime
        } else {
            Priority::Ordinary
        },
        memory: if args.stateless {
            Memory::Stateless
        } else {
            Memory::Stateful
        },
        xdp: args.xdp.clone(),
    }
}

fn refused(error: ReflectorError, listen: &[SocketAddr], lang: Lang) -> Failure {
    let what = lang.pick("cannot reflect", "无法反射");
    let (failure, hint) = match &error {
        ReflectorError::Thread(ThreadError::Pin { .. }) => (
            Failure::usage(what),
            lang.pick(
                "`--pin` takes processors of that list; a cpuset or `taskset` may have shortened it",
                "`--pin` 只能用列出的处理器；cpuset 或 `taskset` 可能限制了它们",
            ),
        ),
        ReflectorError::Thread(ThreadError::RealTime(_)) => (
            Failure::unable(what),
            lang.pick(
                "run it as root, give the service `LimitRTPRIO=1`, or leave out `--real-time`",
                "请以 root 运行，或为服务设置 `LimitRTPRIO=1`，或去掉 `--real-time`",
            ),
        ),
        ReflectorError::Xdp(XdpError::Interface { .. } | XdpError::Provisioned { .. }) => (
            Failure::usage(what),
            lang.pick(
                "`ip link` lists the interfaces; leave out `--xdp` to answer on threads",
                "`ip link` 会列出网卡；去掉 `--xdp` 则由线程应答",
            ),
        ),
        ReflectorError::Xdp(_) => (
            Failure::unable(what),
            lang.pick(
                "XDP needs root (CAP_BPF, CAP_NET_ADMIN), a driver with native XDP, and no other program there: `ip link` shows one; leave out `--xdp` to answer on threads",
                "XDP 需要 root（CAP_BPF、CAP_NET_ADMIN）、支持原生 XDP 的驱动，且网卡上没有别的程序（`ip link` 可查看）；去掉 `--xdp` 则由线程应答",
            ),
        ),
        ReflectorError::Socket(SocketError::Bind { source, .. })
            if source.kind() == io::ErrorKind::AddrNotAvailable =>
        {
            (
                Failure::unable(what),
                lang.pick(
                    "the address is not this host's; `ip address` lists them",
                    "该地址不属于本机；`ip address` 会列出本机地址",
                ),
            )
        }
        ReflectorError::Socket(SocketError::Bind { .. }) if listen.is_empty() => (
            Failure::unable(what),
            lang.pick(
                "UDP 862 was refused or taken, and then 18862: `ss -lunp` names who has them, `owl doctor` what is missing, and `--listen ADDR:PORT` takes another port",
                "UDP 862 被拒绝或已被占用，18862 亦然：`ss -lunp` 可查占用者，`owl doctor` 列出缺少的条件，也可用 `--listen ADDR:PORT` 换一个端口",
            ),
        ),
        _ => (
            Failure::unable(what),
            lang.pick(
                "`--listen ADDR:PORT` takes another port; `owl doctor` lists what is missing",
                "可用 `--listen ADDR:PORT` 换一个端口；`owl doctor` 会列出缺少的条件",
            ),
        ),
    };
    failure.because(error).hint(hint)
}

/// Binds what was asked for, or the port of STAMP, or the high one where that may not be had.
fn bind(listen: &[SocketAddr], engine: &ReflectorEngine) -> Result<Reflector, ReflectorError> {
    if !listen.is_empty() {
        return Reflector::bind_with(listen, engine, Clock::honest());
    }
    match Reflector::bind_all(STAMP_PORT, engine, Clock::honest()) {
        Err(ReflectorError::Socket(SocketError::Bind { source, .. }))
            if matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::AddrInUse
            ) =>
        {
            Reflector::bind_all(HIGH_PORT, engine, Clock::honest())
        }
        bound => bound,
    }
}

/// Reflects on a thread of its own until told to stop, and shows the counts meanwhile.
fn reflect(
    reflector: Reflector,
    stats: &ReflectorStats,
    (servers, server_stats): (Servers, &ServerStats),
    stop: &AtomicBool,
    own_clock: OwnClock,
    mut keys: Option<Keys>,
    lang: Lang,
) -> Result<(), ReflectorError> {
    let line = LiveLine::new();
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("reflector".to_owned())
            .spawn_scoped(scope, move || {
                reflector.run(stats, stop, || own_clock.claim())
            })
            .map_err(ReflectorError::Start)?;
        let served = servers
            .spawn(scope, server_stats, stop, own_clock)
            .map_err(ReflectorError::Start)
            .inspect_err(|_| stop.store(true, Relaxed));
        let mut shown = Instant::now();
        while !stop.load(Relaxed) && !thread.is_finished() {
            let tick = shown.elapsed() >= TICK;
            if let Some(keys) = &mut keys {
                keys.look(tick);
            }
            if tick {
                shown = Instant::now();
                let counts = counts(&stats.read(), lang);
                line.show(&format!("{counts}{}", server_stats.counts(lang)));
            }
            thread::sleep(LOOK);
        }
        let ended = thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Servers do not go on without the reflector.
        stop.store(true, Relaxed);
        line.clear();
        served.and(ended)
    })
}

/// The key file, and whether SIGHUP has asked to read it again.
struct Keys {
    watch: KeyWatch,
    hangup: Arc<AtomicBool>,
}

impl Keys {
    fn new(watch: KeyWatch) -> Result<Self, Failure> {
        let hangup = stop::on_hangup()?;
        Ok(Self { watch, hangup })
    }

    fn look(&mut self, tick: bool) {
        if self.hangup.swap(false, Relaxed) {
            self.watch.reload();
        } else if tick {
            self.watch.look();
        }
    }
}

/// What the far host may call this one: one address of each family, as `owl delay` takes it. The port is named unless
/// it is STAMP's own, where another program may answer.
fn reachable(listening: &[SocketAddr]) -> Vec<String> {
    let interfaces = interfaces();
    let known = || {
        interfaces
            .iter()
            .filter(|interface| interface.up && !interface.loopback)
            .flat_map(|it| &it.addresses)
    };
    let mut names = Vec::new();
    for socket in listening {
        let same_family = |ip: &&IpAddr| ip.is_ipv6() == socket.is_ipv6() && !is_link_local(**ip);
        let ip = if socket.ip().is_unspecified() {
            known().find(same_family).copied()
        } else {
            Some(socket.ip())
        };
        names.extend(ip.map(|ip| match (ip, socket.port()) {
            (ip, STAMP_PORT) => ip.to_string(),
            (ip, port) => SocketAddr::new(ip, port).to_string(),
        }));
    }
    names
}

/// An address that means something on one link only (RFC 4291, section 2.5.6; RFC 3927).
fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn began(
    reflector: &Reflector,
    addresses: &[String],
    key_option: &str,
    own_clock: OwnClock,
    lang: Lang,
) -> String {
    let listening: Vec<_> = reflector.local().iter().map(ToString::to_string).collect();
    let listening = listening.join(", ");
    let commands: Vec<_> = addresses
        .iter()
        .map(|address| format!("  owl delay --own{key_option} {address}\n"))
        .collect();
    let commands = if commands.is_empty() {
        format!("  owl delay --own{key_option} HOST\n")
    } else {
        commands.concat()
    };
    let t2 = match reflector.stamping().receive {
        StampSource::Hardware => lang.pick("by the interface", "由网卡"),
        StampSource::Kernel => lang.pick(
            "by the kernel, proved by a real packet",
            "由内核（已用真实报文证实）",
        ),
        StampSource::User => lang.pick(
            "by this process, because the kernel delivers none",
            "由本进程（内核未提供时间戳）",
        ),
    };
    let clock = own_clock::sentence(&own_clock.state(), lang);
    lang.pick(
        format!(
            "listening on UDP {listening}\nstamps: T2 {t2}; T3 by this process right before the send\nclock: {clock}\non the other host:\n{commands}"
        ),
        format!("监听 UDP {listening}\n时间戳：T2 {t2}；T3 由本进程在发送前读取\n时钟：{clock}\n在另一台主机上运行：\n{commands}"),
    )
}

fn began_json(reflector: &Reflector, addresses: &[String], own_clock: OwnClock) -> Value {
    let listening: Vec<_> = reflector.local().iter().map(ToString::to_string).collect();
    let t2 = match reflector.stamping().receive {
        StampSource::Hardware => "hardware",
        StampSource::Kernel => "kernel",
        StampSource::User => "user",
    };
    json!({
        "kind": "begin",
        "listening": listening,
        "reachable_as": addresses,
        "t2_source": t2,
        "threads": reflector.threads(),
        "clock": own_clock::described(&own_clock.state()),
    })
}

/// By how much T3 was early on average.
fn t3_early_mean(reading: &ReflectorReading) -> Option<Nanos> {
    let stamped = i64::try_from(reading.t3_stamped)
        .ok()
        .filter(|&stamped| stamped > 0)?;
    Some(Nanos(reading.t3_early_total.0 / stamped))
}

fn counts(reading: &ReflectorReading, lang: Lang) -> String {
    let counts = reading.counts;
    let mut line = lang.pick(
        format!(
            "{} reflected, {} malformed, {} rationed, {} table full",
            counts.reflected, counts.malformed, counts.rationed, counts.table_full
        ),
        format!(
            "反射 {}，格式错误 {}，限速 {}，会话表满 {}",
            counts.reflected, counts.malformed, counts.rationed, counts.table_full
        ),
    );
    let rest = [
        (
            reading.reflected_in_driver,
            lang.pick("of the reflected in the driver", "（反射数中）由驱动应答"),
        ),
        (
            counts.unprovisioned,
            lang.pick("of hosts that are not answered", "来自不予应答的主机"),
        ),
        (counts.unauthentic, lang.pick("not authentic", "认证失败")),
        (counts.replayed, lang.pick("replayed", "重放")),
        (
            counts.unwanted,
            lang.pick("without a wish for a reply", "不需应答"),
        ),
        (
            counts.wrong_member_link,
            lang.pick("over another member link", "成员链路不符"),
        ),
        (
            reading.dropped,
            lang.pick("dropped by this host", "本机丢弃"),
        ),
        (reading.unsent, lang.pick("unsent", "未发出")),
    ];
    for (count, name) in rest.into_iter().filter(|&(count, _)| count > 0) {
        line.push_str(&lang.pick(format!(", {count} {name}"), format!("，{name} {count}")));
    }
    if let Some(mean) = t3_early_mean(reading) {
        let max = reading.t3_early_max;
        line.push_str(&lang.pick(
            format!("; T3 early by {mean}, {max} at most"),
            format!("；T3 平均早 {mean}，最多 {max}"),
        ));
    }
    line
}

fn counts_json(reading: &ReflectorReading) -> Value {
    let counts = reading.counts;
    json!({
        "kind": "result",
        "reflected": counts.reflected,
        "reflected_in_driver": reading.reflected_in_driver,
        "malformed": counts.malformed,
        "rationed": counts.rationed,
        "table_full": counts.table_full,
        "unprovisioned": counts.unprovisioned,
        "unauthentic": counts.unauthentic,
        "replayed": counts.replayed,
        "unwanted": counts.unwanted,
        "wrong_member_link": counts.wrong_member_link,
        "dropped": reading.dropped,
        "unsent": reading.unsent,
        "bundled": reading.bundled,
        "t3_stamped": reading.t3_stamped,
        "t3_early_mean_ns": t3_early_mean(reading),
        "t3_early_max_ns": reading.t3_early_max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t3_is_spoken_of_only_when_the_kernel_told() {
        let quiet = ReflectorReading::default();
        assert_eq!(
            counts(&quiet, Lang::En),
            "0 reflected, 0 malformed, 0 rationed, 0 table full"
        );
        let told = ReflectorReading {
            t3_stamped: 4,
            t3_early_total: Nanos(8_000),
            t3_early_max: Nanos(3_000),
            ..quiet
        };
        assert!(counts(&told, Lang::En).ends_with("; T3 early by 2.000 µs, 3.000 µs at most"));
    }

    #[test]
    fn what_is_rare_is_spoken_of_only_when_there_is_some() {
        let rare = ReflectorReading {
            dropped: 3,
            reflected_in_driver: 2,
            ..ReflectorReading::default()
        };
        let said = counts(&rare, Lang::En);
        assert!(
            said.contains(", 2 of the reflected in the driver, "),
            "{said}"
        );
        assert!(counts(&rare, Lang::En).ends_with(", 3 dropped by this host"));
    }

    #[test]
    fn a_named_address_is_told_as_the_far_host_must_write_it() {
        let told = |text: &str| reachable(&[text.parse().unwrap()]);
        assert_eq!(told("192.0.2.1:862"), ["192.0.2.1"]);
        assert_eq!(told("[2001:db8::1]:18862"), ["[2001:db8::1]:18862"]);
        assert_eq!(told("[2001:db8::1]:5000"), ["[2001:db8::1]:5000"]);
    }
}
