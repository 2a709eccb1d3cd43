//! The control servers beside the reflector: who asks over TCP for a session is
//! given one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::thread::{Builder, Scope};

use owl_measure::words::Lang;
use owl_probe::clock::Clock;
use owl_probe::control::Ports;
use owl_probe::control::twamp::{ServerSettings, TwampReading, TwampServer, TwampStats};
use owl_probe::control::users::read_users;
use serde_json::{Value, json};

use crate::command::own_clock::OwnClock;
use crate::failure::Failure;

/// Control servers.
#[derive(Debug, clap::Args)]
pub(super) struct Control {
    /// Be a TWAMP server, too, which reflects the sessions that are asked for over TCP; without ADDR:PORT at every address on TCP port 862
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1)]
    twamp: Option<Option<SocketAddr>>,
    /// Serve only the users of this file (TOML, lines of KEYID = "pass-phrase"), who encrypt what they ask for; without it everyone is served
    #[arg(long, value_name = "FILE", requires = "twamp")]
    users: Option<PathBuf>,
    /// UDP ports of sessions that are asked for, such as 18760-19960; without it the system gives them
    #[arg(long, value_name = "FIRST-LAST", requires = "twamp")]
    ports: Option<Ports>,
}

/// Servers that listen.
pub(super) struct Servers {
    twamp: Option<TwampServer>,
}

/// What they have done so far.
#[derive(Debug, Default)]
pub(super) struct ServerStats {
    twamp: Option<TwampStats>,
}

impl Control {
    /// Listens.
    ///
    /// # Errors
    /// When the users' file cannot be used, or an address cannot be listened at.
    pub(super) fn bind(&self, lang: Lang) -> Result<Servers, Failure> {
        let Some(address) = &self.twamp else {
            return Ok(Servers { twamp: None });
        };
        let mut settings = ServerSettings {
            listen: address.iter().copied().collect(),
            ..ServerSettings::default()
        };
        if let Some(file) = &self.users {
            settings.users = read_users(file).map_err(|error| {
                Failure::usage(lang.pick(
                    "cannot take the users of the TWAMP server",
                    "无法取得 TWAMP 服务器的用户",
                ))
                .because(error)
            })?;
        }
        if let Some(ports) = &self.ports {
            settings.ports = ports.clone();
        }
        let server = TwampServer::bind(settings, Clock::honest()).map_err(|error| {
            Failure::unable(lang.pick("cannot serve TWAMP", "无法提供 TWAMP 服务"))
                .because(error)
                .hint(lang.pick(
                    "`--twamp ADDR:PORT` takes another port; ports below 1024 need CAP_NET_BIND_SERVICE",
                    "可用 `--twamp ADDR:PORT` 换一个端口；1024 以下的端口需要 CAP_NET_BIND_SERVICE",
                ))
        })?;
        Ok(Servers {
            twamp: Some(server),
        })
    }
}

impl Servers {
    /// Room for what they will have done.
    pub(super) fn stats(&self) -> ServerStats {
        ServerStats {
            twamp: self.twamp.as_ref().map(|_| TwampStats::default()),
        }
    }

    /// Where they listen, a line each.
    pub(super) fn began(&self, lang: Lang) -> String {
        let Some(server) = &self.twamp else {
            return String::new();
        };
        let listening = addresses(server).join(", ");
        lang.pick(
            format!("TWAMP server on TCP {listening}\n"),
            format!("TWAMP 服务器监听 TCP {listening}\n"),
        )
    }

    /// The same for machines.
    pub(super) fn began_json(&self) -> Value {
        json!(self.twamp.as_ref().map(addresses))
    }

    /// Serves on threads of `scope` until told to stop.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn spawn<'scope, 'env>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        stats: &'env ServerStats,
        stop: &'env AtomicBool,
        own_clock: OwnClock,
    ) -> std::io::Result<()> {
        if let (Some(server), Some(stats)) = (self.twamp, &stats.twamp) {
            Builder::new()
                .name("twamp".to_owned())
                // A server that cannot wait for connections any more leaves the reflector at work.
                .spawn_scoped(scope, move || server.run(stats, stop, || own_clock.claim()))?;
        }
        Ok(())
    }
}

fn addresses(server: &TwampServer) -> Vec<String> {
    server.local().iter().map(ToString::to_string).collect()
}

impl ServerStats {
    /// What is added to the reflector's counts.
    pub(super) fn counts(&self, lang: Lang) -> String {
        let Some(stats) = &self.twamp else {
            return String::new();
        };
        let TwampReading {
            sessions,
            refused,
            turned_away,
            strangers,
            reflected,
            ..
        } = stats.read();
        lang.pick(
            format!(
                "; TWAMP: {sessions} sessions, {refused} refused, {} clients not let in, {reflected} reflected",
                turned_away + strangers
            ),
            format!(
                "；TWAMP：会话 {sessions}，拒绝 {refused}，未准入客户端 {}，反射 {reflected}",
                turned_away + strangers
            ),
        )
    }

    /// The same for machines.
    pub(super) fn counts_json(&self) -> Value {
        json!(self.twamp.as_ref().map(|stats| {
            let reading = stats.read();
            json!({
                "conversations": reading.conversations,
                "turned_away": reading.turned_away,
                "strangers": reading.strangers,
                "sessions": reading.sessions,
                "refused": reading.refused,
                "reflected": reading.reflected,
                "unanswered": reading.unanswered,
            })
        }))
    }
}
