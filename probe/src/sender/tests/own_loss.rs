//! What becomes of a session whose replies this host drops at its own full socket.

use std::cell::RefCell;
use std::net::UdpSocket;

use owl_measure::clock::ClockState;
use owl_measure::report::Report;
use owl_measure::sample::Direction;
use owl_measure::verdict::SessionWindow;
use owl_protocol::session::Schedule;
use owl_protocol::wire::stamp::{ReflectorPacket, SenderPacket};

use super::*;

const THIRD: u64 = 8;
const PACKETS: u64 = 3 * THIRD;
/// Replies to this third come when the socket is full; those before and after tell which way they were lost.
const DROPPED: u64 = 1;
/// More than any receive buffer takes: 24 MB in datagrams as long as loopback carries, and short ones for what room is left.
const FLOOD: [(usize, usize); 2] = [(60_000, 400), (44, 400)];

/// A reflector that is called by the sender's own thread, so the sender reads nothing meanwhile.
struct Far {
    socket: UdpSocket,
    stranger: UdpSocket,
    sender: SocketAddr,
    waiting: Vec<SenderPacket>,
    sequence: u32,
}

fn third(packet: &SenderPacket) -> u64 {
    u64::from(packet.sequence) / THIRD
}

impl Far {
    fn reflect(&mut self) {
        let mut buffer = [0; 64];
        while let Ok((octets, _)) = self.socket.recv_from(&mut buffer) {
            let packet = SenderPacket::decode(&buffer[..octets]).unwrap();
            self.waiting.push(packet);
        }
        // One third after the other, each when the sender has emptied its socket.
        let Some(third) = self.waiting.first().map(third) else {
            return;
        };
        if third == DROPPED {
            for (octets, datagrams) in FLOOD {
                let junk = vec![0; octets];
                for _ in 0..datagrams {
                    self.stranger.send_to(&junk, self.sender).unwrap();
                }
            }
        }
        let (now, later) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|packet| self::third(packet) == third);
        self.waiting = later;
        for packet in now {
            self.reply(&packet);
        }
    }

    fn reply(&mut self, packet: &SenderPacket) {
        let reply = ReflectorPacket {
            sequence: self.sequence,
            sent_at: packet.sent_at,
            error_estimate: packet.error_estimate,
            ssid: packet.ssid,
            received_at: packet.sent_at,
            sender_sequence: packet.sequence,
            sender_sent_at: packet.sent_at,
            sender_error_estimate: packet.error_estimate,
            sender_ttl: 255,
        };
        self.sequence += 1;
        self.socket.send_to(&reply.encode(), self.sender).unwrap();
    }
}

#[test]
fn replies_that_the_own_full_socket_drops_are_own_loss_and_not_the_paths() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let clock = Clock::honest();
    let packet_interval = Nanos::from_millis(5);
    let settings = SessionSettings {
        peer: socket.local_addr().unwrap(),
        local: None,
        sender: SenderConfig {
            packets: Some(PACKETS),
            ..SenderConfig::new(
                7,
                Schedule::periodic(packet_interval, clock.monotonic()),
                PATIENCE,
                PeerKind::Own,
            )
        },
        keys: None,
        report_interval: Nanos::from_secs(3_600),
        // So that all of it lies in one interval.
        aligned_to: clock.now(),
        targets: vec![],
    };
    let stats = Arc::<SenderStats>::default();
    let mut senders = SessionSenders::new(clock, stats.clone());
    let number = senders.open(settings).unwrap();
    let far = RefCell::new(Far {
        socket,
        stranger: UdpSocket::bind("127.0.0.1:0").unwrap(),
        sender: ([127, 0, 0, 1], senders.source_port(number)).into(),
        waiting: Vec::new(),
        sequence: 0,
    });
    let mut kept = Kept::default();
    let reflect = || {
        far.borrow_mut().reflect();
        None
    };
    senders
        .run(&AtomicBool::new(false), reflect, &mut kept)
        .unwrap();

    let sum = |count: fn(&Summary) -> u64| kept.summaries.iter().map(count).sum::<u64>();
    let (lost, own_loss) = (sum(|s| s.lost), sum(|s| s.own_loss));
    assert_eq!(sum(|s| s.sent), PACKETS);
    assert_eq!(lost + kept.samples.len() as u64, PACKETS);
    assert!(lost >= THIRD, "{lost}");
    assert_eq!(
        [sum(|s| s.forward.lost), sum(|s| s.backward.lost)],
        [0, lost]
    );
    assert!(own_loss >= lost, "{own_loss} dropped, {lost} lost");
    assert_eq!(stats.read().own_loss, own_loss);
    assert_eq!(sum(Summary::lost_here), lost);
    let reports: Vec<Report> = kept
        .summaries
        .into_iter()
        .map(|summary| Report {
            path: String::new(),
            generation: String::new(),
            flow: 0,
            packet_interval,
            summary,
            clock: ClockState::default(),
        })
        .collect();
    let window = SessionWindow::of(&reports).unwrap();
    assert_eq!(window.own_loss(), lost);
    assert_eq!(
        [Direction::Forward, Direction::Backward].map(|way| window.lost(way)),
        [0, 0]
    );
}
