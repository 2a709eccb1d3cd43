//! One agent, from the first question to the last answer of a round.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;

use owl_measure::counter::Ticks;
use owl_measure::time::{Monotonic, Nanos};
use owl_protocol::snmp::ber::Writer;
use owl_protocol::snmp::pdu::{self, Head, Kind, Pdu};
use owl_protocol::snmp::{Oid, Value, last_arc, suffix};

use super::answer;
use super::column::{Column, Lane, table_last_change, up_time};
use super::device::Device;
use super::directory::{Directory, PORTS_MAX, text};
use super::patience::Patience;
use super::session::{Refusal, Session};
use super::slots::Request;
use super::sweep::{Capacity, Sweep};
use super::table::{Stamp, Table};
use super::window::Window;

/// How often a request is repeated when the agent answers others.
const REPEATS: u32 = 6;
/// How often, when the agent has not answered at all in this round: a dead agent must not hold up its next round.
const REPEATS_DEAD: u32 = 2;
/// A changed table is mapped anew no more often than this; ports that come and go would else cost more than the counters.
const MAP_AT_MOST_EVERY: Nanos = Nanos::from_secs(60);

/// What is asked of an agent.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// Who it is (SNMPv3).
    Introduction,
    /// Whether its tables have changed.
    Scalars { stage: u32 },
    /// The names of rows behind an index.
    Names { after: Option<u32> },
    /// Cells of these rows.
    Rows { stage: u32, rows: Range<usize> },
}

/// What is to be done for a target.
pub(super) enum Step {
    /// Send this, which has been sent so often before.
    Send(Ask, u32),
    /// An answer must come first.
    Wait,
    /// The round is over.
    Done,
}

/// Where a round is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Introduction,
    Names,
    Details,
    Counters,
    /// Given up; what is on its way is waited for.
    Ending,
}

/// Why a round did not bring what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nothing came back.
    #[error("the agent does not answer; a wrong community or privacy pass phrase looks the same")]
    NoAnswer,
    /// It will not answer this user.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It answers, and not what was asked.
    #[error("the agent's answers are no rows of ifXTable")]
    Nonsense,
    /// It has no rows.
    #[error("the agent has no interface in ifXTable")]
    NoPorts,
}

/// What a round took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// When it began.
    pub began: Monotonic,
    /// When it ended; of one that still runs, when it began.
    pub ended: Monotonic,
    /// Requests that left, repeats included.
    pub requests: u32,
    /// Requests that nobody answered in time.
    pub lost: u32,
    /// Requests that were on their way at once, at most.
    pub window: u32,
    /// The fastest answer: the way there and back, and the agent's work on one request.
    pub fastest: Option<Nanos>,
    /// Whether the agent was found to have restarted.
    pub restarted: bool,
    /// What went wrong.
    pub trouble: Option<Trouble>,
}

/// One agent.
#[derive(Debug)]
pub struct Target {
    device: Device,
    pub(super) session: Session,
    pub(super) is_ready: bool,
    lane: Lane,
    stage: Stage,
    /// Counts the stages, so that what comes late of an earlier one is not taken for this one's.
    stage_number: u32,
    window: Window,
    patience: Patience,
    in_flight: u32,
    again: VecDeque<(Ask, u32)>,
    sweep: Sweep,
    columns: Vec<Oid>,
    capacities: [Capacity; 3],
    names_capacity: Capacity,
    directory: Directory,
    expected: Vec<u32>,
    walked: Vec<(u32, String)>,
    walk_waits: bool,
    scalars_wait: bool,
    is_mapped: bool,
    map_anew: bool,
    mapped_at: Option<Monotonic>,
    table_changed_at: Option<Ticks>,
    last_up: Option<(Monotonic, Ticks, Option<u32>)>,
    heard: bool,
    table: Table,
    round: Round,
    up_time: Oid,
    table_last_change: Oid,
    name_column: Oid,
}

impl Target {
    pub(super) fn new(device: Device, salt: u64) -> Self {
        let profile = device.profile;
        let capacity =
            |columns| Capacity::new(profile.answer_octets_max, profile.rows_max, columns);
        Self {
            session: Session::new(&device.credentials, salt),
            is_ready: false,
            lane: Lane::Octets,
            stage: Stage::Idle,
            stage_number: 0,
            window: Window::new(profile.window_max),
            patience: Patience::default(),
            in_flight: 0,
            again: VecDeque::new(),
            sweep: Sweep::default(),
            columns: Vec::new(),
            capacities: [Lane::Octets, Lane::Health, Lane::Names]
                .map(|lane| capacity(lane.columns().len())),
            names_capacity: capacity(1),
            directory: Directory::default(),
            expected: Vec::new(),
            walked: Vec::new(),
            walk_waits: false,
            scalars_wait: false,
            is_mapped: false,
            map_anew: false,
            mapped_at: None,
            table_changed_at: None,
            last_up: None,
            heard: false,
            table: Table::new(),
            round: Round {
                began: Monotonic(0),
                ended: Monotonic(0),
                requests: 0,
                lost: 0,
                window: 0,
                fastest: None,
                restarted: false,
                trouble: None,
            },
            up_time: up_time(),
            table_last_change: table_last_change(),
            name_column: Column::Name.oid(),
            device,
        }
    }

    /// Which agent it is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Its ports.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// What the last round brought.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What the last round took.
    pub fn round(&self) -> Round {
        self.round
    }

    /// Begins a round; `false` when the last one still runs.
    pub(super) fn begin(&mut self, lane: Lane, now: Monotonic) -> bool {
        if self.stage != Stage::Idle {
            return false;
        }
        let anew = self.map_anew
            && self
                .mapped_at
                .is_none_or(|at| now - at >= MAP_AT_MOST_EVERY);
        if lane == Lane::Names || anew {
            self.is_mapped = false;
        }
        self.lane = lane;
        self.heard = false;
        self.window.begin_round();
        self.round = Round {
            began: now,
            ended: now,
            requests: 0,
            lost: 0,
            window: 0,
            fastest: self.window.fastest(),
            restarted: false,
            trouble: None,
        };
        self.table.begin(lane, 0);
        if self.session.must_introduce() {
            self.enter(Stage::Introduction);
        } else {
            self.enter_first();
        }
        true
    }

    fn enter_first(&mut self) {
        self.enter(if self.is_mapped {
            Stage::Counters
        } else {
            Stage::Names
        });
    }

    /// What is on its way for the last stage is no longer waited for.
    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.stage_number = self.stage_number.wrapping_add(1);
        self.again.clear();
        self.sweep = Sweep::default();
        let rows = self.directory.rows().len();
        match stage {
            Stage::Idle | Stage::Introduction | Stage::Ending => {}
            Stage::Names => {
                self.walked.clear();
                self.walk_waits = false;
            }
            Stage::Details => {
                self.sweep = Sweep::of(rows);
                self.set_columns(Lane::Names);
            }
            Stage::Counters => {
                self.sweep = Sweep::of(rows);
                self.scalars_wait = true;
                self.set_columns(self.lane);
                self.table.begin(self.lane, rows);
            }
        }
    }

    fn set_columns(&mut self, lane: Lane) {
        self.columns.clear();
        self.columns
            .extend(lane.columns().iter().map(|column| column.oid()));
    }

    fn sweeping_lane(&self) -> Lane {
        if self.stage == Stage::Details {
            Lane::Names
        } else {
            self.lane
        }
    }

    fn capacity(&mut self) -> &mut Capacity {
        &mut self.capacities[match self.sweeping_lane() {
            Lane::Octets => 0,
            Lane::Health => 1,
            Lane::Names => 2,
        }]
    }

    /// What is to be sent next.
    pub(super) fn next_ask(&mut self, now: Monotonic) -> Step {
        if self.stage == Stage::Idle {
            return Step::Wait;
        }
        if self.in_flight >= self.window.size() {
            return Step::Wait;
        }
        let step = match self.again.pop_front() {
            Some((ask, repeats)) => Some((ask, repeats)),
            None => self.first_ask().map(|ask| (ask, 0)),
        };
        match step {
            Some((ask, repeats)) => {
                self.in_flight += 1;
                self.round.requests += 1;
                self.round.window = self.round.window.max(self.in_flight);
                self.window.sent(now);
                Step::Send(ask, repeats)
            }
            None if self.in_flight > 0 => {
                // There was less to ask than the window holds.
                self.window.idle();
                Step::Wait
            }
            None => {
                self.advance();
                if self.stage == Stage::Idle {
                    self.round.ended = now;
                    self.round.fastest = self.window.fastest();
                    return Step::Done;
                }
                self.next_ask(now)
            }
        }
    }

    /// What was not asked before.
    fn first_ask(&mut self) -> Option<Ask> {
        let stage = self.stage_number;
        match self.stage {
            Stage::Idle | Stage::Ending => None,
            Stage::Introduction => {
                (self.in_flight == 0 && self.session.must_introduce()).then_some(Ask::Introduction)
            }
            Stage::Names => (!mem::replace(&mut self.walk_waits, true)).then(|| Ask::Names {
                after: self.walked.last().map(|&(index, _)| index),
            }),
            Stage::Details | Stage::Counters => {
                if mem::take(&mut self.scalars_wait) {
                    return Some(Ask::Scalars { stage });
                }
                let rows = self.capacity().rows();
                self.sweep.take(rows).map(|rows| Ask::Rows { stage, rows })
            }
        }
    }

    /// Nothing is on its way, and nothing is left to be asked in this stage.
    fn advance(&mut self) {
        match self.stage {
            Stage::Introduction => self.enter_first(),
            Stage::Names => self.enter(Stage::Details),
            Stage::Details => {
                self.is_mapped = true;
                self.map_anew = false;
                if self.lane == Lane::Names {
                    self.enter(Stage::Idle);
                } else {
                    self.enter(Stage::Counters);
                }
            }
            Stage::Counters | Stage::Ending | Stage::Idle => self.enter(Stage::Idle),
        }
    }

    /// Writes a request.
    pub(super) fn write(&mut self, writer: &mut Writer, id: i32, ask: &Ask, now: Monotonic) {
        let head = |kind, status, index| Head {
            kind,
            request_id: id,
            status,
            index,
        };
        let session = &mut self.session;
        match ask {
            Ask::Introduction => session.write(writer, head(Kind::Get, 0, 0), now, |_| {}),
            Ask::Scalars { .. } => {
                session.write(writer, head(Kind::GetNext, 0, 0), now, |writer| {
                    pdu::write_binding(writer, &self.table_last_change, Value::Null);
                    pdu::write_binding(writer, &self.up_time, Value::Null);
                });
            }
            Ask::Names { after } => {
                let rows = self.names_capacity.rows() as i32;
                session.write(
                    writer,
                    head(Kind::GetBulk, 0, rows),
                    now,
                    |writer| match after {
                        Some(index) => {
                            pdu::write_cell(writer, &self.name_column, *index, Value::Null);
                        }
                        None => pdu::write_binding(writer, &self.name_column, Value::Null),
                    },
                );
            }
            Ask::Rows { rows, .. } => {
                let count = rows.len() as i32;
                let first = self.expected[rows.start];
                session.write(writer, head(Kind::GetBulk, 1, count), now, |writer| {
                    for column in self.columns.iter().rev() {
                        match first.checked_sub(1) {
                            Some(before) => pdu::write_cell(writer, column, before, Value::Null),
                            None => pdu::write_binding(writer, column, Value::Null),
                        }
                    }
                    pdu::write_binding(writer, &self.up_time, Value::Null);
                });
            }
        }
    }

    /// How long an answer is waited for.
    pub(super) fn timeout(&self, repeats: u32) -> Nanos {
        self.patience.timeout(repeats)
    }

    /// An answer came.
    pub(super) fn answered(
        &mut self,
        request: Request<Ask>,
        pdu: &Pdu<'_>,
        boots: Option<u32>,
        octets: usize,
        now: Monotonic,
    ) {
        self.in_flight -= 1;
        let response = now - request.sent_at;
        self.window.answered(now, response);
        self.patience.learn(response);
        self.heard = true;
        let read = match request.ask {
            Ask::Introduction => Ok(()),
            Ask::Scalars { stage } if stage == self.stage_number => {
                self.scalars(pdu, request.sent_at, boots)
            }
            Ask::Names { after } if self.stage == Stage::Names => self.names(pdu, after, octets),
            Ask::Rows { stage, rows } if stage == self.stage_number => {
                let stamp = Stamp {
                    sent_at: request.sent_at,
                    received_at: now,
                    up: Ticks(0),
                    boots,
                };
                self.rows(pdu, rows, stamp, octets)
            }
            // Of a stage that is over.
            Ask::Scalars { .. } | Ask::Names { .. } | Ask::Rows { .. } => Ok(()),
        };
        if let Err(trouble) = read {
            self.give_up(trouble);
        }
    }

    fn scalars(
        &mut self,
        pdu: &Pdu<'_>,
        sent_at: Monotonic,
        boots: Option<u32>,
    ) -> Result<(), Trouble> {
        let mut bindings = pdu.bindings().map_while(Result::ok);
        let mut ticks = |name: &Oid| {
            let binding = bindings.next()?;
            match (suffix(binding.name, name)?, binding.value) {
                ([0], Value::Ticks(ticks)) => Some(Ticks(ticks)),
                _ => None,
            }
        };
        let up = ticks(&self.up_time).ok_or(Trouble::Nonsense)?;
        let changed_at = ticks(&self.table_last_change);
        let changed = self.mapped_at.is_some() && changed_at != self.table_changed_at;
        self.table_changed_at = changed_at;
        if !self.look_for_restart(sent_at, up, boots) && changed {
            self.map_again();
        }
        self.mapped_at.get_or_insert(sent_at);
        Ok(())
    }

    /// Whether the agent restarted since it last said how long it runs. Its rows may then be other ports, so they are mapped
    /// before any of their values is believed.
    fn look_for_restart(&mut self, at: Monotonic, up: Ticks, boots: Option<u32>) -> bool {
        let restarted = self.last_up.is_some_and(|(before, last, last_boots)| {
            let passed = up.since(last, at - before);
            let apart = (passed - (at - before)).abs();
            // Answers overtake each other, and an agent's clock may be wrong by a hundredth: what the counters' judge makes
            // of it is stricter. Here it is only to be noticed.
            let allowed = Nanos::from_secs(2) + Nanos((at - before).abs().0 / 50);
            boots != last_boots || apart > allowed
        });
        if restarted || self.last_up.is_none_or(|(before, ..)| at > before) {
            self.last_up = Some((at, up, boots));
        }
        if restarted {
            self.round.restarted = true;
            self.map_again();
        }
        restarted
    }

    fn map_again(&mut self) {
        if self.stage == Stage::Counters {
            self.is_mapped = false;
            self.enter(Stage::Names);
        } else {
            self.map_anew = true;
        }
    }

    fn names(&mut self, pdu: &Pdu<'_>, after: Option<u32>, octets: usize) -> Result<(), Trouble> {
        let asked = self.names_capacity.rows();
        let (mut count, mut ended) = (0, false);
        let mut last = after;
        for binding in pdu.bindings() {
            let binding = binding.map_err(|_| Trouble::Nonsense)?;
            let index = suffix(binding.name, &self.name_column).and_then(last_arc);
            let (Some(index), Value::Octets(name)) = (index, binding.value) else {
                ended = true;
                break;
            };
            // An agent that goes back goes in circles (net-snmp calls it "OID not increasing").
            if last.is_some_and(|last| index <= last) || self.walked.len() >= PORTS_MAX {
                ended = true;
                break;
            }
            last = Some(index);
            count += 1;
            self.walked.push((index, text(name)));
        }
        if count == 0 && !ended {
            if pdu.head.status == pdu::TOO_BIG && asked > 1 {
                self.names_capacity.learn(octets, 0, asked);
                self.walk_waits = false;
                return Ok(());
            }
            return Err(Trouble::Nonsense);
        }
        if !ended {
            self.names_capacity.learn(octets, count, asked);
            self.walk_waits = false;
            return Ok(());
        }
        if self.walked.is_empty() {
            return Err(Trouble::NoPorts);
        }
        self.directory.replace(mem::take(&mut self.walked));
        self.expected.clear();
        self.expected
            .extend(self.directory.rows().iter().map(|row| row.index));
        Ok(())
    }

    fn rows(
        &mut self,
        pdu: &Pdu<'_>,
        rows: Range<usize>,
        mut stamp: Stamp,
        octets: usize,
    ) -> Result<(), Trouble> {
        let asked = rows.len();
        if pdu.head.status == pdu::TOO_BIG && asked > 1 {
            self.capacity().learn(octets, 0, asked);
            self.sweep.put_back(rows);
            return Ok(());
        }
        let details = self.stage == Stage::Details;
        let (table, directory) = (&mut self.table, &mut self.directory);
        let held = answer::read(
            pdu,
            &self.up_time,
            &self.columns,
            &self.expected[rows.clone()],
            |column, row, value| {
                let row = rows.start + row;
                if !details {
                    if let Some(number) = value.number() {
                        table.put(row, column, number);
                    }
                    return;
                }
                let port = directory.port_mut(row);
                match (Lane::Names.columns()[column], value) {
                    (Column::Alias, Value::Octets(octets)) => port.alias = text(octets),
                    (Column::HighSpeed, value) => {
                        port.speed_bps = value
                            .number()
                            .filter(|&mbps| mbps > 0)
                            .map(|mbps| mbps.saturating_mul(1_000_000));
                    }
                    (Column::OperStatus, value) => port.up = value.number().map(|up| up == 1),
                    _ => {}
                }
            },
        )
        .map_err(|_| Trouble::Nonsense)?;
        if self.look_for_restart(stamp.sent_at, held.up, stamp.boots) && !details {
            return Ok(());
        }
        if held.rows == 0 {
            // An answer without a row would be asked for for ever.
            return Err(Trouble::Nonsense);
        }
        self.map_anew |= held.changed;
        let whole = rows.start..rows.start + held.rows;
        if !held.changed {
            self.capacity().learn(octets, held.rows, asked);
        }
        if !details {
            stamp.up = held.up;
            self.table.stamp(whole.clone(), stamp);
        }
        self.sweep.put_back(whole.end..rows.end);
        Ok(())
    }

    /// The agent said who it is, or what its clock shows: what was asked is asked again.
    pub(super) fn introduced(&mut self, request: Request<Ask>, now: Monotonic) {
        self.in_flight -= 1;
        self.patience.learn(now - request.sent_at);
        self.heard = true;
        if self.session.must_introduce() {
            self.give_up(Trouble::Nonsense);
        } else if !matches!(request.ask, Ask::Introduction) {
            if request.repeats >= REPEATS {
                self.give_up(Trouble::Refused(Refusal::Unsupported));
            } else {
                self.again.push_back((request.ask, request.repeats + 1));
            }
        }
    }

    /// The agent will not answer.
    pub(super) fn refused(&mut self, refusal: Refusal) {
        self.in_flight -= 1;
        self.give_up(Trouble::Refused(refusal));
    }

    /// A request was not answered in time.
    pub(super) fn lost(&mut self, request: Request<Ask>, now: Monotonic) {
        self.in_flight -= 1;
        self.round.lost += 1;
        self.window.lost(now);
        let current = match &request.ask {
            Ask::Scalars { stage } | Ask::Rows { stage, .. } => *stage == self.stage_number,
            Ask::Introduction => self.stage == Stage::Introduction,
            Ask::Names { .. } => self.stage == Stage::Names,
        };
        if !current {
            return;
        }
        let repeats = if self.heard { REPEATS } else { REPEATS_DEAD };
        if request.repeats < repeats {
            self.again.push_back((request.ask, request.repeats + 1));
        } else if !self.heard || !matches!(request.ask, Ask::Rows { .. }) {
            self.give_up(Trouble::NoAnswer);
        }
    }

    /// The round is over; what was answered so far stays.
    fn give_up(&mut self, trouble: Trouble) {
        self.round.trouble = Some(trouble);
        self.enter(Stage::Ending);
    }
}
