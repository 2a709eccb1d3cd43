"""What the comparisons of this folder have in common: what they are given, how their rounds go, and where they ran."""

import argparse
import os
import pathlib
import platform
import shutil
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def parser(doc, *binaries, rounds=5):
    """Of owl and other binaries of this repository."""
    it = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("owl", *binaries):
        it.add_argument(f"--{name.removeprefix('owl-')}", default=REPOSITORY / "target/release" / name, help=f"the binary {name}")
    it.add_argument("--rounds", type=int, default=rounds)
    return it


def add_peer(parser):
    parser.add_argument("--peer", default=shutil.which("stamp-suite") or "stamp-suite", help="stamp-suite with hwtstamp; from PATH unless given")


def arguments(parser, *binaries):
    """What was given, once these binaries can be run and namespaces can be made."""
    given = parser.parse_args()
    name = f"bench/{pathlib.Path(sys.argv[0]).name}"
    for binary in binaries:
        if not os.access(getattr(given, binary), os.X_OK):
            sys.exit(f"{name}: cannot run {getattr(given, binary)}; see --help")
    if os.geteuid() != 0:
        sys.exit(f"{name}: network namespaces need root")
    return given


def turns(rounds, them):
    """Each of them once a round, and who goes first alternates; a dot on standard error after each."""
    for turn in range(rounds):
        for one in them if turn % 2 == 0 else reversed(them):
            yield one
            print(".", end="", file=sys.stderr, flush=True)


def machine():
    return f"{os.cpu_count()} CPUs, Linux {platform.release()}"


def quantile(values, share):
    """The span of rank ⌈share · n⌉."""
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)]
