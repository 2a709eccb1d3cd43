//! Request-Session on the wire (RFC 4656, section 3.5): asked by a client, and
//! given back by a server with the records of a session (section 3.9).

use crate::session::control::{ControlError, ControlStream};
use crate::wire::owamp::{Accept, BLOCK_OCTETS, Preamble, RequestSession, Slot, command};

/// Slots of the longest schedule that is read at all.
pub(super) const SLOTS_MAX: usize = 1_000;

/// Reads a request once all of it has come; one with a slot of an unknown type is not supported.
pub(super) fn read(
    stream: &mut ControlStream,
) -> Result<Option<Result<RequestSession, Accept>>, ControlError> {
    let Some(message) = stream.peek(Preamble::OCTETS)? else {
        return Ok(None);
    };
    let preamble = Preamble::decode(message)?;
    let slots = preamble.slots as usize;
    if slots > SLOTS_MAX {
        return Err(ControlError::TooLong {
            octets: slots.saturating_mul(Slot::OCTETS),
        });
    }
    if stream.peek(RequestSession::octets(slots))?.is_none() {
        return Ok(None);
    }
    stream.read_message(Preamble::OCTETS)?;
    let octets = stream
        .read_message(slots * Slot::OCTETS + BLOCK_OCTETS)?
        .unwrap_or_default();
    let mut schedule = Vec::with_capacity(slots);
    for slot in octets[..slots * Slot::OCTETS].chunks(Slot::OCTETS) {
        match Slot::decode(slot)? {
            Some(slot) => schedule.push(slot),
            None => return Ok(Some(Err(Accept::NotSupported))),
        }
    }
    Ok(Some(Ok(RequestSession { preamble, schedule })))
}

/// Writes a request.
pub(super) fn write(
    stream: &mut ControlStream,
    request: &RequestSession,
) -> Result<(), ControlError> {
    let slots = request.schedule.len() as u32;
    let preamble = Preamble {
        slots,
        ..request.preamble
    };
    stream.write_message(&preamble.encode(command::REQUEST_SESSION))?;
    for slot in &request.schedule {
        stream.write(&slot.encode())?;
    }
    stream.write_hmac()
}
