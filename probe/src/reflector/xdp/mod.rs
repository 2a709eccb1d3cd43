//! A session-reflector in the driver of an interface (XDP): base packets are
//! turned round before the kernel makes anything of them.
//!
//! It is stateless, as a reflector may be (RFC 8762, section 4): the number of a
//! reply is that of its request. T2 and T3 are read by the program itself, at
//! the driver, a fraction of a microsecond apart. What is not a base packet goes
//! on to the threads.

mod assembly;
mod program;

use std::io;
use std::net::IpAddr;

use owl_protocol::session::reflector::{Rate, Rations};
use owl_protocol::wire::ErrorEstimate;

use crate::interface::interfaces;
use crate::net::{Link, Map, MapKind, Program, kernel_clock};

/// Addresses at which the program answers, at most; packets to further ones go to the threads.
const ADDRESSES_MAX: u32 = 64;
/// Octets of [`Told`] and of [`XdpCounts`] in their maps.
const TOLD_OCTETS: usize = 64;
const COUNTS_OCTETS: usize = 16;
/// The only index of a map that holds one value.
const ONLY: [u8; 4] = [0; 4];

/// The reflector cannot work in the driver.
#[derive(Debug, thiserror::Error)]
pub enum XdpError {
    /// There is no such interface.
    #[error("cannot reflect in the driver of {interface}: there is no such interface")]
    Interface {
        /// Its name.
        interface: String,
    },
    /// The kernel does not take the program or its maps.
    #[error("cannot load the program that reflects in the driver of {interface}")]
    Load {
        /// The interface.
        interface: String,
        /// Why not.
        source: io::Error,
    },
    /// The driver cannot run programs, or runs another one.
    #[error("cannot attach a program to the driver of {interface}")]
    Attach {
        /// The interface.
        interface: String,
        /// Why not.
        source: io::Error,
    },
    /// The reflector is to look closer at requests than the program can.
    #[error(
        "cannot reflect in the driver of {interface} with keys, with networks that alone are answered, or in the PTP format"
    )]
    Provisioned {
        /// The interface.
        interface: String,
    },
}

/// How many base packets had which fate in the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct XdpCounts {
    pub(super) reflected: u64,
    pub(super) rationed: u64,
}

/// What the program is told, now and then.
#[derive(Debug, Clone, Copy)]
struct Told {
    tai_offset_ns: u64,
    error_estimate: ErrorEstimate,
    port: u16,
    seed: u64,
    rations: Rations,
}

impl Told {
    fn octets(&self) -> [u8; TOLD_OCTETS] {
        let cost = |rate: Rate| 1_000_000_000 / u64::from(rate.per_second.max(1));
        let burst = |rate: Rate| cost(rate) * u64::from(rate.burst.max(1));
        let numbers = [
            self.tai_offset_ns,
            u64::from(self.error_estimate.0),
            u64::from(self.port),
            self.seed,
            cost(self.rations.source),
            burst(self.rations.source),
            cost(self.rations.total),
            burst(self.rations.total),
        ];
        let mut octets = [0; TOLD_OCTETS];
        for (room, number) in octets.chunks_exact_mut(8).zip(numbers) {
            room.copy_from_slice(&number.to_ne_bytes());
        }
        octets
    }
}

/// The program with its maps.
#[derive(Debug)]
struct Loaded {
    told: Map,
    counts: Map,
    program: Program,
    /// The program looks into them; nobody else does.
    _private: [Map; 2],
}

impl Loaded {
    fn new(addresses: &[IpAddr]) -> io::Result<Self> {
        let told = Map::new(MapKind::Array, 4, TOLD_OCTETS, 1)?;
        let counts = Map::new(MapKind::Array, 4, COUNTS_OCTETS, 1)?;
        let buckets = Map::new(MapKind::Array, 4, 8, program::BUCKETS + 1)?;
        let own = Map::new(MapKind::Hash, 16, 1, ADDRESSES_MAX)?;
        for ip in addresses.iter().take(ADDRESSES_MAX as usize) {
            let key = match ip {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => *v6,
            };
            own.set(&key.octets(), &[1])?;
        }
        let code = program::program(program::Maps {
            told: told.descriptor(),
            addresses: own.descriptor(),
            buckets: buckets.descriptor(),
            counts: counts.descriptor(),
        });
        Ok(Self {
            program: Program::load_xdp(&code)?,
            told,
            counts,
            _private: [own, buckets],
        })
    }

    fn tell(&self, told: &Told) -> io::Result<()> {
        self.told.set(&ONLY, &told.octets())
    }

    fn counts(&self) -> io::Result<XdpCounts> {
        let mut octets = [0; COUNTS_OCTETS];
        self.counts.get(&ONLY, &mut octets)?;
        let number = |at: usize| {
            let octets = octets[at..at + 8].try_into();
            u64::from_ne_bytes(octets.expect("the range has eight octets"))
        };
        Ok(XdpCounts {
            reflected: number(0),
            rationed: number(8),
        })
    }
}

/// A reflector in a driver, for as long as it lives.
#[derive(Debug)]
pub(super) struct XdpReflector {
    loaded: Loaded,
    _link: Link,
    port: u16,
    seed: u64,
    rations: Rations,
}

impl XdpReflector {
    /// Puts the program into the driver of an interface. It answers at a port of these addresses, or of all that the
    /// interface has when none is given, once it was told its clock.
    pub(super) fn attach(
        interface: &str,
        addresses: &[IpAddr],
        port: u16,
        rations: Rations,
        seed: u64,
    ) -> Result<Self, XdpError> {
        let name = || interface.to_owned();
        let found = interfaces().into_iter().find(|it| it.name == interface);
        let found = found.ok_or_else(|| XdpError::Interface { interface: name() })?;
        let addresses = if addresses.is_empty() {
            &found.addresses
        } else {
            addresses
        };
        let loaded = Loaded::new(addresses).map_err(|source| XdpError::Load {
            interface: name(),
            source,
        })?;
        let link = loaded.program.attach(found.index);
        let link = link.map_err(|source| XdpError::Attach {
            interface: name(),
            source,
        })?;
        Ok(Self {
            loaded,
            _link: link,
            port,
            seed,
            rations,
        })
    }

    /// Tells the program what its clock is worth. Where the kernel does not tell its TAI offset, or the map not be
    /// written, the former word stands.
    pub(super) fn tell(&self, error_estimate: ErrorEstimate) {
        if let Ok(clock) = kernel_clock() {
            let tai_offset_s = u64::try_from(clock.tai_offset_s).unwrap_or(0);
            let _ = self.loaded.tell(&Told {
                tai_offset_ns: tai_offset_s * 1_000_000_000,
                error_estimate,
                port: self.port,
                seed: self.seed,
                rations: self.rations,
            });
        }
    }

    /// What the program has done so far.
    pub(super) fn counts(&self) -> XdpCounts {
        self.loaded.counts().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
