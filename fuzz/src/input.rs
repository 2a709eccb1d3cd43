//! Octets read as whatever is wanted of them; zeros when they are used up.

/// What is left of an input.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn octets(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.octets(1).first().copied().unwrap_or(0)
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    /// A piece that tells its own length.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let octets = self.u16() % 1_024;
        self.octets(octets.into())
    }

    /// Changes a packet in some places, as a bad line or a bad host would.
    pub(crate) fn spoil(&mut self, packet: &mut [u8]) {
        for _ in 0..self.u8() % 8 {
            let (place, change) = (self.u16().into(), self.u8());
            if let Some(octet) = packet.get_mut::<usize>(place) {
                *octet ^= change;
            }
        }
    }
}
