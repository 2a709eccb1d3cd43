//! A session-receiver with its socket.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use owl_measure::sample::StampSource;
use owl_measure::summary::StampCounts;
use owl_measure::time::Timestamp;
use owl_protocol::session::owamp::{Arrival, Ignored, Results, SessionReceiver};
use owl_protocol::wire::ErrorEstimate;
use owl_protocol::wire::owamp::{RequestSession, SentSession};
use owl_protocol::wire::twamp::TestMode;

use super::TURN;
use crate::net::StampedSocket;

/// Fields of the longest test packet, the protected one; the rest is padding.
const FIELDS_MAX: usize = 48;
/// Turns that are taken when a session ends: more than the receive buffer holds.
const LAST_TURNS: usize = 500;

/// A session that this host receives.
#[derive(Debug)]
pub(super) struct Receiving {
    socket: StampedSocket,
    /// Where its packets come from; port 0 stands for any.
    from: SocketAddr,
    receiver: SessionReceiver,
    /// Where the stamps of what was recorded were taken.
    stamps: StampCounts,
    /// Packets that came more than the loss threshold after they were sent, or before.
    out_of_time: u64,
    /// The largest sequence number that has come, plus one.
    next_sequence: u32,
}

impl AsRawFd for Receiving {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// A session that is over.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) results: Results,
    pub(super) stamps: StampCounts,
    pub(super) out_of_time: u64,
}

impl Receiving {
    /// A session that starts now, its packets protected like this; its identifier stands in the request.
    pub(super) fn start(
        request: &RequestSession,
        mode: TestMode,
        socket: StampedSocket,
        from: SocketAddr,
        now: Timestamp,
    ) -> Self {
        Self {
            socket,
            from,
            receiver: SessionReceiver::new(request, request.preamble.sid, mode, now),
            stamps: StampCounts::default(),
            out_of_time: 0,
            next_sequence: 0,
        }
    }

    /// Records what has come, a turn of it at most. `estimate` is what a kernel stamp is worth.
    pub(super) fn collect(&mut self, estimate: ErrorEstimate) {
        let mut buffer = [0; FIELDS_MAX];
        for _ in 0..TURN {
            // An error here is one the network made; the next datagram is not its fault.
            let Ok(Some(received)) = self.socket.receive(&mut buffer) else {
                return;
            };
            let wanted = received.source.ip() == self.from.ip()
                && [0, received.source.port()].contains(&self.from.port());
            if !wanted {
                continue;
            }
            let arrival = Arrival {
                datagram: &buffer[..received.octets],
                received_at: received.stamp.at,
                // Nothing bounds how late a stamp is that was taken in user space.
                error_estimate: match received.stamp.source {
                    StampSource::User => ErrorEstimate::NO_CLAIM,
                    StampSource::Kernel | StampSource::Hardware => estimate,
                },
                ttl: received.ttl,
            };
            match self.receiver.handle(&arrival) {
                Ok(record) => {
                    self.next_sequence = self.next_sequence.max(record.sequence + 1);
                    match received.stamp.source {
                        StampSource::Hardware => self.stamps.hardware += 1,
                        StampSource::Kernel => self.stamps.kernel += 1,
                        StampSource::User => self.stamps.user += 1,
                    }
                }
                Err(Ignored::OutOfTime) => self.out_of_time += 1,
                Err(
                    Ignored::Malformed | Ignored::NotAuthentic | Ignored::Stranger | Ignored::Full,
                ) => {}
            }
        }
    }

    /// Packets recorded so far.
    pub(super) fn recorded(&self) -> usize {
        self.receiver.records().len()
    }

    /// Closes it with what its sender told.
    pub(super) fn finish(
        mut self,
        told: &SentSession,
        stopped_at: Timestamp,
        estimate: ErrorEstimate,
    ) -> Received {
        for _ in 0..LAST_TURNS {
            self.collect(estimate);
        }
        Received {
            results: self.receiver.finish(told, stopped_at, estimate),
            stamps: self.stamps,
            out_of_time: self.out_of_time,
        }
    }

    /// Closes it without a word of its sender: what is known is what came.
    pub(super) fn cut(mut self, stopped_at: Timestamp, estimate: ErrorEstimate) -> Received {
        self.collect(estimate);
        let told = SentSession {
            sid: self.receiver.sid(),
            next_sequence: self.next_sequence,
            skipped: Vec::new(),
        };
        self.finish(&told, stopped_at, estimate)
    }
}
