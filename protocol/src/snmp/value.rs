//! Values of a variable binding (RFC 3416, section 3).

use super::ber::{self, Malformed, Reader, Writer};

/// A value, borrowed from the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// INTEGER, Integer32.
    Integer(i32),
    /// OCTET STRING.
    Octets(&'a [u8]),
    /// unSpecified: what a request carries.
    Null,
    /// OBJECT IDENTIFIER, as it is encoded.
    Oid(&'a [u8]),
    /// IpAddress.
    Address([u8; 4]),
    /// Counter32.
    Counter32(u32),
    /// Gauge32, Unsigned32.
    Gauge32(u32),
    /// TimeTicks: 1/100 s.
    Ticks(u32),
    /// Opaque.
    Opaque(&'a [u8]),
    /// Counter64.
    Counter64(u64),
    /// The agent knows no such object.
    NoSuchObject,
    /// The object has no such instance.
    NoSuchInstance,
    /// Nothing follows.
    EndOfMibView,
}

impl<'a> Value<'a> {
    /// The next value.
    ///
    /// # Errors
    /// When it is of a kind that SNMP does not have, or longer than its kind.
    #[inline]
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let at = reader.position();
        let (tag, inside) = reader.any()?;
        let short = |inside: Reader<'_>| {
            u32::try_from(inside.unsigned()?).map_err(|_| Malformed::Number { at })
        };
        Ok(match tag {
            ber::INTEGER => Self::Integer(
                i32::try_from(inside.signed()?).map_err(|_| Malformed::Number { at })?,
            ),
            ber::OCTETS => Self::Octets(inside.rest()),
            ber::NULL => Self::Null,
            ber::OID => Self::Oid(inside.rest()),
            0x40 => Self::Address(
                inside
                    .rest()
                    .try_into()
                    .map_err(|_| Malformed::Number { at })?,
            ),
            0x41 => Self::Counter32(short(inside)?),
            0x42 => Self::Gauge32(short(inside)?),
            0x43 => Self::Ticks(short(inside)?),
            0x44 => Self::Opaque(inside.rest()),
            0x46 => Self::Counter64(inside.unsigned()?),
            0x80 => Self::NoSuchObject,
            0x81 => Self::NoSuchInstance,
            0x82 => Self::EndOfMibView,
            found => {
                return Err(Malformed::Tag {
                    at,
                    wanted: ber::NULL,
                    found,
                });
            }
        })
    }

    /// Writes it before what is written.
    pub fn write(self, writer: &mut Writer) {
        match self {
            Self::Integer(number) => writer.signed(ber::INTEGER, number.into()),
            Self::Octets(octets) => writer.value(ber::OCTETS, octets),
            Self::Null => writer.value(ber::NULL, &[]),
            Self::Oid(encoded) => writer.value(ber::OID, encoded),
            Self::Address(octets) => writer.value(0x40, &octets),
            Self::Counter32(number) => writer.unsigned(0x41, number.into()),
            Self::Gauge32(number) => writer.unsigned(0x42, number.into()),
            Self::Ticks(number) => writer.unsigned(0x43, number.into()),
            Self::Opaque(octets) => writer.value(0x44, octets),
            Self::Counter64(number) => writer.unsigned(0x46, number),
            Self::NoSuchObject => writer.value(0x80, &[]),
            Self::NoSuchInstance => writer.value(0x81, &[]),
            Self::EndOfMibView => writer.value(0x82, &[]),
        }
    }

    /// The number of a counter, a gauge, ticks, or an integer that is not negative.
    #[inline]
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Counter64(number) => Some(number),
            Self::Counter32(number) | Self::Gauge32(number) | Self::Ticks(number) => {
                Some(number.into())
            }
            Self::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    /// The octets of a string.
    pub fn octets(self) -> Option<&'a [u8]> {
        match self {
            Self::Octets(octets) => Some(octets),
            _ => None,
        }
    }
}
