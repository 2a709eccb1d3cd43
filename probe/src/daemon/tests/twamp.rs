//! A TWAMP server of the plan: asked for its sessions, refused, and begun anew.

use owl_measure::hindrance::Hindrance;
use owl_protocol::session::control::Identity;
use owl_protocol::session::twamp_control::Policy;
use owl_protocol::wire::owamp::{KeyId, Passphrase};

use super::*;
use crate::control::Access;
use crate::control::twamp::{ServerSettings, TwampServer, TwampStats};

/// A TWAMP server over loopback; dropped, it is gone.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(address: SocketAddr, mut settings: ServerSettings) -> Self {
        settings.access.listen = vec![address];
        let server = TwampServer::bind(settings, Clock::honest()).unwrap();
        let address = server.local()[0];
        let stop = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || {
                let stats = TwampStats::default();
                server.run(&stats, &stop, || None).unwrap();
            }
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    fn anywhere(settings: ServerSettings) -> Self {
        Self::start("127.0.0.1:0".parse().unwrap(), settings)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Ends {
    /// Follows a plan whose only session is the one that this server is asked for.
    fn ask(&mut self, server: SocketAddr, more: impl Fn(&mut PlannedSession)) {
        let mut plan = self.senders.running.as_ref().unwrap().plan.clone();
        plan.sessions[0].port = server.port().into();
        plan.sessions[0].set_reflector(ReflectorKind::Twamp);
        more(&mut plan.sessions[0]);
        self.plan = plan.clone();
        self.senders.follow(plan).unwrap();
        self.looked = Clock::honest().now();
    }

    #[track_caller]
    fn until_hindered(&mut self, why: Hindrance) {
        let what = format!("nothing was sent for this reason: {why:?}");
        self.until(&what, |told| told.sent == 0 && told.hindrance == Some(why));
        self.looked = Clock::honest().now();
    }
}

#[test]
fn a_twamp_server_of_the_plan_is_asked_measured_and_asked_again_after_it_was_away() {
    let mut ends = Ends::start(&[1], &[1], "whole");
    let server = Server::anywhere(ServerSettings::default());
    let address = server.address;
    ends.ask(address, |session| session.flows = 3);
    ends.until("every packet came back", |told| {
        told.sent > 10 && told.received == told.sent && told.backward.lost == 0
    });
    assert_eq!(ends.senders.vitals.asked_running.load(Relaxed), 3);
    drop(server);
    ends.looked = Clock::honest().now();
    ends.until_hindered(Hindrance::Unreachable);
    assert_eq!(ends.senders.vitals.asked_running.load(Relaxed), 0);
    let _server = Server::start(address, ServerSettings::default());
    ends.until_all_come_back();
    assert!(ends.senders.vitals.asked_failures.load(Relaxed) > 0);
}

#[test]
fn a_server_that_refuses_is_told_with_its_accept_value() {
    let mut ends = Ends::start(&[1], &[1], "whole");
    let policy = Policy {
        sessions_max: 0,
        ..Policy::default()
    };
    let server = Server::anywhere(ServerSettings {
        policy,
        ..ServerSettings::default()
    });
    ends.ask(server.address, |_| {});
    ends.until_hindered(Hindrance::Refused { accept: 5 });
}

#[test]
fn who_is_refused_some_of_its_sessions_measures_the_others() {
    let mut ends = Ends::start(&[1], &[1], "whole");
    let policy = Policy {
        sessions_max: 2,
        ..Policy::default()
    };
    let server = Server::anywhere(ServerSettings {
        policy,
        ..ServerSettings::default()
    });
    ends.ask(server.address, |session| session.flows = 3);
    ends.until_hindered(Hindrance::Refused { accept: 5 });
    ends.until_all_come_back();
}

#[test]
fn a_server_with_users_wants_the_user_of_the_plan_with_the_pass_phrase_of_the_probe() {
    let mut ends = Ends::start(&[1], &[1], "whole");
    let identity = Identity {
        key_id: KeyId::new("jiuzi").unwrap(),
        secret: Passphrase::new(b"nine words").unwrap(),
    };
    let server = Server::anywhere(ServerSettings {
        access: Access {
            users: [identity].into(),
            ..Access::default()
        },
        ..ServerSettings::default()
    });
    let known = |session: &mut PlannedSession| session.twamp_user = "jiuzi".to_owned();
    ends.ask(server.address, |_| {});
    ends.until_hindered(Hindrance::NotLetIn);
    ends.ask(server.address, known);
    ends.until_hindered(Hindrance::Unprepared);
    let users = ends.file("users.toml");
    let write = |text: &str| {
        fs::write(&users, text).unwrap();
        fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("jiuzi = \"ten words\"\n");
    ends.senders.config.sender.twamp_users = Some(users.clone());
    ends.senders.stop();
    ends.senders
        .start(plan_of(&ends, server.address, known))
        .unwrap();
    ends.until_hindered(Hindrance::NotLetIn);
    write("jiuzi = \"nine words\"\n");
    ends.until_all_come_back();
}

/// The same plan as [`Ends::ask`] follows, for a start without a running one.
fn plan_of(ends: &Ends, server: SocketAddr, more: impl Fn(&mut PlannedSession)) -> Plan {
    let mut plan = ends.plan.clone();
    plan.sessions[0].port = server.port().into();
    more(&mut plan.sessions[0]);
    plan
}
