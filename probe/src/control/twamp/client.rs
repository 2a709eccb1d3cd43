//! The Control-Client: agrees with a TWAMP server on sessions, starts them,
//! keeps the connection while they run, and stops them.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use owl_measure::time::Nanos;
use owl_protocol::session::control::{Identity, OutOfTurn, Protection};
use owl_protocol::session::twamp_control::{ClientConfig, ClientEvent, ControlClient};
use owl_protocol::wire::NtpTimestamp;
use owl_protocol::wire::owamp::{Accept, Addresses, Interval, Modes, Sid, TypeP};
use owl_protocol::wire::twamp::{RequestTwSession, TestMode};

use super::TwampError;
use crate::clock::Clock;
use crate::control::connection::{self, Connection, Heard};
use crate::control::{BUFFER_OCTETS, LOOK_AROUND, WRITE_AGAIN, random};
use crate::net::{Readiness, wait};

/// How long a server may take to be connected to, and for each answer.
const PATIENCE: Nanos = Nanos::from_secs(10);
/// How long Stop-Sessions may take to leave this host.
const FAREWELL: Nanos = Nanos::from_secs(1);
/// How far things have come, for errors.
pub(super) const SETTING_UP: &str = "during the connection set-up";
const REQUESTING: &str = "over the session (Request-TW-Session)";
const STARTING: &str = "over its start (Start-Sessions)";
const RUNNING: &str = "while the session ran";

/// What is asked of a server.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Where the server listens (TCP).
    pub server: SocketAddr,
    /// The local address to ask and to send from; the kernel chooses when there is none.
    pub source: Option<IpAddr>,
    /// Who asks, in the best protected mode that the server offers; nobody, unauthenticated, when there is none.
    pub user: Option<Identity>,
    /// The sessions, asked for one after the other.
    pub sessions: Vec<WantedSession>,
}

/// One session that a server is asked for.
#[derive(Debug, Clone, Copy)]
pub struct WantedSession {
    /// UDP payload of a test packet, as far as its fields leave a choice; `None` makes it as long as its reply.
    pub packet_octets: Option<u16>,
    /// How long replies are still wanted after the last packet.
    pub timeout: Nanos,
    /// DSCP of the test packets, both ways.
    pub dscp: u8,
}

impl ClientSettings {
    /// Octets behind the fields of a test packet. Which mode it will be is not known yet: in the mixed one, whose fields
    /// are shorter, packets are shorter, too.
    fn padding_octets(&self, session: &WantedSession) -> u32 {
        let (fields, symmetric) = match self.user {
            None => (14, 44), // 41 would do; routers know 44 from STAMP
            Some(_) => (48, 112),
        };
        let wanted = session.packet_octets.map_or(symmetric, u32::from);
        wanted.saturating_sub(fields)
    }
}

/// What both sides have agreed on.
#[derive(Debug)]
pub struct Agreed {
    /// Where test packets go.
    pub reflector: SocketAddr,
    /// How they are protected.
    pub test_mode: TestMode,
    /// UDP payload of each.
    pub packet_octets: usize,
    /// The mode of the connection.
    pub mode: Modes,
    /// What the server calls the session.
    pub sid: Sid,
    reserved: Reserved,
}

impl Agreed {
    /// The address and port that test packets must come from. The port is free from now on: bind it at once.
    pub fn release(self) -> SocketAddr {
        self.reserved.source
    }
}

/// A UDP port that is kept from others until a session-sender binds it.
#[derive(Debug)]
struct Reserved {
    source: SocketAddr,
    _socket: UdpSocket,
}

impl Reserved {
    fn at(local: IpAddr) -> Result<Self, TwampError> {
        let bound = UdpSocket::bind(SocketAddr::new(local, 0))
            .and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (source, socket) = bound.map_err(|source| TwampError::NoPort { local, source })?;
        Ok(Self {
            source,
            _socket: socket,
        })
    }
}

/// A session that is being asked for.
#[derive(Debug)]
struct Asked {
    reserved: Reserved,
    padding_octets: u32,
}

impl Asked {
    fn request(&self, session: &WantedSession) -> RequestTwSession {
        let port = self.reserved.source.port();
        RequestTwSession {
            sender_port: port,
            // Any will do but ours: a server of this host could not bind that, and some refuse instead of choosing another.
            receiver_port: port ^ 1,
            addresses: if self.reserved.source.is_ipv4() {
                Addresses::OF_CONNECTION_V4
            } else {
                Addresses::OF_CONNECTION_V6
            },
            padding_octets: self.padding_octets,
            start_at: NtpTimestamp::default(), // at once
            timeout: Interval::from_nanos(session.timeout),
            type_p: TypeP::of_dscp(session.dscp),
        }
    }
}

/// A connection to a TWAMP server.
#[derive(Debug)]
pub struct TwampClient {
    server: SocketAddr,
    clock: Clock,
    connection: Connection,
    control: ControlClient,
    buffer: Vec<u8>,
    ready: Vec<Readiness>,
    asked: Vec<Asked>,
}

impl TwampClient {
    /// Connects, and reserves the UDP ports that test packets will come from.
    ///
    /// # Errors
    /// When nobody listens there, this host gives no port or no randomness, or `stop` is set meanwhile.
    pub fn connect(
        settings: &ClientSettings,
        clock: Clock,
        stop: &AtomicBool,
    ) -> Result<Self, TwampError> {
        let server = settings.server;
        let connect = |source| TwampError::Connect { server, source };
        let connection = connection::connect(server, settings.source, PATIENCE, stop)
            .map_err(connect)?
            .ok_or(TwampError::Stopped { server })?;
        let local = connection.local().map_err(connect)?.ip();
        let protection = match &settings.user {
            None => Protection::None,
            Some(user) => Protection::SharedSecret {
                modes: Modes::AUTHENTICATED.and(Modes::ENCRYPTED).and(Modes::MIXED),
                identity: user.clone(),
                keys: random::session_keys()?,
                initial_vector: random::octets()?,
            },
        };
        let mut asked = Vec::with_capacity(settings.sessions.len());
        for session in &settings.sessions {
            asked.push(Asked {
                reserved: Reserved::at(local)?,
                padding_octets: settings.padding_octets(session),
            });
        }
        let requests = asked.iter().zip(&settings.sessions);
        let config = ClientConfig {
            protection,
            sessions: requests
                .map(|(asked, wanted)| asked.request(wanted))
                .collect(),
            answer_timeout: PATIENCE,
        };
        Ok(Self {
            server,
            control: ControlClient::new(config, clock.monotonic()),
            clock,
            connection,
            buffer: vec![0; BUFFER_OCTETS],
            ready: Vec::new(),
            asked,
        })
    }

    /// Agrees on the sessions: the server's answer to each, in their order.
    ///
    /// # Errors
    /// When the server does not let us in or says nothing, or `stop` is set before it has answered.
    pub fn agree(&mut self, stop: &AtomicBool) -> Result<Vec<Result<Agreed, Accept>>, TwampError> {
        let server = self.server;
        let connected = self.await_event(SETTING_UP, stop, |event| match event {
            ClientEvent::Connected(connected) => Some(connected),
            _ => None,
        })?;
        let mut answers = Vec::with_capacity(self.asked.len());
        for asked in std::mem::take(&mut self.asked) {
            let answer = self.await_event(REQUESTING, stop, |event| match event {
                ClientEvent::SessionAccepted { port, sid, .. } => Some(Ok((port, sid))),
                ClientEvent::SessionRefused { accept, .. } => Some(Err(accept)),
                _ => None,
            })?;
            answers.push(answer.map(|(port, sid)| {
                let test_mode = connected.test_mode(sid);
                Agreed {
                    reflector: SocketAddr::new(server.ip(), port),
                    packet_octets: test_mode.request_octets() + asked.padding_octets as usize,
                    test_mode,
                    mode: connected.mode,
                    sid,
                    reserved: asked.reserved,
                }
            }));
        }
        Ok(answers)
    }

    /// Starts the sessions that were accepted: test packets may go.
    ///
    /// # Errors
    /// When the server does not start them, or `stop` is set before it has answered.
    pub fn start(&mut self, stop: &AtomicBool) -> Result<(), TwampError> {
        let server = self.server;
        self.await_event(REQUESTING, stop, |event| {
            matches!(event, ClientEvent::Negotiated { .. }).then_some(())
        })?;
        self.control
            .start(self.clock.monotonic())
            .map_err(|OutOfTurn| TwampError::Stopped { server })?;
        let answer = self.await_event(STARTING, stop, |event| match event {
            ClientEvent::Started => Some(Ok(())),
            ClientEvent::StartRefused { accept } => Some(Err(accept)),
            _ => None,
        })?;
        answer.map_err(|accept| TwampError::Start { server, accept })
    }

    /// Keeps the connection until the sessions are over, of which `is_over` is asked a few times a second.
    ///
    /// # Errors
    /// When the connection broke, or the server closed it, before they were.
    pub fn attend(&mut self, mut is_over: impl FnMut() -> bool) -> Result<(), TwampError> {
        while !is_over() {
            let turned = self.turn(RUNNING);
            if turned.is_err() && !is_over() {
                return turned;
            }
        }
        Ok(())
    }

    /// Stops the sessions (section 3.8), once their last packets have gone.
    pub fn stop(mut self) {
        // Out of turn is only what a server has ended; it knows.
        let _ = self.control.stop(Accept::Ok);
        let until = self.clock.monotonic() + FAREWELL;
        // Whoever has closed by now is not to be told.
        while self.speak().is_ok() && self.connection.is_blocked() && self.clock.monotonic() < until
        {
            std::thread::sleep(WRITE_AGAIN.to_std());
        }
    }

    /// Talks until something has happened that is waited for; what else happens is of no interest.
    fn await_event<T>(
        &mut self,
        step: &'static str,
        stop: &AtomicBool,
        wanted: impl Fn(ClientEvent) -> Option<T>,
    ) -> Result<T, TwampError> {
        loop {
            while let Some(event) = self.control.poll_event() {
                if let Some(wanted) = wanted(event) {
                    return Ok(wanted);
                }
            }
            if stop.load(Relaxed) {
                let server = self.server;
                return Err(TwampError::Stopped { server });
            }
            self.turn(step)?;
        }
    }

    /// Says what there is to say, and hears what comes within [`LOOK_AROUND`].
    fn turn(&mut self, step: &'static str) -> Result<(), TwampError> {
        let server = self.server;
        let broken = |source| TwampError::Broken { server, source };
        let disagree = |source| TwampError::Control {
            server,
            step,
            source,
        };
        self.speak()?;
        let rest = if self.connection.is_blocked() {
            WRITE_AGAIN
        } else {
            LOOK_AROUND
        };
        wait(&[self.connection.as_raw_fd()], &mut self.ready, rest).map_err(broken)?;
        let now = self.clock.monotonic();
        match self.connection.read(&mut self.buffer).map_err(broken)? {
            Heard::Octets(octets) => self
                .control
                .handle_bytes(now, &self.buffer[..octets])
                .map_err(disagree)?,
            Heard::Nothing => self.control.handle_timeout(now).map_err(disagree)?,
            Heard::Closed => return Err(TwampError::Closed { server, step }),
        }
        self.speak()
    }

    fn speak(&mut self) -> Result<(), TwampError> {
        let (server, control) = (self.server, &mut self.control);
        self.connection
            .write(|| control.poll_transmit())
            .map_err(|source| TwampError::Broken { server, source })
    }
}
