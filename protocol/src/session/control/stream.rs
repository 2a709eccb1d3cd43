//! The octets of a control connection, both ways, encrypted from where they
//! are to be.
//!
//! Both buffers are bounded. A message that would not fit into the input is an
//! error as soon as its length is known; a peer that does not read its answers
//! is one when they fill the output.

use super::ControlError;
use crate::wire::owamp::{BLOCK_OCTETS, Opener, Sealer, SessionKeys};

/// The longest message that is taken in one piece.
pub(crate) const INPUT_MAX: usize = 1 << 15;
/// Octets that wait for being transmitted.
pub(crate) const OUTPUT_MAX: usize = 1 << 16;

/// The octets of a control connection.
#[derive(Debug, Default)]
pub(crate) struct ControlStream {
    input: Vec<u8>,
    /// How many octets of the input have been decrypted; all are clear without an opener.
    opened: usize,
    opener: Option<Opener>,
    output: Vec<u8>,
    sealer: Option<Sealer>,
}

impl ControlStream {
    /// Takes what fits, and tells how much that was. Whoever reads all whole messages after each call always makes room.
    pub(crate) fn fill(&mut self, octets: &[u8]) -> usize {
        let taken = octets.len().min(INPUT_MAX - self.input.len());
        self.input.extend_from_slice(&octets[..taken]);
        taken
    }

    /// The next octets, which stay where they are; `None` until that many have come.
    pub(crate) fn peek(&mut self, octets: usize) -> Result<Option<&[u8]>, ControlError> {
        if octets > INPUT_MAX {
            return Err(ControlError::TooLong { octets });
        }
        if self.input.len() < octets {
            return Ok(None);
        }
        if let Some(opener) = &mut self.opener {
            while self.opened < octets {
                let rest = &mut self.input[self.opened..];
                let Some(block) = rest.first_chunk_mut::<BLOCK_OCTETS>() else {
                    return Ok(None);
                };
                opener.open(block);
                self.opened += BLOCK_OCTETS;
            }
        }
        Ok(Some(&self.input[..octets]))
    }

    /// Takes the next octets, which the next HMAC covers.
    pub(crate) fn read(&mut self, octets: usize) -> Result<Option<Vec<u8>>, ControlError> {
        if self.peek(octets)?.is_none() {
            return Ok(None);
        }
        let taken: Vec<u8> = self.input.drain(..octets).collect();
        if let Some(opener) = &mut self.opener {
            self.opened -= octets;
            opener.authenticate(&taken);
        }
        Ok(Some(taken))
    }

    /// Takes an HMAC, and checks it; without protection it says nothing and is ignored.
    pub(crate) fn read_hmac(&mut self) -> Result<Option<()>, ControlError> {
        if self.peek(BLOCK_OCTETS)?.is_none() {
            return Ok(None);
        }
        if let Some(opener) = &mut self.opener {
            self.opened -= BLOCK_OCTETS;
            if !opener.verify(&self.input[..BLOCK_OCTETS]) {
                return Err(ControlError::NotAuthentic);
            }
        }
        self.input.drain(..BLOCK_OCTETS);
        Ok(Some(()))
    }

    /// Takes a message that ends with an HMAC, once all of it has come.
    pub(crate) fn read_message(&mut self, octets: usize) -> Result<Option<Vec<u8>>, ControlError> {
        if self.peek(octets)?.is_none() {
            return Ok(None);
        }
        let Some(mut message) = self.read(octets - BLOCK_OCTETS)? else {
            return Ok(None);
        };
        self.read_hmac()?;
        message.resize(octets, 0);
        Ok(Some(message))
    }

    /// Whatever comes from here on is encrypted.
    pub(crate) fn protect_input(&mut self, keys: &SessionKeys, initial_vector: &[u8; 16]) {
        self.opener = Some(Opener::new(keys, initial_vector));
        self.opened = 0;
    }

    /// Whatever goes from here on is encrypted.
    pub(crate) fn protect_output(&mut self, keys: &SessionKeys, initial_vector: &[u8; 16]) {
        self.sealer = Some(Sealer::new(keys, initial_vector));
    }

    /// How much may still be written.
    pub(crate) fn room(&self) -> usize {
        OUTPUT_MAX - self.output.len()
    }

    /// Sends octets without an HMAC of their own: whole blocks once the connection is encrypted.
    pub(crate) fn write(&mut self, octets: &[u8]) -> Result<(), ControlError> {
        if octets.len() > self.room() {
            return Err(ControlError::NotReading);
        }
        let start = self.output.len();
        self.output.extend_from_slice(octets);
        if let Some(sealer) = &mut self.sealer {
            let (blocks, rest) = self.output[start..].as_chunks_mut::<BLOCK_OCTETS>();
            debug_assert!(
                rest.is_empty(),
                "{} octets are no whole blocks",
                octets.len()
            );
            blocks.iter_mut().for_each(|block| sealer.seal(block));
        }
        Ok(())
    }

    /// Sends the HMAC of what went before.
    pub(crate) fn write_hmac(&mut self) -> Result<(), ControlError> {
        if BLOCK_OCTETS > self.room() {
            return Err(ControlError::NotReading);
        }
        let hmac = match &mut self.sealer {
            Some(sealer) => sealer.seal_hmac(),
            None => [0; BLOCK_OCTETS],
        };
        self.output.extend_from_slice(&hmac);
        Ok(())
    }

    /// Sends a message that ends with room for its HMAC.
    pub(crate) fn write_message(&mut self, message: &[u8]) -> Result<(), ControlError> {
        self.write(&message[..message.len() - BLOCK_OCTETS])?;
        self.write_hmac()
    }

    /// What is to be transmitted, if anything is.
    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: SessionKeys = SessionKeys {
        aes: [3; 16],
        hmac: [4; 32],
    };

    fn protected_pair() -> (ControlStream, ControlStream) {
        let (mut writer, mut reader) = (ControlStream::default(), ControlStream::default());
        writer.protect_output(&KEYS, &[9; 16]);
        reader.protect_input(&KEYS, &[9; 16]);
        (writer, reader)
    }

    #[test]
    fn what_one_side_writes_the_other_reads_however_it_is_cut() {
        let message: Vec<u8> = (0..64).collect();
        for cut in 1..80 {
            let (mut writer, mut reader) = protected_pair();
            for _ in 0..5 {
                writer.write_message(&message).unwrap();
            }
            let octets = writer.poll_transmit().unwrap();
            assert_ne!(octets[..16], message[..16], "it is encrypted");
            let mut messages = 0;
            for piece in octets.chunks(cut) {
                assert_eq!(reader.fill(piece), piece.len());
                while let Some(read) = reader.read_message(64).unwrap() {
                    assert_eq!(read[..48], message[..48]);
                    messages += 1;
                }
            }
            assert_eq!(messages, 5, "in pieces of {cut}");
        }
    }

    #[test]
    fn odd_lengths_are_read_from_whole_blocks() {
        let (mut writer, mut reader) = protected_pair();
        writer.write(&[5; 64]).unwrap();
        writer.write_hmac().unwrap();
        reader.fill(&writer.poll_transmit().unwrap());
        assert_eq!(reader.read(25).unwrap(), Some(vec![5; 25]));
        assert_eq!(reader.read(25).unwrap(), Some(vec![5; 25]));
        assert_eq!(reader.read(14).unwrap(), Some(vec![5; 14]));
        assert_eq!(reader.read_hmac(), Ok(Some(())));
        assert_eq!(reader.read(1), Ok(None));
    }

    #[test]
    fn no_changed_bit_goes_unnoticed() {
        let (mut writer, _) = protected_pair();
        writer.write_message(&[7; 48]).unwrap();
        let octets = writer.poll_transmit().unwrap();
        for bit in 0..octets.len() * 8 {
            let mut changed = octets.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let (_, mut reader) = protected_pair();
            reader.fill(&changed);
            assert_eq!(
                reader.read_message(48),
                Err(ControlError::NotAuthentic),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn both_buffers_are_bounded() {
        let mut stream = ControlStream::default();
        assert_eq!(stream.fill(&vec![0; INPUT_MAX + 7]), INPUT_MAX);
        assert_eq!(stream.fill(&[0]), 0);
        let octets = INPUT_MAX + 1;
        assert_eq!(stream.peek(octets), Err(ControlError::TooLong { octets }));
        assert_eq!(stream.write(&vec![0; OUTPUT_MAX]), Ok(()));
        assert_eq!(stream.write(&[0; 16]), Err(ControlError::NotReading));
        assert_eq!(stream.write_hmac(), Err(ControlError::NotReading));
        assert_eq!(stream.poll_transmit().unwrap().len(), OUTPUT_MAX);
        assert_eq!(stream.poll_transmit(), None);
    }
}
