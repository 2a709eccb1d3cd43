//! The few system calls that no safe crate offers.
#![expect(
    unsafe_code,
    reason = "prctl in a child before exec, scheduling, raw sockets with stamps, the size of the terminal"
)]

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use owl_measure::time::Timestamp;

/// How much the children step back behind the delay box, which must be on time while their stamps are the kernel's.
const CHILDREN_NICE: libc::c_int = 5;

/// Lets the kernel kill the child when the thread that starts it ends, however that happens, and lets it step back
/// behind the delay box.
pub(crate) fn prepare_child(command: &mut Command) {
    // SAFETY: between fork and exec only prctl and nice are called, which are async-signal-safe, and no memory is touched.
    unsafe {
        command.pre_exec(|| {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) != 0 {
                return Err(io::Error::last_os_error());
            }
            // Stepping back is always allowed; were it not, the lab would only be a little less exact.
            let _ = libc::nice(CHILDREN_NICE);
            Ok(())
        });
    }
}

/// Puts this thread before all ordinary ones, where that is allowed (root); elsewhere it wakes less exactly, which the
/// truth then holds.
pub(crate) fn before_others() {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter is a live local that the kernel reads; 0 means the calling thread.
    unsafe {
        libc::sched_setscheduler(
            0,
            libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK,
            &raw const priority,
        )
    };
}

/// Asks a process to end.
pub(crate) fn terminate(pid: u32) {
    let Ok(pid) = i32::try_from(pid) else { return };
    // SAFETY: kill touches no memory; the id is of a child that was not waited for, so it is nobody else's.
    unsafe { libc::kill(pid, libc::SIGTERM) };
}

/// Columns and rows of the terminal on standard output; `None` when it is none.
pub(crate) fn terminal_size() -> Option<(usize, usize)> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the request fills a winsize, which lives through the call.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.ws_col > 0 && size.ws_row > 0)
        .then(|| (size.ws_col.into(), size.ws_row.into()))
}

/// Whether this process may do anything.
pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid touches no memory and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// A raw socket on one interface, whose frames are stamped by the kernel as they come.
#[derive(Debug)]
pub(crate) struct Tap(OwnedFd);

/// PACKET_IGNORE_OUTGOING (linux/if_packet.h): what this host sends itself is not shown.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// Room for the one control message that is asked for, aligned as `cmsghdr` is.
#[repr(align(8))]
struct Control([u8; 64]);

impl Tap {
    /// Opens the interface with this index.
    pub(crate) fn open(interface: u32) -> io::Result<Self> {
        let protocol = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: socket touches no memory.
        let fd = unsafe {
            libc::socket(
                libc::AF_PACKET,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                i32::from(protocol),
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just opened and nobody else has it.
        let tap = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        for (level, option) in [
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS),
            (libc::SOL_PACKET, PACKET_IGNORE_OUTGOING),
        ] {
            let on: libc::c_int = 1;
            // SAFETY: the value is a live local of the stated length.
            let set = unsafe {
                libc::setsockopt(
                    fd,
                    level,
                    option,
                    (&raw const on).cast(),
                    size_of::<libc::c_int>() as libc::socklen_t,
                )
            };
            if set < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        // SAFETY: all-zero is a valid sockaddr_ll: plain integers.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as libc::sa_family_t;
        address.sll_protocol = protocol;
        address.sll_ifindex = i32::try_from(interface).map_err(io::Error::other)?;
        // SAFETY: the address is a live local of the stated length.
        let bound = unsafe {
            libc::bind(
                fd,
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if bound < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(tap)
        }
    }

    /// The next frame's length and when the kernel received it; `None` when there is none.
    pub(crate) fn receive(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<Option<(usize, Option<Timestamp>)>> {
        let mut control = Control([0; 64]);
        let mut slice = libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        // SAFETY: all-zero is a valid msghdr: plain integers and null pointers.
        let mut header: libc::msghdr = unsafe { zeroed() };
        header.msg_iov = &raw mut slice;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = control.0.len() as _;
        // SAFETY: every pointer in the header points to a live local of the stated length.
        let octets =
            unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
        if octets < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock {
                Ok(None)
            } else {
                Err(error)
            };
        }
        // SAFETY: the header is the one that recvmsg filled.
        let message = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
        let mut stamp = None;
        if !message.is_null() {
            // SAFETY: a header that CMSG_FIRSTHDR returns lies whole inside the control buffer.
            let (level, kind, length) = unsafe {
                (
                    (*message).cmsg_level,
                    (*message).cmsg_type,
                    (*message).cmsg_len as usize,
                )
            };
            // SAFETY: CMSG_LEN only computes.
            let whole =
                length >= unsafe { libc::CMSG_LEN(size_of::<libc::timespec>() as u32) } as usize;
            if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS && whole {
                // SAFETY: that many octets lie behind the header, and the read needs no alignment.
                let at = unsafe {
                    libc::CMSG_DATA(message)
                        .cast::<libc::timespec>()
                        .read_unaligned()
                };
                stamp = Some(Timestamp(
                    at.tv_sec
                        .saturating_mul(1_000_000_000)
                        .saturating_add(at.tv_nsec),
                ));
            }
        }
        Ok(Some((octets as usize, stamp)))
    }

    /// Sends a frame.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the frame is borrowed and its length is stated.
        let sent = unsafe {
            libc::send(
                self.0.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                libc::MSG_DONTWAIT,
            )
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

impl AsRawFd for Tap {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
