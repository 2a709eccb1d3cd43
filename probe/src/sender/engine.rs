//! The loop of a sender's thread.

use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use owl_measure::sample::StampSource;
use owl_measure::time::{Monotonic, Nanos, Timestamp};
use owl_protocol::session::TimerWheel;
use owl_protocol::wire::ErrorEstimate;

use super::lane::Lane;
use super::session::{Course, SenderSession};
use super::stats::SenderStats;
use super::{Change, SPIN_MAX, Watcher};
use crate::clock::Clock;
use crate::net::{Departures, Incoming, Waiting, set_timer_slack};

/// How often the thread looks whether it should stop, what its clock claims, and what its own sockets dropped.
pub(super) const LOOK_AROUND: Nanos = Nanos::from_millis(200);
/// Replies with a kernel stamp wait at most this long until many are read at once: at 10,000 a second that saves nine
/// of ten wakes.
const READING_PERIOD: Nanos = Nanos::from_millis(1);
/// Packets that are due so soon after each other leave in one wake, with the last of them: a wake costs about as much of
/// a processor as a packet. One that is alone is not late for it.
const TOGETHER: Nanos = Nanos::from_micros(100);
/// A rest this short is not slept: going to sleep and waking takes as long, and wakes too late.
const NAP_MIN: Nanos = Nanos::from_micros(10);
/// When so many packets have been sent, replies and stamps are read however short the time was: a socket's buffer holds
/// several hundred where the host gives it no more (`net.core.rmem_max`).
const UNREAD_MAX: usize = 4 * Departures::MOST;
/// Datagrams that one socket's buffer can hold, which the kernel counts as 512 octets at least: when as many have been
/// read, all that came before the reading began have been.
const BUFFERED_MAX: usize = (8 << 20) / 512;

pub(super) struct Engine<'a> {
    clock: Clock,
    spin: Nanos,
    lanes: &'a mut Vec<Lane>,
    sessions: &'a mut Vec<SenderSession>,
    stats: &'a SenderStats,
    /// A timer a session: when it sends.
    sending: TimerWheel,
    /// A timer a session: when it is asked what is lost, and its interval closed.
    settling: TimerWheel,
    incoming: Incoming,
    estimate: ErrorEstimate,
    running: usize,
    /// Those sessions whose keys may change.
    keyed: Vec<u32>,
    /// Packets that have been sent since the sockets were read last.
    unread: usize,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        clock: Clock,
        spin: Nanos,
        lanes: &'a mut Vec<Lane>,
        sessions: &'a mut Vec<SenderSession>,
        stats: &'a SenderStats,
    ) -> Self {
        let now = clock.monotonic();
        let mut engine = Self {
            clock,
            spin: spin.min(SPIN_MAX),
            sending: TimerWheel::new(sessions.len(), now),
            settling: TimerWheel::new(sessions.len(), now),
            lanes,
            sessions,
            stats,
            incoming: Incoming::new(clock),
            estimate: ErrorEstimate::NO_CLAIM,
            running: 0,
            keyed: Vec::new(),
            unread: 0,
        };
        engine.begin(0);
        engine
    }

    /// Sessions begin, from this one to the last.
    fn begin(&mut self, first: usize) {
        for k in first..self.sessions.len() {
            if self.sessions[k].has_live_keys() {
                self.keyed.push(k as u32);
            }
            self.schedule(k as u32);
            self.running += usize::from(!self.sessions[k].is_over());
        }
    }

    /// Lets sessions go and others begin. Their sockets are open and their memory is there, so that this takes no longer than
    /// to move them.
    fn change(&mut self, change: Change, watcher: &mut impl Watcher) {
        for number in change.leaving {
            let Some(session) = self.sessions.get_mut(number) else {
                continue;
            };
            if session.leave(number, watcher) == Course::Ended {
                self.running -= 1;
            }
            self.lanes[session.lane()].leave(number as u32);
            self.sending.clear(number as u32);
            self.settling.clear(number as u32);
            self.keyed.retain(|&keyed| keyed as usize != number);
        }
        let (lanes, sessions) = (self.lanes.len(), self.sessions.len());
        let joining = change.joining;
        for mut lane in joining.lanes {
            lane.renumber_sessions(sessions as u32);
            self.lanes.push(lane);
        }
        for mut session in joining.sessions {
            session.move_lanes(lanes);
            self.sessions.push(session);
        }
        self.sending.grow(self.sessions.len());
        self.settling.grow(self.sessions.len());
        self.begin(sessions);
    }

    /// What to wait for, and how long replies may.
    fn waiting(&self) -> (Waiting, Nanos) {
        let stamped = self.lanes.iter().all(|lane| {
            lane.stamping()
                .is_some_and(|stamping| stamping.receive < StampSource::User)
        });
        // Without a kernel stamp, T4 is when the process reads.
        let reading_period = if stamped { READING_PERIOD } else { Nanos::ZERO };
        let sockets = self.lanes.iter().map(|lane| lane.as_raw_fd());
        (Waiting::on(sockets), reading_period)
    }

    fn schedule(&mut self, session: u32) {
        match self.sessions[session as usize].next_transmit() {
            Some(at) => self.sending.set(session, at),
            None => self.sending.clear(session),
        }
    }

    pub(super) fn run(
        mut self,
        stop: &AtomicBool,
        claim: impl Fn() -> Option<Nanos>,
        watcher: &mut impl Watcher,
    ) -> io::Result<()> {
        set_timer_slack();
        let (mut waiting, mut reading_period) = self.waiting();
        let mut timer = Waiting::default();
        // Whoever pays for exact times with a processor gets them.
        let together = if self.spin > Nanos::ZERO {
            Nanos::ZERO
        } else {
            TOGETHER
        };
        let mut look_around = self.clock.monotonic();
        let mut reading = look_around;
        while self.running > 0 {
            let now = self.clock.monotonic();
            if now >= look_around {
                if stop.load(Relaxed) {
                    break;
                }
                if let Some(change) = watcher.next_change() {
                    self.change(change, watcher);
                    (waiting, reading_period) = self.waiting();
                }
                self.estimate = ErrorEstimate::claim(claim());
                for &keyed in &self.keyed {
                    self.sessions[keyed as usize].look_at_keys();
                }
                for lane in self.lanes.iter_mut() {
                    lane.look_at_drops(self.stats);
                }
                look_around = now + LOOK_AROUND;
            }
            self.transmit_due(usize::MAX);
            let sending = self.sending.last_deadline_within(together);
            let next = sending.map_or(look_around, |at| look_around.min(at + -self.spin));
            let now = self.clock.monotonic();
            // Nothing is settled before the sockets are read, so until then nobody asks when that will be.
            if now < reading && self.unread < UNREAD_MAX {
                let rest = next.min(reading) - now;
                if rest > NAP_MIN {
                    timer.wait(rest)?;
                } else {
                    std::hint::spin_loop();
                }
                continue;
            }
            let next = self
                .settling
                .next_deadline()
                .map_or(next, |at| next.min(at));
            // What is settled below is what was certain before the sockets were read.
            waiting.wait(next - now)?;
            self.unread = 0;
            if self.read(&waiting, now, watcher) {
                reading = self.clock.monotonic() + reading_period;
            }
            self.settle_due(now, watcher);
        }
        for (k, session) in self.sessions.iter_mut().enumerate() {
            session.break_off(k, watcher);
        }
        Ok(())
    }

    /// Sends what is due, so many packets at most, those of one lane together.
    fn transmit_due(&mut self, most: usize) {
        let now = self.clock.monotonic();
        for _ in 0..most {
            let Some(session) = self.sending.pop_due(now) else {
                break;
            };
            self.transmit(session);
            self.unread += 1;
        }
        for lane in self.lanes.iter_mut().filter(|lane| lane.is_waiting()) {
            lane.flush(self.sessions, &mut self.incoming, self.stats);
        }
    }

    fn transmit(&mut self, number: u32) {
        let k = number as usize;
        let lane = &mut self.lanes[self.sessions[k].lane()];
        if lane.is_full() {
            lane.flush(self.sessions, &mut self.incoming, self.stats);
        }
        let (now, wall) = (self.clock.monotonic(), self.clock.now());
        let session = &mut self.sessions[k];
        if let Some(room) = lane.room()
            && let Some(transmit) = session.transmit(now, wall, self.estimate, room)
        {
            lane.push(number, session, now, transmit);
        }
        self.schedule(number);
        self.settle_again(number, now, wall);
    }

    /// Sees to it that a session is settled when it has to be; one that is asked too early is asked again.
    fn settle_again(&mut self, session: u32, now: Monotonic, wall: Timestamp) {
        let next = self.sessions[session as usize].next_settlement(now, wall);
        let set = self.settling.deadline(session);
        if let Some(next) = next
            && set.is_none_or(|set| next < set)
        {
            self.settling.set(session, next);
        }
    }

    /// Reads what has come; whether anything had.
    fn read(&mut self, waiting: &Waiting, now: Monotonic, watcher: &mut impl Watcher) -> bool {
        let mut any = false;
        for k in 0..self.lanes.len() {
            let ready = waiting.ready(k);
            any |= ready.errors || ready.data;
            // Stamps before replies: a reply wants the kernel's T1 of its packet.
            // Those of a bound lane come to another socket, for which nobody waits: its replies wake the thread.
            if ready.errors || ready.data || self.lanes[k].is_bound() {
                self.lanes[k].collect_stamps(self.sessions, &mut self.incoming, self.stats);
            }
            if ready.data {
                self.read_replies(k, now, watcher);
            }
        }
        any
    }

    fn read_replies(&mut self, lane: usize, now: Monotonic, watcher: &mut impl Watcher) {
        for _ in 0..=BUFFERED_MAX / Incoming::MOST {
            let read = self.lanes[lane].receive(&mut self.incoming);
            let wall = self.clock.now();
            for k in 0..read {
                let Some((received, datagram)) = self.incoming.datagram(k) else {
                    continue;
                };
                // From elsewhere: nobody we asked.
                let Some(number) = self.lanes[lane].session_of(received.source, datagram) else {
                    continue;
                };
                self.lanes[lane].came_over(received.interface);
                self.sessions[number as usize].reply(now, &received, datagram);
                self.settle(number, now, wall, watcher);
            }
            if read < Incoming::MOST {
                return;
            }
            // Whoever is asked for more than he can send stays in this loop: he sends no more than he reads, or his buffer
            // would overflow, and the stamps of what he sends must not wait for its end.
            self.transmit_due(Incoming::MOST);
            self.lanes[lane].collect_stamps(self.sessions, &mut self.incoming, self.stats);
        }
    }

    /// Decides what has become certain at `now`; packets that are due meanwhile do not wait for all of it.
    fn settle_due(&mut self, now: Monotonic, watcher: &mut impl Watcher) {
        while let Some(session) = self.settling.pop_due(now) {
            self.settle(session, now, self.clock.now(), watcher);
            self.transmit_due(Incoming::MOST);
        }
    }

    fn settle(&mut self, number: u32, now: Monotonic, wall: Timestamp, watcher: &mut impl Watcher) {
        let session = &mut self.sessions[number as usize];
        session.own_loss(self.lanes[session.lane()].own_loss());
        if session.settle(number as usize, now, wall, watcher) == Course::Ended {
            self.running -= 1;
        }
        self.settle_again(number, now, wall);
    }
}
