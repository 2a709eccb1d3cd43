//! The basic encoding rules, as far as RFC 3417, section 8, lets SNMP use them: definite lengths, tags of one octet.
//!
//! A message is written from its end to its beginning, because a length stands before what it measures.

/// INTEGER.
pub const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub const OCTETS: u8 = 0x04;
/// NULL.
pub const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER.
pub const OID: u8 = 0x06;
/// SEQUENCE.
pub const SEQUENCE: u8 = 0x30;

/// Octets that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A value ends behind the octets that hold it.
    #[error("the message ends at octet {at}, inside a value")]
    CutShort {
        /// Where it ends.
        at: usize,
    },
    /// A length that SNMP does not allow: indefinite, or of more than four octets.
    #[error("the length at octet {at} is indefinite or too large")]
    Length {
        /// Where it stands.
        at: usize,
    },
    /// Something else stands where a value of a certain kind should.
    #[error("tag {found:#04x} at octet {at}, not {wanted:#04x}")]
    Tag {
        /// Where it stands.
        at: usize,
        /// What should stand there.
        wanted: u8,
        /// What does.
        found: u8,
    },
    /// A number that does not fit where it belongs.
    #[error("the number at octet {at} is empty or too large")]
    Number {
        /// Where it stands.
        at: usize,
    },
    /// An object identifier that is none.
    #[error("the object identifier at octet {at} is cut or has a number above 2^32")]
    Oid {
        /// Where it stands.
        at: usize,
    },
    /// A message of a version or form that is not spoken here.
    #[error("an SNMP message of another version or form")]
    Form,
}

/// Reads one value after the other. Positions are those in the whole message, also inside of a sequence.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    whole: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// At the beginning of these octets.
    pub fn new(whole: &'a [u8]) -> Self {
        Self {
            whole,
            at: 0,
            end: whole.len(),
        }
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.at >= self.end
    }

    /// Where the next value begins.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The tag of the next value; `None` at the end.
    pub fn next_tag(&self) -> Option<u8> {
        self.whole[..self.end].get(self.at).copied()
    }

    /// The next value, whatever it is: its tag, and a reader of what is in it.
    ///
    /// # Errors
    /// When the octets end before it does, or its length is of a form that SNMP does not have.
    #[inline]
    pub fn any(&mut self) -> Result<(u8, Reader<'a>), Malformed> {
        let octets = &self.whole[..self.end];
        let cut = Malformed::CutShort { at: self.end };
        let (&tag, &first) = octets
            .get(self.at)
            .zip(octets.get(self.at + 1))
            .ok_or(cut)?;
        let mut begin = self.at + 2;
        let length = match first {
            0..=0x7f => usize::from(first),
            0x81..=0x84 => {
                let mut length = 0;
                for _ in 0..first & 0x7f {
                    let &octet = octets.get(begin).ok_or(cut)?;
                    length = length << 8 | usize::from(octet);
                    begin += 1;
                }
                length
            }
            _ => return Err(Malformed::Length { at: self.at + 1 }),
        };
        let end = begin
            .checked_add(length)
            .filter(|&end| end <= self.end)
            .ok_or(cut)?;
        self.at = end;
        Ok((
            tag,
            Self {
                whole: self.whole,
                at: begin,
                end,
            },
        ))
    }

    /// The next value, which must have this tag: a reader of what is in it.
    ///
    /// # Errors
    /// As [`Reader::any`], and when it has another tag.
    #[inline]
    pub fn expect(&mut self, wanted: u8) -> Result<Reader<'a>, Malformed> {
        let at = self.at;
        let (found, inside) = self.any()?;
        if found == wanted {
            Ok(inside)
        } else {
            Err(Malformed::Tag { at, wanted, found })
        }
    }

    /// All that is left.
    pub fn rest(&self) -> &'a [u8] {
        &self.whole[self.at..self.end]
    }

    /// What is left, as a signed number of 64 bits at most.
    ///
    /// # Errors
    /// When it is empty or longer.
    pub fn signed(&self) -> Result<i64, Malformed> {
        let octets = self.rest();
        let (Some(&first), 1..=8) = (octets.first(), octets.len()) else {
            return Err(Malformed::Number { at: self.at });
        };
        let sign = if first & 0x80 == 0 { 0 } else { -1 };
        Ok(octets
            .iter()
            .fold(sign, |number, &octet| number << 8 | i64::from(octet)))
    }

    /// What is left, as an unsigned number of 64 bits at most. One that some agents write without the leading zero octet
    /// is taken for what it means.
    ///
    /// # Errors
    /// When it is empty or longer.
    #[inline]
    pub fn unsigned(&self) -> Result<u64, Malformed> {
        let octets = match self.rest() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        if octets.is_empty() || octets.len() > 8 {
            return Err(Malformed::Number { at: self.at });
        }
        Ok(octets
            .iter()
            .fold(0, |number, &octet| number << 8 | u64::from(octet)))
    }

    /// The next INTEGER, if it fits into 32 bits (RFC 2578, section 7.1.1: no other exists).
    ///
    /// # Errors
    /// When something else stands there.
    pub fn integer(&mut self) -> Result<i32, Malformed> {
        let at = self.at;
        let number = self.expect(INTEGER)?.signed()?;
        i32::try_from(number).map_err(|_| Malformed::Number { at })
    }

    /// The next OCTET STRING.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn octets(&mut self) -> Result<&'a [u8], Malformed> {
        Ok(self.expect(OCTETS)?.rest())
    }
}

/// Writes a message from its end to its beginning, into room that is kept for the next one.
#[derive(Debug, Default)]
pub struct Writer {
    octets: Vec<u8>,
    start: usize,
}

impl Writer {
    /// Begins a message anew.
    pub fn clear(&mut self) {
        self.start = self.octets.len();
    }

    /// How much is written.
    pub fn len(&self) -> usize {
        self.octets.len() - self.start
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is written.
    pub fn message(&self) -> &[u8] {
        &self.octets[self.start..]
    }

    /// What is written, to be changed in place.
    pub fn message_mut(&mut self) -> &mut [u8] {
        &mut self.octets[self.start..]
    }

    /// Puts octets before what is written.
    #[inline]
    pub fn put(&mut self, octets: &[u8]) {
        if self.start < octets.len() {
            let more = (self.octets.len() + octets.len()).max(512);
            self.octets
                .splice(0..0, std::iter::repeat_n(0, more))
                .for_each(drop);
            self.start += more;
        }
        self.start -= octets.len();
        self.octets[self.start..][..octets.len()].copy_from_slice(octets);
    }

    /// Puts tag and length before what was written since `len` was that of the message.
    #[inline]
    pub fn wrap(&mut self, tag: u8, since: usize) {
        let length = self.len() - since;
        match length {
            0..0x80 => self.put(&[tag, length as u8]),
            0x80..0x100 => self.put(&[tag, 0x81, length as u8]),
            0x100..0x1_0000 => self.put(&[tag, 0x82, (length >> 8) as u8, length as u8]),
            _ => {
                let length = (length as u32).to_be_bytes();
                self.put(&length);
                self.put(&[tag, 0x84]);
            }
        }
    }

    /// A whole value.
    pub fn value(&mut self, tag: u8, content: &[u8]) {
        let since = self.len();
        self.put(content);
        self.wrap(tag, since);
    }

    /// A signed number in as few octets as it needs.
    pub fn signed(&mut self, tag: u8, number: i64) {
        let octets = number.to_be_bytes();
        let mut from = 0;
        while from < 7
            && ((octets[from] == 0 && octets[from + 1] & 0x80 == 0)
                || (octets[from] == 0xff && octets[from + 1] & 0x80 != 0))
        {
            from += 1;
        }
        self.value(tag, &octets[from..]);
    }

    /// An unsigned number in as few octets as it needs, a leading zero octet included where it would look negative.
    pub fn unsigned(&mut self, tag: u8, number: u64) {
        let mut octets = [0; 9];
        octets[1..].copy_from_slice(&number.to_be_bytes());
        let mut from = 0;
        while from < 8 && octets[from] == 0 && octets[from + 1] & 0x80 == 0 {
            from += 1;
        }
        self.value(tag, &octets[from..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_were_written_in_as_few_octets_as_they_need() {
        for (number, octets) in [
            (0_i64, &[2_u8, 1, 0][..]),
            (127, &[2, 1, 0x7f]),
            (128, &[2, 2, 0, 0x80]),
            (-1, &[2, 1, 0xff]),
            (-129, &[2, 2, 0xff, 0x7f]),
            (i64::MIN, &[2, 8, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            let mut writer = Writer::default();
            writer.signed(INTEGER, number);
            assert_eq!(writer.message(), octets);
            let inside = Reader::new(octets).expect(INTEGER).unwrap();
            assert_eq!(inside.signed(), Ok(number));
        }
        for number in [0, 1, 127, 128, 255, 256, u64::MAX / 2, u64::MAX] {
            let mut writer = Writer::default();
            writer.unsigned(0x46, number);
            let inside = Reader::new(writer.message()).expect(0x46).unwrap();
            assert_eq!(inside.unsigned(), Ok(number));
        }
    }

    #[test]
    fn lengths_of_every_form_are_read_and_those_that_snmp_has_not_are_refused() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let mut writer = Writer::default();
            writer.value(OCTETS, &vec![7; length]);
            let mut reader = Reader::new(writer.message());
            assert_eq!(reader.octets().unwrap().len(), length);
            assert!(reader.is_at_end());
            for cut in 0..writer.len().min(300) {
                assert!(Reader::new(&writer.message()[..cut]).octets().is_err());
            }
        }
        for octets in [&[4, 0x80, 1, 0, 0][..], &[4, 0x85, 0, 0, 0, 0, 1, 7]] {
            let refused = Reader::new(octets).octets();
            assert_eq!(refused, Err(Malformed::Length { at: 1 }));
        }
        // More than is there, up to the most that four octets can claim.
        let claimed = Reader::new(&[4, 0x84, 0xff, 0xff, 0xff, 0xff, 7]).octets();
        assert_eq!(claimed, Err(Malformed::CutShort { at: 7 }));
    }
}
