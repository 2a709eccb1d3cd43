//! Programs in the kernel: maps, loading, attaching (bpf(2), linux/bpf.h).

use std::ffi::CStr;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP_ELEM: libc::c_int = 1;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const PROG_LOAD: libc::c_int = 5;
#[cfg(test)]
const PROG_TEST_RUN: libc::c_int = 10;
const LINK_CREATE: libc::c_int = 28;
/// BPF_PROG_TYPE_XDP
const XDP_PROGRAM: u32 = 6;
/// BPF_XDP
const ATTACH_XDP: u32 = 37;
/// XDP_FLAGS_DRV_MODE (linux/if_link.h): in the driver, or not at all.
const IN_DRIVER: u32 = 1 << 2;
/// Functions of the kernel that only GPL programs may call are not called.
const LICENSE: &CStr = c"Apache-2.0 OR MIT";
/// Room for what the verifier says of a program that it refuses.
const LOG_OCTETS: usize = 1 << 18;

/// Calls bpf(2) with a part of `union bpf_attr`; what is not given of it is zero.
fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<libc::c_int> {
    // SAFETY: the attributes are a live structure of plain integers, laid out as this command's part of the union, of the
    // stated size; the addresses in it are those of live memory, as each caller shows.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<T>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        // A descriptor or zero.
        Ok(result as libc::c_int)
    }
}

fn descriptor<T>(command: libc::c_int, attributes: &mut T) -> io::Result<OwnedFd> {
    let descriptor = bpf(command, attributes)?;
    // SAFETY: these commands return a new descriptor, which is nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn address<T: ?Sized>(memory: &T) -> u64 {
    std::ptr::from_ref(memory).cast::<u8>() as u64
}

fn address_mut<T: ?Sized>(memory: &mut T) -> u64 {
    std::ptr::from_mut(memory).cast::<u8>() as u64
}

/// How a map finds its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MapKind {
    /// By any key.
    Hash = 1,
    /// By a number of four octets.
    Array = 2,
}

/// A table that a program in the kernel and this process share.
#[derive(Debug)]
pub(crate) struct Map {
    descriptor: OwnedFd,
    key_octets: usize,
    value_octets: usize,
}

#[repr(C)]
struct Element {
    map: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl Map {
    pub(crate) fn new(
        kind: MapKind,
        key_octets: usize,
        value_octets: usize,
        entries: u32,
    ) -> io::Result<Self> {
        #[repr(C)]
        struct Create {
            kind: u32,
            key_octets: u32,
            value_octets: u32,
            entries: u32,
            flags: u32,
        }
        let mut create = Create {
            kind: kind as u32,
            key_octets: key_octets as u32,
            value_octets: value_octets as u32,
            entries,
            flags: 0,
        };
        Ok(Self {
            descriptor: descriptor(MAP_CREATE, &mut create)?,
            key_octets,
            value_octets,
        })
    }

    pub(crate) fn descriptor(&self) -> i32 {
        self.descriptor.as_raw_fd()
    }

    /// Sets the value of a key; both must have the lengths of the map.
    pub(crate) fn set(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.has_lengths(key, value)?;
        // The kernel only reads the key and the value, as many octets as were just compared.
        let mut element = self.element(key, address(value));
        bpf(MAP_UPDATE_ELEM, &mut element).map(|_| ())
    }

    /// Reads the value of a key.
    pub(crate) fn get(&self, key: &[u8], value: &mut [u8]) -> io::Result<()> {
        self.has_lengths(key, value)?;
        // The kernel reads the key and writes the value, as many octets as were just compared.
        let mut element = self.element(key, address_mut(value));
        bpf(MAP_LOOKUP_ELEM, &mut element).map(|_| ())
    }

    fn has_lengths(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if (key.len(), value.len()) == (self.key_octets, self.value_octets) {
            Ok(())
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    fn element(&self, key: &[u8], value: u64) -> Element {
        Element {
            map: self.descriptor.as_raw_fd() as u32,
            pad: 0,
            key: address(key),
            value,
            flags: 0,
        }
    }
}

/// A program that the kernel has taken.
#[derive(Debug)]
pub(crate) struct Program(OwnedFd);

impl Program {
    /// Loads an XDP program.
    ///
    /// # Errors
    /// When this process may not, or the verifier refuses it; its last words are in the error.
    pub(crate) fn load_xdp(code: &[u64]) -> io::Result<Self> {
        #[repr(C)]
        struct Load {
            kind: u32,
            instructions: u32,
            code: u64,
            license: u64,
            log_level: u32,
            log_octets: u32,
            log: u64,
        }
        let mut load = Load {
            kind: XDP_PROGRAM,
            instructions: code.len() as u32,
            code: address(code),
            license: LICENSE.as_ptr() as u64,
            log_level: 0,
            log_octets: 0,
            log: 0,
        };
        match descriptor(PROG_LOAD, &mut load) {
            Ok(program) => return Ok(Self(program)),
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied
                    && error.raw_os_error() == Some(libc::EPERM) =>
            {
                return Err(error);
            }
            Err(_) => {}
        }
        let mut log = vec![0_u8; LOG_OCTETS];
        load.log_level = 1;
        load.log_octets = LOG_OCTETS as u32;
        load.log = address_mut(log.as_mut_slice());
        let error = match descriptor(PROG_LOAD, &mut load) {
            Ok(program) => return Ok(Self(program)),
            Err(error) => error,
        };
        let text = String::from_utf8_lossy(&log);
        let said = text.trim_matches(['\0', '\n']);
        let last: Vec<_> = said.lines().rev().take(8).collect();
        let last: Vec<_> = last.into_iter().rev().collect();
        Err(io::Error::new(
            error.kind(),
            format!("{error}; the verifier says: {}", last.join(" | ")),
        ))
    }

    /// Attaches the program to an interface, in its driver, for as long as the link lives.
    pub(crate) fn attach(&self, interface: u32) -> io::Result<Link> {
        #[repr(C)]
        struct Create {
            program: u32,
            interface: u32,
            attach: u32,
            flags: u32,
        }
        let mut create = Create {
            program: self.0.as_raw_fd() as u32,
            interface,
            attach: ATTACH_XDP,
            flags: IN_DRIVER,
        };
        Ok(Link {
            _descriptor: descriptor(LINK_CREATE, &mut create)?,
        })
    }

    /// Runs the program on a frame, as if it had just come: what it returns, and the frame as it leaves it.
    #[cfg(test)]
    pub(crate) fn run(&self, frame: &[u8]) -> io::Result<(u32, Vec<u8>)> {
        #[repr(C)]
        struct Run {
            program: u32,
            result: u32,
            octets_in: u32,
            octets_out: u32,
            frame_in: u64,
            frame_out: u64,
            repeat: u32,
            duration: u32,
        }
        let mut out = vec![0; 4_096];
        let mut run = Run {
            program: self.0.as_raw_fd() as u32,
            result: 0,
            octets_in: frame.len() as u32,
            octets_out: out.len() as u32,
            frame_in: address(frame),
            frame_out: address_mut(out.as_mut_slice()),
            repeat: 1,
            duration: 0,
        };
        bpf(PROG_TEST_RUN, &mut run)?;
        out.truncate(run.octets_out as usize);
        Ok((run.result, out))
    }
}

/// A program's place at an interface; it leaves it when this is dropped, however the process ends.
#[derive(Debug)]
pub(crate) struct Link {
    _descriptor: OwnedFd,
}
