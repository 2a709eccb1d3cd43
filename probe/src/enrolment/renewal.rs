//! Renewing the certificate over the uplink's own connection.

use std::error::Error;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use owl_measure::enrolment::{Granted, Renewal, decode_answer};
use owl_measure::time::Timestamp;
use owl_measure::words::Lang;
use quinn::Connection;
use rcgen::KeyPair;

use super::certificate::{self, CertificateError, facts};
use super::files::{self, Readable};
use super::{hear, say};
use crate::config::Config;
use crate::uplink::Shared;

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
    let mut last_said = String::new();
    loop {
        match look(config, connection, shared).await {
            Ok(()) => last_said.clear(),
            Err(error) => {
                // Said when it changes, not at every try.
                let said = error.to_string();
                if said != last_said {
                    tracing::warn!(
                        probe = config.id,
                        "the certificate is not renewed: {said}; tried again every minute"
                    );
                    last_said = said;
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(
    config: &Config,
    connection: &Connection,
    shared: &Shared,
) -> Result<(), Box<dyn Error + Send + Sync>> {
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
        Ok::<_, Box<dyn Error + Send + Sync>>((key, request))
    })
    .await??;
    let asked = tokio::time::timeout(PATIENCE, ask(connection, Renewal { request })).await;
    let granted =
        asked.map_err(|_| "the collector does not answer; does it know of renewals?")??;
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

async fn ask(
    connection: &Connection,
    renewal: Renewal,
) -> Result<Granted, Box<dyn Error + Send + Sync>> {
    let (mut send, mut receive) = connection.open_bi().await?;
    say(&mut send, &renewal.encode()).await?;
    let octets = hear(&mut receive).await?.ok_or("its answer is too long")?;
    Ok(decode_answer(&octets)?.map_err(|denial| denial.said(Lang::En))?)
}

/// The host's idea of UTC; certificates are dated by it, and nothing is measured with it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
