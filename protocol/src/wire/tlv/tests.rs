//! Every type octet for octet as its RFC draws it, and areas that end too early.

use super::*;
use crate::wire::WireTimestamp;

/// A TLV as it stands in a reply, and what it says.
#[track_caller]
fn golden(octets: &[u8], says: Value<'_>) {
    let mut tlvs = Tlvs::new(octets);
    let tlv = tlvs.next().unwrap().unwrap();
    assert_eq!(tlv.value(), Ok(says));
    assert_eq!((tlv.end(), tlvs.next()), (octets.len(), None));
    for end in 1..octets.len() {
        let cut = Tlvs::new(&octets[..end]).next();
        assert_eq!(cut, Some(Err(Broken { at: 0 })), "{end} octets");
    }
    let mut written = Vec::new();
    append(&mut written, tlv.kind, &encoded(says));
    assert_eq!(written[1..], octets[1..], "written back");
    assert_eq!(written[0], 0x80, "a sender sets U and nothing else");
}

fn encoded(value: Value<'_>) -> Vec<u8> {
    match value {
        Value::ExtraPadding(octets) | Value::Unknown(octets) => octets.to_vec(),
        Value::Location(_) | Value::ReturnPath(_) => unreachable!("written in place"),
        Value::TimestampInformation(value) => value.encode().to_vec(),
        Value::ClassOfService(value) => value.encode().to_vec(),
        Value::DirectMeasurement(value) => value.encode().to_vec(),
        Value::AccessReport(value) => value.encode().to_vec(),
        Value::FollowUp(value) => value.encode().to_vec(),
        Value::Hmac(octets) => octets.to_vec(),
        Value::DestinationNodeAddress(IpAddr::V4(ip)) => ip.octets().to_vec(),
        Value::DestinationNodeAddress(IpAddr::V6(ip)) => ip.octets().to_vec(),
        Value::MicroSession(value) => value.encode().to_vec(),
        Value::ReflectedControl(value) => value.encode().to_vec(),
    }
}

#[test]
fn every_type_is_read_and_written_as_its_rfc_draws_it() {
    golden(&[0, 1, 0, 3, 9, 8, 7], Value::ExtraPadding(&[9, 8, 7]));
    golden(
        &[0, 3, 0, 4, 2, 1, 4, 2],
        Value::TimestampInformation(TimestampInformation {
            source_in: SyncSource::PTP,
            method_in: TimestampMethod::HARDWARE,
            source_out: SyncSource::GNSS,
            method_out: TimestampMethod::SOFTWARE,
        }),
    );
    // DSCP1 46 = 101110, DSCP2 26 = 011010, ECN 11, RP 01
    golden(
        &[0, 4, 0, 4, 0b1011_1001, 0b1010_1101, 0, 0],
        Value::ClassOfService(ClassOfService {
            wanted_dscp: 46,
            received_dscp: 26,
            received_ecn: 3,
            reverse_path: 1,
        }),
    );
    golden(
        &[0, 5, 0, 12, 0, 0, 1, 0, 0, 0, 0, 9, 0xFF, 0, 0, 8],
        Value::DirectMeasurement(DirectMeasurement {
            sender_sent: 256,
            reflector_received: 9,
            reflector_sent: 0xFF00_0008,
        }),
    );
    golden(
        &[0, 6, 0, 4, 0x20, 1, 0, 0],
        Value::AccessReport(AccessReport {
            access: 2,
            return_code: 1,
        }),
    );
    golden(
        &[
            0, 7, 0, 16, 0, 0, 0, 5, 0xEB, 0x0F, 0x12, 0x34, 0x80, 0, 0, 9, 2, 0, 0, 0,
        ],
        Value::FollowUp(FollowUp {
            sequence: 5,
            sent_at: WireTimestamp(0xEB0F_1234_8000_0009),
            method: TimestampMethod::SOFTWARE,
        }),
    );
    let mac: [u8; 16] = std::array::from_fn(|k| k as u8);
    let mut hmac = vec![0, 8, 0, 16];
    hmac.extend(mac);
    golden(&hmac, Value::Hmac(mac));
    golden(
        &[0, 9, 0, 4, 192, 0, 2, 2],
        Value::DestinationNodeAddress("192.0.2.2".parse().unwrap()),
    );
    let mut six = vec![0, 9, 0, 16, 0x20, 0x01, 0x0D, 0xB8];
    six.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    golden(
        &six,
        Value::DestinationNodeAddress("2001:db8::2".parse().unwrap()),
    );
    golden(
        &[0, 11, 0, 4, 1, 2, 3, 4],
        Value::MicroSession(MicroSession {
            sender: 0x0102,
            reflector: 0x0304,
        }),
    );
    golden(
        &[0, 12, 0, 12, 5, 0xDC, 0, 3, 0, 0x0F, 0x42, 0x40, 0, 0, 0, 0],
        Value::ReflectedControl(ReflectedControl {
            octets: 1_500,
            count: 3,
            interval_ns: 1_000_000,
        }),
    );
    golden(&[0, 240, 0, 2, 1, 2], Value::Unknown(&[1, 2]));
}

#[test]
fn a_length_that_does_not_fit_the_type_is_told() {
    for (kind, fitting) in [
        (kind::TIMESTAMP_INFORMATION, &[4][..]),
        (kind::CLASS_OF_SERVICE, &[4]),
        (kind::DIRECT_MEASUREMENT, &[12]),
        (kind::ACCESS_REPORT, &[4]),
        (kind::FOLLOW_UP, &[16]),
        (kind::HMAC, &[16]),
        (kind::DESTINATION_NODE_ADDRESS, &[4, 16]),
        (kind::MICRO_SESSION, &[4]),
    ] {
        for octets in 0..40 {
            let mut area = Vec::new();
            append(&mut area, kind, &vec![1; octets]);
            let tlv = Tlvs::new(&area).next().unwrap().unwrap();
            let fits = fitting.contains(&octets);
            assert_eq!(tlv.value().is_ok(), fits, "type {kind}, {octets} octets");
        }
    }
    for (kind, least) in [(kind::LOCATION, 4), (kind::REFLECTED_CONTROL, 12)] {
        for octets in 0..40 {
            let mut area = Vec::new();
            append(&mut area, kind, &vec![0; octets]);
            let tlv = Tlvs::new(&area).next().unwrap().unwrap();
            assert_eq!(
                tlv.value().is_ok(),
                octets >= least,
                "type {kind}, {octets} octets"
            );
        }
    }
}

#[test]
fn several_follow_one_another_and_a_broken_one_ends_them() {
    let mut area = Vec::new();
    append(&mut area, kind::EXTRA_PADDING, &[]);
    append(&mut area, kind::MICRO_SESSION, &[0, 1, 0, 2]);
    area.extend([0x80, 4, 0, 5, 1, 2, 3, 4]);
    let read: Vec<_> = Tlvs::new(&area).collect();
    assert_eq!(read.len(), 3);
    assert_eq!(read[1].unwrap().at, 4);
    assert_eq!(read[2], Err(Broken { at: 12 }));
    let rest: Vec<_> = Tlvs::starting(&area, 4).collect();
    assert_eq!(rest, read[1..]);
    assert_eq!(Tlvs::new(&[]).next(), None);
    assert_eq!(Tlvs::starting(&area, 99).next(), None);
}

/// The Location TLV that asks for both addresses, after RFC 8972, figures 4 and 5.
const QUESTION: [u8; 44] = [
    0, 0, 0, 0, // ports
    0x80, 4, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // destination
    0x80, 7, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // source
];

/// Its answer to a packet from 198.51.100.7:4000 to 192.0.2.2:862.
const ANSWER: [u8; 44] = [
    3, 94, 15, 160, // ports 862 and 4000
    0, 5, 0, 16, 192, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // IPv4 destination
    0, 8, 0, 16, 198, 51, 100, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // IPv4 source
];

#[test]
fn a_location_is_asked_for_and_answered_at_the_same_length() {
    assert_eq!(Location::question(), QUESTION);
    let seen = (
        "192.0.2.2:862".parse().unwrap(),
        "198.51.100.7:4000".parse().unwrap(),
    );
    let mut value = QUESTION;
    Location::answer(&mut value, Some(seen));
    assert_eq!(value, ANSWER);
    let told = Location::decode(&value).unwrap();
    assert_eq!((told.destination_port, told.source_port), (862, 4_000));
    let items: Vec<_> = told.items().collect();
    assert_eq!(
        items,
        [
            LocationItem::Destination(seen.0.ip()),
            LocationItem::Source(seen.1.ip())
        ]
    );

    let seen = (
        "[2001:db8::2]:862".parse().unwrap(),
        "[2001:db8::7]:4000".parse().unwrap(),
    );
    let mut value = QUESTION;
    Location::answer(&mut value, Some(seen));
    assert_eq!((value[5], value[25]), (6, 9), "IPv6 sub-TLVs");
    let items: Vec<_> = Location::decode(&value).unwrap().items().collect();
    assert_eq!(
        items,
        [
            LocationItem::Destination(seen.0.ip()),
            LocationItem::Source(seen.1.ip())
        ]
    );

    let mut value = QUESTION;
    Location::answer(&mut value, None);
    assert!(value[..4] == [0; 4] && value[8..24] == [0; 16], "withheld");
}

#[test]
fn sub_tlvs_of_a_location_have_their_own_flags() {
    // A MAC address is not seen by a UDP socket: EUI-64, zero. Type 99 is unknown, the last one is cut.
    let mut value = vec![0, 0, 0, 0, 0x80, 1, 0, 8, 1, 1, 1, 1, 1, 1, 1, 1];
    value.extend([0x80, 99, 0, 1, 5, 0x80, 4, 0, 3, 1, 2, 3, 0x80, 7, 0, 16, 1]);
    Location::answer(&mut value, None);
    assert_eq!(value[4..16], [0, 3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(value[16..21], [0x80, 99, 0, 1, 5]);
    assert_eq!(value[21..28], [0x40, 4, 0, 3, 1, 2, 3]);
    assert_eq!(value[28..], [0x40, 7, 0, 16, 1]);
    assert_eq!(Location::decode(&value).unwrap().items().count(), 0);
}

#[test]
fn a_return_path_asks_for_one_thing() {
    let code = |flags: u8| vec![0x80, 1, 0, 4, 0, 0, 0, flags];
    let address = [0x80, 2, 0, 4, 192, 0, 2, 9];
    let segments = [0x80, 3, 0, 4, 0, 1, 1, 255];
    let both = [&address[..], &code(0)[..]].concat();
    for (octets, asks) in [
        (code(0), ReturnPathItem::NoReply),
        (code(1), ReturnPathItem::SameLink),
        (code(0xFE), ReturnPathItem::NoReply),
        (both, ReturnPathItem::NoReply),
        (
            address.to_vec(),
            ReturnPathItem::Address("192.0.2.9".parse().unwrap()),
        ),
        (segments.to_vec(), ReturnPathItem::Unsupported),
        ([address, segments].concat(), ReturnPathItem::Unsupported),
        (vec![], ReturnPathItem::Unsupported),
        (
            vec![0x80, 2, 0, 5, 1, 2, 3, 4, 5],
            ReturnPathItem::Unsupported,
        ),
        (vec![0x80, 1, 0, 4, 0], ReturnPathItem::Unsupported),
    ] {
        assert_eq!(ReturnPath(&octets).item(), asks, "{octets:?}");
    }
    assert_eq!(
        ReturnPath(&ReturnPath::same_link()).item(),
        ReturnPathItem::SameLink
    );
}

#[test]
fn a_million_random_areas_are_survived() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut area = [0_u8; 64];
    for _ in 0..1_000_000 {
        for chunk in area.chunks_mut(8) {
            // Small numbers, so that many lengths and types mean something.
            chunk.copy_from_slice(&(random() & 0x1F0F_001F_1F0F_001F).to_be_bytes());
        }
        let length = random() as usize % 65;
        for tlv in Tlvs::new(&area[..length]).flatten() {
            match tlv.value() {
                Ok(Value::Location(location)) => {
                    location.items().count();
                    let mut value = tlv.value.to_vec();
                    Location::answer(&mut value, None);
                    assert_eq!(value.len(), tlv.value.len());
                }
                Ok(Value::ReturnPath(path)) => {
                    path.item();
                }
                _ => {}
            }
        }
    }
}
