"""A network namespace of our own, with a loopback like a usual network card's: packets of 1500 bytes, and Reno."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

MTU = 1500
CONGESTION_CONTROL = "reno"
CONTROL_FILE = Path("/proc/sys/net/ipv4/tcp_congestion_control")
INSIDE = "MASQ_BENCH_NAMESPACE"
SIOCGIFMTU, SIOCSIFMTU, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8921, 0x8922, 0x8913, 0x8914, 1


def enter() -> bool:
    """Start this program again inside, if that can be done; whether we are inside."""
    if not os.environ.get(INSIDE):
        unshare = shutil.which("unshare")
        if os.geteuid() or not unshare:
            return False
        if subprocess.run([unshare, "--net", "true"], stderr=subprocess.DEVNULL).returncode:
            return False
        os.environ[INSIDE] = "1"
        os.execv(unshare, [unshare, "--net", sys.executable, *sys.orig_argv[1:]])
    set_up()
    return True


def set_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFMTU, struct.pack("16si12x", b"lo", MTU))
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0)))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
    CONTROL_FILE.write_text(CONGESTION_CONTROL)


def mtu() -> int:
    """Bytes of a packet on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        number: int = struct.unpack("16si12x", fcntl.ioctl(any_socket, SIOCGIFMTU, struct.pack("16si12x", b"lo", 0)))[1]
    return number


def congestion_control() -> str:
    return CONTROL_FILE.read_text().strip()
