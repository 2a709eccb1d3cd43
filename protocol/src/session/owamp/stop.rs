//! Stop-Sessions on the wire (RFC 4656, section 3.8): each side tells of the
//! sessions that it has sent, of all of them and of no other.

use crate::session::control::{ControlError, ControlStream, INPUT_MAX};
use crate::wire::owamp::{Accept, BLOCK_OCTETS, SentSession, Sid, SkipRange, StopSessions};

/// A session of which the peer has to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) sid: Sid,
    pub(super) packets: u32,
}

/// What the peer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) accept: Accept,
    pub(super) sent: Vec<SentSession>,
}

/// Reads what the peer tells once all of it has come.
pub(super) fn read(
    stream: &mut ControlStream,
    expected: &[Expected],
) -> Result<Option<Stop>, ControlError> {
    let Some(head) = stream.peek(StopSessions::HEAD_OCTETS)? else {
        return Ok(None);
    };
    let head = StopSessions::decode(head)?;
    if head.sessions as usize != expected.len() {
        return Err(ControlError::SessionCount {
            told: head.sessions,
            running: expected.len() as u32,
        });
    }
    let mut octets = StopSessions::HEAD_OCTETS;
    let mut ends = Vec::with_capacity(expected.len());
    for _ in expected {
        let Some(message) = stream.peek(octets + SentSession::HEAD_OCTETS)? else {
            return Ok(None);
        };
        let ranges = SentSession::ranges(&message[octets..])? as usize;
        if ranges > INPUT_MAX / SkipRange::OCTETS {
            return Err(ControlError::TooLong {
                octets: ranges.saturating_mul(SkipRange::OCTETS),
            });
        }
        let start = octets;
        octets += SentSession::octets(ranges);
        ends.push(start..octets);
    }
    let Some(message) = stream.read_message(octets + BLOCK_OCTETS)? else {
        return Ok(None);
    };
    let mut expected = expected.to_vec();
    let mut sent = Vec::with_capacity(ends.len());
    for range in ends {
        let session = SentSession::decode(&message[range])?;
        let known = expected
            .iter()
            .position(|expected| expected.sid == session.sid);
        let packets = known.map(|known| expected.swap_remove(known).packets);
        let sound = packets.is_some_and(|packets| session.next_sequence <= packets)
            && SkipRange::are_sound(&session.skipped, session.next_sequence);
        if !sound {
            return Err(ControlError::Contradiction);
        }
        sent.push(session);
    }
    Ok(Some(Stop {
        accept: head.accept,
        sent,
    }))
}

/// Tells the peer.
pub(super) fn write(
    stream: &mut ControlStream,
    accept: Accept,
    sent: &[SentSession],
) -> Result<(), ControlError> {
    let head = StopSessions {
        accept,
        sessions: sent.len() as u32,
    };
    stream.write(&head.encode())?;
    for session in sent {
        stream.write(&session.encode())?;
    }
    stream.write_hmac()
}

/// Whether exactly these sessions are told of.
pub(super) fn tells_all(sent: &[SentSession], expected: &[Expected]) -> bool {
    let told = |expected: &Expected| {
        sent.iter()
            .filter(|session| session.sid == expected.sid)
            .count()
            == 1
    };
    sent.len() == expected.len() && expected.iter().all(told)
}
