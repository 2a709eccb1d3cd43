//! Messages of SNMPv2c (RFC 1901, section 3): a version, a community in clear text, a PDU.

use super::ber::{self, Malformed, Reader, Writer};
use super::pdu::{self, Head, Pdu};

/// The number that stands for SNMPv2c.
const VERSION: i32 = 1;

/// A message, borrowed from the datagram.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Who may ask, in clear text.
    pub community: &'a [u8],
    /// What is asked or answered.
    pub pdu: Pdu<'a>,
}

/// Reads a datagram.
///
/// # Errors
/// When it is no message of SNMPv2c.
pub fn read(datagram: &[u8]) -> Result<Message<'_>, Malformed> {
    let mut message = Reader::new(datagram).expect(ber::SEQUENCE)?;
    if message.integer()? != VERSION {
        return Err(Malformed::Form);
    }
    Ok(Message {
        community: message.octets()?,
        pdu: Pdu::read(&mut message)?,
    })
}

/// Writes a message; `bindings` puts them from the last to the first.
pub fn write(
    writer: &mut Writer,
    community: &[u8],
    head: Head,
    bindings: impl FnOnce(&mut Writer),
) {
    writer.clear();
    pdu::write(writer, head, bindings);
    writer.value(ber::OCTETS, community);
    writer.signed(ber::INTEGER, VERSION.into());
    writer.wrap(ber::SEQUENCE, 0);
}

#[cfg(test)]
mod tests {
    use super::super::pdu::{Binding, Kind, write_binding, write_cell};
    use super::super::{Oid, Value};
    use super::*;

    fn oid(text: &str) -> Oid {
        text.parse().unwrap()
    }

    /// Captured: `snmpget -v2c -c public HOST 1.3.6.1.2.1.1.3.0` of net-snmp 5.9.3.
    const GET: &[u8] =
        b"\x30\x29\x02\x01\x01\x04\x06public\xa0\x1c\x02\x04\x2d\xa6\x29\x7c\x02\x01\0\x02\x01\0\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x03\0\x05\0";

    #[test]
    fn a_request_of_another_program_is_read_and_written_octet_by_octet() {
        let message = read(GET).unwrap();
        assert_eq!(message.community, b"public");
        assert_eq!(message.pdu.head.kind, Kind::Get);
        let name = oid("1.3.6.1.2.1.1.3.0");
        let bindings: Vec<_> = message.pdu.bindings().collect();
        let binding = Binding {
            name: name.encoded(),
            value: Value::Null,
        };
        assert_eq!(bindings, [Ok(binding)]);
        let mut writer = Writer::default();
        write(&mut writer, b"public", message.pdu.head, |writer| {
            write_binding(writer, &name, Value::Null);
        });
        assert_eq!(writer.message(), GET);
        for cut in 0..GET.len() {
            assert!(read(&GET[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn every_value_comes_back() {
        let name = oid("1.3.6.1.2.1.2.2.1.10.7");
        for value in [
            Value::Integer(-5),
            Value::Octets(b"gpon-olt_1/2/3"),
            Value::Null,
            Value::Oid(&[0x2b, 6]),
            Value::Address([192, 0, 2, 1]),
            Value::Counter32(u32::MAX),
            Value::Gauge32(10_000),
            Value::Ticks(1 << 31),
            Value::Opaque(&[1]),
            Value::Counter64(u64::MAX),
            Value::NoSuchObject,
            Value::NoSuchInstance,
            Value::EndOfMibView,
        ] {
            let head = Head {
                kind: Kind::Response,
                request_id: -7,
                status: 0,
                index: 0,
            };
            let mut writer = Writer::default();
            write(&mut writer, b"", head, |writer| {
                write_cell(writer, &oid("1.3.6.1.2.1.2.2.1.10"), 7, value);
            });
            let message = read(writer.message()).unwrap();
            assert_eq!(message.pdu.head, head);
            let expected = Binding {
                name: name.encoded(),
                value,
            };
            assert_eq!(message.pdu.bindings().next(), Some(Ok(expected)));
        }
    }
}
