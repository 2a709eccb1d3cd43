//! What changes, as server-sent events (the HTML standard, section 9.2).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{sleep, timeout};

use super::Web;
use super::guard::Names;
use super::problem::{Kind, Problem};
use super::query::{Asked, Pairs};
use crate::access::Viewer;
use crate::event::{Cursor, Events, Told};

/// Listeners at once; further ones are told to come again later.
pub(super) const LISTENERS_MAX: usize = 64;
/// Pieces of text that wait for one listener's connection.
const PIECES_MAX: usize = 4;
/// Who does not take one in this time is cut off; he may come again and say what he heard last.
const SLOW: Duration = Duration::from_secs(10);
/// Something is said at least this often, so that both ends see whether the other is there.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// What a browser waits before it comes again, in milliseconds.
const AGAIN_MS: u32 = 2_000;

/// Text that comes by and by. It ends when its sender is gone.
struct Pieces(mpsc::Receiver<String>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|text| Ok(Frame::data(text.into()))))
    }
}

/// `GET /api/v1/events`: what changes from now on, or since the event that `Last-Event-ID` (or `after`, where a program
/// cannot set headers) names.
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    viewer: Viewer,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let heard = match headers.get("last-event-id") {
        Some(id) => id.to_str().ok(),
        None => Asked(&pairs).one("after"),
    };
    let cursor = match heard {
        // An id that is none of ours is one that nobody remembers.
        Some(id) => id.parse().unwrap_or(Cursor::NOWHERE),
        None => web.events.end(),
    };
    let place = Arc::clone(&web.listeners).try_acquire_owned();
    let place = place.map_err(|_| {
        Problem::of(
            Kind::TooMany,
            format!("{LISTENERS_MAX} listen to events already"),
        )
    })?;
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let listener = Listener {
        events: Arc::clone(&web.events),
        cursor,
        seen: web.shown.names(&viewer),
        sender,
        _place: place,
    };
    tokio::spawn(listener.serve());
    let headers = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok((headers, Body::new(Pieces(receiver))).into_response())
}

struct Listener {
    events: Arc<Events>,
    /// Up to where he was told.
    cursor: Cursor,
    /// Of whom he may hear; of all without it.
    seen: Option<Names>,
    sender: mpsc::Sender<String>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// Tells until the connection is gone or too slow.
    async fn serve(mut self) {
        let mut news = self.events.news();
        let mut piece = format!("retry: {AGAIN_MS}\n\n");
        loop {
            // Before the events are read: what comes in between is news.
            news.mark_unchanged();
            piece.push_str(&self.told());
            let more = !piece.is_empty();
            if more
                && !matches!(
                    timeout(SLOW, self.sender.send(std::mem::take(&mut piece))).await,
                    Ok(Ok(()))
                )
            {
                return;
            }
            if more {
                continue;
            }
            tokio::select! {
                () = self.sender.closed() => return,
                changed = news.changed() => if changed.is_err() { return },
                () = sleep(HEARTBEAT) => piece.push_str(":\n\n"),
            }
        }
    }

    /// What comes next, as text; empty when there is nothing new.
    fn told(&mut self) -> String {
        match self.events.after(self.cursor) {
            Told::Events(lines) => {
                let seen = self.seen.as_ref();
                let heard = lines
                    .iter()
                    .filter(|line| seen.is_none_or(|seen| seen.has(&line.data)));
                let told = heard.map(|line| {
                    format!(
                        "id: {}\nevent: {}\ndata: {}\n\n",
                        line.cursor, line.name, line.data
                    )
                });
                let text = told.collect();
                self.cursor = lines.last().map_or(self.cursor, |line| line.cursor);
                text
            }
            Told::Lost { resume, missed } => {
                self.cursor = resume;
                // How much there was is told to who would have heard all of it.
                let missed = missed.filter(|_| self.seen.is_none());
                let missed = missed.map_or("null".to_owned(), |missed| missed.to_string());
                format!(
                    "id: {resume}\nevent: lost\ndata: {{\"event\":\"lost\",\"missed\":{missed}}}\n\n"
                )
            }
        }
    }
}
