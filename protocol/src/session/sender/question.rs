//! What a session-sender asks for by TLVs, and what the replies say.
//!
//! The test packet is laid out once. A reply's TLVs are read only where they
//! stand as they were sent: a TWAMP-Light reflector takes them for padding and
//! may send them back cut or elsewhere (RFC 8762, section 4.6).

use owl_measure::sample::StampSource;

use crate::wire::WireTimestamp;
use crate::wire::authentication::{AUTHENTICATED_OCTETS, HMAC_OCTETS, Key};
use crate::wire::stamp::PACKET_OCTETS;
use crate::wire::tlv::{
    self, ClassOfService, DirectMeasurement, Flags, FollowUp, HEADER_OCTETS, Location,
    LocationItem, MicroSession, TimestampInformation, TimestampMethod, Tlvs, Value, kind,
};

/// The longest UDP payload over IPv4; longer packets are asked for in vain.
const PACKET_OCTETS_MAX: usize = 65_507;

/// How a session is protected.
#[derive(Debug, Clone)]
pub enum Protection {
    /// Not at all.
    None,
    /// Its TLVs by the HMAC TLV (RFC 8972, section 4.8), the base packet not.
    Tlvs(Key),
    /// Everything: authenticated mode (RFC 8762, section 4.4).
    Authenticated(Key),
}

impl Protection {
    pub(super) fn key(&self) -> Option<&Key> {
        match self {
            Self::None => None,
            Self::Tlvs(key) | Self::Authenticated(key) => Some(key),
        }
    }
}

/// What fills a packet up to its length (RFC 8972, section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Zeros, which a link may compress.
    Zeros,
    /// Pseudorandom octets, the same for the same seed.
    Pseudorandom(u64),
}

/// What is asked of the reflector. Each costs the octets of its TLV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Question {
    /// When the earlier reply really left, to correct its T3 (RFC 8972, section 4.7).
    pub follow_up: bool,
    /// How T2 and T3 come about (RFC 8972, section 4.3).
    pub timestamp_information: bool,
    /// With which DSCP and ECN packets arrive, and a reply with the same DSCP (RFC 8972, section 4.4).
    pub class_of_service: bool,
    /// How many packets were received and sent (RFC 8972, section 4.5).
    pub direct_measurement: bool,
    /// Between which addresses and ports packets arrive (RFC 8972, section 4.2).
    pub location: bool,
    /// Over which member links they go (RFC 9534); the reflector's is 0 until it is known.
    pub member_links: Option<MicroSession>,
}

/// A test packet without its base, and where in its TLVs what stands.
#[derive(Debug)]
pub(super) struct Layout {
    template: Vec<u8>,
    base_octets: usize,
    /// Where the TLVs begin that change with each packet.
    direct_measurement: Option<usize>,
    hmac: Option<usize>,
}

/// What one reply's TLVs say; nothing where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// All zero from a reflector that understands and does not know.
    pub(super) follow_up: Option<FollowUp>,
    pub(super) information: Option<TimestampInformation>,
    pub(super) class_of_service: Option<ClassOfService>,
    pub(super) counts: Option<DirectMeasurement>,
    pub(super) source: Option<(std::net::IpAddr, u16)>,
    pub(super) member_links: Option<MicroSession>,
}

/// TLVs that are not to be believed (RFC 8972, sections 4 and 4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotBelieved;

impl Layout {
    pub(super) fn new(
        question: &Question,
        dscp: u8,
        protection: &Protection,
        packet_octets: usize,
        padding: Padding,
    ) -> Self {
        let base_octets = match protection {
            Protection::None | Protection::Tlvs(_) => PACKET_OCTETS,
            Protection::Authenticated(_) => AUTHENTICATED_OCTETS,
        };
        let mut area = Vec::new();
        let mut direct_measurement = None;
        if question.follow_up {
            tlv::append(&mut area, kind::FOLLOW_UP, &FollowUp::default().encode());
        }
        if question.timestamp_information {
            tlv::append(
                &mut area,
                kind::TIMESTAMP_INFORMATION,
                &[0; TimestampInformation::OCTETS],
            );
        }
        if question.class_of_service {
            let asked = ClassOfService {
                wanted_dscp: dscp & 0x3F,
                ..ClassOfService::default()
            };
            tlv::append(&mut area, kind::CLASS_OF_SERVICE, &asked.encode());
        }
        if question.direct_measurement {
            direct_measurement = Some(area.len());
            tlv::append(
                &mut area,
                kind::DIRECT_MEASUREMENT,
                &[0; DirectMeasurement::OCTETS],
            );
        }
        if question.location {
            tlv::append(&mut area, kind::LOCATION, &Location::question());
        }
        if let Some(links) = question.member_links {
            tlv::append(&mut area, kind::MICRO_SESSION, &links.encode());
        }
        let signed = protection.key().is_some() && !area.is_empty();
        let hmac_octets = if signed {
            HEADER_OCTETS + HMAC_OCTETS
        } else {
            0
        };
        let wanted = packet_octets.min(PACKET_OCTETS_MAX);
        let missing = wanted.saturating_sub(base_octets + area.len() + hmac_octets);
        if missing < HEADER_OCTETS && area.is_empty() {
            // Too little for a header, and no TLV that it could be taken for a part of.
            area.resize(missing, 0);
        } else if missing > 0 {
            let octets = missing.saturating_sub(HEADER_OCTETS);
            tlv::append(&mut area, kind::EXTRA_PADDING, &fill(padding, octets));
        }
        // Padding may stand behind the HMAC too, but some reflectors send it back before.
        let hmac = signed.then(|| {
            let at = area.len();
            tlv::append(&mut area, kind::HMAC, &[0; HMAC_OCTETS]);
            at
        });
        let mut template = vec![0; base_octets];
        template.append(&mut area);
        Self {
            template,
            base_octets,
            direct_measurement,
            hmac,
        }
    }

    /// A packet without TLVs: whatever stands before its padding is written by the caller.
    pub(super) fn padded(octets: usize, padding: Padding) -> Self {
        let template = fill(padding, octets.min(PACKET_OCTETS_MAX));
        Self {
            base_octets: template.len(),
            template,
            direct_measurement: None,
            hmac: None,
        }
    }

    /// Fills a packet up.
    pub(super) fn pad(&self, packet: &mut [u8]) {
        packet.copy_from_slice(&self.template);
    }

    pub(super) fn octets(&self) -> usize {
        self.template.len()
    }

    /// Writes a packet around its base.
    pub(super) fn write(&self, base: &[u8], sent: u32, key: Option<&Key>, packet: &mut [u8]) {
        packet.copy_from_slice(&self.template);
        let (head, area) = packet.split_at_mut(self.base_octets);
        head.copy_from_slice(base);
        if let Some(at) = self.direct_measurement {
            let value = at + HEADER_OCTETS;
            area[value..value + 4].copy_from_slice(&sent.to_be_bytes());
        }
        if let (Some(at), Some(key)) = (self.hmac, key) {
            let hmac = key.sign([&head[..4], &area[..at]]);
            let value = at + HEADER_OCTETS;
            area[value..value + HMAC_OCTETS].copy_from_slice(&hmac);
        }
    }

    /// Reads the TLVs of a reply whose base has been believed.
    pub(super) fn read(&self, reply: &[u8], keys: &[Key]) -> Result<Told, NotBelieved> {
        let (sequence, area) = match (reply.get(..4), reply.get(self.base_octets..)) {
            (Some(sequence), Some(area)) => (sequence, area),
            _ => return Ok(Told::default()),
        };
        let asked = Tlvs::new(&self.template[self.base_octets..]).flatten();
        let answered = || {
            Tlvs::new(area)
                .map_while(Result::ok)
                .zip(asked.clone())
                .take_while(|(tlv, asked)| {
                    (tlv.kind, tlv.value.len()) == (asked.kind, asked.value.len())
                })
                .map(|(tlv, _)| tlv)
        };
        if answered().any(|tlv| tlv.flags.has(Flags::INTEGRITY)) {
            return Err(NotBelieved);
        }
        if let Some(at) = self.hmac {
            let right = answered().any(|tlv| match tlv.value() {
                Ok(Value::Hmac(hmac)) => keys
                    .iter()
                    .any(|key| key.verifies([sequence, &area[..at]], &hmac)),
                _ => false,
            });
            if !right {
                return Err(NotBelieved);
            }
        }
        let mut told = Told::default();
        for tlv in answered() {
            if tlv.flags.has(Flags::MALFORMED) {
                break;
            }
            if tlv.flags.has(Flags::UNRECOGNISED) {
                continue;
            }
            match tlv.value() {
                Ok(Value::FollowUp(value)) => told.follow_up = Some(value),
                Ok(Value::TimestampInformation(value)) => told.information = Some(value),
                Ok(Value::ClassOfService(value)) => told.class_of_service = Some(value),
                Ok(Value::DirectMeasurement(value)) => told.counts = Some(value),
                Ok(Value::MicroSession(value)) => told.member_links = Some(value),
                Ok(Value::Location(value)) => {
                    told.source = value.items().find_map(|item| match item {
                        LocationItem::Source(ip) => Some((ip, value.source_port)),
                        LocationItem::Destination(_) => None,
                    });
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        Ok(told)
    }
}

fn fill(padding: Padding, octets: usize) -> Vec<u8> {
    use rand_pcg::rand_core::{Rng as _, SeedableRng as _};
    let mut filling = vec![0; octets];
    if let Padding::Pseudorandom(seed) = padding {
        rand_pcg::Pcg64::seed_from_u64(seed).fill_bytes(&mut filling);
    }
    filling
}

/// Where a followed-up T3 was taken; "nobody said" is taken for the process, and zero for no stamp at all.
pub(super) fn followed_up(told: &FollowUp) -> Option<StampSource> {
    let source = match told.method {
        TimestampMethod::HARDWARE => StampSource::Hardware,
        TimestampMethod::SOFTWARE => StampSource::Kernel,
        _ => StampSource::User,
    };
    (told.sent_at != WireTimestamp::default()).then_some(source)
}
