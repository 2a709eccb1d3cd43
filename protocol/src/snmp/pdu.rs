//! Protocol data units (RFC 3416): GET, GETNEXT, GETBULK, Response and Report.

use super::ber::{self, Malformed, Reader, Writer};
use super::{Oid, Value};

/// What a PDU is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// GetRequest.
    Get,
    /// GetNextRequest.
    GetNext,
    /// Response.
    Response,
    /// GetBulkRequest.
    GetBulk,
    /// Report (RFC 3412).
    Report,
}

impl Kind {
    const ALL: [(Self, u8); 5] = [
        (Self::Get, 0xa0),
        (Self::GetNext, 0xa1),
        (Self::Response, 0xa2),
        (Self::GetBulk, 0xa5),
        (Self::Report, 0xa8),
    ];

    fn tag(self) -> u8 {
        match self {
            Self::Get => 0xa0,
            Self::GetNext => 0xa1,
            Self::Response => 0xa2,
            Self::GetBulk => 0xa5,
            Self::Report => 0xa8,
        }
    }
}

/// What stands before the bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What it is.
    pub kind: Kind,
    /// Pairs request and response.
    pub request_id: i32,
    /// error-status of a response; non-repeaters of a GETBULK.
    pub status: i32,
    /// error-index of a response; max-repetitions of a GETBULK.
    pub index: i32,
}

/// error-status: the answer would be too large (RFC 3416, section 3).
pub const TOO_BIG: i32 = 1;

/// A PDU, borrowed from the message.
#[derive(Debug, Clone, Copy)]
pub struct Pdu<'a> {
    /// What stands before the bindings.
    pub head: Head,
    bindings: Reader<'a>,
}

impl<'a> Pdu<'a> {
    /// The next value, which must be a PDU of a kind that is spoken here.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let (tag, mut inside) = reader.any()?;
        let &(kind, _) = Kind::ALL
            .iter()
            .find(|&&(_, known)| known == tag)
            .ok_or(Malformed::Form)?;
        Ok(Self {
            head: Head {
                kind,
                request_id: inside.integer()?,
                status: inside.integer()?,
                index: inside.integer()?,
            },
            bindings: inside.expect(ber::SEQUENCE)?,
        })
    }

    /// Its bindings, in order.
    pub fn bindings(&self) -> Bindings<'a> {
        Bindings(self.bindings)
    }
}

/// One variable binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The name, as it is encoded.
    pub name: &'a [u8],
    /// The value.
    pub value: Value<'a>,
}

/// The bindings of a PDU. Ends at the first that is malformed, after telling so.
#[derive(Debug, Clone, Copy)]
pub struct Bindings<'a>(Reader<'a>);

impl<'a> Iterator for Bindings<'a> {
    type Item = Result<Binding<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_at_end() {
            return None;
        }
        let mut read = || {
            let mut inside = self.0.expect(ber::SEQUENCE)?;
            Ok(Binding {
                name: inside.expect(ber::OID)?.rest(),
                value: Value::read(&mut inside)?,
            })
        };
        let read = read();
        if read.is_err() {
            self.0 = Reader::new(&[]);
        }
        Some(read)
    }
}

/// Writes a PDU. The bindings are put by `bindings` from the last to the first.
pub fn write(writer: &mut Writer, head: Head, bindings: impl FnOnce(&mut Writer)) {
    let since = writer.len();
    bindings(writer);
    writer.wrap(ber::SEQUENCE, since);
    writer.signed(ber::INTEGER, head.index.into());
    writer.signed(ber::INTEGER, head.status.into());
    writer.signed(ber::INTEGER, head.request_id.into());
    writer.wrap(head.kind.tag(), since);
}

/// One binding, before what is written.
pub fn write_binding(writer: &mut Writer, name: &Oid, value: Value<'_>) {
    let since = writer.len();
    value.write(writer);
    writer.value(ber::OID, name.encoded());
    writer.wrap(ber::SEQUENCE, since);
}

/// One binding of a table's cell, whose name is `column` and the row's index.
pub fn write_cell(writer: &mut Writer, column: &Oid, row: u32, value: Value<'_>) {
    let since = writer.len();
    value.write(writer);
    let named = writer.len();
    let mut octets = [0; 5];
    let (mut from, mut arc) = (4, row);
    octets[4] = arc as u8 & 0x7f;
    while arc >> 7 != 0 {
        arc >>= 7;
        from -= 1;
        octets[from] = arc as u8 | 0x80;
    }
    writer.put(&octets[from..]);
    writer.put(column.encoded());
    writer.wrap(ber::OID, named);
    writer.wrap(ber::SEQUENCE, since);
}
