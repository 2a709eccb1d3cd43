//! The control servers beside the reflector: who asks over TCP for a session is
//! given one.

use std::fmt::Display;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::thread::{Builder, Scope};

use clap::ArgGroup;
use owl_measure::words::Lang;
use owl_probe::clock::Clock;
use owl_probe::control::users::read_users;
use owl_probe::control::{Access, Callers, ListenError, Ports, owamp, twamp};
use serde_json::{Value, json};

use crate::command::own_clock::OwnClock;
use crate::failure::Failure;

/// Control servers.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("server").args(["twamp", "owamp"]).multiple(true))]
pub(super) struct Control {
    /// Be a TWAMP server, too, which reflects the sessions that are asked for over TCP; without ADDR:PORT at every address on TCP port 862
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1)]
    twamp: Option<Option<SocketAddr>>,
    /// Be an OWAMP server, too, which records the sessions that are sent to it and sends those that are asked of it, to nobody but who asks and 10 Mb/s at most; without ADDR:PORT at every address on TCP port 861
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1)]
    owamp: Option<Option<SocketAddr>>,
    /// Serve only the users of this file (TOML, lines of KEYID = "pass-phrase"), who encrypt what they ask for; without it everyone is served
    #[arg(long, value_name = "FILE", requires = "server")]
    users: Option<PathBuf>,
    /// UDP ports of sessions that are asked for, such as 18760-19960; without it the system gives them
    #[arg(long, value_name = "FIRST-LAST", requires = "server")]
    ports: Option<Ports>,
}

/// Servers that listen.
pub(super) struct Servers {
    twamp: Option<twamp::TwampServer>,
    owamp: Option<owamp::OwampServer>,
    /// What a session-sender is to say besides.
    identity: &'static str,
}

/// What they have done so far.
#[derive(Debug, Default)]
pub(super) struct ServerStats {
    twamp: Option<twamp::TwampStats>,
    owamp: Option<owamp::OwampStats>,
}

impl Control {
    /// Listens.
    ///
    /// # Errors
    /// When the users' file cannot be used, or an address cannot be listened at.
    pub(super) fn bind(&self, lang: Lang) -> Result<Servers, Failure> {
        let users = match &self.users {
            Some(file) => read_users(file).map_err(|error| {
                let hint = error.hint();
                Failure::usage(lang.pick(
                    "cannot take the users of the servers",
                    "无法取得服务器的用户",
                ))
                .because(error)
                .hint(hint)
            })?,
            None => [].into(),
        };
        let ports = self.ports.clone().unwrap_or_else(Ports::any);
        let access = |listen: Option<&SocketAddr>| Access {
            listen: listen.into_iter().copied().collect(),
            users: users.clone(),
            ports: ports.clone(),
        };
        let twamp = self.twamp.as_ref().map(|address| {
            let settings = twamp::ServerSettings {
                access: access(address.as_ref()),
                ..twamp::ServerSettings::default()
            };
            twamp::TwampServer::bind(settings, Clock::honest())
                .map_err(|error| unable("TWAMP", "--twamp", error, lang))
        });
        let owamp = self.owamp.as_ref().map(|address| {
            let settings = owamp::ServerSettings {
                access: access(address.as_ref()),
                ..owamp::ServerSettings::default()
            };
            owamp::OwampServer::bind(settings, Clock::honest())
                .map_err(|error| unable("OWAMP", "--owamp", error, lang))
        });
        Ok(Servers {
            twamp: twamp.transpose()?,
            owamp: owamp.transpose()?,
            identity: match self.users {
                Some(_) => " --user KEYID --pass-phrase-file FILE",
                None => "",
            },
        })
    }
}

fn unable(protocol: &str, option: &str, error: ListenError, lang: Lang) -> Failure {
    let is_strange = error.source.kind() == ErrorKind::AddrNotAvailable;
    Failure::unable(lang.pick(
        format!("cannot serve {protocol}"),
        format!("无法提供 {protocol} 服务"),
    ))
    .because(error)
    .hint(if is_strange {
        lang.pick(
            "the address is not this host's; `ip address` lists them",
            "该地址不属于本机；`ip address` 会列出本机地址",
        )
        .to_owned()
    } else {
        lang.pick(
        format!(
            "`{option} ADDR:PORT` takes another port; ports below 1024 need CAP_NET_BIND_SERVICE"
        ),
        format!("可用 `{option} ADDR:PORT` 换一个端口；1024 以下的端口需要 CAP_NET_BIND_SERVICE"),
    )
    })
}

impl Servers {
    /// Room for what they will have done.
    pub(super) fn stats(&self) -> ServerStats {
        ServerStats {
            twamp: self.twamp.as_ref().map(|_| twamp::TwampStats::default()),
            owamp: self.owamp.as_ref().map(|_| owamp::OwampStats::default()),
        }
    }

    fn twamp_addresses(&self) -> Option<Vec<String>> {
        self.twamp.as_ref().map(|server| texts(server.local()))
    }

    fn owamp_addresses(&self) -> Option<Vec<String>> {
        self.owamp.as_ref().map(|server| texts(server.local()))
    }

    /// Where they listen, a line each, and what is to be run on the other host.
    pub(super) fn began(&self, lang: Lang) -> String {
        let line = |protocol: &str, word: &str, addresses: Option<Vec<SocketAddr>>| {
            let addresses = addresses?;
            let target = target(addresses.first()?);
            let command = format!("  owl delay {target} --protocol {word}{}\n", self.identity);
            let listening = texts(addresses).join(", ");
            Some(lang.pick(
                format!("{protocol} server on TCP {listening}; on the other host:\n{command}"),
                format!("{protocol} 服务器监听 TCP {listening}；在另一台主机上运行：\n{command}"),
            ))
        };
        [
            line(
                "TWAMP",
                "twamp",
                self.twamp.as_ref().map(twamp::TwampServer::local),
            ),
            line(
                "OWAMP",
                "owamp",
                self.owamp.as_ref().map(owamp::OwampServer::local),
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The same for machines.
    pub(super) fn began_json(&self, began: &mut Value) {
        began["twamp"] = json!(self.twamp_addresses());
        began["owamp"] = json!(self.owamp_addresses());
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
        // A server that cannot wait for connections any more leaves the reflector at work.
        if let (Some(server), Some(stats)) = (self.twamp, &stats.twamp) {
            Builder::new()
                .name("twamp".to_owned())
                .spawn_scoped(scope, move || server.run(stats, stop, || own_clock.claim()))?;
        }
        if let (Some(server), Some(stats)) = (self.owamp, &stats.owamp) {
            Builder::new()
                .name("owamp".to_owned())
                .spawn_scoped(scope, move || server.run(stats, stop, || own_clock.claim()))?;
        }
        Ok(())
    }
}

/// What a session-sender on another host calls a server that listens there.
fn target(listening: &SocketAddr) -> String {
    if listening.ip().is_unspecified() {
        format!("HOST:{}", listening.port())
    } else {
        listening.to_string()
    }
}

fn texts(addresses: Vec<impl Display>) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

impl ServerStats {
    /// What is added to the reflector's counts.
    pub(super) fn counts(&self, lang: Lang) -> String {
        let mut line = String::new();
        if let Some(stats) = &self.twamp {
            let reading = stats.read();
            let Callers {
                sessions, refused, ..
            } = reading.callers;
            let (reflected, away) = (reading.reflected, reading.callers.not_let_in());
            line.push_str(&lang.pick(
                format!("; TWAMP: {sessions} sessions, {refused} refused, {away} clients not let in, {reflected} reflected"),
                format!("；TWAMP：会话 {sessions}，拒绝 {refused}，未准入客户端 {away}，反射 {reflected}"),
            ));
        }
        if let Some(stats) = &self.owamp {
            let reading = stats.read();
            let Callers {
                sessions, refused, ..
            } = reading.callers;
            let (sent, recorded) = (reading.sent, reading.recorded);
            let away = reading.callers.not_let_in();
            line.push_str(&lang.pick(
                format!("; OWAMP: {sessions} sessions, {refused} refused, {away} clients not let in, {recorded} recorded, {sent} sent"),
                format!("；OWAMP：会话 {sessions}，拒绝 {refused}，未准入客户端 {away}，记录 {recorded}，发送 {sent}"),
            ));
        }
        line
    }

    /// The same for machines.
    pub(super) fn counts_json(&self, counts: &mut Value) {
        counts["twamp"] = json!(self.twamp.as_ref().map(|stats| {
            let reading = stats.read();
            json!({
                "conversations": reading.callers.conversations,
                "turned_away": reading.callers.turned_away,
                "strangers": reading.callers.strangers,
                "sessions": reading.callers.sessions,
                "refused": reading.callers.refused,
                "reflected": reading.reflected,
                "unanswered": reading.unanswered,
            })
        }));
        counts["owamp"] = json!(self.owamp.as_ref().map(|stats| {
            let reading = stats.read();
            json!({
                "conversations": reading.callers.conversations,
                "turned_away": reading.callers.turned_away,
                "strangers": reading.callers.strangers,
                "sessions": reading.callers.sessions,
                "refused": reading.callers.refused,
                "recorded": reading.recorded,
                "sent": reading.sent,
                "fetched": reading.fetched,
            })
        }));
    }
}
