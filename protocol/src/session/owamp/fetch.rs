//! The records of a session on the wire (RFC 4656, section 3.9), written and
//! read piece by piece: there may be far more than either side buffers.

use super::request;
use crate::session::control::{ControlError, ControlStream, INPUT_MAX};
use crate::wire::owamp::{
    Accept, BLOCK_OCTETS, FetchAck, Finished, PacketRecord, RequestSession, SkipRange,
};

/// Sixteen records are whole blocks.
const GROUP: usize = BLOCK_OCTETS;
const GROUP_OCTETS: usize = GROUP * PacketRecord::OCTETS;

/// What a server knows of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchAnswer {
    /// What was agreed, with the session identifier.
    pub request: RequestSession,
    /// How far the session has come.
    pub finished: Finished,
    /// Packets that were never sent; none before it has finished.
    pub skipped: Vec<SkipRange>,
    /// The records that were asked for.
    pub records: Vec<PacketRecord>,
}

/// The way of an answer onto the wire.
#[derive(Debug)]
pub(super) struct FetchWriter {
    records: Vec<PacketRecord>,
    written: usize,
}

impl FetchWriter {
    /// Writes all that comes before the records.
    pub(super) fn new(
        stream: &mut ControlStream,
        answer: FetchAnswer,
    ) -> Result<Self, ControlError> {
        let ack = FetchAck {
            accept: Accept::Ok,
            finished: answer.finished,
            skip_ranges: answer.skipped.len() as u32,
            records: answer.records.len() as u32,
        };
        stream.write_message(&ack.encode())?;
        request::write(stream, &answer.request)?;
        let mut skipped: Vec<u8> = answer.skipped.iter().flat_map(SkipRange::encode).collect();
        skipped.resize(skipped.len().next_multiple_of(BLOCK_OCTETS), 0);
        stream.write(&skipped)?;
        stream.write_hmac()?;
        Ok(Self {
            records: answer.records,
            written: 0,
        })
    }

    /// Writes as many records as there is room for; whether that was the end.
    pub(super) fn pump(&mut self, stream: &mut ControlStream) -> Result<bool, ControlError> {
        while stream.room() >= GROUP_OCTETS + BLOCK_OCTETS {
            let rest = &self.records[self.written..];
            if rest.is_empty() {
                stream.write_hmac()?;
                return Ok(true);
            }
            let group = &rest[..rest.len().min(GROUP)];
            let mut octets: Vec<u8> = group.iter().flat_map(PacketRecord::encode).collect();
            octets.resize(octets.len().next_multiple_of(BLOCK_OCTETS), 0);
            self.written += group.len();
            stream.write(&octets)?;
        }
        Ok(false)
    }
}

/// A piece of an answer that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Refused(Accept),
    Begun {
        ack: FetchAck,
        request: RequestSession,
        skipped: Vec<SkipRange>,
    },
    Records(Vec<PacketRecord>),
    Ended,
}

/// The way of an answer from the wire.
#[derive(Debug)]
pub(super) enum FetchReader {
    Ack,
    Request(FetchAck),
    Skipped(FetchAck, RequestSession),
    Records { left: u32, padding: usize },
    Hmac,
}

impl FetchReader {
    /// Reads the next piece, if it has come.
    pub(super) fn progress(
        &mut self,
        stream: &mut ControlStream,
    ) -> Result<Option<Piece>, ControlError> {
        loop {
            match self {
                Self::Ack => {
                    let Some(message) = stream.read_message(FetchAck::OCTETS)? else {
                        return Ok(None);
                    };
                    let ack = FetchAck::decode(&message)?;
                    if ack.accept != Accept::Ok {
                        return Ok(Some(Piece::Refused(ack.accept)));
                    }
                    *self = Self::Request(ack);
                }
                Self::Request(ack) => {
                    let Some(request) = request::read(stream)? else {
                        return Ok(None);
                    };
                    let request = request.map_err(|_| ControlError::Contradiction)?;
                    *self = Self::Skipped(*ack, request);
                }
                Self::Skipped(ack, request) => {
                    let ranges = ack.skip_ranges as usize;
                    if ranges > INPUT_MAX / SkipRange::OCTETS {
                        return Err(ControlError::TooLong {
                            octets: ranges.saturating_mul(SkipRange::OCTETS),
                        });
                    }
                    let octets = (ranges * SkipRange::OCTETS).next_multiple_of(BLOCK_OCTETS);
                    let Some(message) = stream.read_message(octets + BLOCK_OCTETS)? else {
                        return Ok(None);
                    };
                    let skipped = message[..ranges * SkipRange::OCTETS]
                        .chunks(SkipRange::OCTETS)
                        .map(SkipRange::decode)
                        .collect::<Result<_, _>>()?;
                    let (ack, request) = (*ack, request.clone());
                    let over = ack.records as usize % GROUP * PacketRecord::OCTETS;
                    *self = Self::Records {
                        left: ack.records,
                        padding: over.next_multiple_of(BLOCK_OCTETS) - over,
                    };
                    return Ok(Some(Piece::Begun {
                        ack,
                        request,
                        skipped,
                    }));
                }
                Self::Records { left: 0, padding } => {
                    if stream.read(*padding)?.is_none() {
                        return Ok(None);
                    }
                    *self = Self::Hmac;
                }
                Self::Records { left, .. } => {
                    let mut records = Vec::new();
                    while *left > 0
                        && let Some(octets) = stream.read(PacketRecord::OCTETS)?
                    {
                        records.push(PacketRecord::decode(&octets)?);
                        *left -= 1;
                    }
                    return Ok((!records.is_empty()).then_some(Piece::Records(records)));
                }
                Self::Hmac => return Ok(stream.read_hmac()?.map(|()| Piece::Ended)),
            }
        }
    }
}
