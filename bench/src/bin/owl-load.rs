//! A load on a session-reflector: as many test packets as it answers.
//!
//! Closed loop: so many packets are on their way at once, and a reply lets the
//! next one go. Packets leave many in one system call, cut apart by the kernel
//! (UDP segmentation offload), so that the load costs less than the answer; the
//! share of its processor that it used is printed, to show that it was not the
//! limit.
#![expect(clippy::print_stdout, reason = "the result goes to standard output")]

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use clap::Parser;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::UdpGsoSegment;
use nix::sys::time::TimeValLike as _;
use owl_protocol::wire::stamp::{PACKET_OCTETS, ReflectorPacket, SenderPacket};
use owl_protocol::wire::{ErrorEstimate, NtpTimestamp};

/// Put a closed-loop load on a session-reflector and print what it answered
#[derive(Debug, Parser)]
struct Args {
    /// The session-reflector
    reflector: SocketAddr,
    /// Packets on their way at once
    #[arg(long, default_value_t = 256)]
    window: u32,
    /// How long, in seconds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Packets that leave in one system call
    #[arg(long, default_value_t = 32)]
    burst: u32,
}

/// Without a reply for so long, what is on its way is taken for lost.
const SILENCE: Duration = Duration::from_millis(50);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let any: SocketAddr = if args.reflector.is_ipv6() {
        "[::]:0".parse()?
    } else {
        "0.0.0.0:0".parse()?
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(args.reflector)?;
    socket.set_read_timeout(Some(SILENCE))?;
    setsockopt(&socket, UdpGsoSegment, &(PACKET_OCTETS as i32))?;
    let burst = args.burst.clamp(1, 64).min(args.window);
    let mut out = vec![0; PACKET_OCTETS * burst as usize];
    let (mut sent, mut replies, mut bad, mut silences, mut flying) =
        (0_u32, 0_u64, 0_u64, 0_u64, 0_u32);
    let mut reply = [0; 2_048];
    let began = Instant::now();
    let used = processor_time()?;
    let end = began + Duration::from_secs_f64(args.seconds);
    while Instant::now() < end {
        while flying + burst <= args.window {
            for packet in out.chunks_exact_mut(PACKET_OCTETS) {
                let packet_of = SenderPacket {
                    sequence: sent,
                    sent_at: NtpTimestamp(u64::from(sent) << 8).into(),
                    error_estimate: ErrorEstimate::NO_CLAIM,
                    ssid: 1,
                };
                packet.copy_from_slice(&packet_of.encode());
                sent = sent.wrapping_add(1);
            }
            socket.send(&out)?;
            flying += burst;
        }
        // A burst's worth of replies is read before the next burst can go.
        for _ in 0..burst {
            match socket.recv(&mut reply) {
                Ok(octets) => match ReflectorPacket::decode(&reply[..octets]) {
                    Ok(packet)
                        if packet.sender_sent_at.0 == u64::from(packet.sender_sequence) << 8 =>
                    {
                        replies += 1;
                        flying = flying.saturating_sub(1);
                    }
                    _ => bad += 1,
                },
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    silences += 1;
                    flying = 0;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let own_share = (processor_time()? - used) / seconds;
    println!(
        "{{\"replies\":{replies},\"seconds\":{seconds:.4},\"per_second\":{:.0},\"bad\":{bad},\"silences\":{silences},\"own_processor_share\":{own_share:.3}}}",
        replies as f64 / seconds
    );
    Ok(())
}

/// Seconds of processor time that this process has used.
fn processor_time() -> nix::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(
        (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64
            / 1e6,
    )
}
