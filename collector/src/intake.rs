//! Where probes call: QUIC with mutual TLS, one stream a connection; over HTTPS where UDP is blocked.
//!
//! A probe says hello, gets its plan, and sends batches of reports; each is
//! acknowledged after it is on the disk. Who a probe is, its certificate says;
//! it may report on the paths that begin at it and on no others. A stranger
//! costs a counter and no line of log. Somebody without a certificate may show a
//! token and get one (`enrolling`), and nothing else.

mod conversation;
mod door;
mod enrolling;
mod https;
mod ration;
mod reexamining;
mod reset;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use owl_measure::report::{FromCollector, FromProbe, Hello, Report, VERSION};
use owl_measure::time::{Nanos, Timestamp};
use quinn::{Connection, Endpoint, Incoming, RecvStream, SendStream, TransportConfig, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::aside::Refusal;
use crate::config::Config;
use crate::frame::{self, FrameError};
use crate::identity::{self, Identity, IdentityError, Purpose, Roster};
use crate::live::Live;
use crate::metrics::Own;
use crate::now::now;
use crate::plan::{Edition, Plans};
use crate::store::{Admitted, Rejected, Store};
use conversation::Conversation;
use door::Door;
use enrolling::{Enrolling, Standing};
use https::Https;

/// Connections that one probe may hold: a live one, and old ones that nobody has noticed to be dead.
const CONNECTIONS_A_PROBE: usize = 4;
/// Connections above those of the topology's probes, for callers who are not known yet.
const STRANGERS_MAX: usize = 64;
/// From the first packet to the hello.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A connection that is silent for longer is dead.
const IDLE: Duration = Duration::from_secs(30);
/// How often a quiet connection shows that it is not.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Between two attempts to store a batch that the store refused.
const STORE_AGAIN: Duration = Duration::from_secs(1);
/// How long a refusal waits for being read.
const FAREWELL: Duration = Duration::from_secs(1);
/// A report from further in the future than this is from a clock that cannot be used, and a window that would stay open.
const FUTURE_MAX: Nanos = Nanos::from_secs(60);
/// No interval of a report is longer.
const INTERVAL_MAX: Nanos = Nanos::from_secs(3_600);
/// Characters of a probe's software that are kept.
const SOFTWARE_MAX: usize = 64;
/// Least time between two lines of log about refused strangers.
const STRANGER_LINE: Nanos = Nanos::from_secs(60);
/// Octets of a connection that were not read yet: at 30 ms of round trip they carry twice what a probe drains at, and a
/// thousand probes that come back after an outage hold a quarter of a gigabyte.
const WINDOW_OCTETS: u32 = 256 << 10;

/// The intake cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The certificates cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The address is taken, or not ours, for who calls over HTTPS.
    #[error("cannot bind TCP {address}")]
    BindTcp {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The address is taken, or not ours.
    #[error("cannot bind UDP {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// What every connection needs to know.
struct Desk {
    plans: Arc<Plans>,
    keep: Nanos,
    store: Store,
    live: Arc<Live>,
    own: Arc<Own>,
    refused_line_at: AtomicI64,
    enrolling: Arc<Enrolling>,
    door: Door,
}

pub(crate) struct Intake {
    endpoint: Endpoint,
    https: Https,
    desk: Arc<Desk>,
    room: Arc<Semaphore>,
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("cannot write to the stream")]
    Write(#[from] quinn::WriteError),
    #[error("the connection is gone")]
    Connection(#[from] quinn::ConnectionError),
    #[error("nothing was said in time")]
    Silent,
}

impl Intake {
    pub(crate) fn bind(
        config: &Config,
        identity: Identity,
        plans: Arc<Plans>,
        store: Store,
        live: Arc<Live>,
        own: Arc<Own>,
    ) -> Result<Self, IntakeError> {
        let mut quic = quinn::ServerConfig::with_crypto(Arc::new(identity.tls));
        quic.transport_config(Arc::new(transport()));
        let topology = &config.topology;
        let room = topology.probes.len() * CONNECTIONS_A_PROBE + STRANGERS_MAX;
        quic.max_incoming(STRANGERS_MAX);
        let secret = identity.authority.secret_for("connections");
        let (endpoint, https) = bind_both(&quic, config.intake, &secret, &identity.https)?;
        let desk = Desk {
            plans,
            keep: config.keep,
            store,
            live,
            own,
            refused_line_at: AtomicI64::new(i64::MIN),
            enrolling: Arc::new(Enrolling::new(
                identity.authority,
                Arc::new(identity.roster),
                identity.authorities,
                topology.name.clone(),
            )),
            door: Door::default(),
        };
        desk.live.write().certificate_until = identity.until;
        Ok(Self {
            endpoint,
            https,
            desk: Arc::new(desk),
            room: Arc::new(Semaphore::new(room)),
        })
    }

    /// Where probes can call.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Takes calls until `stop` is done, then ends those that are open.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let Self {
            endpoint,
            https,
            desk,
            room,
        } = self;
        let (mut calls, mut over_tcp_runs) = (JoinSet::new(), true);
        let roster: Arc<Roster> = Arc::clone(&desk.enrolling.roster);
        let shown = enrolling::show(Arc::clone(&roster), Arc::clone(&desk.live));
        let followed = roster.follow();
        let reexamined = reexamining::run(Arc::clone(&desk));
        let grown = grow(desk.plans.changes(), Arc::clone(&room));
        let over_tcp = https.run(Arc::clone(&desk));
        tokio::pin!(stop, shown, followed, reexamined, grown, over_tcp);
        loop {
            tokio::select! {
                () = &mut stop => break,
                // None of them ends before the collector does.
                () = &mut followed => {}
                () = &mut reexamined => {}
                () = &mut grown => {}
                () = &mut shown => {}
                Err(error) = &mut over_tcp, if over_tcp_runs => {
                    error!(%error, "probes can no longer call over HTTPS");
                    over_tcp_runs = false;
                }
                // Ended calls leave the set as they end, so it is never larger than the room.
                Some(_) = calls.join_next(), if !calls.is_empty() => {}
                incoming = endpoint.accept() => {
                    let Some(incoming) = incoming else { break };
                    match Arc::clone(&room).try_acquire_owned() {
                        Ok(place) => { calls.spawn(Arc::clone(&desk).answer(incoming, place)); }
                        Err(_) => {
                            desk.refuse("no place is left");
                            incoming.refuse();
                        }
                    }
                }
            }
        }
        endpoint.close(VarInt::from_u32(0), b"the collector stops");
        calls.shutdown().await;
        let _ = timeout(FAREWELL, endpoint.wait_idle()).await;
    }
}

/// Makes room for the probes of a topology that has more of them than the one before.
async fn grow(mut changes: watch::Receiver<Arc<Edition>>, room: Arc<Semaphore>) {
    let probes = |edition: &Edition| edition.released().topology.probes.len();
    let mut most = probes(&changes.borrow_and_update());
    while changes.changed().await.is_ok() {
        let now = probes(&changes.borrow_and_update());
        room.add_permits(now.saturating_sub(most) * CONNECTIONS_A_PROBE);
        most = most.max(now);
    }
    std::future::pending().await
}

/// Binds one port of UDP and of TCP. A port that the system chose may be taken in the other protocol; then it chooses again.
fn bind_both(
    quic: &quinn::ServerConfig,
    address: SocketAddr,
    secret: &[u8; 32],
    tls: &Arc<rustls::ServerConfig>,
) -> Result<(Endpoint, Https), IntakeError> {
    const CHOICES: usize = 16;
    let mut choice = 1;
    loop {
        let endpoint = reset::endpoint(quic.clone(), address, secret)
            .map_err(|source| IntakeError::Bind { address, source })?;
        let bound = endpoint
            .local_addr()
            .map_err(|source| IntakeError::Bind { address, source })?;
        match Https::bind(bound, Arc::clone(tls)) {
            Ok(https) => return Ok((endpoint, https)),
            Err(_) if address.port() == 0 && choice < CHOICES => choice += 1,
            Err(source) => {
                let address = bound;
                return Err(IntakeError::BindTcp { address, source });
            }
        }
    }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        // One for reports, and one on which the certificate is renewed.
        .max_concurrent_bidi_streams(VarInt::from_u32(2))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW_OCTETS))
        .receive_window(VarInt::from_u32(WINDOW_OCTETS))
        .send_window(u64::from(WINDOW_OCTETS))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(
            IDLE.try_into().expect("30 s is within QUIC's 2^62 ms"),
        ));
    transport
}

/// A probe's connection, counted while it lasts.
struct Presence<'a> {
    live: &'a Live,
    probe: &'a str,
}

impl<'a> Presence<'a> {
    /// Refused, with the reason, when the probe holds as many connections as it may, or holds one under another epoch.
    ///
    /// One spool has one epoch, whose numbers tell a report from its copy. Two epochs at once are two probes with one
    /// name, and each packet of the pair would be counted as the one probe's.
    fn enter(
        live: &'a Live,
        probe: &'a str,
        epoch: u64,
        certificate_until: Timestamp,
    ) -> Result<Self, String> {
        let mut table = live.write();
        let Some(entry) = table.probes.get_mut(probe) else {
            return Err(format!("the topology has no probe {probe}"));
        };
        if entry.connections > 0 && entry.connected_epoch != epoch {
            return Err(format!(
                "another probe calls itself {probe}; its connection must end first"
            ));
        }
        if entry.connections >= CONNECTIONS_A_PROBE {
            return Err(format!(
                "the probe {probe} holds {CONNECTIONS_A_PROBE} connections already"
            ));
        }
        entry.connections += 1;
        entry.connected_epoch = epoch;
        entry.certificate_until = Some(certificate_until);
        drop(table);
        Ok(Self { live, probe })
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.live.write().probes.get_mut(self.probe) {
            entry.connections = entry.connections.saturating_sub(1);
        }
    }
}

impl Desk {
    /// Counts a refused caller.
    fn refuse(&self, why: &str) {
        self.own.refused.inc();
        self.say_refused(why);
    }

    /// Says that a caller was refused, at most once a minute.
    fn say_refused(&self, why: &str) {
        let (last, now) = (self.refused_line_at.load(Ordering::Relaxed), now().0);
        let due = now.saturating_sub(last) >= STRANGER_LINE.0;
        if due
            && self
                .refused_line_at
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            warn!(
                why,
                "a caller was refused; others may be refused in the next minute without a line"
            );
        }
    }

    async fn answer(self: Arc<Self>, incoming: Incoming, _place: OwnedSemaphorePermit) {
        // A forged source address gets no handshake: it has to answer from there first.
        if !incoming.remote_address_validated() {
            if incoming.retry().is_err() {
                self.refuse("its address cannot be validated");
            }
            return;
        }
        let from = incoming.remote_address().ip();
        let Some(knock) = self.door.knock(from, Instant::now()) else {
            self.own.refused.inc();
            return incoming.ignore();
        };
        let connection = match timeout(HANDSHAKE, async { incoming.accept()?.await }).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return self.refuse(&error.to_string()),
            Err(_) => return self.refuse("no handshake in time"),
        };
        let passport = match identity::purpose(&connection, &self.enrolling.authority) {
            Some(Purpose::Report(passport)) => passport,
            // Joining has a ration of its own.
            Some(Purpose::Join) => {
                knock.let_in();
                return self.join(connection).await;
            }
            None => {
                self.refuse("no certificate names the caller");
                return connection.close(VarInt::from_u32(1), b"no certificate names the caller");
            }
        };
        let probe = passport.probe.clone();
        let opened = timeout(HANDSHAKE, async {
            let (send, mut receive) = connection.accept_bi().await?;
            let hello = frame::read(&mut receive).await?.ok_or(CallError::Silent)?;
            Ok::<_, CallError>((send, receive, hello))
        });
        let (mut send, mut receive, hello) = match opened.await.unwrap_or(Err(CallError::Silent)) {
            Ok(opened) => opened,
            Err(error) => {
                connection.close(VarInt::from_u32(1), error.to_string().as_bytes());
                return self.refuse(&error.to_string());
            }
        };
        let roll = self.enrolling.roster.roll();
        let known = self
            .known(&probe, &hello)
            .and_then(|hello| roll.admits(&probe, &passport.signer).map(|()| hello));
        let hello = match known {
            Ok(hello) => hello,
            Err(why) => {
                self.refuse(&why);
                return farewell(&connection, &mut send, why).await;
            }
        };
        let _presence = match Presence::enter(&self.live, &probe, hello.epoch, passport.until) {
            Ok(presence) => presence,
            Err(why) => {
                self.refuse(&why);
                return farewell(&connection, &mut send, why).await;
            }
        };
        knock.let_in();
        info!(
            probe,
            software = hello.software,
            simulated = hello.simulated,
            "a probe called"
        );
        let standing = Standing::new(passport);
        // A wait for the store ends with the connection that it is for.
        let outcome = tokio::select! {
            outcome = self.serve(&probe, &hello, &mut send, &mut receive) => outcome,
            gone = connection.closed() => Err(gone.into()),
            why = standing.lost(&self.enrolling.roster) => Err(CallError::Refused(why)),
            never = self.renewals(&connection, &standing) => match never {},
        };
        match outcome {
            Ok(()) => info!(probe, "a probe hung up"),
            Err(CallError::Refused(why)) => {
                warn!(probe, why, "a probe was refused");
                farewell(&connection, &mut send, why).await;
            }
            Err(error) => {
                info!(probe, %error, "a call ended");
                connection.close(VarInt::from_u32(1), error.to_string().as_bytes());
            }
        }
    }

    /// The hello of a caller whose certificate names `probe`; otherwise why it is refused.
    fn known(&self, probe: &str, octets: &[u8]) -> Result<Hello, String> {
        let hello = match FromProbe::decode(octets) {
            Ok(FromProbe::Hello(hello)) => hello,
            Ok(_) => return Err("a call begins with a hello".into()),
            Err(error) => return Err(error.to_string()),
        };
        if hello.version != VERSION {
            return Err(format!(
                "this collector speaks version {VERSION} of the contract, not {}",
                hello.version
            ));
        }
        if hello.probe != probe {
            return Err(format!("the certificate is {probe}'s"));
        }
        if !self.plans.edition().has_probe(probe) {
            return Err(format!("the topology has no probe {probe}"));
        }
        Ok(hello)
    }

    async fn serve(
        &self,
        probe: &str,
        hello: &Hello,
        send: &mut SendStream,
        receive: &mut RecvStream,
    ) -> Result<(), CallError> {
        let mut conversation = Conversation::new(self, probe, hello);
        for message in conversation.greeting() {
            frame::write(send, &message.encode()).await?;
        }
        for message in conversation.called(hello).await {
            frame::write(send, &message.encode()).await?;
        }
        let mut changes = self.plans.changes();
        loop {
            // Half a message that was read must not be lost to a newer plan.
            let next = frame::read(receive);
            tokio::pin!(next);
            let octets = loop {
                tokio::select! {
                    octets = &mut next => break octets?,
                    Ok(()) = changes.changed() => {
                        if let Some(message) = conversation.news() {
                            frame::write(send, &message.encode()).await?;
                        }
                    }
                }
            };
            let Some(octets) = octets else {
                return Ok(());
            };
            for message in conversation.hear(octets).await? {
                frame::write(send, &message.encode()).await?;
            }
        }
    }

    /// A report of a probe, if it may be stored.
    fn examine(
        &self,
        probe: &str,
        body: Vec<u8>,
        received_at: Timestamp,
    ) -> Result<Admitted, Rejected> {
        let report = Report::decode(&body).map_err(|_| Refusal::Unreadable);
        let found = report.and_then(|report| {
            let (start, length) = (report.summary.start, report.summary.length);
            let plans = self.plans.edition();
            if !plans.has_path(&report.path) {
                Err(Refusal::UnknownPath)
            } else if !plans.planned(probe, &report) {
                Err(Refusal::Unplanned)
            } else if length > INTERVAL_MAX {
                Err(Refusal::TooLong)
            } else if start < received_at - self.keep {
                Err(Refusal::TooOld)
            } else if start + length > received_at + FUTURE_MAX {
                Err(Refusal::Future)
            } else {
                Ok(report)
            }
        });
        match found {
            Ok(report) => Ok(Admitted { report, body }),
            Err(refusal) => Err(Rejected { refusal, body }),
        }
    }
}

/// Says why, and closes once that was read or nobody reads it.
async fn farewell(connection: &Connection, send: &mut SendStream, why: String) {
    let message = FromCollector::Refusal(why.clone()).encode();
    let said = async {
        frame::write(send, &message).await.ok()?;
        send.finish().ok()?;
        send.stopped().await.ok()
    };
    let _ = timeout(FAREWELL, said).await;
    connection.close(VarInt::from_u32(1), why.as_bytes());
}

#[cfg(test)]
mod tests;
