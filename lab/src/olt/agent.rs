//! The agent: a datagram and an instant make an answer.

use owl_measure::time::{Monotonic, Nanos};
use owl_protocol::snmp::ber::Writer;
use owl_protocol::snmp::pdu::{self, Head, Kind, Pdu};
use owl_protocol::snmp::usm::{self, EngineClock, Keys, Seal};
use owl_protocol::snmp::{Oid, Value, community};

use super::Options;
use super::mib::{Mib, Object, Place};
use super::traffic;

/// What surrounds the bindings of an answer, at most.
const AROUND_OCTETS: usize = 64;
/// What SNMPv3 adds.
const SECURED_OCTETS: usize = 96;
/// Each port's speed, Mb/s.
const SPEED_MBPS: u32 = 9_953;
/// How far an asker's idea of the agent's clock may be off (RFC 3414, section 2.2.3).
const TIME_WINDOW_S: u32 = 150;
/// What is remembered of one request's bindings: no datagram holds more.
const BINDINGS_MAX: usize = 4_096;

/// A simulated OLT's agent.
#[derive(Debug)]
pub struct Agent {
    options: Options,
    number: u32,
    mib: Mib,
    began: Monotonic,
    engine_id: Vec<u8>,
    keys: Option<Keys>,
    salt: u64,
    writer: Writer,
    room: Vec<u8>,
    found: Vec<Place>,
}

impl Agent {
    /// An OLT of this number, which started at an instant.
    pub fn new(options: Options, number: u32, began: Monotonic) -> Self {
        // Format 4 (text) under an enterprise number that belongs to nobody (RFC 3411, SnmpEngineID).
        let mut engine_id = vec![0x80, 0, 0, 0, 4];
        engine_id.extend_from_slice(format!("owl-olt-{number}").as_bytes());
        let keys = options
            .user
            .as_ref()
            .map(|user| user.keys.localized(&engine_id));
        Self {
            mib: Mib::new(options.ports),
            options,
            number,
            began,
            engine_id,
            keys,
            salt: 0,
            writer: Writer::default(),
            room: Vec::new(),
            found: Vec::new(),
        }
    }

    /// What it is like.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// How often it has restarted, and how long it has run since.
    fn up(&self, now: Monotonic) -> (u32, Nanos) {
        let passed = (now - self.began).max(Nanos::ZERO);
        match self.options.restart_every {
            Some(every) if every > Nanos::ZERO => (
                u32::try_from(passed.0 / every.0).unwrap_or(u32::MAX),
                Nanos(passed.0 % every.0),
            ),
            _ => (0, passed),
        }
    }

    fn engine_clock(&self, now: Monotonic) -> EngineClock {
        let (restarts, up) = self.up(now);
        EngineClock {
            boots: restarts.saturating_add(1),
            time: u32::try_from(up.0 / 1_000_000_000).unwrap_or(u32::MAX),
        }
    }

    /// The answer to a datagram, as of an instant, and how many bindings it has; `None` for what is not answered.
    pub fn answer(&mut self, datagram: &[u8], now: Monotonic) -> Option<(&[u8], usize)> {
        if let Ok(message) = community::read(datagram) {
            if message.community != self.options.community.as_bytes() {
                return None;
            }
            let mut found = std::mem::take(&mut self.found);
            let head = self.look_up(&message.pdu, &mut found, AROUND_OCTETS);
            let mut writer = std::mem::take(&mut self.writer);
            if let Some(head) = head {
                community::write(&mut writer, message.community, head, |writer| {
                    self.write_bindings(writer, &message.pdu, &found, now);
                });
            }
            self.writer = writer;
            self.found = found;
            head?;
        } else {
            self.answer_secured(datagram, now)?;
        }
        Some((self.writer.message(), self.found.len()))
    }

    /// By SNMPv3 (RFC 3414, section 3.2).
    fn answer_secured(&mut self, datagram: &[u8], now: Monotonic) -> Option<()> {
        let message = usm::read(datagram).ok()?;
        let (user, keys) = (self.options.user.as_ref()?.name.clone(), self.keys.clone()?);
        let clock = self.engine_clock(now);
        self.salt += 1;
        let report = |agent: &mut Self, oid: &str, keys: Option<&Keys>| {
            let oid: Oid = oid.parse().expect("a constant of the protocol");
            let seal = Seal {
                id: message.id,
                longest_answer: 65_507,
                engine_id: &agent.engine_id,
                clock,
                user: message.user,
                keys,
                salt: agent.salt,
            };
            let head = Head {
                kind: Kind::Report,
                request_id: 0,
                status: 0,
                index: 0,
            };
            agent.found.clear();
            usm::write(&mut agent.writer, &seal, head, |writer| {
                pdu::write_binding(writer, &oid, Value::Counter32(1));
            });
        };
        if message.engine_id != self.engine_id {
            report(self, usm::UNKNOWN_ENGINE_IDS, None);
            return Some(());
        }
        if message.user != user.as_bytes() {
            report(self, usm::UNKNOWN_USER_NAMES, None);
            return Some(());
        }
        if !message.is_authentic(&keys) {
            report(self, usm::WRONG_DIGESTS, None);
            return Some(());
        }
        if message.clock.boots != clock.boots
            || message.clock.time.abs_diff(clock.time) > TIME_WINDOW_S
        {
            report(self, usm::NOT_IN_TIME_WINDOWS, Some(&keys));
            return Some(());
        }
        let mut room = std::mem::take(&mut self.room);
        let mut found = std::mem::take(&mut self.found);
        let mut writer = std::mem::take(&mut self.writer);
        let answered = message.pdu(Some(&keys), &mut room).ok().and_then(|pdu| {
            let head = self.look_up(&pdu, &mut found, AROUND_OCTETS + SECURED_OCTETS)?;
            let seal = Seal {
                id: message.id,
                longest_answer: 65_507,
                engine_id: &self.engine_id,
                clock,
                user: message.user,
                keys: Some(&keys),
                salt: self.salt,
            };
            usm::write(&mut writer, &seal, head, |writer| {
                self.write_bindings(writer, &pdu, &found, now);
            });
            Some(())
        });
        (self.room, self.found, self.writer) = (room, found, writer);
        answered
    }

    /// What is asked for: the answer's head, and where its values are. `None` for what is no request.
    fn look_up(&self, pdu: &Pdu<'_>, found: &mut Vec<Place>, around_octets: usize) -> Option<Head> {
        found.clear();
        let mut names = Vec::new();
        for binding in pdu.bindings() {
            names.push(Oid::read(binding.ok()?.name).ok()?.arcs());
        }
        let mut octets = around_octets;
        let room = self.options.answer_octets_max;
        let mut put = |found: &mut Vec<Place>, place: Place| {
            octets += place.map_or(20, |(column, row)| self.binding_octets(column, row));
            let fits = octets <= room && found.len() < BINDINGS_MAX;
            if fits {
                found.push(place);
            }
            fits
        };
        let mut status = 0;
        match pdu.head.kind {
            Kind::Get => {
                for name in &names {
                    if !put(found, self.mib.find(name)) {
                        status = pdu::TOO_BIG;
                    }
                }
            }
            Kind::GetNext => {
                for name in &names {
                    if !put(found, self.mib.next(name)) {
                        status = pdu::TOO_BIG;
                    }
                }
            }
            Kind::GetBulk => {
                let non_repeaters = usize::try_from(pdu.head.status)
                    .unwrap_or(0)
                    .min(names.len());
                let (once, repeated) = names.split_at(non_repeaters);
                let fits = once.iter().all(|name| put(found, self.mib.next(name)));
                let mut places: Vec<Place> =
                    repeated.iter().map(|name| self.mib.next(name)).collect();
                let mut left = if fits && !places.is_empty() {
                    pdu.head.index
                } else {
                    0
                };
                while left > 0 {
                    for place in &mut places {
                        if !put(found, *place) {
                            left = 0;
                            break;
                        }
                        *place = place.and_then(|at| self.mib.after(at));
                    }
                    left -= 1;
                }
            }
            Kind::Response | Kind::Report => return None,
        }
        if status == pdu::TOO_BIG {
            found.clear();
        }
        Some(Head {
            kind: Kind::Response,
            request_id: pdu.head.request_id,
            status,
            index: 0,
        })
    }

    fn binding_octets(&self, column: usize, row: u32) -> usize {
        let value = match self.mib.columns[column].object {
            Object::Description | Object::Name | Object::IfDescription | Object::Alias => 26,
            Object::PortName => traffic::name(row).len() + 2,
            Object::InOctets | Object::OutOctets | Object::InPackets | Object::OutPackets => 6,
            _ => 3,
        };
        let arc = if self.mib.columns[column].scalar {
            1
        } else {
            5
        };
        6 + self.mib.columns[column].oid.encoded().len() + arc + value
    }

    /// From the last to the first. A GET of what is not there is told so; behind the last name the view ends.
    fn write_bindings(&self, writer: &mut Writer, pdu: &Pdu<'_>, found: &[Place], now: Monotonic) {
        let asked = || pdu.bindings().filter_map(Result::ok);
        for (k, place) in found.iter().enumerate().rev() {
            if let Some((column, row)) = *place {
                self.write_value(writer, column, row, now);
            } else if let Some(name) = asked()
                .nth(k)
                .or_else(|| asked().last())
                .and_then(|binding| Oid::read(binding.name).ok())
            {
                let absent = if pdu.head.kind == Kind::Get {
                    Value::NoSuchInstance
                } else {
                    Value::EndOfMibView
                };
                pdu::write_binding(writer, &name, absent);
            }
        }
    }

    fn write_value(&self, writer: &mut Writer, column: usize, row: u32, now: Monotonic) {
        let (restarts, up) = self.up(now);
        let ticks = (up.0 / 10_000_000) as u32;
        // Which port has this row's number.
        let port = if self.options.renumbers {
            (row + restarts % self.options.ports.max(1)) % self.options.ports.max(1)
        } else {
            row
        };
        let counted = match self.options.cache {
            Nanos(..=0) => up,
            Nanos(life) => Nanos(up.0 - up.0 % life),
        };
        let octets = |bps| traffic::octets(bps, counted);
        let (received, sent) = (traffic::bps(port), 2 * traffic::bps(port));
        let column_oid = &self.mib.columns[column].oid;
        let index = self.mib.index(column, row);
        let mut text = String::new();
        let value = match self.mib.columns[column].object {
            Object::Description => Value::Octets(b"simulated OLT"),
            Object::UpTime => Value::Ticks(ticks),
            Object::Name => {
                text = format!("olt-{}", self.number);
                Value::Octets(text.as_bytes())
            }
            Object::IfDescription | Object::PortName => {
                text = traffic::name(port);
                Value::Octets(text.as_bytes())
            }
            Object::Alias => {
                text = format!("olt-{} port {port}", self.number);
                Value::Octets(text.as_bytes())
            }
            Object::IfSpeed => Value::Gauge32(u32::MAX),
            Object::AdminStatus | Object::OperStatus => Value::Integer(1),
            Object::InDiscards | Object::OutDiscards | Object::OutErrors => Value::Counter32(0),
            Object::InErrors => Value::Counter32(port % 3),
            Object::InOctets => Value::Counter64(octets(received)),
            Object::OutOctets => Value::Counter64(octets(sent)),
            Object::InPackets => Value::Counter64(octets(received) / 800),
            Object::OutPackets => Value::Counter64(octets(sent) / 800),
            Object::HighSpeed => Value::Gauge32(SPEED_MBPS),
            Object::Discontinuity | Object::TableLastChange => Value::Ticks(0),
            Object::EngineBoots => Value::Integer(restarts as i32 + 1),
            Object::EngineTime => Value::Integer((ticks / 100) as i32),
        };
        pdu::write_cell(writer, column_oid, index, value);
        drop(text);
    }
}
