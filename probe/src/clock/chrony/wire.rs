//! chronyd's command protocol, version 6: what is asked, and what is answered.
//!
//! Requests and replies are datagrams, big-endian. A request must be at least
//! as long as its reply (chronyd answers no more than it was sent). Only
//! commands that read are known here, so nothing can be changed by them.
//!
//! Layouts as in chrony's candm.h (4.x); the tests hold octets captured from
//! chronyd 4.3.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use owl_measure::time::{Nanos, Timestamp};

use crate::clock::octets::{AnswerError, Octets};

/// The version of the protocol that chrony has spoken since 2.0.
const VERSION: u8 = 6;
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
/// What comes before a reply's own fields.
const REPLY_HEADER_OCTETS: usize = 28;
/// What comes before a request's own fields.
const REQUEST_HEADER_OCTETS: usize = 20;
/// STT_UNAUTH: this transport may not ask that.
pub(crate) const NOT_ALLOWED: u16 = 2;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// How the clock follows its source.
    Tracking,
    /// How many sources there are.
    SourceCount,
    /// One source, by its number from 0.
    Source(u32),
    /// The statistics of one source, by its number from 0.
    SourceStats(u32),
    /// What an NTP source told last.
    NtpData(IpAddr),
}

impl Request {
    /// The command, the reply that answers it, and the reply's length.
    fn numbers(self) -> (u16, u16, usize) {
        match self {
            Self::Tracking => (33, 5, 104),
            Self::SourceCount => (14, 2, 32),
            Self::Source(_) => (15, 3, 76),
            Self::SourceStats(_) => (34, 6, 84),
            Self::NtpData(_) => (57, 16, 152),
        }
    }

    /// The datagram that asks it.
    pub(crate) fn encode(self, sequence: u32) -> Vec<u8> {
        let (command, _, reply_octets) = self.numbers();
        let mut datagram = vec![VERSION, REQUEST, 0, 0];
        datagram.extend(command.to_be_bytes());
        datagram.extend(0_u16.to_be_bytes()); // the first attempt
        datagram.extend(sequence.to_be_bytes());
        datagram.resize(REQUEST_HEADER_OCTETS, 0);
        match self {
            Self::Tracking | Self::SourceCount => {}
            Self::Source(index) | Self::SourceStats(index) => datagram.extend(index.to_be_bytes()),
            Self::NtpData(address) => datagram.extend(encode_address(address)),
        }
        datagram.resize(datagram.len().max(reply_octets), 0);
        datagram
    }

    /// The fields of the reply to this; `None` for a reply to something else.
    fn fields(self, sequence: u32, datagram: &[u8]) -> Result<Option<Octets<'_>>, AnswerError> {
        let (command, reply, _) = self.numbers();
        let mut header = Octets::new(datagram);
        let [version, kind, _, _] = header.take()?;
        let (for_command, is_reply, status) = (header.u16()?, header.u16()?, header.u16()?);
        header.skip(6)?;
        let for_sequence = header.u32()?;
        header.skip(REPLY_HEADER_OCTETS - 20)?;
        if version != VERSION {
            return Err(AnswerError::Unknown {
                field: "version of chrony's command protocol",
                value: version.into(),
            });
        }
        if (kind, for_command, for_sequence) != (REPLY, command, sequence) {
            return Ok(None);
        }
        if status != 0 || is_reply != reply {
            return Err(AnswerError::Refused(status));
        }
        Ok(Some(header))
    }
}

/// A reply that can be read; `None` from `decode` means that it answers something else.
pub(crate) trait Reply: Sized {
    /// Reads the fields behind the header.
    fn read(fields: &mut Octets<'_>) -> Result<Self, AnswerError>;

    /// Reads a datagram.
    fn decode(
        request: Request,
        sequence: u32,
        datagram: &[u8],
    ) -> Result<Option<Self>, AnswerError> {
        match request.fields(sequence, datagram)? {
            None => Ok(None),
            Some(mut fields) => Self::read(&mut fields).map(Some),
        }
    }
}

/// Leap status: nothing is followed.
pub(crate) const LEAP_UNSYNCHRONISED: u16 = 3;
/// The reference of a chronyd or ntpd that follows its own clock: 127.127.1.1.
pub(crate) const LOCAL_REFERENCE: u32 = 0x7F7F_0101;

/// How the clock follows its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tracking {
    /// The source: an IPv4 address, a hash of an IPv6 address, or the name of a reference clock.
    pub(crate) reference_id: u32,
    /// Address of the source; `None` for a reference clock, or without a source.
    pub(crate) address: Option<IpAddr>,
    pub(crate) stratum: u16,
    pub(crate) leap: u16,
    /// When the last measurement was used.
    pub(crate) reference_time: Timestamp,
    /// What brings the clock to what chrony believes, in seconds; positive when the clock is behind.
    pub(crate) correction_s: f64,
    pub(crate) rms_offset_s: f64,
    pub(crate) residual_frequency_ppm: f64,
    pub(crate) skew_ppm: f64,
    pub(crate) root_delay_s: f64,
    /// Grown to the moment of the answer.
    pub(crate) root_dispersion_s: f64,
    pub(crate) update_interval_s: f64,
}

impl Reply for Tracking {
    fn read(fields: &mut Octets<'_>) -> Result<Self, AnswerError> {
        let reference_id = fields.u32()?;
        let address = read_address(fields)?;
        let (stratum, leap) = (fields.u16()?, fields.u16()?);
        let reference_time = read_time(fields)?;
        let correction_s = read_float(fields)?;
        let _last_offset_s = read_float(fields)?;
        let rms_offset_s = read_float(fields)?;
        let _frequency_ppm = read_float(fields)?;
        Ok(Self {
            reference_id,
            address,
            stratum,
            leap,
            reference_time,
            correction_s,
            rms_offset_s,
            residual_frequency_ppm: read_float(fields)?,
            skew_ppm: read_float(fields)?,
            root_delay_s: read_float(fields)?,
            root_dispersion_s: read_float(fields)?,
            update_interval_s: read_float(fields)?,
        })
    }
}

/// How many sources there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceCount(pub(crate) u32);

impl Reply for SourceCount {
    fn read(fields: &mut Octets<'_>) -> Result<Self, AnswerError> {
        fields.u32().map(Self)
    }
}

/// The state of a source that the clock follows.
pub(crate) const SELECTED: u16 = 0;
/// The mode of a source that is a reference clock of this host.
pub(crate) const REFERENCE_CLOCK: u16 = 2;

/// One source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    /// Its address; of a reference clock its name, in the octets of an IPv4 address.
    pub(crate) address: Option<IpAddr>,
    pub(crate) state: u16,
    pub(crate) mode: u16,
    /// The last eight polls, a bit each; the newest is the lowest.
    pub(crate) reachability: u16,
}

impl Reply for Source {
    fn read(fields: &mut Octets<'_>) -> Result<Self, AnswerError> {
        let address = read_address(fields)?;
        let (_poll, _stratum) = (fields.u16()?, fields.u16()?);
        let (state, mode, _flags) = (fields.u16()?, fields.u16()?, fields.u16()?);
        Ok(Self {
            address,
            state,
            mode,
            reachability: fields.u16()?,
        })
    }
}

/// The statistics of one source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SourceStats {
    /// Standard deviation of its offsets around their trend, in seconds.
    pub(crate) deviation_s: f64,
}

impl Reply for SourceStats {
    fn read(fields: &mut Octets<'_>) -> Result<Self, AnswerError> {
        let _reference_id = fields.u32()?;
        let _address = read_address(fields)?;
        let (_samples, _runs, _span_s) = (fields.u32()?, fields.u32()?, fields.u32()?);
        Ok(Self {
            deviation_s: read_float(fields)?,
        })
    }
}

/// Who took a timestamp of an NTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StampedBy {
    Process,
    Kernel,
    Hardware,
}

impl StampedBy {
    fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'D' => Some(Self::Process),
            b'K' => Some(Self::Kernel),
            b'H' => Some(Self::Hardware),
            _ => None,
        }
    }
}

/// What an NTP source told last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NtpData {
    /// What the source itself follows.
    pub(crate) reference_id: u32,
    /// −0.5 to 0.5: how much of the delay's variation is in one direction.
    pub(crate) jitter_asymmetry: f64,
    /// Who stamped what was sent and what came; `None` for a letter that is not known.
    pub(crate) stamped_by: (Option<StampedBy>, Option<StampedBy>),
}

impl Reply for NtpData {
    fn read(fields: &mut Octets<'_>) -> Result<Self, AnswerError> {
        let (_remote, _local) = (read_address(fields)?, read_address(fields)?);
        let _port = fields.u16()?;
        let [_leap, _version, _mode, _stratum, _poll, _precision] = fields.take()?;
        let (_root_delay_s, _root_dispersion_s) = (read_float(fields)?, read_float(fields)?);
        let reference_id = fields.u32()?;
        let _reference_time = read_time(fields)?;
        let (_offset_s, _peer_delay_s) = (read_float(fields)?, read_float(fields)?);
        let (_peer_dispersion_s, _response_time_s) = (read_float(fields)?, read_float(fields)?);
        let jitter_asymmetry = read_float(fields)?;
        let _tests = fields.u16()?;
        let (transmitted, received) = (fields.u8()?, fields.u8()?);
        Ok(Self {
            reference_id,
            jitter_asymmetry,
            stamped_by: (
                StampedBy::from_letter(transmitted),
                StampedBy::from_letter(received),
            ),
        })
    }
}

/// An exponent of 7 bits and a coefficient of 25, both in two's complement: coefficient · 2^(exponent − 25).
fn read_float(fields: &mut Octets<'_>) -> Result<f64, AnswerError> {
    let word = fields.u32()?.cast_signed();
    let exponent = word >> 25;
    let coefficient = (word << 7) >> 7;
    Ok(f64::from(coefficient) * f64::from(exponent - 25).exp2())
}

fn read_address(fields: &mut Octets<'_>) -> Result<Option<IpAddr>, AnswerError> {
    let octets: [u8; 16] = fields.take()?;
    let family = fields.u16()?;
    let _padding = fields.u16()?;
    Ok(match family {
        1 => {
            let [a, b, c, d, ..] = octets;
            Some(Ipv4Addr::new(a, b, c, d).into())
        }
        2 => Some(Ipv6Addr::from(octets).into()),
        _ => None,
    })
}

fn encode_address(address: IpAddr) -> [u8; 20] {
    let mut field = [0; 20];
    match address {
        IpAddr::V4(address) => {
            field[..4].copy_from_slice(&address.octets());
            field[17] = 1;
        }
        IpAddr::V6(address) => {
            field[..16].copy_from_slice(&address.octets());
            field[17] = 2;
        }
    }
    field
}

/// Seconds in two halves, and nanoseconds.
fn read_time(fields: &mut Octets<'_>) -> Result<Timestamp, AnswerError> {
    let (high, low, nanos) = (fields.u32()?, fields.u32()?, fields.u32()?);
    // chronyd writes 0x7FFFFFFF into the upper half where its own times have 32 bits.
    let high = if high == 0x7FFF_FFFF { 0 } else { high };
    let seconds = ((u64::from(high) << 32) | u64::from(low)).cast_signed();
    Ok(Timestamp(Nanos::from_secs(seconds).0) + Nanos(nanos.into()))
}

#[cfg(test)]
pub(in crate::clock::chrony) mod tests {
    use super::*;
    use crate::clock::octets::octets;

    const SEQUENCE: u32 = 0x0102_0304;
    /// chronyd 4.3 a few seconds after its start, one source on loopback.
    pub(in crate::clock::chrony) const TRACKING: &str = "060200000021000500000000000000000102030400000000000000007f0000017f0000010000000000000000000000000001000000020000000000006b0473710c9356b9da820c5cca831238d0dd1b25f17f3fd9ec8ecd2bfa95052fdcf77f5ce6d8c3c0fc80a4d7";
    /// The same, seven seconds after its source went away.
    pub(in crate::clock::chrony) const TRACKING_ALONE: &str = "060200000021000500000000000000000102030400000000000000007f0000017f0000010000000000000000000000000001000000020000000000006b04737122181a89da84d1a9cb56f058d0d1ddb4f36568e5ed6189abfa80a407dcf77f5cead24168faf4d19e";
    /// chronyd 4.3 with `local stratum 1` and no source.
    pub(in crate::clock::chrony) const TRACKING_LOCAL: &str = "060200000021000500000000000000000102030400000000000000007f7f0101000000000000000000000000000000000000000000010000000000006b04736c17526b31000000000000000000000000000000000000000000000000000000000000000000000000";
    const COUNT: &str = "06020000000e0002000000000000000001020304000000000000000000000001";
    pub(in crate::clock::chrony) const SOURCE: &str = "06020000000f000300000000000000000102030400000000000000007f00000100000000000000000000000000010000fffc000100000000000000ff00000000d730c490d72eca9adc8d517d";
    const STATS: &str = "060200000022000600000000000000000102030400000000000000007f0000017f00000100000000000000000000000000010000000000400000002100000004d4d7c337f0846446fa97e9c8c0888c9adafeecb9";
    pub(in crate::clock::chrony) const NTP_DATA: &str = "060200000039001000000000000000000102030400000000000000007f000001000000000000000000000000000100007f00000100000000000000000000000000010000300d00040401fce600000000000000007f7f0101000000006b04736c17526b30d6cf3b70de88a237d295e8c1e6f4607e0107ac5d43ff4b4b00000046000000460000004600000045ffffffffffffffffffffffff";
    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn read<T: Reply>(request: Request, hex: &str) -> Result<Option<T>, AnswerError> {
        T::decode(request, SEQUENCE, &octets(hex))
    }

    #[test]
    fn tracking_reads_as_chronyc_shows_it() {
        let tracking: Tracking = read(Request::Tracking, TRACKING).unwrap().unwrap();
        assert_eq!(tracking.address, Some(LOCALHOST));
        assert_eq!((tracking.stratum, tracking.leap), (2, 0));
        assert_eq!(tracking.reference_time.0, 1_795_453_809_210_982_585);
        let near = |value: f64, expected: f64| {
            assert!(
                (value / expected - 1.0).abs() < 1e-3,
                "{value} is not {expected}"
            );
        };
        near(tracking.correction_s, 4.845e-7);
        near(tracking.rms_offset_s, 2.574e-8);
        near(tracking.root_delay_s, 1.844e-6);
        near(tracking.root_dispersion_s, 5.168e-5);
        near(tracking.update_interval_s, 0.06281);
        near(tracking.skew_ppm, 0.03638);
    }

    #[test]
    fn the_other_replies_read_as_chronyc_shows_them() {
        assert_eq!(
            read(Request::SourceCount, COUNT).unwrap(),
            Some(SourceCount(1))
        );
        assert_eq!(
            read(Request::Source(0), SOURCE).unwrap(),
            Some(Source {
                address: Some(LOCALHOST),
                state: SELECTED,
                mode: 0,
                reachability: 0o377,
            })
        );
        let stats: SourceStats = read(Request::SourceStats(0), STATS).unwrap().unwrap();
        assert!((stats.deviation_s - 1.005e-7).abs() < 1e-9, "{stats:?}");
        let data: NtpData = read(Request::NtpData(LOCALHOST), NTP_DATA)
            .unwrap()
            .unwrap();
        assert_eq!(data.reference_id, LOCAL_REFERENCE);
        assert_eq!(
            data.stamped_by,
            (Some(StampedBy::Kernel), Some(StampedBy::Kernel))
        );
    }

    #[test]
    fn a_request_is_as_long_as_its_reply_and_looks_as_chronyc_sends_it() {
        for (request, reply) in [
            (Request::Tracking, TRACKING),
            (Request::SourceCount, COUNT),
            (Request::Source(0), SOURCE),
            (Request::SourceStats(0), STATS),
            (Request::NtpData(LOCALHOST), NTP_DATA),
        ] {
            let datagram = request.encode(SEQUENCE);
            assert_eq!(datagram.len(), reply.len() / 2, "{request:?}");
        }
        assert_eq!(
            Request::Source(7).encode(SEQUENCE)[..24],
            octets("06010000 000f 0000 01020304 00000000 00000000 00000007")
        );
        assert_eq!(
            Request::NtpData(LOCALHOST).encode(SEQUENCE)[20..40],
            octets("7f000001 00000000 00000000 00000000 0001 0000")
        );
    }

    #[test]
    fn a_shorter_answer_is_refused_at_every_length() {
        for length in 0..104 {
            let cut = &octets(TRACKING)[..length];
            let read = Tracking::decode(Request::Tracking, SEQUENCE, cut);
            assert_eq!(read, Err(AnswerError::Short { octets: length }));
        }
    }

    #[test]
    fn an_answer_to_something_else_is_passed_over_and_a_refusal_is_an_error() {
        let late = Tracking::decode(Request::Tracking, SEQUENCE + 1, &octets(TRACKING));
        assert_eq!(late, Ok(None));
        let not_allowed = "06020000003900010002000000000000010203040000000000000000";
        assert_eq!(
            read::<NtpData>(Request::NtpData(LOCALHOST), not_allowed),
            Err(AnswerError::Refused(NOT_ALLOWED))
        );
        let no_such_source = "06020000000f00010004000000000000010203040000000000000000";
        assert_eq!(
            read::<Source>(Request::Source(9), no_such_source),
            Err(AnswerError::Refused(4))
        );
        let future = TRACKING.replacen("0602", "0702", 1);
        assert!(matches!(
            read::<Tracking>(Request::Tracking, &future),
            Err(AnswerError::Unknown { value: 7, .. })
        ));
    }

    #[test]
    fn floats_of_both_signs_and_sizes_are_read() {
        for (word, value) in [
            (0_u32, 0.0),
            (0x0280_0000, 0.5),
            (0x0300_0000, -1.0),
            (0xffff_ffff, -1.490_116_119_384_765_6e-8),
        ] {
            let mut fields = word.to_be_bytes().to_vec();
            fields.extend([0; 4]);
            assert_eq!(
                read_float(&mut Octets::new(&fields)),
                Ok(value),
                "{word:#x}"
            );
        }
    }
}
