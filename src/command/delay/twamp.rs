//! A session that a TWAMP server reflects: agreed upon before it runs, stopped
//! when it is over.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use owl_measure::words::Lang;
use owl_probe::clock::Clock;
use owl_probe::control::twamp::{Agreed, ClientSettings, TwampClient, TwampError, WantedSession};
use owl_protocol::session::control::ControlError;
use owl_protocol::session::control::Identity;
use owl_protocol::wire::twamp::CONTROL_PORT;

use super::Args;
use crate::failure::Failure;

/// A session that the server has accepted.
pub(super) struct Agreement {
    client: TwampClient,
    /// What was agreed on.
    pub(super) agreed: Agreed,
}

/// Asks the host for a session, at one of its addresses after the other.
///
/// # Errors
/// When none of them lets us in, or the first that does refuses.
pub(super) fn agree(args: &Args, stop: &AtomicBool, lang: Lang) -> Result<Agreement, Failure> {
    let user = args.spoken.identity(lang)?;
    let mut refused = None;
    for server in args.addresses(CONTROL_PORT, lang)? {
        match ask(args, server, user.clone(), stop) {
            Ok(agreement) => return Ok(agreement),
            Err(error @ TwampError::Connect { .. }) => refused = Some(error),
            Err(error) => return Err(unable(args, error, lang)),
        }
    }
    // There is one address at least, and each was refused.
    Err(match refused {
        Some(error) => unable(args, error, lang),
        None => args.unknown(lang),
    })
}

fn ask(
    args: &Args,
    server: SocketAddr,
    user: Option<Identity>,
    stop: &AtomicBool,
) -> Result<Agreement, TwampError> {
    let settings = ClientSettings {
        server,
        source: None,
        user,
        sessions: vec![WantedSession {
            packet_octets: args.octets,
            timeout: args.timeout,
            dscp: args.dscp,
        }],
    };
    let mut client = TwampClient::connect(&settings, Clock::honest(), stop)?;
    let answer = client.agree(stop)?.pop();
    let agreed = answer
        .expect("each session that is asked for is answered")
        .map_err(|accept| TwampError::Session { server, accept })?;
    client.start(stop)?;
    Ok(Agreement { client, agreed })
}

fn unable(args: &Args, error: TwampError, lang: Lang) -> Failure {
    let host = &args.reflector;
    let hint = match &error {
        TwampError::Connect { .. } => Some(lang.pick(
            "a TWAMP server listens on TCP 862: `owl reflect --twamp` is one, and firewalls must let it through",
            "TWAMP 服务器监听 TCP 862：可用 `owl reflect --twamp`，并请放行防火墙",
        )),
        TwampError::Control { source, .. } => match source {
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
        _ => None,
    };
    Failure::unable(lang.pick(
        format!("cannot measure to {host}"),
        format!("无法测量到 {host}"),
    ))
    .because(error)
    .hint_if_any(hint)
}

/// A control connection that is kept while its session runs.
pub(super) struct Attended {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), TwampError>>,
}

impl Attended {
    /// Keeps the connection on a thread of its own. When the server ends it early, `stop` is set.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(mut client: TwampClient, stop: Arc<AtomicBool>) -> io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new().name("twamp".to_owned()).spawn({
            let over = Arc::clone(&over);
            move || {
                let attended = client.attend(|| over.load(Relaxed));
                if attended.is_ok() {
                    client.stop();
                } else {
                    stop.store(true, Relaxed);
                }
                attended
            }
        })?;
        Ok(Self { over, thread })
    }

    /// The session is over: it is stopped.
    ///
    /// # Errors
    /// When the server had ended it before.
    pub(super) fn end(self, args: &Args, lang: Lang) -> Result<(), Failure> {
        self.over.store(true, Relaxed);
        let attended = self
            .thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        attended.map_err(|error| {
            let host = &args.reflector;
            Failure::unable(lang.pick(
                format!("the measurement to {host} ended early"),
                format!("到 {host} 的测量提前结束"),
            ))
            .because(error)
        })
    }
}

impl Agreement {
    /// The parts: what is attended, and what was agreed on.
    pub(super) fn split(self) -> (TwampClient, Agreed) {
        (self.client, self.agreed)
    }
}
