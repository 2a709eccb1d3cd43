//! The Control-Client: agrees with a TWAMP server on one session, starts it,
//! keeps the connection while it runs, and stops it.

use std::net::{SocketAddr, TcpStream, UdpSocket};
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
use crate::control::connection::{Connection, Heard};
use crate::control::{BUFFER_OCTETS, LOOK_AROUND, WRITE_AGAIN, random};
use crate::net::{Readiness, wait};

/// How long a server may take to be connected to, and for each answer.
const PATIENCE: Nanos = Nanos::from_secs(10);
/// How long Stop-Sessions may take to leave this host.
const FAREWELL: Nanos = Nanos::from_secs(1);
/// How far things have come, for errors.
const SETTING_UP: &str = "during the connection set-up";
const REQUESTING: &str = "over the session (Request-TW-Session)";
const STARTING: &str = "over its start (Start-Sessions)";
const RUNNING: &str = "while the session ran";

/// What is asked of a server.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Where the server listens (TCP).
    pub server: SocketAddr,
    /// Who asks, in the best protected mode that the server offers; nobody, unauthenticated, when there is none.
    pub user: Option<Identity>,
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
    fn padding_octets(&self) -> u32 {
        let (fields, symmetric) = match self.user {
            None => (14, 44), // 41 would do; routers know 44 from STAMP
            Some(_) => (48, 112),
        };
        let wanted = self.packet_octets.map_or(symmetric, u32::from);
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
    source: SocketAddr,
    /// Keeps the port from others.
    _reserved: UdpSocket,
}

impl Agreed {
    /// The address and port that test packets must come from. The port is free from now on: bind it at once.
    pub fn release(self) -> SocketAddr {
        self.source
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
    reserved: Option<(SocketAddr, UdpSocket)>,
    padding_octets: u32,
}

impl TwampClient {
    /// Connects, and reserves the UDP port that test packets will come from.
    ///
    /// # Errors
    /// When nobody listens there, or this host gives no port or no randomness.
    pub fn connect(settings: &ClientSettings, clock: Clock) -> Result<Self, TwampError> {
        let server = settings.server;
        let connect = |source| TwampError::Connect { server, source };
        let stream = TcpStream::connect_timeout(&server, PATIENCE.to_std()).map_err(connect)?;
        let connection = Connection::new(stream).map_err(connect)?;
        let local = connection.local().map_err(connect)?.ip();
        let reserved = UdpSocket::bind(SocketAddr::new(local, 0))
            .and_then(|socket| Ok((socket.local_addr()?, socket)))
            .map_err(|source| TwampError::NoPort { local, source })?;
        let protection = match &settings.user {
            None => Protection::None,
            Some(user) => Protection::SharedSecret {
                modes: Modes::AUTHENTICATED.and(Modes::ENCRYPTED).and(Modes::MIXED),
                identity: user.clone(),
                keys: random::session_keys()?,
                initial_vector: random::octets()?,
            },
        };
        let padding_octets = settings.padding_octets();
        let request = RequestTwSession {
            sender_port: reserved.0.port(),
            // Any will do but ours: a server of this host could not bind that, and some refuse instead of choosing another.
            receiver_port: reserved.0.port() ^ 1,
            addresses: if local.is_ipv4() {
                Addresses::OF_CONNECTION_V4
            } else {
                Addresses::OF_CONNECTION_V6
            },
            padding_octets,
            start_at: NtpTimestamp::default(), // at once
            timeout: Interval::from_nanos(settings.timeout),
            type_p: TypeP::of_dscp(settings.dscp),
        };
        let config = ClientConfig {
            protection,
            sessions: vec![request],
            answer_timeout: PATIENCE,
        };
        Ok(Self {
            server,
            control: ControlClient::new(config, clock.monotonic()),
            clock,
            connection,
            buffer: vec![0; BUFFER_OCTETS],
            ready: Vec::new(),
            reserved: Some(reserved),
            padding_octets,
        })
    }

    /// Agrees on the session.
    ///
    /// # Errors
    /// When the server does not let us in, refuses the session or says nothing, or `stop` is set before it has answered.
    pub fn agree(&mut self, stop: &AtomicBool) -> Result<Agreed, TwampError> {
        let server = self.server;
        let connected = self.await_event(SETTING_UP, stop, |event| match event {
            ClientEvent::Connected(connected) => Some(connected),
            _ => None,
        })?;
        let answer = self.await_event(REQUESTING, stop, |event| match event {
            ClientEvent::SessionAccepted { port, sid, .. } => Some(Ok((port, sid))),
            ClientEvent::SessionRefused { accept, .. } => Some(Err(accept)),
            _ => None,
        })?;
        let (port, sid) = answer.map_err(|accept| TwampError::Session { server, accept })?;
        let (source, reserved) = self.reserved.take().ok_or(TwampError::Closed {
            server,
            step: REQUESTING,
        })?;
        let test_mode = connected.test_mode(sid);
        Ok(Agreed {
            reflector: SocketAddr::new(server.ip(), port),
            packet_octets: test_mode.request_octets() + self.padding_octets as usize,
            test_mode,
            mode: connected.mode,
            sid,
            source,
            _reserved: reserved,
        })
    }

    /// Starts the session: test packets may go.
    ///
    /// # Errors
    /// When the server does not start it, or `stop` is set before it has answered.
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

    /// Keeps the connection until the session is `over`, and then stops it. When the server ends it before, so does
    /// `stop` the session-sender.
    ///
    /// # Errors
    /// When the connection broke, or the server closed it, before the session was over.
    pub fn attend(mut self, over: &AtomicBool, stop: &AtomicBool) -> Result<(), TwampError> {
        while !over.load(Relaxed) {
            let turned = self.turn(RUNNING);
            if turned.is_err() && !over.load(Relaxed) {
                stop.store(true, Relaxed);
                return turned;
            }
        }
        // Out of turn is only what a server has ended; it knows.
        let _ = self.control.stop(Accept::Ok);
        let until = self.clock.monotonic() + FAREWELL;
        loop {
            // Whoever has closed by now is not to be told.
            if self.speak().is_err() || !self.connection.is_blocked() {
                return Ok(());
            }
            if self.clock.monotonic() >= until {
                return Ok(());
            }
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
