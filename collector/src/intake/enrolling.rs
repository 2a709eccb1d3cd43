//! Certificates for probes: the first for a token, the next over the
//! connection of the one before; and what becomes of a call whose certificate
//! is let in no longer.

use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use owl_measure::enrolment::{
    Answer, Denial, Granted, Join, MESSAGE_OCTETS_MAX, Renewal, encode_answer,
};
use owl_measure::words::Lang;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::ration::Ration;
use super::{Desk, FAREWELL, HANDSHAKE};
use crate::frame;
use crate::identity::{
    self, Authority, Issued, Joining, LIFE, Passport, Request, Roll, Roster, SerialOctets, Signer,
};
use crate::live::Live;
use crate::now::now;

/// Callers without a certificate that are heard at once; further ones are told to come again.
const JOINING_MAX: usize = 16;
/// Attempts of one address to join, a minute: a person who carries a token makes two or three.
const TRIES: u32 = 10;
/// Between two renewals over one connection, each of which asks the disk.
const RENEWAL_PAUSE: Duration = Duration::from_secs(1);
/// How often it is seen whether a caller's certificate has run out.
const RUNS_OUT: Duration = Duration::from_secs(10);

/// Where certificates are given.
pub(super) struct Enrolling {
    pub(super) authority: Arc<Authority>,
    pub(super) roster: Arc<Roster>,
    /// Who may have signed the collector's certificate, in DER.
    pub(super) authorities: Vec<Vec<u8>>,
    /// The topology's name.
    pub(super) topology: String,
    ration: Ration,
    room: Semaphore,
}

/// A certificate that was signed and written down.
struct Signed {
    granted: Granted,
    passport: Passport,
}

/// Why somebody gets none: what he is told, and what the log may say.
struct Refused {
    denial: Denial,
    why: String,
}

impl From<Denial> for Refused {
    fn from(denial: Denial) -> Self {
        Self {
            denial,
            why: denial.said(Lang::En).to_owned(),
        }
    }
}

impl Refused {
    /// The collector itself is at fault.
    fn unable(cause: impl Error) -> Self {
        let mut why = format!("no certificate can be given: {cause}");
        let mut source = cause.source();
        while let Some(cause) = source {
            why.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Self {
            denial: Denial::Unable,
            why,
        }
    }
}

impl Enrolling {
    pub(super) fn new(
        authority: Arc<Authority>,
        roster: Arc<Roster>,
        authorities: Vec<Vec<u8>>,
        topology: String,
    ) -> Self {
        Self {
            authority,
            roster,
            authorities,
            topology,
            ration: Ration::of(TRIES),
            room: Semaphore::new(JOINING_MAX),
        }
    }

    /// Signs a certificate for a probe, if the roll takes it. It is written down before anybody sees it: a collector
    /// that is killed in between has given nothing, or knows what it gave.
    fn sign(
        &self,
        probe: &str,
        request: &[u8],
        enter: impl FnOnce(&mut Roll, &Request, Issued) -> Result<(), Denial>,
    ) -> Result<Signed, Refused> {
        let request = Request::read(request).ok_or(Denial::BadRequest)?;
        let number = SerialOctets::draw().map_err(Refused::unable)?;
        let now = now();
        let issued = Issued {
            serial: number.serial(),
            issued: now,
            until: now + LIFE,
        };
        let uri = identity::uri_of(&self.topology, probe);
        let entered = self.roster.registry().change(|roll| {
            enter(roll, &request, issued.clone())?;
            let signed = self.authority.sign(&request, &number, &uri, now);
            signed.map_err(Refused::unable)
        });
        let certificate = entered.map_err(Refused::unable)??;
        // The probe may call within the second in which the roll would be looked at.
        self.roster.refresh().map_err(Refused::unable)?;
        Ok(Signed {
            granted: Granted {
                chain: vec![certificate.to_vec(), self.authority.certificate().to_vec()],
                authorities: self.authorities.clone(),
            },
            passport: Passport {
                probe: probe.to_owned(),
                signer: Signer::Own(issued.serial),
                until: issued.until,
            },
        })
    }
}

/// What is known of a caller's certificate while its connection lasts; a renewal changes it.
pub(super) struct Standing(Mutex<Passport>);

impl Standing {
    pub(super) fn new(passport: Passport) -> Self {
        Self(Mutex::new(passport))
    }

    fn passport(&self) -> Passport {
        let passport = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        passport.clone()
    }

    fn replace(&self, passport: Passport) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = passport;
    }

    /// Waits until the certificate is let in no longer; tells why.
    pub(super) async fn lost(&self, roster: &Roster) -> String {
        let mut changes = roster.changes();
        loop {
            let passport = self.passport();
            let probe = &passport.probe;
            let roll = Arc::clone(&changes.borrow_and_update());
            if let Err(why) = roll.admits(probe, &passport.signer) {
                return why;
            }
            if now() >= passport.until {
                return format!("the certificate of {probe} has run out");
            }
            tokio::select! {
                // The roster lives as long as the collector.
                _ = changes.changed() => {}
                () = sleep(RUNS_OUT.min((passport.until - now()).to_std())) => {}
            }
        }
    }
}

impl Desk {
    /// Hears a caller without a certificate.
    pub(super) async fn join(&self, connection: Connection) {
        let enrolling = &self.enrolling;
        let within = enrolling
            .ration
            .take(connection.remote_address().ip(), Instant::now());
        let place = enrolling.room.try_acquire();
        let (true, Ok(_place)) = (within, place) else {
            return self.turn_away(&connection, &Denial::TooOften.into());
        };
        let heard = timeout(HANDSHAKE, async {
            let (send, mut receive) = connection.accept_bi().await.ok()?;
            let octets = frame::read_at_most(&mut receive, MESSAGE_OCTETS_MAX).await;
            Some((send, Join::decode(&octets.ok()??).ok()?))
        });
        let Ok(Some((mut send, join))) = heard.await else {
            return self.turn_away(&connection, &Denial::BadRequest.into());
        };
        let joined = self.admit_joining(join).await;
        let told = timeout(FAREWELL, async {
            let answer = joined.as_ref().map_err(|refused| refused.denial);
            say(&mut send, &answer.cloned()).await?;
            send.finish().ok()?;
            send.stopped().await.ok()
        });
        let _ = told.await;
        match joined {
            Err(refused) => self.turn_away(&connection, &refused),
            Ok(_) => connection.close(VarInt::from_u32(0), b"joined"),
        }
    }

    async fn admit_joining(&self, join: Join) -> Result<Granted, Refused> {
        let probe = join.probe.clone();
        if !self.plans.edition().has_probe(&probe) {
            // The topology may have lost it since the token was made; a stranger learns no name from this.
            return Err(Denial::UnknownToken.into());
        }
        let enrolling = Arc::clone(&self.enrolling);
        let signed = spawn_blocking(move || {
            let secret = identity::digest(&join.secret.0);
            // From memory first: a stranger's guess costs no reading of files and no arithmetic of keys.
            enrolling.roster.refresh().map_err(Refused::unable)?;
            enrolling.roster.roll().knows(&join.probe, &secret)?;
            enrolling.sign(&join.probe, &join.request, |roll, request, issued| {
                let who = Joining {
                    probe: &join.probe,
                    secret: &secret,
                    key: &request.key,
                };
                roll.join(who, issued.issued, issued)
            })
        });
        let signed = signed
            .await
            .unwrap_or_else(|error| Err(Refused::unable(error)))?;
        self.own.enrolments.with_label_values(&["joined"]).inc();
        info!(probe, "a probe joined");
        Ok(signed.granted)
    }

    /// Ends the call of somebody who gets no certificate: a counter, and a line a minute at most.
    fn turn_away(&self, connection: &Connection, refused: &Refused) {
        self.own.enrolments.with_label_values(&["refused"]).inc();
        self.say_refused(&refused.why);
        let said = refused.denial.said(Lang::En);
        let code = i32::from(refused.denial).unsigned_abs();
        connection.close(VarInt::from_u32(code), said.as_bytes());
    }

    /// Gives a connected probe the next certificate as often as it may ask for one.
    pub(super) async fn renewals(
        &self,
        connection: &Connection,
        standing: &Standing,
    ) -> Infallible {
        while let Ok((mut send, mut receive)) = connection.accept_bi().await {
            let renewed = timeout(HANDSHAKE, self.renewal(&mut send, &mut receive, standing));
            if let Ok(Some(passport)) = renewed.await {
                let mut live = self.live.write();
                if let Some(probe) = live.probes.get_mut(&passport.probe) {
                    probe.certificate_until = Some(passport.until);
                }
            }
            sleep(RENEWAL_PAUSE).await;
        }
        // The connection is gone, which whoever serves it sees, too.
        std::future::pending().await
    }

    async fn renewal(
        &self,
        send: &mut SendStream,
        receive: &mut RecvStream,
        standing: &Standing,
    ) -> Option<Passport> {
        let octets = frame::read_at_most(receive, MESSAGE_OCTETS_MAX).await;
        let (answer, passport) = self.renewed(&octets.ok()??, standing).await?;
        say(send, &answer).await?;
        send.finish().ok()?;
        passport
    }

    /// The next certificate for who is connected: what he is told, and what he shows from then on. `None` when that was no
    /// question.
    pub(super) async fn renewed(
        &self,
        octets: &[u8],
        standing: &Standing,
    ) -> Option<(Answer, Option<Passport>)> {
        let Renewal { request } = Renewal::decode(octets).ok()?;
        let old = standing.passport();
        let probe = old.probe.clone();
        let enrolling = Arc::clone(&self.enrolling);
        let signed = spawn_blocking(move || {
            enrolling.sign(&old.probe, &request, |roll, _, issued| {
                roll.renew(&old.probe, &old.signer, issued.issued, issued)
            })
        });
        let signed = signed
            .await
            .unwrap_or_else(|error| Err(Refused::unable(error)));
        let (answer, passport) = match signed {
            Ok(Signed { granted, passport }) => (Ok(granted), Some(passport)),
            Err(refused) => {
                self.say_refused(&refused.why);
                (Err(refused.denial), None)
            }
        };
        let result = if answer.is_ok() { "renewed" } else { "refused" };
        self.own.enrolments.with_label_values(&[result]).inc();
        if let Some(passport) = &passport {
            standing.replace(passport.clone());
            info!(probe, "a probe has renewed its certificate");
        }
        Some((answer, passport))
    }
}

async fn say(send: &mut SendStream, answer: &Answer) -> Option<()> {
    frame::write(send, &encode_answer(answer)).await.ok()
}

/// Shows until when the enrolled probes' certificates last, and goes on with every change of the roll.
pub(super) async fn show(roster: Arc<Roster>, live: Arc<Live>) {
    let mut changes = roster.changes();
    loop {
        let roll = Arc::clone(&changes.borrow_and_update());
        {
            let mut live = live.write();
            for (probe, record) in &roll.probes {
                let gone = record.revoked.is_some();
                if let Some(probe) = live.probes.get_mut(probe)
                    && (gone || record.until().is_some())
                {
                    probe.certificate_until = record.until();
                }
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
