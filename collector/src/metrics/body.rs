//! Pieces as the body of an answer: the next one is made when the connection has room for it.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Frame;

use super::Scrape;

/// A scrape on its way.
pub(crate) struct Body {
    pieces: Scrape,
    packed: Option<GzEncoder<Vec<u8>>>,
}

impl Body {
    /// As it is written.
    pub(crate) fn plain(pieces: Scrape) -> Self {
        Self {
            pieces,
            packed: None,
        }
    }

    /// Compressed (gzip).
    pub(crate) fn packed(pieces: Scrape) -> Self {
        Self {
            pieces,
            packed: Some(GzEncoder::new(Vec::new(), Compression::fast())),
        }
    }

    /// Octets as they go out.
    pub(super) fn into_pieces(mut self) -> impl Iterator<Item = Vec<u8>> {
        std::iter::from_fn(move || self.next())
    }

    /// What goes out next.
    fn next(&mut self) -> Option<Vec<u8>> {
        let Some(encoder) = &mut self.packed else {
            return self.pieces.next();
        };
        for piece in self.pieces.by_ref() {
            encoder
                .write_all(&piece)
                .expect("writing to a Vec cannot fail");
            // Compressed octets come out in blocks, not with every piece.
            if !encoder.get_ref().is_empty() {
                return Some(std::mem::take(encoder.get_mut()));
            }
        }
        let last = self.packed.take()?.finish();
        // From here on there are neither pieces nor an encoder.
        Some(last.expect("writing to a Vec cannot fail"))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(piece.into()))))
    }
}
