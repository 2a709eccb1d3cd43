//! ptp4l's management messages (IEEE 1588-2019, clause 15, and linuxptp's own
//! TLVs) over its datagram socket.
//!
//! Only GET is sent, and the subscription to pushes, which ptp4l forgets by
//! itself; nothing of the clock can be changed by them. The tests hold octets
//! captured from ptp4l 3.1.1.

use owl_measure::time::{Nanos, Timestamp};

use crate::clock::octets::{AnswerError, Octets};

/// What comes before a management message's own fields: the header.
const HEADER_OCTETS: usize = 34;
/// messageType of a management message (table 36).
const MANAGEMENT: u8 = 0x0d;
/// versionPTP.
const VERSION: u8 = 2;
/// controlField of a management message.
const CONTROL: u8 = 4;
/// logMessageInterval where there is none.
const NO_INTERVAL: u8 = 0x7f;
/// actionField (table 57): read, write, answer.
const GET: u8 = 0;
const SET: u8 = 1;
const RESPONSE: u8 = 2;
/// tlvType MANAGEMENT and MANAGEMENT_ERROR_STATUS (table 52).
const TLV_MANAGEMENT: u16 = 1;
const TLV_ERROR: u16 = 2;
/// linuxptp's notifications: the state of a port, and every sync (the latter from linuxptp 4 on).
const NOTIFY: u8 = 0b11;
/// Octets of the bit mask of notifications.
const MASK_OCTETS: usize = 64;

/// What can be asked, by its managementId.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id {
    CurrentDataSet,
    ParentDataSet,
    TimePropertiesDataSet,
    PortDataSet,
    TimeStatus,
    SubscribeEvents,
    PortProperties,
    PortStats,
}

impl Id {
    const fn number(self) -> u16 {
        match self {
            Self::CurrentDataSet => 0x2001,
            Self::ParentDataSet => 0x2002,
            Self::TimePropertiesDataSet => 0x2003,
            Self::PortDataSet => 0x2004,
            Self::TimeStatus => 0xC000,
            Self::SubscribeEvents => 0xC003,
            Self::PortProperties => 0xC004,
            Self::PortStats => 0xC005,
        }
    }
}

/// The message that asks for a data set.
pub(crate) fn get(id: Id, sequence: u16) -> Vec<u8> {
    message(GET, id, sequence, &[])
}

/// The message that asks for pushes during the next `seconds`.
pub(crate) fn subscribe(seconds: u16, sequence: u16) -> Vec<u8> {
    let mut data = seconds.to_be_bytes().to_vec();
    data.push(NOTIFY);
    data.resize(2 + MASK_OCTETS, 0);
    message(SET, Id::SubscribeEvents, sequence, &data)
}

fn message(action: u8, id: Id, sequence: u16, data: &[u8]) -> Vec<u8> {
    let mut datagram = vec![MANAGEMENT, VERSION, 0, 0];
    datagram.resize(HEADER_OCTETS - 4, 0);
    datagram.extend(sequence.to_be_bytes());
    datagram.extend([CONTROL, NO_INTERVAL]);
    datagram.extend([0xff; 10]); // every clock, every port
    datagram.extend([0, 0, action, 0]); // no boundary is crossed
    datagram.extend(TLV_MANAGEMENT.to_be_bytes());
    datagram.extend((data.len() as u16 + 2).to_be_bytes());
    datagram.extend(id.number().to_be_bytes());
    datagram.extend(data);
    let length = datagram.len() as u16;
    datagram[2..4].copy_from_slice(&length.to_be_bytes());
    datagram
}

/// An answer, or a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Current(CurrentDataSet),
    Parent(ParentDataSet),
    TimeProperties(TimeProperties),
    Port(PortDataSet),
    TimeStatus(TimeStatus),
    PortProperties(PortProperties),
    PortStats(PortStats),
    /// Pushes will come.
    Subscribed,
}

/// CURRENT_DATA_SET: nanoseconds, the fraction cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CurrentDataSet {
    pub(crate) steps_removed: u16,
    pub(crate) offset: Nanos,
    pub(crate) mean_path_delay: Nanos,
}

/// PARENT_DATA_SET: what the grandmaster says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ParentDataSet {
    pub(crate) clock_class: u8,
    pub(crate) clock_accuracy: u8,
    pub(crate) identity: [u8; 8],
}

/// TIME_PROPERTIES_DATA_SET.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TimeProperties {
    pub(crate) time_traceable: bool,
    /// Whether the grandmaster's time is TAI.
    pub(crate) ptp_timescale: bool,
    /// TAI − UTC, in seconds.
    pub(crate) utc_offset_s: i16,
}

/// Port states (IEEE 1588-2019, table 20).
pub(crate) const UNCALIBRATED: u8 = 8;
pub(crate) const SLAVE: u8 = 9;
/// Delay mechanism: request and response from end to end.
pub(crate) const END_TO_END: u8 = 1;

/// PORT_DATA_SET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortDataSet {
    pub(crate) port: u16,
    pub(crate) state: u8,
    pub(crate) log_sync_interval: i8,
    pub(crate) delay_mechanism: u8,
}

impl PortDataSet {
    /// Time between two syncs; what no profile uses is cut to the nearest that is kept here (2⁻⁷ s to 2⁷ s).
    pub(crate) fn sync_interval(&self) -> Nanos {
        let second = Nanos::from_secs(1).0;
        let exponent = self.log_sync_interval.clamp(-7, 7);
        Nanos(if exponent < 0 {
            second >> exponent.unsigned_abs()
        } else {
            second << exponent
        })
    }
}

/// TIME_STATUS_NP (linuxptp).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeStatus {
    pub(crate) offset: Nanos,
    /// When the last sync came, on the clock that ptp4l reads; zero before the first.
    pub(crate) ingress: Timestamp,
    /// Compares identities only: it stays true when the grandmaster is gone.
    pub(crate) grandmaster_present: bool,
}

/// PORT_PROPERTIES_NP (linuxptp).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortProperties {
    /// Whether the stamps are the kernel's, on the system's clock.
    pub(crate) software: bool,
    /// The interface.
    pub(crate) interface: String,
}

/// PORT_STATS_NP (linuxptp): messages received since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortStats {
    pub(crate) syncs: u64,
    pub(crate) delay_responses: u64,
}

/// Reads a datagram: its sequence number and what it holds; `None` for what is no answer of a kind that is known here.
pub(crate) fn decode(datagram: &[u8]) -> Result<Option<(u16, Answer)>, AnswerError> {
    let mut fields = Octets::new(datagram);
    let [kind, version, _, _] = fields.take()?;
    if (kind & 0x0f, version & 0x0f) != (MANAGEMENT, VERSION) {
        return Ok(None);
    }
    fields.skip(HEADER_OCTETS - 8)?;
    let sequence = fields.u16()?;
    fields.skip(2 + 12)?;
    let [action, _] = fields.take()?;
    if action & 0x0f != RESPONSE {
        return Ok(None);
    }
    let (tlv, _length) = (fields.u16()?, fields.u16()?);
    if tlv == TLV_ERROR {
        return Err(AnswerError::Refused(fields.u16()?));
    }
    if tlv != TLV_MANAGEMENT {
        return Ok(None);
    }
    Ok(read(&mut fields)?.map(|answer| (sequence, answer)))
}

fn read(fields: &mut Octets<'_>) -> Result<Option<Answer>, AnswerError> {
    let id = fields.u16()?;
    let is = |known: Id| id == known.number();
    Ok(Some(if is(Id::CurrentDataSet) {
        Answer::Current(CurrentDataSet {
            steps_removed: fields.u16()?,
            offset: interval(fields)?,
            mean_path_delay: interval(fields)?,
        })
    } else if is(Id::ParentDataSet) {
        fields.skip(10 + 2 + 2 + 4 + 1)?; // the parent's port, its statistics, priority1
        let (clock_class, clock_accuracy) = (fields.u8()?, fields.u8()?);
        fields.skip(3)?; // variance, priority2
        Answer::Parent(ParentDataSet {
            clock_class,
            clock_accuracy,
            identity: fields.take()?,
        })
    } else if is(Id::TimePropertiesDataSet) {
        let utc_offset_s = i16::from_be_bytes(fields.take()?);
        let flags = fields.u8()?;
        Answer::TimeProperties(TimeProperties {
            ptp_timescale: flags & (1 << 3) != 0,
            time_traceable: flags & (1 << 4) != 0,
            utc_offset_s,
        })
    } else if is(Id::PortDataSet) {
        fields.skip(8)?; // the clock's identity
        let (port, state) = (fields.u16()?, fields.u8()?);
        fields.skip(1 + 8 + 1 + 1)?; // request interval, peer delay, announce interval and timeout
        Answer::Port(PortDataSet {
            port,
            state,
            log_sync_interval: fields.i8()?,
            delay_mechanism: fields.u8()?,
        })
    } else if is(Id::TimeStatus) {
        let (offset, ingress) = (Nanos(fields.i64()?), Timestamp(fields.i64()?));
        fields.skip(4 + 4 + 2 + 12)?; // rate offset, phase change, time base, last phase change
        Answer::TimeStatus(TimeStatus {
            offset,
            ingress,
            grandmaster_present: fields.u32()? != 0,
        })
    } else if is(Id::PortProperties) {
        fields.skip(10 + 1)?; // the port's identity, its state
        let stamping = fields.u8()?;
        let length = fields.u8()?;
        let mut interface = Vec::new();
        for _ in 0..length {
            interface.push(fields.u8()?);
        }
        Answer::PortProperties(PortProperties {
            software: stamping == 0,
            interface: String::from_utf8_lossy(&interface).into_owned(),
        })
    } else if is(Id::PortStats) {
        fields.skip(10)?; // the port's identity
        let mut received = [0; 10];
        for count in &mut received {
            // linuxptp writes these counters little-endian.
            *count = u64::from_le_bytes(fields.take()?);
        }
        Answer::PortStats(PortStats {
            syncs: received[0],
            delay_responses: received[9],
        })
    } else if is(Id::SubscribeEvents) {
        Answer::Subscribed
    } else {
        return Ok(None);
    }))
}

/// A TimeInterval: nanoseconds in units of 2⁻¹⁶ (IEEE 1588-2019, 5.3.2).
fn interval(fields: &mut Octets<'_>) -> Result<Nanos, AnswerError> {
    fields.i64().map(|scaled| Nanos(scaled >> 16))
}

#[cfg(test)]
pub(in crate::clock::ptp4l) mod tests {
    use super::*;
    use crate::clock::octets::octets;

    /// ptp4l 3.1.1, free running, a grandmaster of class 6 behind a veth pair, 16 syncs a second.
    const TIME_STATUS: &str = "0d02006800000000000000000000000000000000026f77fffe6c000200000001047f000000000000000007dd0000020000010034c00000000000000000da18eabb642adbfab60000000000000000000000000000000000000000000000000001026f77fffe6c0001";
    /// Two seconds after the grandmaster was killed: all but the ingress time stands as before.
    pub(in crate::clock::ptp4l) const TIME_STATUS_FROZEN: &str = "0d02006800000000000000000000000000000000026f77fffe6c000200000001047f00000000000000000a5a0000020000010034c000000000000000014b00000000000000000000000000000000000000000000000000000000000000000001026f77fffe6c0001";
    pub(in crate::clock::ptp4l) const CURRENT_FROZEN: &str = "0d02004800000000000000000000000000000000026f77fffe6c000200000001047f00000000000000000a5a00000200000100142001000100000000014b00000000000006d30000";
    /// A grandmaster that says PTP time scale and gives UTC: 37 s.
    pub(in crate::clock::ptp4l) const TIME_STATUS_37: &str = "0d02006800000000000000000000000000000000026f77fffe6c000200000001047f000000000000000075dd0000020000010034c000000000089d5f2b7618eabb5a7032fe8f0000000000000000000000000000000000000000000000000001026f77fffe6c0001";
    const CURRENT: &str = "0d02004800000000000000000000000000000000026f77fffe6c000200000001047f000000000000000007dd0000020000010014200100010000000000da00000000000007d80000";
    const PARENT: &str = "0d02005600000000000000000000000000000000026f77fffe6c000200000001047f000000000000000007dd00000200000100222002026f77fffe6c000100010000ffff7fffffff0a06214e5d80026f77fffe6c0001";
    const PROPERTIES: &str = "0d02003a00000000000000000000000000000000026f77fffe6c000200000001047f000000000000000007dd0000020000010006200300253420";
    const PORT: &str = "0d02005000000000000000000000000000000000026f77fffe6c000200010001047f000000000000000007dd000002000001001c2004026f77fffe6c0002000108fc0000000000000000ff03fc010002";
    /// Pushed when the port gave its master up.
    const PUSHED: &str = "0d02005000000000000000000000000000000000026f77fffe6c000200010000047f000000000000000007dd010102000001001c2004026f77fffe6c0002000104fc0000000000000000ff03fc010002";
    const SUBSCRIBED: &str = "0d02007800000000000000000000000000000000026f77fffe6c000200000002047f000000000000000007dd0000020000010044c003003c03000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";
    /// Shortened to the counters that are read.
    const STATS: &str = "0d02014000000000000000000000000000000000026f77fffe6c000200010001047f000000000000000060c9000002000001010cc005026f77fffe6c00020001480000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000004800000000000000360000000000000000000000000000000a00000000000000000000000000000000000000000000000000000000000000";

    pub(in crate::clock::ptp4l) fn answer(hex: &str) -> Answer {
        decode(&octets(hex)).unwrap().unwrap().1
    }

    #[test]
    fn answers_read_as_pmc_shows_them() {
        for (hex, expected) in [
            (
                TIME_STATUS,
                Answer::TimeStatus(TimeStatus {
                    offset: Nanos(218),
                    ingress: Timestamp(1_795_453_440_350_747_318),
                    grandmaster_present: true,
                }),
            ),
            (
                CURRENT,
                Answer::Current(CurrentDataSet {
                    steps_removed: 1,
                    offset: Nanos(218),
                    mean_path_delay: Nanos(2_008),
                }),
            ),
            (
                PARENT,
                Answer::Parent(ParentDataSet {
                    clock_class: 6,
                    clock_accuracy: 0x21,
                    identity: [0x02, 0x6f, 0x77, 0xff, 0xfe, 0x6c, 0x00, 0x01],
                }),
            ),
            (
                PROPERTIES,
                Answer::TimeProperties(TimeProperties {
                    time_traceable: true,
                    ptp_timescale: false,
                    utc_offset_s: 37,
                }),
            ),
            (
                PORT,
                Answer::Port(PortDataSet {
                    port: 1,
                    state: UNCALIBRATED,
                    log_sync_interval: -4,
                    delay_mechanism: END_TO_END,
                }),
            ),
            (
                PUSHED,
                Answer::Port(PortDataSet {
                    port: 1,
                    state: 4,
                    log_sync_interval: -4,
                    delay_mechanism: END_TO_END,
                }),
            ),
            (
                STATS,
                Answer::PortStats(PortStats {
                    syncs: 72,
                    delay_responses: 54,
                }),
            ),
            (SUBSCRIBED, Answer::Subscribed),
        ] {
            assert_eq!(answer(hex), expected);
        }
    }

    #[test]
    fn a_frozen_answer_has_all_but_the_ingress_time() {
        let Answer::TimeStatus(frozen) = answer(TIME_STATUS_FROZEN) else {
            panic!("a time status was captured");
        };
        assert_eq!(
            (frozen.offset, frozen.grandmaster_present),
            (Nanos(331), true)
        );
        assert_eq!(frozen.ingress, Timestamp(0));
    }

    #[test]
    fn a_request_looks_as_pmc_sends_it() {
        assert_eq!(
            get(Id::TimeStatus, 7),
            octets(
                "0d02 0036 0000 0000 0000000000000000 00000000 0000000000000000 0000 0007 04 7f ffffffffffffffff ffff 00 00 00 00 0001 0002 c000"
            )
        );
        let subscription = subscribe(60, 2);
        assert_eq!(subscription.len(), octets(SUBSCRIBED).len());
        assert_eq!(subscription[48..57], octets("0001 0044 c003 003c 03"));
    }

    #[test]
    fn every_shorter_answer_is_refused() {
        for whole in [TIME_STATUS, CURRENT, PARENT, PROPERTIES, PORT, STATS] {
            let whole = octets(whole);
            // What is at the end of some is not read.
            let read = (0..whole.len())
                .rev()
                .find(|&length| decode(&whole[..length]).is_err())
                .unwrap();
            assert!(read + 48 > whole.len(), "{read} of {}", whole.len());
            for length in 0..=read {
                assert!(decode(&whole[..length]).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_passed_over_and_a_refusal_is_an_error() {
        let mut other = octets(CURRENT);
        other[0] = 0x00;
        assert_eq!(decode(&other), Ok(None), "a sync");
        let mut request = octets(CURRENT);
        request[46] = GET;
        assert_eq!(decode(&request), Ok(None), "a request");
        let mut strange = octets(CURRENT);
        strange[52] = 0x33;
        assert_eq!(decode(&strange), Ok(None), "an id that is not known");
        let mut refused = octets(CURRENT);
        refused[49] = 2;
        assert_eq!(decode(&refused), Err(AnswerError::Refused(0x2001)));
    }

    #[test]
    fn sync_intervals_are_powers_of_two() {
        for (log, ns) in [
            (-4, 62_500_000),
            (0, 1_000_000_000),
            (1, 2_000_000_000),
            (127, 128_000_000_000),
            (-128, 7_812_500),
        ] {
            let port = PortDataSet {
                port: 1,
                state: SLAVE,
                log_sync_interval: log,
                delay_mechanism: END_TO_END,
            };
            assert_eq!(port.sync_interval(), Nanos(ns));
        }
    }
}
