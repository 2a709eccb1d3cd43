//! How this probe gets its certificate, and keeps it from running out.
//!
//! [`join`] turns a token into a key that never leaves this host, a certificate
//! and a configuration. The uplink renews the certificate while it is
//! connected. A certificate that was made by hand is left alone.

mod certificate;
mod files;
mod join;
mod pinned;
mod renewal;

pub use certificate::CertificateError;
pub(crate) use certificate::{Facts, facts};
pub use files::FileError;
pub use join::{JoinError, Joined, Places, join};
pub(crate) use renewal::{Renewing, keep_renewed, now};

use owl_measure::enrolment::MESSAGE_OCTETS_MAX;

/// Writes one message, with its length before it, and ends the stream.
async fn say(stream: &mut quinn::SendStream, message: &[u8]) -> Result<(), quinn::WriteError> {
    let length = u32::try_from(message.len()).expect("a message of enrolment has 16 KiB at most");
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(message).await?;
    // Refused only by a stream that is gone already, which the answer tells.
    let _ = stream.finish();
    Ok(())
}

/// The one answer; `None` when it is longer than any.
async fn hear(stream: &mut quinn::RecvStream) -> Result<Option<Vec<u8>>, quinn::ReadExactError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MESSAGE_OCTETS_MAX {
        return Ok(None);
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}
