"""What test_leak_guard.py runs in a namespace, as root: programs of several users, with and without a guard."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from pathlib import Path

from tests.packaging.world import BEYOND, Sniffer, call, make

PACKAGING = Path(__file__).parents[2] / "packaging"
GUARDED, NODE, OTHER = 41_001, 41_002, 41_003
DNS_PORT = 5353

PROGRAM = """
import os, socket, sys
os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
beyond = sys.argv[2]
found = []
for port in (53, 443, 9999):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(0.5)
        try:
            datagrams.sendto(b"hello", (beyond, port))
            found.append(datagrams.recv(100).decode())
        except OSError as error:
            found.append(type(error).__name__)
    with socket.socket() as stream:
        stream.settimeout(0.5)
        try:
            stream.connect((beyond, port))
        except OSError as error:
            found.append(type(error).__name__)
with socket.socket() as entry:
    entry.settimeout(2)
    entry.connect(("127.0.0.1", 1080))
    found.append(entry.recv(10).decode())
print(" ".join(found))
"""


def serve(server: socket.socket) -> None:
    while True:
        with server.accept()[0] as connection:
            connection.sendall(b"entry")


def look_ups(datagrams: socket.socket) -> None:
    while True:
        _, peer = datagrams.recvfrom(1000)
        datagrams.sendto(b"looked-up", peer)


def main() -> None:
    make()
    sniffer = Sniffer()
    server = socket.create_server(("127.0.0.1", 1080))
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", DNS_PORT))
    threading.Thread(target=look_ups, args=(datagrams,), daemon=True).start()
    told: dict[str, dict[str, list[object]]] = {}
    for name in ("none", "leak-guard.nft", "leak-guard-all.nft"):
        if name != "none":
            rules = re.sub(
                r"\{ (browser|masq) \}",
                f"{{ {GUARDED if 'all' not in name else NODE} }}",
                (PACKAGING / name).read_text(),
            )
            call("nft", "-f", "-", text=rules)
            call("nft", "-f", "-", text=rules)  # Twice is as good as once.
        told[name] = {}
        for user in (GUARDED, NODE, OTHER):
            count, done = sniffer.during([sys.executable, "-c", PROGRAM, str(user), BEYOND])
            told[name][str(user)] = [count, done.stdout.strip() or done.stderr]
        if name != "none":
            call("nft", "delete", "table", "inet", re.findall(r"^delete table inet (\w+)", rules, re.MULTILINE)[0])
    print(json.dumps(told))


if __name__ == "__main__":
    main()
