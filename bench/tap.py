"""The kernel's stamps of the test packets on a link, for a program that does not print its own.

A packet socket queues a copy of every packet with the time at which it passed; nothing is woken for it, and it is
read when the measurement is over. The time of a packet that arrives is the same one that its UDP socket is told;
that of one that leaves is taken a moment before its driver's, which makes a round trip a little longer, by less
than a microsecond.
"""

import ctypes
import os
import socket
import struct

SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
CLONE_NEWNET = 0x4000_0000
# Seconds from the NTP era's beginning to the Unix epoch (RFC 5905).
NTP_TO_UNIX = 2_208_988_800
BUFFER_OCTETS = 128 << 20

_libc = ctypes.CDLL(None, use_errno=True)


def _enter(namespace):
    if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _unix_ns(ntp):
    return ((ntp >> 32) - NTP_TO_UNIX) * 10**9 + ((ntp & 0xFFFF_FFFF) * 10**9 >> 32)


class Tap:
    """Queues what passes an interface of a namespace from now on."""

    def __init__(self, namespace, interface, port):
        self.port = port
        with open("/proc/self/ns/net") as own, open(f"/var/run/netns/{namespace}") as other:
            _enter(other)
            try:
                self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
                self.socket.bind((interface, ETH_P_ALL))
            finally:
                _enter(own)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_OCTETS)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setblocking(False)

    def stamps(self):
        """T1 to T4 of every packet that was answered, in ns; T2 and T3 as the reply carries them."""
        left, samples = {}, []
        for at, payload, is_request in self._test_packets():
            if is_request:
                left.setdefault(payload[:4], at)
            elif (t1 := left.pop(payload[24:28], None)) is not None:
                t3, t2 = struct.unpack("!Q4xQ", payload[4:24])
                samples.append((t1, _unix_ns(t2), _unix_ns(t3), at))
        self.socket.close()
        return samples

    def _test_packets(self):
        while True:
            try:
                frame, control, *_ = self.socket.recvmsg(256, 256)
            except BlockingIOError:
                return
            # Ethernet, IPv4 without options, UDP.
            if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_UDP or len(frame) < 42 + 44:
                continue
            source, destination = struct.unpack("!HH", frame[34:38])
            if self.port in (source, destination):
                ((_, _, stamp),) = control
                seconds, ns = struct.unpack("qq", stamp[:16])
                yield seconds * 10**9 + ns, frame[42:], destination == self.port
