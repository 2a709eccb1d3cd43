//! Messages on a stream: four octets of length, big-endian, then the message.

use owl_measure::report::MESSAGE_OCTETS_MAX;
use quinn::{ReadExactError, RecvStream, SendStream, WriteError};

/// A message that cannot be read from a stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The stream or the connection is gone.
    #[error("cannot read from the stream")]
    Stream(#[source] ReadExactError),
    /// The sender announces more than the contract allows; nothing was allocated for it.
    #[error("cannot read a message of {announced} octets: {allowed} are allowed")]
    TooLong { announced: u32, allowed: usize },
}

/// The next message of a probe; `None` when the sender has finished between two messages.
pub(crate) async fn read(stream: &mut RecvStream) -> Result<Option<Vec<u8>>, FrameError> {
    read_at_most(stream, MESSAGE_OCTETS_MAX).await
}

/// The next message, of no more octets than `allowed`; `None` when the sender has finished between two messages.
pub(crate) async fn read_at_most(
    stream: &mut RecvStream,
    allowed: usize,
) -> Result<Option<Vec<u8>>, FrameError> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
        Err(error) => return Err(FrameError::Stream(error)),
    }
    let announced = u32::from_be_bytes(length);
    let octets = usize::try_from(announced)
        .ok()
        .filter(|&octets| octets <= allowed);
    let mut message = vec![0; octets.ok_or(FrameError::TooLong { announced, allowed })?];
    stream
        .read_exact(&mut message)
        .await
        .map_err(FrameError::Stream)?;
    Ok(Some(message))
}

/// Writes one message of our own, which are all far below four gigabytes.
pub(crate) async fn write(stream: &mut SendStream, message: &[u8]) -> Result<(), WriteError> {
    let length = u32::try_from(message.len())
        .expect("the collector's own messages are plans and short answers");
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(message).await
}
