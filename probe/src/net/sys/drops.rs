//! What the kernel dropped at a socket.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Numbers of `SO_MEMINFO` up to and with the drops (linux/sock_diag.h, SK_MEMINFO_DROPS).
const NUMBERS: usize = 9;

/// Datagrams that the kernel dropped at a socket since it was made: for lack of room in its buffer, or because their
/// checksum was wrong. The count wraps.
///
/// It is the one that SO_RXQ_OVFL attaches to later datagrams; asked for now and then it costs nothing a datagram, and
/// it is known even when none follows.
pub(in crate::net) fn drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut numbers = [0_u32; NUMBERS];
    let mut octets = size_of::<[u32; NUMBERS]>() as libc::socklen_t;
    // SAFETY: the kernel writes at most the stated octets into a live array of plain integers, and their count.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut octets,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    match numbers {
        [.., drops] if octets as usize == size_of::<[u32; NUMBERS]>() => Ok(drops),
        _ => Err(io::Error::from(io::ErrorKind::Unsupported)),
    }
}
