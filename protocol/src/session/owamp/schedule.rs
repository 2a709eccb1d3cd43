//! The send schedule of an OWAMP session (RFC 4656, sections 3.6 and 5).
//!
//! Both ends compute it from the session identifier and the slots, to the last
//! bit: the receiver then knows when a lost packet was to be sent. So the
//! random numbers are the RFC's: AES-128 in counter mode, keyed with the
//! identifier, turned into exponential deviates by its fixed-point algorithm.

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

use crate::wire::owamp::{Interval, Sid, Slot};

/// Q\[k\] = Σ (ln 2)ʲ / j! for j from 1 to k, in units of 2⁻³² (section 5.1).
const Q: [u32; 12] = [
    0,
    0xB172_17F8,
    0xEEF1_93F7,
    0xFD27_1862,
    0xFF9D_6DD0,
    0xFFF4_CFD0,
    0xFFFE_E819,
    0xFFFF_E7FF,
    0xFFFF_FE2B,
    0xFFFF_FFE0,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
];
const LN_2: u32 = Q[1];

/// Uniform 32-bit numbers (section 5.2).
struct Uniform {
    cipher: Aes128,
    counter: u128,
    block: [u8; 16],
}

impl Uniform {
    fn new(sid: Sid) -> Self {
        Self {
            cipher: Aes128::new(&sid.0.into()),
            counter: 0,
            block: [0; 16],
        }
    }

    /// Four of each block; the counter counts numbers, not blocks.
    fn next(&mut self) -> u32 {
        let quarter = (self.counter % 4) as usize;
        if quarter == 0 {
            self.block = self.counter.to_be_bytes();
            self.cipher.encrypt_block((&mut self.block).into());
        }
        self.counter = self.counter.wrapping_add(1);
        u32::from_be_bytes(self.block.as_chunks().0[quarter])
    }

    /// An exponential deviate of mean 1 in units of 2⁻³²: algorithm S of Knuth, volume 2, 3.4.1 (section 5.1).
    fn exponential(&mut self) -> u64 {
        let uniform = self.next();
        let ones = uniform.leading_ones();
        let rest = uniform.checked_shl(ones + 1).unwrap_or(0);
        let shift = u64::from(ones) << 32;
        if rest < LN_2 {
            return times(shift, u64::from(LN_2)) + u64::from(rest);
        }
        let draws = (2..Q.len() - 1)
            .find(|&k| rest < Q[k])
            .unwrap_or(Q.len() - 1);
        let least = (0..draws).map(|_| self.next()).min().unwrap_or(0);
        times(shift | u64::from(least), u64::from(LN_2))
    }
}

/// The product of two numbers with 32 fractional bits; the largest number there is when it is larger.
fn times(a: u64, b: u64) -> u64 {
    u64::try_from((u128::from(a) * u128::from(b)) >> 32).unwrap_or(u64::MAX)
}

/// The gaps between the packets of a session.
pub struct SendSchedule {
    slots: Vec<Slot>,
    uniform: Uniform,
    next: usize,
}

impl fmt::Debug for SendSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendSchedule")
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

impl SendSchedule {
    /// Of a session; without slots, all packets are sent at once.
    pub fn new(sid: Sid, slots: Vec<Slot>) -> Self {
        Self {
            slots,
            uniform: Uniform::new(sid),
            next: 0,
        }
    }

    /// How long after the packet before it, or after the start, the next packet is to be sent.
    pub fn next_gap(&mut self) -> Interval {
        let Some(slot) = self.slots.get(self.next) else {
            return Interval(0);
        };
        self.next = (self.next + 1) % self.slots.len();
        match *slot {
            Slot::Exponential(mean) => Interval(times(self.uniform.exponential(), mean.0)),
            Slot::Fixed(gap) => gap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4656, appendix B: the sum of the first million deviates.
    #[test]
    fn the_deviates_are_those_of_the_rfc() {
        let check = |sid: u128, sum: u64| {
            let mut uniform = Uniform::new(Sid(sid.to_be_bytes()));
            let total: u64 = (0..1_000_000).map(|_| uniform.exponential()).sum();
            assert_eq!(total, sum, "{sid:032x}");
        };
        check(
            0x2872_9793_03ab_47ee_ac02_8dab_3829_dab2,
            0x000f_4479_bd31_7381,
        );
        check(
            0x0102_0304_0506_0708_090a_0b0c_0d0e_0f00,
            0x000f_4336_8646_6a62,
        );
        check(
            0xdead_beef_dead_beef_dead_beef_dead_beef,
            0x000f_416c_8884_d2d3,
        );
        check(
            0xfeed_0fee_d1fe_ed2f_eed3_feed_4fee_d5ab,
            0x000f_3f0b_4b41_6ec8,
        );
    }

    #[test]
    fn slots_are_gone_through_again_and_again() {
        let slots = vec![
            Slot::Fixed(Interval(5)),
            Slot::Exponential(Interval(1 << 32)),
            Slot::Fixed(Interval(7)),
        ];
        let mut schedule = SendSchedule::new(Sid([9; 16]), slots);
        let mut deviates = Uniform::new(Sid([9; 16]));
        for _ in 0..100 {
            assert_eq!(schedule.next_gap(), Interval(5));
            assert_eq!(schedule.next_gap(), Interval(deviates.exponential()));
            assert_eq!(schedule.next_gap(), Interval(7));
        }
        assert_eq!(
            SendSchedule::new(Sid([9; 16]), Vec::new()).next_gap(),
            Interval(0)
        );
    }

    #[test]
    fn no_mean_overflows() {
        let slots = vec![Slot::Exponential(Interval(u64::MAX))];
        let mut schedule = SendSchedule::new(Sid([1; 16]), slots);
        let longest = (0..1_000).map(|_| schedule.next_gap()).max();
        assert_eq!(longest, Some(Interval(u64::MAX)));
    }
}
