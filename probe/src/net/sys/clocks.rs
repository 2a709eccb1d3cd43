//! Reading the machine's clocks against each other. Nothing here sets one.

use std::fs::File;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _};

use owl_measure::time::{Monotonic, Nanos, Timestamp};

use super::interface_clock_index;
use crate::clock::BothClocks;

/// Readings from which the tightest is taken.
const READINGS: usize = 5;

fn read(clock: libc::clockid_t) -> io::Result<i64> {
    let mut at = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel fills a live timespec.
    let result = unsafe { libc::clock_gettime(clock, &raw mut at) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(at
        .tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(at.tv_nsec))
}

/// CLOCK_MONOTONIC's own value, as other programs of this host write it.
pub(crate) fn monotonic_clock() -> io::Result<Monotonic> {
    read(libc::CLOCK_MONOTONIC).map(Monotonic)
}

/// CLOCK_REALTIME and CLOCK_MONOTONIC_RAW at one instant: the closest of a few readings.
pub(crate) fn both_clocks() -> io::Result<BothClocks> {
    let mut closest: Option<BothClocks> = None;
    for _ in 0..READINGS {
        let before = read(libc::CLOCK_MONOTONIC_RAW)?;
        let real = read(libc::CLOCK_REALTIME)?;
        let after = read(libc::CLOCK_MONOTONIC_RAW)?;
        let within = Nanos(after.saturating_sub(before));
        if closest.is_none_or(|closest| within < closest.within) {
            closest = Some(BothClocks {
                real: Timestamp(real),
                raw: Monotonic(before),
                within,
            });
        }
    }
    closest.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// `struct ptp_clock_time` (linux/ptp_clock.h).
#[repr(C)]
#[derive(Clone, Copy)]
struct PtpClockTime {
    sec: i64,
    nsec: u32,
    reserved: u32,
}

impl PtpClockTime {
    fn ns(self) -> i64 {
        self.sec
            .saturating_mul(1_000_000_000)
            .saturating_add(self.nsec.into())
    }
}

/// `struct ptp_sys_offset_extended` (linux/ptp_clock.h): system, interface, system for every sample.
#[repr(C)]
struct PtpSysOffsetExtended {
    n_samples: u32,
    rsv: [u32; 3],
    ts: [[PtpClockTime; 3]; 25],
}

/// PTP_SYS_OFFSET_EXTENDED: `_IOWR('=', 9, struct ptp_sys_offset_extended)`.
const PTP_SYS_OFFSET_EXTENDED: u64 =
    (3 << 30) | ((size_of::<PtpSysOffsetExtended>() as u64) << 16) | ((b'=' as u64) << 8) | 9;

/// How far the system's clock is ahead of an interface's own, as they stand, and how exactly that is known; `None`
/// where the interface has no clock or does not let it be read.
pub(crate) fn interface_clock(interface: &str) -> Option<(Nanos, Nanos)> {
    // Any socket will do to ask about an interface.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    let index = interface_clock_index(socket.as_fd(), interface).ok()?;
    if index < 0 {
        return None;
    }
    let clock = File::open(format!("/dev/ptp{index}")).ok()?;
    // SAFETY: all-zero is a valid value of a structure of plain integers.
    let mut offsets: PtpSysOffsetExtended = unsafe { zeroed() };
    offsets.n_samples = READINGS as u32;
    // SAFETY: the request fills a live structure of the layout and the size that its number states.
    let result = unsafe {
        libc::ioctl(
            clock.as_raw_fd(),
            PTP_SYS_OFFSET_EXTENDED as _,
            &raw mut offsets,
        )
    };
    (result >= 0).then(|| closest(&offsets.ts[..READINGS]))?
}

/// Of readings (system, interface, system) the closest: the difference, and half of what lay between.
fn closest(readings: &[[PtpClockTime; 3]]) -> Option<(Nanos, Nanos)> {
    readings
        .iter()
        .map(|[before, interface, after]| {
            let between = after.ns().saturating_sub(before.ns());
            let system = before.ns().saturating_add(between / 2);
            let difference = Nanos(system.saturating_sub(interface.ns()));
            (difference, Nanos(between / 2 + 1))
        })
        .min_by_key(|(_, within)| *within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_as_large_as_the_kernels() {
        assert_eq!(size_of::<PtpSysOffsetExtended>(), 1_216);
        assert_eq!(PTP_SYS_OFFSET_EXTENDED, 0xC4C0_3D09);
    }

    #[test]
    fn the_closest_reading_counts() {
        let at = |sec, nsec| PtpClockTime {
            sec,
            nsec,
            reserved: 0,
        };
        let readings = [
            [at(10, 0), at(47, 900), at(10, 2_000)],
            [at(11, 0), at(48, 60), at(11, 100)],
        ];
        assert_eq!(
            closest(&readings),
            Some((Nanos(-37_000_000_010), Nanos(51)))
        );
        assert_eq!(closest(&[]), None);
    }

    #[test]
    fn an_interface_without_a_clock_is_told_from_one() {
        assert_eq!(interface_clock("lo"), None);
        assert_eq!(interface_clock("no such interface at all"), None);
    }

    #[test]
    fn both_clocks_are_read_close_together() {
        let both = both_clocks().unwrap();
        assert!(both.within < Nanos::from_millis(100), "{both:?}");
        assert!(monotonic_clock().unwrap() > Monotonic(0));
    }
}
