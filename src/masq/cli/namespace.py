"""A network namespace in which nothing leads outside but a Node: what `masq exec` runs programs in. Linux alone.

No privileges are needed. In a namespace of its own, every address is routed to the loopback device, and nftables hands
each connection and each look-up to sockets that are served from outside. What isn't served so goes nowhere.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from masq.errors import LocalError

NEWNS: Final = 0x00020000
NEWUSER: Final = 0x10000000
NEWNET: Final = 0x40000000
_BIND: Final = 0x1000
_REC: Final = 0x4000
_PRIVATE: Final = 0x40000
BACKLOG: Final = 512

WAYS_AROUND: Final = ("/run/systemd/resolve", "/run/nscd", "/run/avahi-daemon")
"""Directories of sockets by which names are looked up outside: they are covered."""

_RULES: Final = """
table inet masq {{
    chain output {{
        type nat hook output priority -100;
        meta l4proto {{ tcp, udp }} th dport 53 redirect to :{dns}
        ip daddr 127.0.0.1 accept
        ip6 daddr ::1 accept
        meta l4proto tcp redirect to :{tcp}
    }}
    chain refuse {{
        type filter hook output priority 0;
        meta l4proto udp th dport != {dns} ip daddr != 127.0.0.1 reject
        meta l4proto udp th dport != {dns} ip6 daddr != ::1 reject
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Doors:
    """Sockets inside that are served from outside: each connection, look-ups, and the Node's own entry."""

    tcp: socket.socket
    tcp6: socket.socket
    entry: socket.socket
    dns: socket.socket
    dns_tcp: socket.socket

    def all(self) -> list[socket.socket]:
        return [self.tcp, self.tcp6, self.entry, self.dns, self.dns_tcp]


def enter(entry_port: int) -> Doors:
    """Leave the network for a namespace of one's own, with doors. LocalError: this system doesn't let us.

    To be called in a process of one thread, which gives up what it was before.
    """
    ip, nft = (_tool(name) for name in ("ip", "nft"))
    user, group = os.geteuid(), os.getegid()
    _unshare(NEWUSER | NEWNET | NEWNS)
    _map(0, user, 0, group)
    _call([ip, "link", "set", "lo", "up"])
    _call([ip, "-4", "route", "add", "local", "default", "dev", "lo"])
    with suppress(LocalError):  # Without IPv6 in the kernel nothing goes there, either.
        _call([ip, "-6", "route", "add", "local", "default", "dev", "lo"])
    doors = _doors(entry_port)
    ports = {"tcp": doors.tcp.getsockname()[1], "dns": doors.dns.getsockname()[1]}
    _call([nft, "-f", "-"], _RULES.format(**ports))
    _cover()
    # A user namespace below: the program is who it was, and has no say over any of this.
    _unshare(NEWUSER)
    _map(user, 0, group, 0)
    return doors


def _doors(entry_port: int) -> Doors:
    tcp = socket.create_server(("0.0.0.0", 0), backlog=BACKLOG)
    port = tcp.getsockname()[1]
    tcp6 = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    with suppress(OSError):  # Without IPv6 in the kernel nothing comes there, either.
        tcp6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        tcp6.bind(("::", port))
        tcp6.listen(BACKLOG)
    entry = socket.create_server(("127.0.0.1", entry_port), backlog=BACKLOG)
    dns = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    dns.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    dns.bind(("::", 0))
    dns_tcp = socket.create_server(
        ("::", dns.getsockname()[1]), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
    )
    return Doors(tcp, tcp6, entry, dns, dns_tcp)


def _tool(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        package = {"ip": "iproute2", "nft": "nftables"}[name]
        raise LocalError(f"`{name}` is missing, which makes the program's network: install the package {package}")
    return found


def _call(words: list[str], text: str | None = None) -> None:
    done = subprocess.run(words, input=text, capture_output=True, text=True)
    if done.returncode:
        raise LocalError(f"the program's network can't be made: {' '.join(words)}: {done.stderr.strip()[:300]}")


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        why = os.strerror(ctypes.get_errno())
        raise LocalError(
            f"this system lets its users make no namespaces ({why}): allow it with `sysctl -w "
            "kernel.unprivileged_userns_clone=1` or `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, as root"
        )


def _map(inner_user: int, outer_user: int, inner_group: int, outer_group: int) -> None:
    try:
        with suppress(FileNotFoundError):
            Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{inner_user} {outer_user} 1")
        Path("/proc/self/gid_map").write_text(f"{inner_group} {outer_group} 1")
    except OSError as error:
        raise LocalError(
            f"this system keeps user namespaces from being of use ({error.strerror}): allow it with "
            "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, as root"
        ) from None


def _cover() -> None:
    """Hide what answers look-ups outside, and have resolv.conf name a server that is served."""
    _mount("none", "/", "", _REC | _PRIVATE)
    resolv = os.path.realpath("/etc/resolv.conf")
    with tempfile.NamedTemporaryFile("w", prefix="masq-resolv-", delete=False) as file:
        file.write("nameserver 127.0.0.1\n")
    os.chmod(file.name, 0o644)
    if os.path.exists(resolv):
        _mount(file.name, resolv, "", _BIND)
    for path in WAYS_AROUND:
        if os.path.isdir(path):
            _mount("tmpfs", path, "tmpfs", 0)
            if resolv.startswith(f"{path}/"):
                Path(resolv).write_text("nameserver 127.0.0.1\n")
    os.unlink(file.name)


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), None):
        raise LocalError(f"{target} can't be covered for the program: {os.strerror(ctypes.get_errno())}")
