//! What a session-reflector does with the TLVs of a request: answers them in
//! place, so the reply is as long as the request (RFC 8972, section 4;
//! RFC 9503; RFC 9534; RFC 10052).
//!
//! First the area is inspected as a whole and its HMAC checked; only then is
//! anything in it believed. A malformed TLV ends the processing: it gets its
//! flag, and what follows goes back as it came.

use std::net::{IpAddr, SocketAddr};

use owl_measure::sample::{Stamp, StampSource};

use super::{Policy, ReflectorClock, Request};
use crate::wire::WireTimestamp;
use crate::wire::authentication::{HMAC_OCTETS, Key};
use crate::wire::tlv::{
    AccessReport, ClassOfService, DirectMeasurement, Flags, FollowUp, HEADER_OCTETS, Location,
    MicroSession, ReflectedControl, ReturnPathItem, TimestampMethod, Tlv, Tlvs, Value, kind,
};

/// ECN codepoints (RFC 3168, section 5).
const ECT_0: u8 = 0b10;
const CONGESTION_EXPERIENCED: u8 = 0b11;

/// What the area behind a base packet holds.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    /// No TLVs: nothing at all, or padding that is no TLV.
    bare: bool,
    /// Where the HMAC TLV begins, and its value.
    hmac: Option<(usize, [u8; HMAC_OCTETS])>,
    /// Something that the HMAC should cover stands behind it, or it is there twice.
    misplaced: bool,
    paddings: u32,
    others: u32,
    /// The sender's member link; 0 without one.
    pub(super) member_link: u16,
    /// Where the paddings at the very end begin.
    unpadded_octets: usize,
    broken: bool,
}

/// Whether the TLVs of a request may be believed.
#[derive(Debug)]
pub(super) enum Integrity {
    /// Nothing protects them, and nothing has to.
    Unprotected,
    /// Their HMAC is right; the reply's goes to the same place, made with this key.
    Verified(usize, Key),
    /// Their HMAC is wrong, or missing where there must be one.
    Failed,
}

/// Looks through an area without believing or changing it.
pub(super) fn inspect(area: &[u8]) -> Inspection {
    let mut found = Inspection {
        bare: area.get(1).is_none_or(|&first| first == kind::RESERVED),
        unpadded_octets: area.len(),
        ..Inspection::default()
    };
    if found.bare {
        return found;
    }
    let mut unpadded = 0;
    for tlv in Tlvs::new(area) {
        let Ok(tlv) = tlv else {
            found.broken = true;
            found.misplaced = found.hmac.is_some();
            return found;
        };
        if tlv.kind == kind::EXTRA_PADDING {
            found.paddings += 1;
            continue;
        }
        unpadded = tlv.end();
        found.others += 1;
        found.misplaced |= found.hmac.is_some();
        match tlv.value() {
            Ok(Value::Hmac(hmac)) if found.hmac.is_none() => found.hmac = Some((tlv.at, hmac)),
            Ok(Value::MicroSession(links)) => found.member_link = links.sender,
            _ => {}
        }
    }
    found.unpadded_octets = unpadded;
    found
}

impl Inspection {
    /// Checks the HMAC over the sequence number and all TLVs before it (RFC 8972, section 4.8). `authenticated` is the
    /// key of the base packet; without one, a key of the session identifier makes the HMAC TLV compulsory.
    pub(super) fn check<'k>(
        &self,
        sequence: [u8; 4],
        area: &[u8],
        authenticated: Option<&'k Key>,
        mut keys: impl Iterator<Item = &'k Key>,
    ) -> Integrity {
        if self.bare {
            return Integrity::Unprotected;
        }
        let Some((at, hmac)) = self.hmac else {
            let one_padding = self.others == 0 && self.paddings == 1 && !self.broken;
            let free = authenticated.is_none() && keys.next().is_none();
            return if one_padding || free {
                Integrity::Unprotected
            } else {
                Integrity::Failed
            };
        };
        let right = |key: &&Key| key.verifies([&sequence, &area[..at]], &hmac);
        let key = match authenticated {
            Some(key) => Some(key).filter(right),
            None => keys.find(right),
        };
        match key {
            Some(key) if !self.misplaced => Integrity::Verified(at, key.clone()),
            _ => Integrity::Failed,
        }
    }
}

/// Sets I in every TLV and changes nothing else (RFC 8972, section 4.8).
pub(super) fn mark_failed(area: &mut [u8]) {
    let mut at = 0;
    while let Some(next) = Tlvs::starting(area, at).next() {
        match next {
            Ok(tlv) => {
                let end = tlv.end();
                area[at] = Flags(area[at]).with(Flags::INTEGRITY).0;
                at = end;
            }
            Err(_) => {
                area[at] = Flags(area[at]).with(Flags::INTEGRITY).0;
                return;
            }
        }
    }
}

/// Writes the HMAC TLV of a reply whose sequence number and other TLVs are final.
pub(super) fn sign(area: &mut [u8], at: usize, sequence: [u8; 4], key: &Key) {
    let hmac = key.sign([&sequence, &area[..at]]);
    let value = at + HEADER_OCTETS;
    area[value..value + HMAC_OCTETS].copy_from_slice(&hmac);
}

/// What the TLVs are answered from.
pub(super) struct Knowledge<'a> {
    pub(super) request: &'a Request,
    pub(super) policy: &'a Policy,
    pub(super) clock: &'a ReflectorClock,
    /// Packets received and sent, the reply that is being made among them; `None` without state.
    pub(super) counts: Option<(u32, u32)>,
    pub(super) follow_up: Option<(u32, Stamp)>,
    /// The request is proved to come from its session-sender, and was not seen before.
    pub(super) proved_fresh: bool,
}

/// What the TLVs change about the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) to: SocketAddr,
    pub(super) from: Option<IpAddr>,
    pub(super) interface: Option<u32>,
    pub(super) traffic_class: u8,
    pub(super) access_report: Option<AccessReport>,
    pub(super) control: Option<ReflectedControl>,
    /// It is asked when an earlier reply really left.
    pub(super) follow_up: bool,
    /// No reply is wanted.
    pub(super) no_reply: bool,
    /// The packet came over another member link than its sender believes.
    pub(super) wrong_member_link: bool,
}

impl Wishes {
    /// Of a request without TLVs: the reply goes back where it came from, marked as it came. A router's mark of
    /// congestion is not the sender's wish; the reply is sent able to be marked anew.
    pub(super) fn none(request: &Request) -> Self {
        let ecn = match request.traffic_class & 0x03 {
            CONGESTION_EXPERIENCED => ECT_0,
            ecn => ecn,
        };
        Self {
            to: request.source,
            from: None,
            interface: None,
            traffic_class: request.traffic_class & !0x03 | ecn,
            access_report: None,
            control: None,
            follow_up: false,
            no_reply: false,
            wrong_member_link: false,
        }
    }
}

/// How one TLV is answered: its new flags, and its new value if that changes.
enum Answer {
    Same(Flags),
    Four([u8; 4]),
    Twelve([u8; 12]),
    Sixteen([u8; 16]),
    Located,
}

/// Answers the TLVs of an area in place.
pub(super) fn answer(area: &mut [u8], inspection: &Inspection, known: &Knowledge<'_>) -> Wishes {
    let mut wishes = Wishes::none(known.request);
    if inspection.bare {
        return wishes;
    }
    let (mut return_path_at, mut control_at) = (None, None);
    let mut at = 0;
    while let Some(next) = Tlvs::starting(area, at).next() {
        let Ok(tlv) = next else {
            area[at] = Flags::MALFORMED.0;
            break;
        };
        let (value_at, end) = (tlv.value_at(), tlv.end());
        let first = match tlv.kind {
            kind::RETURN_PATH => return_path_at.replace(at).is_none(),
            kind::REFLECTED_CONTROL => control_at.replace(at).is_none(),
            _ => true,
        };
        let Some(answer) = answer_one(&tlv, first, known, &mut wishes) else {
            // Erratum 8339 wants these zero; so does everyone who would read a stamp from them.
            if tlv.kind == kind::FOLLOW_UP {
                area[value_at..end].fill(0);
            }
            area[at] = Flags::MALFORMED.0;
            break;
        };
        let value = &mut area[value_at..end];
        let mut flags = Flags::UNDERSTOOD;
        match answer {
            Answer::Same(told) => flags = told,
            Answer::Four(octets) => value.copy_from_slice(&octets),
            Answer::Twelve(octets) => value.copy_from_slice(&octets),
            Answer::Sixteen(octets) => value.copy_from_slice(&octets),
            Answer::Located => {
                let seen = (known.request.destination, known.request.source);
                Location::answer(value, known.policy.tell_location.then_some(seen));
            }
        }
        area[at] = flags.0;
        at = end;
    }
    settle_control(
        area,
        inspection,
        known,
        &mut wishes,
        return_path_at,
        control_at,
    );
    wishes
}

/// `None` for a malformed one.
fn answer_one(
    tlv: &Tlv<'_>,
    first: bool,
    known: &Knowledge<'_>,
    wishes: &mut Wishes,
) -> Option<Answer> {
    let understood = Answer::Same(Flags::UNDERSTOOD);
    let unsupported = Answer::Same(Flags::UNRECOGNISED);
    Some(match tlv.value().ok()? {
        Value::ExtraPadding(_) | Value::Hmac(_) => understood,
        Value::Unknown(_) => unsupported,
        Value::Location(_) => Answer::Located,
        Value::TimestampInformation(_) => Answer::Four(known.clock.information.encode()),
        Value::ClassOfService(asked) => Answer::Four(class_of_service(asked, known, wishes)),
        // A stateless reflector counts nothing, and zeros would read as losses.
        Value::DirectMeasurement(asked) => match known.counts {
            Some((reflector_received, reflector_sent)) => Answer::Twelve(
                DirectMeasurement {
                    sender_sent: asked.sender_sent,
                    reflector_received,
                    reflector_sent,
                }
                .encode(),
            ),
            None => unsupported,
        },
        Value::AccessReport(report) => {
            if report.is_valid() {
                wishes.access_report = Some(report);
            }
            understood
        }
        Value::FollowUp(_) => {
            wishes.follow_up = true;
            Answer::Sixteen(follow_up(known).encode())
        }
        Value::DestinationNodeAddress(ip) => {
            if ip == known.request.destination.ip() || known.policy.addresses.contains(&ip) {
                wishes.from = Some(ip);
                understood
            } else {
                unsupported
            }
        }
        Value::ReturnPath(path) if first => Answer::Same(return_path(path.item(), known, wishes)),
        Value::ReturnPath(_) => understood,
        Value::MicroSession(links) => match known.request.member_link {
            Some(link) => {
                wishes.wrong_member_link |= links.reflector != 0 && links.reflector != link;
                Answer::Four(
                    MicroSession {
                        reflector: link,
                        ..links
                    }
                    .encode(),
                )
            }
            // Who does not know over which link it came can neither check nor tell.
            None => unsupported,
        },
        Value::ReflectedControl(control) if first && known.proved_fresh => {
            if known.policy.reflected_control.is_none() {
                return Some(unsupported);
            }
            wishes.control = Some(control);
            understood
        }
        Value::ReflectedControl(_) => unsupported,
    })
}

fn class_of_service(
    asked: ClassOfService,
    known: &Knowledge<'_>,
    wishes: &mut Wishes,
) -> [u8; ClassOfService::OCTETS] {
    let received = known.request.traffic_class;
    let permitted = known.policy.dscps.permits(asked.wanted_dscp);
    if permitted {
        wishes.traffic_class = asked.wanted_dscp << 2 | wishes.traffic_class & 0x03;
    }
    ClassOfService {
        wanted_dscp: asked.wanted_dscp,
        received_dscp: received >> 2,
        received_ecn: received & 0x03,
        reverse_path: u8::from(!permitted),
    }
    .encode()
}

fn follow_up(known: &Knowledge<'_>) -> FollowUp {
    let Some((sequence, stamp)) = known.follow_up else {
        return FollowUp::default();
    };
    let format = known.clock.error_estimate.format();
    FollowUp {
        sequence,
        sent_at: WireTimestamp::write(stamp.at, format, known.clock.tai_offset),
        method: match stamp.source {
            StampSource::Hardware => TimestampMethod::HARDWARE,
            StampSource::Kernel | StampSource::User => TimestampMethod::SOFTWARE,
        },
    }
}

/// A path that cannot be used, or is not allowed, is told by U, and the reply goes to the source (RFC 9503, section 4).
fn return_path(asked: ReturnPathItem, known: &Knowledge<'_>, wishes: &mut Wishes) -> Flags {
    match asked {
        ReturnPathItem::NoReply => wishes.no_reply = true,
        ReturnPathItem::SameLink if known.request.interface.is_some() => {
            wishes.interface = known.request.interface;
        }
        ReturnPathItem::Address(ip) if ip == known.request.source.ip() => {}
        ReturnPathItem::Address(ip)
            if known.policy.return_addresses.contains(&ip)
                && ip.is_ipv4() == known.request.source.is_ipv4() =>
        {
            wishes.to.set_ip(ip);
        }
        _ => return Flags::UNRECOGNISED,
    }
    Flags::UNDERSTOOD
}

/// Whether the wanted number and length of replies is given (RFC 10052, sections 3 and 4.3).
fn settle_control(
    area: &mut [u8],
    inspection: &Inspection,
    known: &Knowledge<'_>,
    wishes: &mut Wishes,
    return_path_at: Option<usize>,
    control_at: Option<usize>,
) {
    let (Some(control), Some(at)) = (wishes.control, control_at) else {
        return;
    };
    if let (true, Some(path_at)) = (wishes.no_reply, return_path_at) {
        // To ask for no reply and for many contradicts itself: neither is done, and both are told.
        area[path_at] = Flags::UNRECOGNISED.0;
        area[at] = Flags::UNRECOGNISED.0;
        (wishes.no_reply, wishes.control) = (false, None);
        return;
    }
    let allowed = known
        .policy
        .reflected_control
        .is_some_and(|limits| limits.allow(control) && !inspection.broken);
    if control.count == 0 {
        wishes.no_reply = true;
    } else if !allowed {
        refuse_control(area);
        wishes.control = None;
    }
}

/// Sets C in the Reflected Test Packet Control TLV: one reply is all there is.
pub(super) fn refuse_control(area: &mut [u8]) {
    let control = Tlvs::new(area)
        .flatten()
        .find(|tlv| tlv.kind == kind::REFLECTED_CONTROL);
    if let Some(at) = control.map(|tlv| tlv.at) {
        area[at] = Flags::CONFORMANT.0;
    }
}

/// Gives a reply the length that was asked for, in multiples of four octets, by Extra Padding at its end; never less
/// than what is not padding. `area` is all the room there is. The new length of the area, `None` if it has no room.
pub(super) fn resize(
    area: &mut [u8],
    base_octets: usize,
    inspection: &Inspection,
    wanted: u16,
) -> Option<usize> {
    let unpadded = inspection.unpadded_octets;
    let wanted = usize::from(wanted)
        .next_multiple_of(4)
        .saturating_sub(base_octets);
    if wanted <= unpadded {
        return Some(unpadded);
    }
    let padding = wanted.max(unpadded + HEADER_OCTETS) - unpadded - HEADER_OCTETS;
    let octets = u16::try_from(padding).ok()?;
    let end = unpadded + HEADER_OCTETS + padding;
    let tail = area.get_mut(unpadded..end)?;
    tail.fill(0);
    tail[1] = kind::EXTRA_PADDING;
    tail[2..4].copy_from_slice(&octets.to_be_bytes());
    Some(end)
}
