//! What binds the packets of a lane to a member link: a socket for frames, and where their replies came in.

use std::io;
use std::net::SocketAddrV4;

use owl_measure::sample::StampSource;

use crate::clock::Clock;
use crate::member::Member;
use crate::net::{Ends, FrameSocket, Incoming};

/// What proves the kernel's stamps: shorter than any test packet, so that nobody answers it.
const PROOF: [u8; 4] = *b"owl?";

/// Over which interfaces the datagrams of a session-reflector came in, as far as the kernel tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RepliesOver {
    /// The one that the packets left by.
    pub member: u64,
    /// The aggregate of which that is a member. By which member, Linux does not tell.
    pub aggregate: u64,
    /// Another.
    pub elsewhere: u64,
}

impl RepliesOver {
    /// Those of two sessions.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            member: self.member + other.member,
            aggregate: self.aggregate + other.aggregate,
            elsewhere: self.elsewhere + other.elsewhere,
        }
    }
}

/// The way of a lane's packets.
#[derive(Debug)]
pub(super) struct Bound {
    socket: FrameSocket,
    ends: Ends,
    /// The frame that is being sent.
    frame: Vec<u8>,
    interface: u32,
    aggregate: Option<u32>,
    replies: RepliesOver,
}

impl Bound {
    /// For packets from this UDP port, whose replies come back to it.
    pub(super) fn open(member: &Member, port: u16, clock: Clock) -> io::Result<Self> {
        Ok(Self {
            socket: FrameSocket::open(member.index, clock)?,
            ends: Ends {
                source_mac: member.own_mac,
                destination_mac: member.next_mac,
                source: SocketAddrV4::new(member.source, port),
                destination: member.reflector,
            },
            frame: Vec::new(),
            interface: member.index,
            aggregate: member.aggregate_index,
            replies: RepliesOver::default(),
        })
    }

    /// Sends a real frame and sees whether the kernel tells when it left.
    pub(super) fn prove(&mut self) -> io::Result<StampSource> {
        self.write(&PROOF, 0)?;
        self.socket.prove(&self.frame)
    }

    /// Sends a packet: the number of its send.
    pub(super) fn send(&mut self, packet: &[u8], class: u8) -> io::Result<u32> {
        self.write(packet, class)?;
        self.socket.send(&self.frame)
    }

    fn write(&mut self, packet: &[u8], class: u8) -> io::Result<()> {
        let written = self.ends.write(packet, class, &mut self.frame);
        written.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
    }

    pub(super) fn renumber(&mut self) -> io::Result<()> {
        self.socket.renumber()
    }

    pub(super) fn transmit_stamps_many(&self, incoming: &mut Incoming) -> io::Result<usize> {
        self.socket.transmit_stamps_many(incoming)
    }

    /// Counts where a datagram came in.
    pub(super) fn came_over(&mut self, interface: Option<u32>) {
        let count = if interface == Some(self.interface) {
            &mut self.replies.member
        } else if interface.is_some() && interface == self.aggregate {
            &mut self.replies.aggregate
        } else {
            &mut self.replies.elsewhere
        };
        *count += 1;
    }

    pub(super) fn replies(&self) -> RepliesOver {
        self.replies
    }
}
