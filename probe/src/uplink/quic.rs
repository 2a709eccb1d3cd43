//! The uplink over QUIC: one connection, one stream.

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use owl_measure::report::{FromCollector, FromProbe, MESSAGE_OCTETS_MAX};

use super::talk::Talk;
use super::{COLLECTOR_NAME, Shared, UplinkError};
use crate::config::Config;
use crate::enrolment;

/// One connection, from the first word to its end.
pub(super) async fn connection(
    config: &Config,
    collector: SocketAddr,
    client: &quinn::ClientConfig,
    shared: &Shared,
    talk: &Talk<'_>,
) -> Result<(), UplinkError> {
    let lost = |source: Box<dyn Error + Send + Sync>| UplinkError::Connection { collector, source };
    let any: SocketAddr = if collector.is_ipv6() {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    };
    let endpoint = quinn::Endpoint::client(any)?;
    let connecting = endpoint
        .connect_with(client.clone(), collector, COLLECTOR_NAME)
        .map_err(|error| lost(error.into()))?;
    let connection = connecting.await.map_err(|error| lost(error.into()))?;
    let (mut say, mut hear) = connection
        .open_bi()
        .await
        .map_err(|error| lost(error.into()))?;
    send(&mut say, &talk.hello())
        .await
        .map_err(|error| lost(error.into()))?;
    let feed = async {
        loop {
            let said = talk.next().await?;
            if said.is_empty() {
                talk.wait().await;
            }
            for message in said {
                send(&mut say, &message)
                    .await
                    .map_err(|error| lost(error.into()))?;
            }
        }
    };
    let listen = async {
        loop {
            talk.hear(receive(&mut hear).await.map_err(lost)?).await?;
        }
    };
    tokio::select! {
        ended = feed => ended,
        ended = listen => ended,
        never = enrolment::keep_renewed(config, &connection, shared) => match never {},
    }
}

async fn send(
    stream: &mut quinn::SendStream,
    message: &FromProbe,
) -> Result<(), quinn::WriteError> {
    let octets = message.encode();
    let length = u32::try_from(octets.len()).expect("a batch is far below four gigabytes");
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&octets).await
}

async fn receive(
    stream: &mut quinn::RecvStream,
) -> Result<FromCollector, Box<dyn Error + Send + Sync>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MESSAGE_OCTETS_MAX {
        return Err(
            format!("a message of {length} octets; {MESSAGE_OCTETS_MAX} are allowed").into(),
        );
    }
    let mut octets = vec![0; length];
    stream.read_exact(&mut octets).await?;
    Ok(FromCollector::decode(&octets)?)
}
