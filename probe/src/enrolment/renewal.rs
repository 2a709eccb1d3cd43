//! Renewing the certificate over the uplink's own connection, whichever it is.

use std::error::Error;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use owl_measure::enrolment::{Renewal, decode_answer};
use owl_measure::time::Timestamp;
use owl_measure::words::Lang;
use quinn::Connection;
use rcgen::KeyPair;

use super::certificate::{self, CertificateError, facts};
use super::files::{self, Readable};
use super::{hear, say};
use crate::config::Config;
use crate::uplink::Shared;

type Cause = Box<dyn Error + Send + Sync>;

/// How often the certificate is looked at, and how often a renewal that failed is tried again.
const LOOK: Duration = Duration::from_secs(60);
/// From the question to the answer. A collector that knows no renewal never takes the stream.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at the certificate as long as the connection lasts, and has it renewed when two thirds of its life are over.
/// The connection goes on with the old one; the next one uses the new one.
pub(crate) async fn keep_renewed(
    config: &Config,
    connection: &Connection,
    shared: &Shared,
) -> std::convert::Infallible {
    let mut renewing = Renewing::default();
    loop {
        let ask = async |question| ask(connection, question).await;
        renewing.when_due(config, shared, ask).await;
        tokio::time::sleep(LOOK).await;
    }
}

/// When the certificate was looked at last, and what was said of it.
#[derive(Debug, Default)]
pub(crate) struct Renewing {
    looked: Option<Instant>,
    last_said: String,
}

impl Renewing {
    /// Looks at the certificate when a minute is over, and has it renewed when it is time; `ask` carries the question to the
    /// collector and the answer back.
    pub(crate) async fn when_due(
        &mut self,
        config: &Config,
        shared: &Shared,
        ask: impl AsyncFnOnce(Vec<u8>) -> Result<Vec<u8>, Cause>,
    ) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        match look(config, ask, shared).await {
            Ok(()) => self.last_said.clear(),
            Err(error) => {
                // Said when it changes, not at every try.
                let said = error.to_string();
                if said != self.last_said {
                    tracing::warn!(
                        probe = config.id,
                        "the certificate is not renewed: {said}; tried again every minute"
                    );
                    self.last_said = said;
                }
            }
        }
    }
}

async fn look(
    config: &Config,
    ask: impl AsyncFnOnce(Vec<u8>) -> Result<Vec<u8>, Cause>,
    shared: &Shared,
) -> Result<(), Cause> {
    let file = config.certificate.clone();
    let known = tokio::task::spawn_blocking(move || facts(&file)).await??;
    shared.certificate_until_ns.store(known.until.0, Relaxed);
    if !known.enrolled || now() < known.renew_at() {
        return Ok(());
    }
    let (key_file, certificate) = (config.key.clone(), config.certificate.clone());
    let (key, request) = tokio::task::spawn_blocking(move || {
        let text = std::fs::read_to_string(&key_file)?;
        let key = KeyPair::from_pem(&text);
        let request = key.and_then(|key| Ok((certificate::request(&key)?, key)));
        let (request, key) = request.map_err(|source| CertificateError::Key {
            file: key_file,
            source,
        })?;
        Ok::<_, Cause>((key, request))
    })
    .await??;
    let question = Renewal { request }.encode();
    let asked = tokio::time::timeout(PATIENCE, ask(question)).await;
    let answer =
        asked.map_err(|_| "the collector does not answer; does it know of renewals?")??;
    let granted = decode_answer(&answer)?.map_err(|denial| denial.said(Lang::En))?;
    let leaf = granted.chain.first();
    let renewed = leaf.and_then(|der| certificate::of(der));
    let renewed = renewed.ok_or("the collector's answer is no certificate")?;
    let together = config.key == config.certificate;
    tokio::task::spawn_blocking(move || {
        let chain = certificate::pem(&granted.chain);
        if together {
            let text = key.serialize_pem() + &chain;
            files::replace(&certificate, &text, Readable::Owner)
        } else {
            files::replace(&certificate, &chain, Readable::All)
        }
    })
    .await??;
    shared.certificate_until_ns.store(renewed.until.0, Relaxed);
    tracing::info!(
        probe = config.id,
        until = renewed.until_written(),
        "the certificate was renewed"
    );
    Ok(())
}

async fn ask(connection: &Connection, question: Vec<u8>) -> Result<Vec<u8>, Cause> {
    let (mut send, mut receive) = connection.open_bi().await?;
    say(&mut send, &question).await?;
    Ok(hear(&mut receive).await?.ok_or("its answer is too long")?)
}

/// The host's idea of UTC; certificates and readings of ports are dated by it, and no time is measured with it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
