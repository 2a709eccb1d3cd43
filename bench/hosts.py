"""Two hosts for the comparisons of this folder: network namespaces joined by a veth pair."""

import contextlib
import json
import os
import signal
import subprocess
import sys

NEAR, FAR = "192.0.2.1", "192.0.2.2"
# A network for measurements of devices (RFC 2544, section C.2.2).
NETWORK, FIRST = "198.18.0.0/15", "198.18.0.1"


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, text=True, **options)


def leave(number, _):
    """Ends the program as an exception does, so that every `with` and `finally` tidies up."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


class Hosts:
    """Two namespaces joined by a veth pair, for as long as the `with` lasts; SIGTERM and SIGHUP end it too."""

    def __init__(self):
        self.near, self.far = (f"owl-b-{os.getpid()}-{end}" for end in "ab")

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, leave)
        try:
            self.make()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def make(self):
        for host in (self.near, self.far):
            run("ip", "netns", "add", host)
        run("ip", "-n", self.near, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", self.far)
        for host, address in ((self.near, NEAR), (self.far, FAR)):
            run("ip", "-n", host, "address", "add", f"{address}/24", "dev", "veth0")
            for link in ("lo", "veth0"):
                run("ip", "-n", host, "link", "set", link, "up")

    def one_by_one(self):
        """Packets that leave a program as one (UDP_SEGMENT) are cut apart before the link, as on a wire; a veth pair would
        hand them over whole, and count them as one."""
        for host in (self.near, self.far):
            run("ip", "netns", "exec", host, "ethtool", "-K", "veth0", "tx-udp-segmentation", "off", stdout=subprocess.DEVNULL)

    def route_network(self):
        """All of NETWORK is at the far host."""
        run("ip", "-n", self.near, "route", "add", NETWORK, "via", FAR)
        run("ip", "-n", self.far, "route", "add", "local", NETWORK, "dev", "lo")

    def remove(self):
        for host in (self.near, self.far):
            # What still runs in it would keep it alive without a name. One that was never made has nobody.
            inside = subprocess.run(["ip", "netns", "pids", host], capture_output=True, text=True, check=False)
            for process in map(int, inside.stdout.split()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", host], stderr=subprocess.DEVNULL, check=False)

    def reflecting(self, *command):
        command = ["ip", "netns", "exec", self.far, *map(str, command)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def sending(self, *command):
        answer = run("ip", "netns", "exec", self.near, *command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]


def stopped(reflector):
    reflector.terminate()
    reflector.wait(timeout=10)
