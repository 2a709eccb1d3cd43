//! `owl delay --protocol owamp HOST`: a session to an OWAMP server, one from it, or both.

mod findings;
mod limit;
mod show;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use owl_measure::clock::ClockState;
use owl_measure::words::Lang;
use owl_probe::clock::Clock;
use owl_probe::control::owamp::{
    Client, ClientSettings, Directions, Measured, OwampError, Progress, test_packet_octets,
};
use owl_protocol::session::control::ControlError;
use owl_protocol::wire::owamp::{Accept, CONTROL_PORT, Interval, Slot};
use serde_json::json;

use self::findings::Findings;
use self::show::{Result as Shown, record_json};
use super::judged::Judged;
use super::{Args, OCTETS, TICK, no_thread, say};
use crate::command::own_clock::OwnClock;
use crate::failure::{Failure, Outcome};
use crate::terminal::{LiveLine, print};

/// Packets of a session: each has a record at both ends until it is over.
const PACKETS_MAX: u64 = 1_000_000;
/// How often it is looked whether the measurement is over.
const LOOK: Duration = Duration::from_millis(50);

/// Which ways are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    /// To the server and from it, at the same time
    Both,
    /// To the server
    Forward,
    /// From the server
    Backward,
}

impl Way {
    fn directions(self) -> Directions {
        match self {
            Self::Both => Directions::Both,
            Self::Forward => Directions::Forward,
            Self::Backward => Directions::Backward,
        }
    }
}

/// Measures, shows and judges.
pub(super) fn run(args: &Args, stop: &Arc<AtomicBool>, lang: Lang) -> Result<Outcome, Failure> {
    let settings = args.owamp_settings(lang)?;
    let packet_octets = settings.packet_octets;
    let (client, server) = connect(args, settings, lang)?;
    let progress = Progress::default();
    let own_clock = args.own_clock;
    let mut worst = own_clock.lately();
    let announce = || begin(args, (server, packet_octets), lang);
    let measured = thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("owamp".to_owned())
            .spawn_scoped(scope, || client.run(stop, &progress, || own_clock.claim()))
            .map_err(|error| no_thread(error, lang))?;
        let announced = watch(
            args,
            &progress,
            stop,
            &mut worst,
            || thread.is_finished(),
            announce,
            lang,
        )?;
        let measured = thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .map_err(|error| unable(args, error, lang))?;
        if !announced {
            announce()?;
        }
        Ok(measured)
    })?;
    conclude(args, server, &measured, worst, stop, lang)
}

impl Args {
    fn owamp_settings(&self, lang: Lang) -> Result<ClientSettings, Failure> {
        let packets = self.packets();
        if packets > PACKETS_MAX {
            return Err(Failure::usage(lang.pick(
                format!("cannot keep records of {packets} packets: OWAMP sessions have {PACKETS_MAX} at most"),
                format!("无法保存 {packets} 个报文的记录：OWAMP 会话最多 {PACKETS_MAX} 个报文"),
            ))
            .hint(lang.pick(
                "--duration, --count and --interval say how many there are",
                "报文数由 --duration、--count 和 --interval 决定",
            )));
        }
        let user = self.spoken.identity(lang)?;
        let gap = Interval::from_nanos(self.interval);
        Ok(ClientSettings {
            // Each address of the host in turn.
            server: SocketAddr::from(([0; 4], CONTROL_PORT)),
            packet_octets: u32::from(self.octets.unwrap_or(OCTETS)).max(test_packet_octets(&user)),
            user,
            directions: self.spoken.direction.unwrap_or(Way::Both).directions(),
            schedule: if self.poisson {
                Slot::Exponential(gap)
            } else {
                Slot::Fixed(gap)
            },
            packets: u32::try_from(packets).unwrap_or(u32::MAX),
            timeout: self.timeout,
            dscp: self.dscp,
        })
    }
}

/// The first address of the host that lets us in.
fn connect(
    args: &Args,
    settings: ClientSettings,
    lang: Lang,
) -> Result<(Client, SocketAddr), Failure> {
    let mut refused = None;
    for server in args.addresses(CONTROL_PORT, lang)? {
        let settings = ClientSettings {
            server,
            ..settings.clone()
        };
        match Client::connect(&settings, Clock::honest()) {
            Ok(client) => return Ok((client, server)),
            Err(error @ OwampError::Connect { .. }) => refused = Some(error),
            Err(error) => return Err(unable(args, error, lang)),
        }
    }
    // There is one address at least, and each was refused.
    Err(match refused {
        Some(error) => unable(args, error, lang),
        None => args.unknown(lang),
    })
}

fn unable(args: &Args, error: OwampError, lang: Lang) -> Failure {
    let host = &args.reflector;
    let hint = match &error {
        OwampError::Connect { .. } => Some(lang.pick(
            "an OWAMP server listens on TCP 861: `owl reflect --owamp` is one, and firewalls must let it through",
            "OWAMP 服务器监听 TCP 861：可用 `owl reflect --owamp`，并请放行防火墙",
        )),
        OwampError::Control { source, .. } => match source {
            ControlError::NotOffered { .. } => Some(lang.pick(
                "a server with users wants `--user KEYID --pass-phrase-file FILE`, one without wants neither",
                "有用户的服务器需要 `--user KEYID --pass-phrase-file FILE`，没有用户的则都不要",
            )),
            ControlError::Refused { .. } => Some(lang.pick(
                "the server knows another pass-phrase for that user, or no such user",
                "服务器上该用户的口令不同，或没有该用户",
            )),
            _ => None,
        },
        OwampError::Session {
            accept: Accept::PermanentLimit,
            ..
        } => Some(lang.pick(
            "fewer, shorter or rarer packets may be accepted: --count, --octets, --interval",
            "报文更少、更短或更稀疏时可能被接受：--count、--octets、--interval",
        )),
        OwampError::Session { .. } => Some(lang.pick(
            "--direction forward or backward asks for one session only",
            "--direction forward 或 backward 只请求一个会话",
        )),
        _ => None,
    };
    Failure::unable(lang.pick(
        format!("cannot measure to {host}"),
        format!("无法测量到 {host}"),
    ))
    .because(error)
    .hint_if_any(hint)
}

fn begin(args: &Args, (server, octets): (SocketAddr, u32), lang: Lang) -> Result<Outcome, Failure> {
    let packets = args.packets();
    if args.json {
        let line = json!({ "kind": "begin", "protocol": "owamp", "reflector": server.to_string(), "interval_ns": args.interval, "packets": packets });
        return print(&format!("{line}\n"));
    }
    let interval = args.interval;
    let began = lang.pick(
        format!("{server}: {packets} packets of {octets} octets each way, one every {interval}; OWAMP, so no round trip\n"),
        format!("{server}：每个方向 {packets} 个 {octets} 字节的报文，每 {interval} 一个；OWAMP 没有往返\n"),
    );
    print(&format!(
        "{began}{}",
        args.too_short(lang).unwrap_or_default()
    ))
}

/// Shows how far it has come until it is over, and reads the clock meanwhile. Whether it has been announced: that is
/// done when the first packet has gone, which shows that the server has agreed.
fn watch(
    args: &Args,
    progress: &Progress,
    stop: &AtomicBool,
    worst: &mut ClockState,
    is_over: impl Fn() -> bool,
    announce: impl Fn() -> Result<Outcome, Failure>,
    lang: Lang,
) -> Result<bool, Failure> {
    let own_clock: OwnClock = args.own_clock;
    let line = LiveLine::new();
    let (began, mut seconds) = (Instant::now(), 0_u32);
    let mut announced = false;
    while !is_over() {
        thread::sleep(LOOK);
        let (sent, received) = (progress.sent.load(Relaxed), progress.received.load(Relaxed));
        if !announced && sent + received > 0 {
            announced = true;
            announce()?;
        }
        if began.elapsed() < TICK * (seconds + 1) {
            continue;
        }
        seconds += 1;
        *worst = worst.worse(own_clock.lately());
        if !announced {
            continue;
        }
        if args.json {
            let second = json!({ "kind": "second", "elapsed_s": seconds, "sent_forward": sent, "received_backward": received });
            say(&format!("{second}\n"), stop)?;
        } else {
            line.show(&lang.pick(
                format!("{seconds} s: {sent} sent forward, {received} received backward"),
                format!("{seconds} 秒：前向已发送 {sent}，反向已接收 {received}"),
            ));
        }
    }
    line.clear();
    Ok(announced)
}

fn conclude(
    args: &Args,
    server: SocketAddr,
    measured: &Measured,
    own_clock: ClockState,
    stop: &AtomicBool,
    lang: Lang,
) -> Result<Outcome, Failure> {
    if args.samples {
        let sessions = [
            ("forward", &measured.forward),
            ("backward", &measured.backward),
        ];
        for (direction, session) in sessions {
            for record in session.iter().flat_map(|session| &session.records) {
                say(&format!("{}\n", record_json(direction, record)), stop)?;
            }
        }
    }
    let found = Findings::of(measured, own_clock, args.floors());
    let judged = args.asked().map(|asked| found.judged(asked));
    let received = found.ways.iter().any(|way| way.received > 0);
    let outcome = Judged::outcome(judged.as_ref(), received);
    let shown = Shown {
        server,
        interval: args.interval,
        found: &found,
        routes: args.routes(found.fastest()),
        judged,
    };
    print(&if args.json {
        format!("{}\n", shown.json(lang))
    } else {
        shown.text(lang)
    })?;
    Ok(outcome)
}
