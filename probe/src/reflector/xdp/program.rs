//! The program that answers base packets where the driver hands them over.
//!
//! What it answers is exact: Ethernet, IPv4 without options or fragments or
//! IPv6 without extension headers, UDP to the reflector's port at an address of
//! the host, and 44 octets of payload: an unauthenticated STAMP packet without
//! TLVs. Everything else goes on to the kernel and so to the threads.
//!
//! A reply is its request, turned round: the sums of its UDP and IPv4 headers
//! are corrected for what changes, so that a request that was damaged on its way
//! comes back damaged and is not believed.

use super::assembly::{Assembly, Condition, Helper, Label, Operation, Register, Width};
use Condition::{AtLeast, Equal, Greater, NotEqual};
use Operation::{Add, And, Divide, ExclusiveOr, Move, Multiply, ShiftLeft, ShiftRight, Subtract};
use Register::{R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10};
use Width::{Eight, Four, One, Two};

/// What the program returns (`enum xdp_action` in linux/bpf.h).
pub(super) const DROP: i32 = 1;
pub(super) const PASS: i32 = 2;
pub(super) const TRANSMIT: i32 = 3;

/// Buckets of sources; one more is that of all together.
pub(super) const BUCKETS: u32 = 4_096;
/// The highest bits of a product choose among as many.
const BUCKET_SHIFT: i32 = 64 - 12;
/// 2⁶⁴ divided by the golden ratio: spreads what is multiplied by it (Knuth, volume 3, section 6.4).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
/// A source port below this is another service's, which would answer the reply; such packets go to the threads.
const PORT_MIN: i32 = 1_024;
/// Seconds from the NTP era's beginning to the Unix epoch (RFC 5905).
const NTP_TO_UNIX: u64 = 2_208_988_800;
const SECOND_NS: i32 = 1_000_000_000;

/// The descriptors of the program's maps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Maps {
    /// One [`super::Told`].
    pub(super) told: i32,
    /// The host's addresses, IPv4 as IPv4-mapped IPv6.
    pub(super) addresses: i32,
    /// [`BUCKETS`] times, and once more, when the ration of a source is used up.
    pub(super) buckets: i32,
    /// One [`super::XdpCounts`].
    pub(super) counts: i32,
}

/// Where things lie in `Told`.
const TAI_OFFSET: i16 = 0;
const ERROR_ESTIMATE: i16 = 8;
const PORT: i16 = 16;
const SEED: i16 = 24;
const SOURCE_COST: i16 = 32;
const SOURCE_BURST: i16 = 40;
const TOTAL_COST: i16 = 48;
const TOTAL_BURST: i16 = 56;

/// And in the counts.
const REFLECTED: i16 = 0;
const RATIONED: i16 = 8;

/// And on the stack: the destination, what stands for the source, an index, the TTL, the monotonic time, the reply.
const DESTINATION: i16 = -16;
const SOURCE: i16 = -24;
const INDEX: i16 = -28;
const TTL: i16 = -40;
const NOW: i16 = -48;
const REPLY: i16 = -96;

/// And in a packet.
const ETHERTYPE: i16 = 12;
const IP: i16 = 14;
const UDP_V4: i32 = 34;
const UDP_V6: i32 = 54;
const UDP_HEADER: i16 = 8;
const PAYLOAD: i32 = 44;
const UDP_LENGTH: i32 = UDP_HEADER as i32 + PAYLOAD;

/// The whole program.
pub(super) fn program(maps: Maps) -> Vec<u64> {
    let mut a = Assembly::default();
    let pass = a.label("pass");
    let rationed = a.label("rationed");
    dissect(&mut a, pass);
    is_ours(&mut a, maps, pass);
    let at = |offset: i16| (R9, offset);
    a.call(Helper::MonotonicNs);
    a.store(Eight, R10, NOW, R0);
    a.load(Eight, R1, R10, SOURCE);
    a.load(Eight, R2, R9, SEED);
    a.compute_with(ExclusiveOr, R1, R2);
    a.set(R2, SPREAD);
    a.compute_with(Multiply, R1, R2);
    a.compute(ShiftRight, R1, BUCKET_SHIFT);
    a.store(Four, R10, INDEX, R1);
    take(
        &mut a,
        maps,
        at(SOURCE_COST),
        at(SOURCE_BURST),
        pass,
        rationed,
    );
    a.store_number(Four, R10, INDEX, BUCKETS.cast_signed());
    take(
        &mut a,
        maps,
        at(TOTAL_COST),
        at(TOTAL_BURST),
        pass,
        rationed,
    );
    write_reply(&mut a);
    correct_udp_sum(&mut a);
    turn_round(&mut a);
    count(&mut a, maps, REFLECTED);
    a.exit(TRANSMIT);
    a.place(rationed);
    count(&mut a, maps, RATIONED);
    a.exit(DROP);
    a.place(pass);
    a.exit(PASS);
    a.finish()
}

/// R6 is the frame, R8 its UDP header; destination, source and TTL are on the stack.
fn dissect(a: &mut Assembly, pass: Label) {
    let (v6, udp) = (a.label("v6"), a.label("udp"));
    a.load(Four, R6, R1, 0);
    a.load(Four, R7, R1, 4);
    holds(a, UDP_V4 + UDP_LENGTH, pass);
    a.load(Two, R2, R6, ETHERTYPE);
    a.swap(Two, R2);
    a.jump_if(Equal, R2, 0x86DD, v6);
    a.jump_if(NotEqual, R2, 0x0800, pass);
    // Version 4 without options; the whole datagram in one piece; UDP.
    is(a, One, IP, 0x45, pass);
    is(a, Two, IP + 2, UDP_V4 - 14 + UDP_LENGTH, pass);
    a.load(Two, R2, R6, IP + 6);
    a.swap(Two, R2);
    a.compute(And, R2, 0x3FFF);
    a.jump_if(NotEqual, R2, 0, pass);
    is(a, One, IP + 9, 17, pass);
    a.store_number(Eight, R10, DESTINATION, 0);
    a.store_number(Two, R10, DESTINATION + 8, 0);
    a.store_number(Two, R10, DESTINATION + 10, 0xFFFF);
    a.load(Four, R2, R6, IP + 16);
    a.store(Four, R10, DESTINATION + 12, R2);
    a.load(Four, R2, R6, IP + 12);
    a.store(Eight, R10, SOURCE, R2);
    a.load(One, R2, R6, IP + 8);
    a.store(Eight, R10, TTL, R2);
    a.compute_with(Move, R8, R6);
    a.compute(Add, R8, UDP_V4);
    a.jump(udp);
    a.place(v6);
    holds(a, UDP_V6 + UDP_LENGTH, pass);
    a.load(One, R2, R6, IP);
    a.compute(And, R2, 0xF0);
    a.jump_if(NotEqual, R2, 0x60, pass);
    is(a, Two, IP + 4, UDP_LENGTH, pass);
    is(a, One, IP + 6, 17, pass);
    for half in [0, 8] {
        a.load(Eight, R2, R6, IP + 24 + half);
        a.store(Eight, R10, DESTINATION + half, R2);
    }
    // The first 64 bits are what one host has for itself.
    a.load(Eight, R2, R6, IP + 8);
    a.store(Eight, R10, SOURCE, R2);
    a.load(One, R2, R6, IP + 7);
    a.store(Eight, R10, TTL, R2);
    a.compute_with(Move, R8, R6);
    a.compute(Add, R8, UDP_V6);
    a.place(udp);
    a.load(Two, R2, R8, 4);
    a.swap(Two, R2);
    a.jump_if(NotEqual, R2, UDP_LENGTH, pass);
    a.load(Two, R2, R8, 0);
    a.swap(Two, R2);
    let source_port_is_free = a.label("free source port");
    a.jump_if(AtLeast, R2, PORT_MIN, source_port_is_free);
    a.jump(pass);
    a.place(source_port_is_free);
}

/// Passes a frame that is shorter than so many octets.
fn holds(a: &mut Assembly, octets: i32, pass: Label) {
    a.compute_with(Move, R2, R6);
    a.compute(Add, R2, octets);
    a.jump_if_with(Greater, R2, R7, pass);
}

/// Passes a frame that does not have this number at this place.
fn is(a: &mut Assembly, width: Width, offset: i16, number: i32, pass: Label) {
    a.load(width, R2, R6, offset);
    if width != One {
        a.swap(width, R2);
    }
    a.jump_if(NotEqual, R2, number, pass);
}

/// Address and port are the reflector's; R9 is what it is told.
fn is_ours(a: &mut Assembly, maps: Maps, pass: Label) {
    a.set_map(R1, maps.addresses);
    a.compute_with(Move, R2, R10);
    a.compute(Add, R2, DESTINATION.into());
    a.call(Helper::MapLookup);
    a.jump_if(Equal, R0, 0, pass);
    a.store_number(Four, R10, INDEX, 0);
    look_up(a, maps.told);
    a.jump_if(Equal, R0, 0, pass);
    a.compute_with(Move, R9, R0);
    a.load(Two, R2, R8, 2);
    a.swap(Two, R2);
    a.load(Eight, R3, R9, PORT);
    a.jump_if_with(NotEqual, R2, R3, pass);
}

/// The entry of a map at the index on the stack, to R0.
fn look_up(a: &mut Assembly, map: i32) {
    a.set_map(R1, map);
    a.compute_with(Move, R2, R10);
    a.compute(Add, R2, INDEX.into());
    a.call(Helper::MapLookup);
}

/// Takes one reply from the bucket at the index. A bucket holds the time at which its ration is used up (the generic
/// cell rate algorithm, ITU-T I.371); two processors that take at once may take one reply for two.
fn take(
    a: &mut Assembly,
    maps: Maps,
    cost: (Register, i16),
    burst: (Register, i16),
    pass: Label,
    rationed: Label,
) {
    look_up(a, maps.buckets);
    a.jump_if(Equal, R0, 0, pass);
    let kept = a.label("bucket is not full");
    a.load(Eight, R1, R10, NOW);
    a.load(Eight, R2, R0, 0);
    a.load(Eight, R4, burst.0, burst.1);
    a.compute_with(Move, R3, R1);
    a.compute_with(Subtract, R3, R4);
    a.jump_if_with(AtLeast, R2, R3, kept);
    a.compute_with(Move, R2, R3);
    a.place(kept);
    a.jump_if_with(Greater, R2, R1, rationed);
    a.load(Eight, R4, cost.0, cost.1);
    a.compute_with(Add, R2, R4);
    a.store(Eight, R0, 0, R2);
}

/// Writes the reply's 44 octets to the stack (RFC 8762, section 4.3.1), T3 last.
fn write_reply(a: &mut Assembly) {
    let copy = |a: &mut Assembly, width, from: i16, to: i16| {
        a.load(width, R2, R8, UDP_HEADER + from);
        a.store(width, R10, REPLY + to, R2);
    };
    write_time(a, REPLY + 16); // T2
    copy(a, Four, 0, 0); // the number, copied
    a.load(Eight, R2, R9, ERROR_ESTIMATE);
    a.swap(Two, R2);
    a.store(Two, R10, REPLY + 12, R2);
    copy(a, Two, 14, 14); // session identifier
    copy(a, Four, 0, 24); // the sender's number
    copy(a, Four, 4, 28); // T1
    copy(a, Four, 8, 32);
    copy(a, Two, 12, 36); // the sender's Error Estimate
    a.store_number(Two, R10, REPLY + 38, 0);
    a.load(Eight, R2, R10, TTL);
    a.compute(ShiftLeft, R2, 24);
    a.swap(Four, R2);
    a.store(Four, R10, REPLY + 40, R2); // its TTL, and three zeros
    write_time(a, REPLY + 4);
}

/// The time in the NTP format (RFC 8762, section 4.2.1), to the stack.
fn write_time(a: &mut Assembly, to: i16) {
    a.call(Helper::TaiNs);
    a.load(Eight, R1, R9, TAI_OFFSET);
    a.compute_with(Subtract, R0, R1);
    a.compute_with(Move, R2, R0);
    a.compute(Divide, R2, SECOND_NS);
    a.compute_with(Move, R3, R2);
    a.compute(Multiply, R3, SECOND_NS);
    a.compute_with(Subtract, R0, R3);
    a.compute(ShiftLeft, R0, 32);
    a.compute(Divide, R0, SECOND_NS);
    a.set(R3, NTP_TO_UNIX);
    a.compute_with(Add, R2, R3);
    a.swap(Four, R2);
    a.store(Four, R10, to, R2);
    a.swap(Four, R0);
    a.store(Four, R10, to + 4, R0);
}

/// Corrects the sum of the UDP header for the change from request to reply, and copies the reply over the request. A
/// sum of zero, which IPv4 allows, says that there is none.
fn correct_udp_sum(a: &mut Assembly) {
    let (done, not_zero) = (a.label("no UDP sum"), a.label("UDP sum is not zero"));
    a.load(Two, R5, R8, 6);
    a.jump_if(Equal, R5, 0, done);
    a.compute(ExclusiveOr, R5, 0xFFFF);
    a.compute_with(Move, R1, R8);
    a.compute(Add, R1, UDP_HEADER.into());
    a.compute(Move, R2, PAYLOAD);
    a.compute_with(Move, R3, R10);
    a.compute(Add, R3, REPLY.into());
    a.compute(Move, R4, PAYLOAD);
    a.call(Helper::ChecksumDifference);
    fold(a, R0);
    a.jump_if(NotEqual, R0, 0, not_zero);
    a.compute(Move, R0, 0xFFFF);
    a.place(not_zero);
    a.store(Two, R8, 6, R0);
    a.place(done);
    for word in (0..PAYLOAD as i16).step_by(4) {
        a.load(Four, R2, R10, REPLY + word);
        a.store(Four, R8, UDP_HEADER + word, R2);
    }
}

/// A sum of 32 bits to the 16 of its complement (RFC 1071).
fn fold(a: &mut Assembly, register: Register) {
    // What the helper returns has 32 bits that count.
    a.compute(ShiftLeft, register, 32);
    a.compute(ShiftRight, register, 32);
    for _ in 0..2 {
        a.compute_with(Move, R1, register);
        a.compute(ShiftRight, R1, 16);
        a.compute(And, register, 0xFFFF);
        a.compute_with(Add, register, R1);
    }
    a.compute(ExclusiveOr, register, 0xFFFF);
    a.compute(And, register, 0xFFFF);
}

/// Ports, addresses and Ethernet addresses change places; the TTL is the one that the threads send with.
fn turn_round(a: &mut Assembly) {
    let exchange = |a: &mut Assembly, width, base, one: i16, other: i16| {
        a.load(width, R2, base, one);
        a.load(width, R3, base, other);
        a.store(width, base, one, R3);
        a.store(width, base, other, R2);
    };
    let (v6, done) = (a.label("v6 reply"), a.label("turned"));
    exchange(a, Two, R8, 0, 2);
    exchange(a, Four, R6, 0, 6);
    exchange(a, Two, R6, 4, 10);
    a.load(Two, R2, R6, ETHERTYPE);
    a.swap(Two, R2);
    a.jump_if(NotEqual, R2, 0x0800, v6);
    exchange(a, Four, R6, IP + 12, IP + 16);
    // Of the IPv4 header only the TTL changes its sum (RFC 1624): the word of TTL and protocol is taken out and put in.
    a.load(Two, R0, R6, IP + 10);
    a.compute(ExclusiveOr, R0, 0xFFFF);
    a.load(Two, R2, R6, IP + 8);
    a.compute(ExclusiveOr, R2, 0xFFFF);
    a.compute_with(Add, R0, R2);
    a.store_number(One, R6, IP + 8, 255);
    a.load(Two, R2, R6, IP + 8);
    a.compute_with(Add, R0, R2);
    fold(a, R0);
    a.store(Two, R6, IP + 10, R0);
    a.jump(done);
    a.place(v6);
    exchange(a, Eight, R6, IP + 8, IP + 24);
    exchange(a, Eight, R6, IP + 16, IP + 32);
    a.store_number(One, R6, IP + 7, 255);
    a.place(done);
}

fn count(a: &mut Assembly, maps: Maps, which: i16) {
    let done = a.label("counted");
    a.store_number(Four, R10, INDEX, 0);
    look_up(a, maps.counts);
    a.jump_if(Equal, R0, 0, done);
    a.compute(Move, R1, 1);
    a.add_atomically(R0, which, R1);
    a.place(done);
}
