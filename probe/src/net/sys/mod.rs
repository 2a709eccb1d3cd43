//! The system calls that no safe crate offers: messages with control data, the
//! error queue, waiting to the nanosecond, the kernel's clock state.
//!
//! The one island of `unsafe` in this crate. Every block copies plain integers
//! in or out of structures that the kernel fills, and says why that is sound.
#![expect(
    unsafe_code,
    reason = "recvmsg, sendmsg, ppoll, adjtimex, prctl, sched_* and bpf have no safe wrapper with nanosecond stamps"
)]

mod batch;
mod bpf;
mod bundle;
mod clocks;
mod drops;
mod outgoing;
mod thread;
mod wait;

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use owl_measure::clock::KernelClock;
use owl_measure::time::{Nanos, Timestamp};
use socket2::SockAddr;

pub(crate) use batch::BATCH;
pub(super) use batch::Batch;
pub(crate) use bpf::{Link, Map, MapKind, Program};
pub(super) use bundle::Bundling;
pub(crate) use bundle::Sent;
pub(crate) use clocks::{both_clocks, interface_clock, monotonic_clock};
pub(super) use drops::drops;
pub(super) use outgoing::Outgoing;
pub(crate) use outgoing::TransmitStamps;
pub use thread::{ThreadError, pin_to, processors, real_time};
pub(crate) use wait::Waiting;
pub use wait::{Readiness, wait};

/// Room for the control messages of one packet; the kernel says when it was too little.
const CONTROL_OCTETS: usize = 512;

/// Control data must be aligned as `cmsghdr` is.
#[repr(align(8))]
struct ControlBuffer([u8; CONTROL_OCTETS]);

impl ControlBuffer {
    fn empty() -> Self {
        Self([0; CONTROL_OCTETS])
    }
}

/// What the kernel says of a message beside its octets.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Control {
    /// Stamped by the kernel on CLOCK_REALTIME.
    pub(super) kernel: Option<Timestamp>,
    /// Stamped by the interface on its own clock.
    pub(super) hardware: Option<Timestamp>,
    pub(super) ttl: Option<u8>,
    /// DSCP and ECN as they stand in the IP header.
    pub(super) traffic_class: Option<u8>,
    /// The local address that the packet was sent to.
    pub(super) destination: Option<IpAddr>,
    pub(super) interface: Option<u32>,
    /// On the error queue: which send of this socket the stamps belong to, counted from 0.
    pub(super) transmit_id: Option<u32>,
    /// On the error queue: the same of a stamp taken when the packet came to the queue before the driver.
    pub(super) queued_id: Option<u32>,
}

/// One received message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) octets: usize,
    pub(super) source: Option<SocketAddr>,
    pub(super) control: Control,
}

/// Which queue of a socket to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    Data,
    Error,
}

impl Queue {
    fn flag(self) -> libc::c_int {
        match self {
            Self::Data => 0,
            Self::Error => libc::MSG_ERRQUEUE,
        }
    }
}

/// Reads one message without waiting; `None` when there is none.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    queue: Queue,
    buffer: &mut [u8],
) -> io::Result<Option<Message>> {
    let mut control = ControlBuffer::empty();
    let mut slice = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all-zero is a valid sockaddr_storage and a valid msghdr: both are plain integers and null pointers.
    let (mut name, mut header): (libc::sockaddr_storage, libc::msghdr) =
        unsafe { (zeroed(), zeroed()) };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_OCTETS as _;
    let flags = libc::MSG_DONTWAIT | queue.flag();
    // SAFETY: every pointer in the header points to a live local of the stated length, and the descriptor is borrowed.
    let octets = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    if octets < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock {
            Ok(None)
        } else {
            Err(error)
        };
    }
    let source = socket_address(&name, header.msg_namelen);
    Ok(Some(Message {
        octets: octets as usize,
        source,
        control: read_control(&header),
    }))
}

fn socket_address(name: &libc::sockaddr_storage, length: libc::socklen_t) -> Option<SocketAddr> {
    if (length as usize) < size_of::<libc::sa_family_t>() {
        return None;
    }
    let mut storage = socket2::SockAddrStorage::zeroed();
    // SAFETY: SockAddrStorage is a sockaddr_storage inside, so viewing it as one and copying plain integers is sound.
    unsafe { *storage.view_as::<libc::sockaddr_storage>() = *name };
    // SAFETY: the kernel wrote `length` octets of an address of the family it states.
    unsafe { SockAddr::new(storage, length) }.as_socket()
}

fn read_control(header: &libc::msghdr) -> Control {
    let mut control = Control::default();
    // SAFETY: the header is the one that recvmsg filled; CMSG_FIRSTHDR and CMSG_NXTHDR stay within its control buffer.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !next.is_null() {
        // SAFETY: a non-null pointer of CMSG_FIRSTHDR or CMSG_NXTHDR points to a whole header inside the buffer.
        let message = unsafe { *next };
        // SAFETY: the same, and CMSG_DATA points to `cmsg_len` minus the header's own length of octets behind it.
        let (data, header_octets) = unsafe { (libc::CMSG_DATA(next), libc::CMSG_LEN(0) as usize) };
        let octets = (message.cmsg_len as usize).saturating_sub(header_octets);
        read_one(
            &mut control,
            message.cmsg_level,
            message.cmsg_type,
            data,
            octets,
        );
        // SAFETY: `next` came from this header.
        next = unsafe { libc::CMSG_NXTHDR(header, next) };
    }
    control
}

/// Copies a plain value out of control data, when all of it is there.
fn copy_out<T: Copy>(data: *const u8, octets: usize) -> Option<T> {
    // SAFETY: used for C structures of plain integers only, at least that many octets are there, and the read needs no alignment.
    (octets >= size_of::<T>()).then(|| unsafe { data.cast::<T>().read_unaligned() })
}

fn read_one(
    control: &mut Control,
    level: libc::c_int,
    kind: libc::c_int,
    data: *const u8,
    octets: usize,
) {
    match (level, kind) {
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => {
            // Software, a relic, and the interface's own clock (Linux, Documentation/networking/timestamping).
            if let Some([kernel, _, hardware]) = copy_out::<[libc::timespec; 3]>(data, octets) {
                control.kernel = timestamp(kernel);
                control.hardware = timestamp(hardware);
            }
        }
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
            control.ttl =
                copy_out::<libc::c_int>(data, octets).and_then(|ttl| u8::try_from(ttl).ok());
        }
        (libc::IPPROTO_IP, libc::IP_TOS) => control.traffic_class = copy_out(data, octets),
        (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
            control.traffic_class =
                copy_out::<libc::c_int>(data, octets).and_then(|class| u8::try_from(class).ok());
        }
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            let info = copy_out::<libc::in_pktinfo>(data, octets);
            control.destination =
                info.map(|info| Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
            control.interface = info.and_then(|info| u32::try_from(info.ipi_ifindex).ok());
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let info = copy_out::<libc::in6_pktinfo>(data, octets);
            control.destination = info.map(|info| Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
            control.interface = info.map(|info| info.ipi6_ifindex);
        }
        (libc::IPPROTO_IP, libc::IP_RECVERR)
        | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        | (libc::SOL_PACKET, PACKET_TX_TIMESTAMP) => {
            let error = copy_out::<libc::sock_extended_err>(data, octets);
            let error = error.filter(|error| error.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING);
            let id = |kind| {
                error
                    .filter(|error| error.ee_info == kind)
                    .map(|error| error.ee_data)
            };
            control.transmit_id = id(SCM_TSTAMP_SND);
            control.queued_id = id(SCM_TSTAMP_SCHED);
        }
        _ => {}
    }
}

/// `ee_info` of a stamp taken when the packet was handed to the driver (linux/errqueue.h).
const SCM_TSTAMP_SND: u32 = 0;
/// `ee_info` of a stamp taken when the packet was handed to the queueing discipline (linux/errqueue.h).
const SCM_TSTAMP_SCHED: u32 = 1;
/// The error queue's message type on packet sockets (linux/if_packet.h).
const PACKET_TX_TIMESTAMP: libc::c_int = 16;

/// The kernel leaves a stamp that it did not take at zero.
fn timestamp(at: libc::timespec) -> Option<Timestamp> {
    (at.tv_sec != 0 || at.tv_nsec != 0).then(|| {
        Timestamp(
            at.tv_sec
                .saturating_mul(1_000_000_000)
                .saturating_add(at.tv_nsec),
        )
    })
}

/// Sends one datagram, from a given local address, over a given interface, and with a given DSCP and ECN, when there are such.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    datagram: &[u8],
    to: SocketAddr,
    from: Option<IpAddr>,
    interface: Option<u32>,
    traffic_class: Option<u8>,
) -> io::Result<()> {
    let name = SockAddr::from(to);
    let mut control = ControlBuffer::empty();
    let mut slice = libc::iovec {
        iov_base: datagram.as_ptr().cast_mut().cast(),
        iov_len: datagram.len(),
    };
    // SAFETY: all-zero is a valid msghdr.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_name = name.as_ptr().cast_mut().cast();
    header.msg_namelen = name.len();
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    let mut used = 0;
    if from.is_some() || interface.is_some() {
        let any = match to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let (from, interface) = (from.unwrap_or(any), interface.unwrap_or(0));
        used = local_address(&mut header, &mut control, used, from, interface);
    }
    if let Some(class) = traffic_class {
        mark(&mut header, &mut control, used, to.is_ipv6(), class);
    }
    // SAFETY: every pointer in the header points to a live local or to the borrowed datagram, which sendmsg only reads.
    let sent = unsafe {
        libc::sendmsg(
            socket.as_raw_fd(),
            &raw const header,
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Asks for a local address to send from; where the next control message goes.
fn local_address(
    header: &mut libc::msghdr,
    control: &mut ControlBuffer,
    used: usize,
    from: IpAddr,
    interface: u32,
) -> usize {
    match from {
        IpAddr::V4(address) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: interface.cast_signed(),
                ipi_spec_dst: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.octets()),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            put_control(
                header,
                control,
                used,
                libc::IPPROTO_IP,
                libc::IP_PKTINFO,
                info,
            )
        }
        IpAddr::V6(address) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: address.octets(),
                },
                ipi6_ifindex: interface,
            };
            put_control(
                header,
                control,
                used,
                libc::IPPROTO_IPV6,
                libc::IPV6_PKTINFO,
                info,
            )
        }
    }
}

/// Marks what is sent with a traffic class (DSCP and ECN).
fn mark(
    header: &mut libc::msghdr,
    control: &mut ControlBuffer,
    used: usize,
    ipv6: bool,
    class: u8,
) -> usize {
    let (level, kind) = if ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_TCLASS)
    } else {
        (libc::IPPROTO_IP, libc::IP_TOS)
    };
    put_control(header, control, used, level, kind, libc::c_int::from(class))
}

/// Asks for both transmit stamps of this packet: when it comes to the queueing discipline, and when it leaves it.
fn stamp_queueing(header: &mut libc::msghdr, control: &mut ControlBuffer, used: usize) {
    let flags = libc::SOF_TIMESTAMPING_TX_SCHED | libc::SOF_TIMESTAMPING_TX_SOFTWARE;
    put_control(
        header,
        control,
        used,
        libc::SOL_SOCKET,
        libc::SO_TIMESTAMPING,
        flags,
    );
}

/// Appends one message to the control data of a header, behind the first `at` octets; where the next one goes.
fn put_control<T: Copy>(
    header: &mut libc::msghdr,
    buffer: &mut ControlBuffer,
    at: usize,
    level: libc::c_int,
    kind: libc::c_int,
    value: T,
) -> usize {
    // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
    let (space, length) = unsafe {
        (
            libc::CMSG_SPACE(size_of::<T>() as u32) as usize,
            libc::CMSG_LEN(size_of::<T>() as u32),
        )
    };
    // Two messages of an address structure and a number fit several times over.
    let Some(room) = buffer.0.get_mut(at..at + space) else {
        return at;
    };
    let message = room.as_mut_ptr().cast::<libc::cmsghdr>();
    // SAFETY: the buffer is aligned as cmsghdr is and every CMSG_SPACE before this is a multiple of that alignment; the
    // room is `space` octets, which hold the header and the value.
    unsafe {
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = length as _;
        libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
    }
    header.msg_control = buffer.0.as_mut_ptr().cast();
    header.msg_controllen = (at + space) as _;
    at + space
}

/// Asks for timers of this thread that fire as exactly as the kernel can; where it refuses, waking is less exact and
/// the lateness that every report carries says so.
pub fn set_timer_slack() {
    // SAFETY: PR_SET_TIMERSLACK takes one integer and touches no memory of ours.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64, 0_u64, 0_u64, 0_u64) };
}

/// Reads the kernel's view of its clock (`adjtimex` with nothing to change; any user may).
pub(crate) fn kernel_clock() -> io::Result<KernelClock> {
    let mut state = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: all-zero is a valid timex with `modes` 0, which changes nothing, and the kernel fills the rest.
    let (result, state) = unsafe {
        let result = libc::adjtimex(state.as_mut_ptr());
        (result, state.assume_init())
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(KernelClock {
        synchronised: state.status & libc::STA_UNSYNC == 0,
        max_error: Nanos::from_micros(state.maxerror),
        estimated_error: Nanos::from_micros(state.esterror),
        tai_offset_s: state.tai,
        frequency_ppb: i32::try_from(state.freq * 1_000 / 65_536).unwrap_or(0),
    })
}

/// `struct ethtool_ts_info` (linux/ethtool.h).
#[repr(C)]
#[derive(Clone, Copy)]
struct EthtoolTsInfo {
    cmd: u32,
    so_timestamping: u32,
    phc_index: i32,
    tx_types: u32,
    tx_reserved: [u32; 3],
    rx_filters: u32,
    rx_reserved: [u32; 3],
}

/// ETHTOOL_GET_TS_INFO (linux/ethtool.h)
const ETHTOOL_GET_TS_INFO: u32 = 0x41;
/// SIOCETHTOOL (linux/sockios.h)
const SIOCETHTOOL: u64 = 0x8946;

/// The SOF_TIMESTAMPING_* that an interface says it has.
pub(crate) fn interface_stamping(socket: BorrowedFd<'_>, interface: &str) -> io::Result<u32> {
    timestamp_info(socket, interface).map(|info| info.so_timestamping)
}

/// The number of an interface's own clock (`/dev/ptpN`); below zero where it has none.
fn interface_clock_index(socket: BorrowedFd<'_>, interface: &str) -> io::Result<i32> {
    timestamp_info(socket, interface).map(|info| info.phc_index)
}

fn timestamp_info(socket: BorrowedFd<'_>, interface: &str) -> io::Result<EthtoolTsInfo> {
    let mut info = EthtoolTsInfo {
        cmd: ETHTOOL_GET_TS_INFO,
        so_timestamping: 0,
        phc_index: -1,
        tx_types: 0,
        tx_reserved: [0; 3],
        rx_filters: 0,
        rx_reserved: [0; 3],
    };
    // SAFETY: all-zero is a valid ifreq: plain integers and a null pointer.
    let mut request: libc::ifreq = unsafe { zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut info).cast();
    // SAFETY: the request names an interface and points to a live structure of the layout that this command fills.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(info)
    }
}

/// Sets one integer option of a socket.
pub(super) fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the value is a live local of the stated length.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
