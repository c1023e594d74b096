"""What test_exec.py runs in a namespace: Nodes, a server, and a program that tries everything to get out."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.rrset
from tests.packaging.world import BEYOND, SERVER, Sniffer, make
from tests.running import Running, wait_for

PROGRAM = """
import json, os, socket, sys
server, port, beyond, entry = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
found = {"user": os.getuid()}

def attempt(name, work):
    try:
        found[name] = work()
    except OSError as error:
        found[name] = type(error).__name__

def tcp(host, port, family=socket.AF_INET):
    with socket.socket(family) as stream:
        stream.settimeout(4)
        stream.connect((host, port))
        stream.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        return stream.recv(100).decode(errors="replace")

def udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(0.5)
        datagrams.sendto(b"hello", (host, port))
        return datagrams.recv(100).decode()

def ping(host):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.sendto(bytes((8, 0, 0xF7, 0xFF, 0, 0, 0, 0)), (host, 0))
        return "sent"

def device():
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("out", 0))
        return "bound"

def leave():
    descriptor = os.open(f"/proc/{os.getppid()}/ns/net", os.O_RDONLY)
    import ctypes
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0):
        raise OSError(ctypes.get_errno(), "setns")
    return "left"

attempt("server", lambda: tcp(server, port)[-2:])
attempt("beyond", lambda: tcp(beyond, 443))
attempt("beyond6", lambda: tcp("2001:db8::1", 443, socket.AF_INET6))
attempt("udp", lambda: udp(beyond, 9999))
attempt("dns", lambda: udp(beyond, 53))
attempt("ping", lambda: ping(beyond))
attempt("device", device)
attempt("leave", leave)
attempt("name", lambda: socket.getaddrinfo("somebody.example.com", 80)[0][4][0])
attempt("entry", lambda: tcp("127.0.0.1", int(entry))[:4])
print(json.dumps(found))
"""


def answer(server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhi")


def name_server(datagrams: socket.socket) -> None:
    """Every name is the server's."""
    while True:
        question, peer = datagrams.recvfrom(4096)
        response = dns.message.make_response(dns.message.from_wire(question))
        asked = response.question[0]
        if asked.rdtype == dns.rdatatype.A:
            response.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "A", SERVER))
        datagrams.sendto(response.to_wire(), peer)


def main() -> None:
    make()
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 53))
    threading.Thread(target=name_server, args=(names,), daemon=True).start()
    os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"
    sniffer = Sniffer()
    server = socket.create_server((SERVER, 0))
    threading.Thread(target=answer, args=(server,), daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="m") as directory:
        exit = Running(Path(directory), 70, "", None, (), **{"dns-servers": "127.0.0.1"})
        user = Running(Path(directory), 71, exit.descriptor, None, (), **{"dns-allow-private": "on"})
        told: dict[str, object] = {}
        try:
            wait_for(lambda: user.status()["stage"] == "RouteFound")
            program = [sys.executable, "-c", PROGRAM, SERVER, str(server.getsockname()[1]), BEYOND, "1080"]
            guarded = [sys.executable, "-m", "masq", "exec", "--entry", f"{user.ip}:1080", *program]
            _, done = sniffer.during(guarded)
            told["alive"] = json.loads(done.stdout) if done.returncode == 0 else done.stderr
            words = [
                sys.executable,
                "-m",
                "masq",
                "exec",
                "--data-directory",
                str(user.directory),
                "sh",
                "-c",
                "exit 7",
            ]
            told["status"] = sniffer.during(words)[1].returncode
            words[-3:] = ["no-such-program"]
            missing = sniffer.during(words)[1]
            told["missing"] = [missing.returncode, missing.stderr]
        finally:
            exit.stop()
            user.stop()
        count, done = sniffer.during(guarded)
        told["dead"] = json.loads(done.stdout) if done.returncode == 0 else done.stderr
        told["dead_packets"] = count
        told["plain_packets"] = sniffer.during(program)[0]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
