//! `owl doctor`: what this host has for measuring, what it lacks, and how to mend that.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use owl_measure::clock::KernelClock;
use owl_measure::sample::StampSource;
use owl_measure::time::Nanos;
use owl_measure::words::Lang;
use owl_probe::clock::{Clock, ClockConfig, ClockWatch};
use owl_probe::interface::{Interface, interfaces};
use owl_probe::net::{SocketError, StampedSocket, real_time, set_timer_slack, wait};
use owl_probe::reflector::{HIGH_PORT, STAMP_PORT};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::terminal::print;

/// Check what this host has for measuring, and say how to mend what it lacks
///
/// Exit code 0 when nothing stands in the way of measuring, 3 otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Measuring goes on, and is worth less.
    Lacking,
    /// Nothing can be measured.
    Blocking,
}

/// One thing that was looked at.
#[derive(Debug)]
struct Check {
    code: &'static str,
    name: &'static str,
    state: State,
    found: String,
    /// How to mend it, when it is not good.
    mend: Option<&'static str>,
}

impl Check {
    fn good(code: &'static str, name: &'static str, found: String) -> Self {
        Self {
            code,
            name,
            state: State::Good,
            found,
            mend: None,
        }
    }

    fn lacking(self, mend: &'static str) -> Self {
        Self {
            state: State::Lacking,
            mend: Some(mend),
            ..self
        }
    }
}

pub(crate) fn run(args: Args, lang: Lang) -> Result<Outcome, Failure> {
    let mut checks = Vec::from(stamps(lang));
    checks.push(port(lang));
    checks.extend(CONTROL.map(|server| control_port(server, lang)));
    checks.push(own_clock(lang));
    checks.extend(
        interfaces()
            .iter()
            .filter(|interface| !interface.loopback)
            .map(|it| interface(it, lang)),
    );
    checks.extend(flow_labels(lang));
    checks.push(timers(lang));
    checks.push(real_time_class(lang));
    checks.push(governor(lang));
    print(&if args.json {
        format!("{}\n", as_json(&checks))
    } else {
        text(&checks, lang)
    })?;
    let blocked = checks.iter().any(|check| check.state == State::Blocking);
    Ok(if blocked {
        Outcome::Undecided
    } else {
        Outcome::Ok
    })
}

fn text(checks: &[Check], lang: Lang) -> String {
    let mut text = String::new();
    for check in checks {
        let sign = match check.state {
            State::Good => "✓",
            State::Lacking => "!",
            State::Blocking => "✗",
        };
        let colon = lang.pick(": ", "：");
        text.push_str(&format!("{sign} {}{colon}{}\n", check.name, check.found));
        if let Some(mend) = check.mend {
            text.push_str(&format!("  → {mend}\n"));
        }
    }
    text
}

fn as_json(checks: &[Check]) -> Value {
    let state = |state| match state {
        State::Good => "good",
        State::Lacking => "lacking",
        State::Blocking => "blocking",
    };
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({ "check": check.code, "name": check.name, "state": state(check.state), "found": check.found, "mend": check.mend })
        })
        .collect();
    json!({ "checks": checks })
}

/// Kernel stamps of both families, by a real send; without any of them nothing can be measured well.
fn stamps(lang: Lang) -> [Check; 2] {
    let proved = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ]
    .map(|ip| {
        let stamping = StampedSocket::bind(SocketAddr::new(ip, 0), Clock::honest())
            .map_err(|error| why(&error))
            .and_then(|mut socket| socket.prove().map_err(|error| error.to_string()));
        match stamping {
            Ok(it) if it.transmit < StampSource::User && it.receive < StampSource::User => Ok(()),
            Ok(_) => Err(lang
                .pick("the kernel delivers none", "内核未提供")
                .to_owned()),
            Err(error) => Err(error),
        }
    });
    let none = proved.iter().all(Result::is_err);
    let names = [
        (
            "stamps-ipv4",
            lang.pick("kernel stamps, IPv4", "内核时间戳（IPv4）"),
        ),
        (
            "stamps-ipv6",
            lang.pick("kernel stamps, IPv6", "内核时间戳（IPv6）"),
        ),
    ];
    let mut of_families = proved.into_iter().zip(names).map(|(proved, (code, name))| {
        let good = lang.pick("proved by a real packet, both ways", "已用真实报文双向证实");
        let found = Check::good(code, name, good.to_owned());
        match proved {
            Ok(()) => found,
            Err(error) => Check {
                state: if none { State::Blocking } else { State::Lacking },
                found: error,
                ..found.lacking(lang.pick(
                    "the kernel needs SO_TIMESTAMPING (Linux 4.19 or later) and this family switched on (sysctl net.ipv6.conf.all.disable_ipv6=0 for IPv6)",
                    "需要内核支持 SO_TIMESTAMPING（Linux 4.19 及以上）并启用该地址族（IPv6：sysctl net.ipv6.conf.all.disable_ipv6=0）",
                ))
            },
        }
    });
    [(); 2].map(|()| of_families.next().expect("there are two families"))
}

/// An error with its cause.
fn why(error: &SocketError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// Whether `owl reflect` may have the port of STAMP.
fn port(lang: Lang) -> Check {
    let bind =
        |port| StampedSocket::bind((Ipv4Addr::UNSPECIFIED, port).into(), Clock::honest()).map(drop);
    let name = lang.pick(
        "UDP port 862 for `owl reflect`",
        "`owl reflect` 使用的 UDP 862 端口",
    );
    let check = |found: String| Check::good("port-862", name, found);
    match bind(STAMP_PORT) {
        Ok(()) => check(lang.pick("free, and allowed", "空闲且可用").to_owned()),
        Err(SocketError::Bind { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => check(lang.pick(
            format!("not allowed; {HIGH_PORT} is used instead"),
            format!("无权限；改用 {HIGH_PORT}"),
        ))
        .lacking(lang.pick(
            "sudo setcap cap_net_bind_service=+ep \"$(command -v owl)\", or sysctl net.ipv4.ip_unprivileged_port_start=862",
            "sudo setcap cap_net_bind_service=+ep \"$(command -v owl)\"，或 sysctl net.ipv4.ip_unprivileged_port_start=862",
        )),
        Err(SocketError::Bind { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => check(lang.pick(
            format!("taken; {HIGH_PORT} is used instead"),
            format!("已被占用；改用 {HIGH_PORT}"),
        ))
        .lacking(lang.pick(
            "`ss -lunp 'sport = :862'` names who has it; fine when that is `owl reflect`",
            "`ss -lunp 'sport = :862'` 可查占用者；若为 `owl reflect` 则无妨",
        )),
        Err(error) => check(why(&error)).lacking(lang.pick(
            "`owl reflect --listen ADDR:PORT` takes another port",
            "可用 `owl reflect --listen ADDR:PORT` 换一个端口",
        )),
    }
}

/// A server of control connections, as `owl reflect` can be one.
#[derive(Debug, Clone, Copy)]
struct ControlServer {
    code: &'static str,
    port: u16,
    names: (&'static str, &'static str),
    mends: (&'static str, &'static str),
}

const CONTROL: [ControlServer; 2] = [
    ControlServer {
        code: "tcp-862",
        port: owl_protocol::wire::twamp::CONTROL_PORT,
        names: (
            "TCP port 862 for `owl reflect --twamp`",
            "`owl reflect --twamp` 使用的 TCP 862 端口",
        ),
        mends: (
            "`owl reflect --twamp ADDR:PORT` takes another port; `ss -ltnp 'sport = :862'` names who has it",
            "可用 `owl reflect --twamp ADDR:PORT` 换一个端口；`ss -ltnp 'sport = :862'` 可查占用者",
        ),
    },
    ControlServer {
        code: "tcp-861",
        port: owl_protocol::wire::owamp::CONTROL_PORT,
        names: (
            "TCP port 861 for `owl reflect --owamp`",
            "`owl reflect --owamp` 使用的 TCP 861 端口",
        ),
        mends: (
            "`owl reflect --owamp ADDR:PORT` takes another port; `ss -ltnp 'sport = :861'` names who has it",
            "可用 `owl reflect --owamp ADDR:PORT` 换一个端口；`ss -ltnp 'sport = :861'` 可查占用者",
        ),
    },
];

/// Whether `owl reflect` may have the port of a control protocol.
fn control_port(server: ControlServer, lang: Lang) -> Check {
    let ControlServer { names, mends, .. } = server;
    let check = |found: String| Check::good(server.code, lang.pick(names.0, names.1), found);
    match TcpListener::bind((Ipv4Addr::UNSPECIFIED, server.port)) {
        Ok(_) => check(lang.pick("free, and allowed", "空闲且可用").to_owned()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            check(lang.pick("not allowed", "无权限").to_owned()).lacking(lang.pick(
                "sudo setcap cap_net_bind_service=+ep \"$(command -v owl)\", or ADDR:PORT with a port from 1024 on",
                "sudo setcap cap_net_bind_service=+ep \"$(command -v owl)\"，或用 ADDR:PORT 指定 1024 及以上的端口",
            ))
        }
        Err(error) => check(error.to_string()).lacking(lang.pick(mends.0, mends.1)),
    }
}

/// Programs that discipline clocks, by the names that the kernel keeps (at most 15 octets).
const DISCIPLINES: [&str; 5] = ["chronyd", "ptp4l", "phc2sys", "ntpd", "systemd-timesyn"];

fn own_clock(lang: Lang) -> Check {
    let reading = ClockWatch::new(Clock::honest(), &ClockConfig::default()).read();
    let state = reading.state;
    let running = running(&DISCIPLINES);
    let by = if running.is_empty() {
        lang.pick("none found", "未发现").to_owned()
    } else {
        running.join(", ")
    };
    let name = lang.pick("clock", "时钟");
    if let Some(bound) = state.bound_at(state.as_of) {
        return Check::good(
            "clock",
            name,
            lang.pick(
                format!("within {bound} of UTC, as whoever disciplines it tells (`owl clock` says why); disciplined by: {by}"),
                format!("据其同步程序，与 UTC 相差不超过 {bound}（详见 `owl clock`）；同步程序：{by}"),
            ),
        );
    }
    let KernelClock {
        synchronised,
        max_error,
        estimated_error,
        ..
    } = state.kernel;
    let found = if synchronised {
        lang.pick(
            format!("synchronised, but nobody tells how well; the kernel says {estimated_error} off, {max_error} at most, which is no bound; disciplined by: {by}"),
            format!("已同步，但没有程序告知其误差界；内核估计偏差 {estimated_error}，最大 {max_error}，不构成误差界；同步程序：{by}"),
        )
    } else {
        lang.pick(
            format!("not synchronised, so nothing is claimed of it; disciplined by: {by}"),
            format!("未同步，因此不作声明；同步程序：{by}"),
        )
    };
    Check::good("clock", name, found).lacking(lang.pick(
        "install chrony (NTP: tens of µs to ms), or linuxptp with ptp4l and phc2sys (PTP: below 1 µs with hardware); `owl clock` says what it is worth and what keeps it from more; round trips need none of it",
        "请安装 chrony（NTP：数十 µs 至 ms），或 linuxptp 的 ptp4l 与 phc2sys（PTP：有硬件时低于 1 µs）；`owl clock` 给出其误差界及改进方法；往返时延不需要",
    ))
}

/// Which of these programs run, as far as /proc shows them.
fn running(names: &[&'static str]) -> Vec<&'static str> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let there: BTreeSet<String> = processes
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|octet| octet.is_ascii_digit())
        })
        .filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect();
    names
        .iter()
        .copied()
        .filter(|name| there.contains(*name))
        .collect()
}

fn interface(interface: &Interface, lang: Lang) -> Check {
    let addresses: Vec<_> = interface
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    let addresses = if addresses.is_empty() {
        lang.pick("no address", "无地址").to_owned()
    } else {
        addresses.join(" ")
    };
    let up = if interface.up {
        lang.pick("up", "启用")
    } else {
        lang.pick("down", "未启用")
    };
    let stamps = match interface.stamping {
        None => lang.pick("does not tell about stamps", "未告知时间戳能力"),
        Some(can) if can.hardware() => lang.pick(
            "could stamp in hardware, on its own clock: not used, kernel stamps are",
            "支持硬件时间戳（在其自身时钟上）：暂不使用，使用内核时间戳",
        ),
        Some(can) if can.kernel_transmit() && can.kernel_receive() => {
            lang.pick("stamped by the kernel", "由内核打时间戳")
        }
        Some(_) => lang.pick(
            "its driver takes no transmit stamps",
            "驱动不支持发送时间戳",
        ),
    };
    let found = lang.pick(
        format!("{} {up}, {addresses}, {stamps}", interface.name),
        format!("{} {up}，{addresses}，{stamps}", interface.name),
    );
    let check = Check::good("interface", lang.pick("interface", "网卡"), found);
    match interface.stamping {
        Some(can) if interface.up && !can.kernel_transmit() => check.lacking(lang.pick(
            "T1 is taken by the process here, which bounds nothing from below; another driver or interface stamps it",
            "此处 T1 由进程读取，单向时延没有下界；请换用支持发送时间戳的驱动或网卡",
        )),
        _ => check,
    }
}

/// Whether the flows of a path differ in more than their source ports (RFC 6437); `None` on a host without IPv6.
fn flow_labels(lang: Lang) -> Option<Check> {
    let setting = fs::read_to_string("/proc/sys/net/ipv6/auto_flowlabels").ok()?;
    Some(flow_labels_by(setting.trim(), lang))
}

fn flow_labels_by(setting: &str, lang: Lang) -> Check {
    let name = lang.pick("IPv6 flow labels", "IPv6 流标签");
    let check = |found: &str| Check::good("flow-labels", name, found.to_owned());
    // Off (0), or only for sockets that ask (3), which ours do not: ip-sysctl of the kernel.
    if matches!(setting, "0" | "3") {
        return check(lang.pick(
            "off: all flows have label 0, and routers that choose among equal-cost paths by it send them all one way",
            "关闭：所有流的标签都为 0，按流标签选择等价路径的路由器会让它们走同一条路径",
        ))
        .lacking("sysctl -w net.ipv6.auto_flowlabels=1");
    }
    check(lang.pick(
        "each flow has its own, by its addresses and ports",
        "每条流按其地址和端口各有标签",
    ))
}

/// How long and how often a sleep is watched: 200 ms in all.
const SLEEP: Nanos = Nanos::from_millis(1);
const SLEEPS: usize = 200;
/// A sender that wakes later than this spoils a stream of 1 ms.
const LATE: Nanos = Nanos::from_millis(1);

fn timers(lang: Lang) -> Check {
    set_timer_slack();
    let clock = Clock::honest();
    let mut late: Vec<Nanos> = (0..SLEEPS)
        .map_while(|_| {
            let due = clock.monotonic() + SLEEP;
            wait(&[], &mut Vec::new(), SLEEP).ok()?;
            Some(clock.monotonic() - due)
        })
        .collect();
    late.sort_unstable();
    let at = |share: usize| {
        late.get((late.len() * share / 100).min(late.len().saturating_sub(1)))
            .copied()
    };
    let name = lang.pick("waking up", "唤醒");
    let (Some(p50), Some(p99), Some(&max)) = (at(50), at(99), late.last()) else {
        return Check::good(
            "timers",
            name,
            lang.pick("cannot be measured", "无法测量").to_owned(),
        )
        .lacking(lang.pick("allow ppoll (seccomp)", "请放行 ppoll（seccomp）"));
    };
    let check = Check::good(
        "timers",
        name,
        lang.pick(
            format!("late by {p50} (p50), {p99} (p99), {max} at most"),
            format!("晚 {p50}（p50）、{p99}（p99），最多 {max}"),
        ),
    );
    if p99 <= LATE {
        return check;
    }
    check.lacking(lang.pick(
        "the host is busy or its timers are coarse: packets go out late (that is counted, and harms no delay); give owl a core of its own",
        "主机繁忙或定时器粗糙：报文会晚发（有计数，不影响时延）；请为 owl 独占一个核",
    ))
}

/// Whether the timed threads may run before every ordinary one. Tried on a thread of its own, which ends with it.
fn real_time_class(lang: Lang) -> Check {
    let name = lang.pick("real-time class (SCHED_FIFO)", "实时调度类（SCHED_FIFO）");
    let allowed = std::thread::scope(|scope| scope.spawn(real_time).join());
    let check = |found: &str| Check::good("real-time", name, found.to_owned());
    match allowed {
        Ok(Ok(())) => check(lang.pick(
            "allowed; `real_time = true` in a probe's configuration asks for it",
            "允许；在探针配置中用 `real_time = true` 启用",
        )),
        _ => check(lang.pick(
            "not allowed: on a busy host packets wait for their turn (that is counted as lateness, and harms no delay)",
            "无权限：主机繁忙时报文需要排队等待 CPU（计为晚发，不影响时延）",
        ))
        .lacking(lang.pick(
            "LimitRTPRIO=1 in the service, `ulimit -r 1`, or sudo setcap cap_sys_nice=+ep \"$(command -v owl)\"; only `real_time = true` needs it",
            "在服务中设置 LimitRTPRIO=1、`ulimit -r 1`，或 sudo setcap cap_sys_nice=+ep \"$(command -v owl)\"；仅 `real_time = true` 需要",
        )),
    }
}

fn governor(lang: Lang) -> Check {
    let cpus = fs::read_dir("/sys/devices/system/cpu")
        .into_iter()
        .flatten()
        .flatten();
    let governors: BTreeSet<String> = cpus
        .filter_map(|cpu| fs::read_to_string(cpu.path().join("cpufreq/scaling_governor")).ok())
        .map(|governor| governor.trim().to_owned())
        .collect();
    let name = lang.pick("CPU governor", "CPU 调频");
    if governors.is_empty() {
        return Check::good(
            "governor",
            name,
            lang.pick("not told (a virtual machine)", "未告知（虚拟机）")
                .to_owned(),
        );
    }
    let found = governors
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let check = Check::good("governor", name, found);
    if governors.contains("powersave") {
        return check.lacking(lang.pick(
            "`cpupower frequency-set -g performance` shortens what stamps miss",
            "`cpupower frequency-set -g performance` 可减小时间戳误差",
        ));
    }
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_that_share_label_0_are_lacking() {
        for (setting, state) in [
            ("0", State::Lacking),
            ("1", State::Good),
            ("2", State::Good),
            ("3", State::Lacking),
        ] {
            for lang in [Lang::En, Lang::Zh] {
                let check = flow_labels_by(setting, lang);
                assert_eq!(check.state, state, "{setting}");
                assert_eq!(check.mend.is_some(), state == State::Lacking);
            }
        }
    }

    #[test]
    fn a_control_port_that_is_taken_is_told_with_the_mend() {
        let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let server = ControlServer {
            port: taken.local_addr().unwrap().port(),
            ..CONTROL[0]
        };
        let check = control_port(server, Lang::En);
        assert_eq!((check.state, check.code), (State::Lacking, "tcp-862"));
        assert!(check.mend.unwrap().contains("--twamp ADDR:PORT"));
    }

    #[test]
    fn what_is_lacking_is_said_with_its_mend() {
        let checks = [
            Check::good("a", "stamps", "there".into()),
            Check::good("b", "clock", "free".into()).lacking("install chrony"),
        ];
        assert_eq!(
            text(&checks, Lang::En),
            "✓ stamps: there\n! clock: free\n  → install chrony\n"
        );
        assert_eq!(as_json(&checks)["checks"][1]["mend"], "install chrony");
    }
}
