"""A private tor network: three authorities, three exits, and a client with a fixed path over those."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import Way, wait_for_stream
from benchmarks.network import Network
from benchmarks.wan.hosts import Host

AUTHORITIES = ("authority1", "authority2", "authority3")
EXITS = ("exit1", "exit2", "exit3")
CLIENT = "client"
OR_PORT, DIR_PORT, SOCKS_PORT = 5000, 7000, 9050
PATIENCE, PATIENCE_OVER_DISTANCES = 90.0, 180.0
"""Seconds until a network that hasn't come up is given up."""

MISSING = "tor is not installed, so its figures are left out. To get them: apt-get install tor"

EVERYWHERE = """
TestingTorNetwork 1
RunAsDaemon 0
AvoidDiskWrites 1
ProtocolWarnings 0
SafeLogging 0
ConfluxEnabled 0
EnforceDistinctSubnets 0
AssumeReachable 1
BandwidthRate 1 GBytes
BandwidthBurst 1 GBytes
"""
ON_LOOPBACK = """
Schedulers Vanilla
"""
"""What is fastest there. Over distances tor chooses itself, as relays do: KIST."""
RELAY = """
SocksPort 0
ExitPolicyRejectPrivate 0
ExitPolicyRejectLocalInterfaces 0
ServerDNSDetectHijacking 0
ServerDNSResolvConfFile /dev/null
DoSCircuitCreationEnabled 0
DoSConnectionEnabled 0
DoSStreamCreationEnabled 0
DoSRefuseSingleHopClientRendezvous 0
DirReqStatistics 0
HiddenServiceStatistics 0
OverloadStatistics 0
PaddingStatistics 0
ExtraInfoStatistics 0
"""
FIRST_CONSENSUS = (9, 16, 29)
"""Seconds from the start. A machine too busy for an exit to make itself known by then is given more."""
VOTES = 15.0
"""Seconds more that authorities are given for a consensus, of which they need 4."""
# The first consensus holds for longer than we measure.
AUTHORITY = """
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ContactInfo nobody@example.com
ExitPolicy reject *:*
TestingV3AuthInitialVotingInterval 30
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 1800
V3AuthVoteDelay 2
V3AuthDistDelay 2
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
AuthDirMaxServersPerAddr 0
AuthDirFastGuarantee 0
AuthDirVoteStableGuaranteeMinUptime 0
AuthDirVoteStableGuaranteeMTBF 0
"""
CONSENSUS = "ConsensusParams nf_ito_low=0 nf_ito_high=0 circpad_padding_disabled=1"
OVER_DISTANCES = " cc_alg=2"
"""Congestion control as the consensus of the public network asks for: Vegas."""
EXIT = """
ExitRelay 1
ExitPolicy accept *:*
"""
USER = """
ClientOnly 1
ConnectionPadding 0
CircuitPadding 0
StrictNodes 1
ClientRejectInternalAddresses 0
ClientDNSRejectInternalAddresses 0
"""


def installed() -> bool:
    return shutil.which("tor") is not None and shutil.which("tor-gencert") is not None


def version() -> str:
    """Such as 0.4.9.11."""
    words = subprocess.run(["tor", "--version"], capture_output=True, text=True, check=True).stdout.split()
    return words[2].rstrip(".")


@contextmanager
def running_tor(
    server_port: int, hosts: Mapping[str, Host] | None = None, server_ip: str = "127.0.0.1"
) -> Iterator[Network]:
    """A network whose client reaches the server; all gone afterwards.

    It is on loopback, or, with `hosts` of a wide network by the names of AUTHORITIES, EXITS and CLIENT, at these. Then
    only the client's host can say when a stream works: nobody has tried.
    """
    directory = Path(tempfile.mkdtemp(prefix="tor-bench-"))
    processes: dict[str, subprocess.Popen[bytes]] = {}
    begun = time.monotonic()
    deadline = begun + (PATIENCE_OVER_DISTANCES if hosts else PATIENCE)

    def start(names: Iterable[str]) -> None:
        for name in names:
            command = ["tor", "-f", str(directory / name / "torrc")]
            command = hosts[name].command(command) if hosts else command
            processes[name] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(names: Iterable[str]) -> None:
        for name in names:
            processes[name].kill()
        for name in names:
            processes.pop(name).wait()

    def wait(names: Iterable[str], words: str) -> None:
        wait_for_words(directory, {name: processes[name] for name in names}, words, deadline)

    try:
        names = (*AUTHORITIES, *EXITS, CLIENT)
        ips = {name: hosts[name].ip if hosts else f"127.0.9.{number}" for number, name in enumerate(names, 1)}
        for seconds in FIRST_CONSENSUS:
            configure(directory, ips, seconds, wide=bool(hosts))
            start(AUTHORITIES)
            # Exits tell the authorities of themselves at once, and not again for long.
            wait(AUTHORITIES, "Opened Directory listener")
            start(EXITS)
            known = published(directory, seconds + VOTES)
            stop(EXITS)
            if known:
                break
            stop(AUTHORITIES)
            shutil.rmtree(directory)
        else:
            tries = len(FIRST_CONSENSUS)
            raise SystemExit(f"tor's authorities made no consensus with all relays in {tries} tries: a busy machine?")
        # Who asked in vain before there was a consensus asks ever more rarely: start again rather than wait for it.
        start(EXITS)
        # The client asks the first relay of its path for all that it wants to know.
        wait(EXITS, "Bootstrapped 100%")
        start([CLIENT])
        wait([CLIENT], "Bootstrapped 100%")
        way = Way((ips[CLIENT], SOCKS_PORT), server_port, server_ip)
        if not hosts:
            try:
                wait_for_stream(way, deadline)
            except OSError as error:
                raise SystemExit(f"no stream over the tor network within {PATIENCE:.0f} s: {error}") from None
        yield Network("tor", list(processes.values()), way, time.monotonic() - begun)
    finally:
        stop(list(processes))
        shutil.rmtree(directory, ignore_errors=True)


def configure(directory: Path, ips: dict[str, str], first_consensus: int, *, wide: bool) -> None:
    """Make keys and a torrc for each."""
    for name in ips:
        (directory / name / "keys").mkdir(parents=True, mode=0o700)
        (directory / name).chmod(0o700)
    certify(directory, ips)
    relays = (*AUTHORITIES, *EXITS)
    common = "" if wide else ON_LOOPBACK
    authority = AUTHORITY + CONSENSUS + OVER_DISTANCES * wide + "\n"
    text = {}
    for name in relays:
        text[name] = common + torrc(directory, name, ips[name]) + RELAY
        text[name] += f"ORPort {ips[name]}:{OR_PORT} IPv4Only\nAddress {ips[name]}\n"
        text[name] += authority + f"DirPort {ips[name]}:{DIR_PORT}\n" if name in AUTHORITIES else EXIT
    fingerprints = identify(directory, text)
    known = ""
    for name in AUTHORITIES:
        certificate = (directory / name / "keys" / "authority_certificate").read_text()
        identity = certificate.partition("\nfingerprint ")[2].split()[0]
        known += f"DirAuthority {name} orport={OR_PORT} v3ident={identity} {ips[name]}:{DIR_PORT} "
        known += fingerprints[name] + "\n"
    entry, middle, last = (f"${fingerprints[name]}" for name in EXITS)
    text[CLIENT] = common + torrc(directory, CLIENT, ips[CLIENT]) + USER
    text[CLIENT] += f"SocksPort {ips[CLIENT]}:{SOCKS_PORT}\n"
    text[CLIENT] += f"EntryNodes {entry}\nMiddleNodes {middle}\nExitNodes {last}\n"
    start = f"TestingV3AuthVotingStartOffset {(int(time.time()) + first_consensus) % 30}\n"
    for name in ips:
        (directory / name / "torrc").write_text(text[name] + known + start * (name in AUTHORITIES))


def published(directory: Path, seconds: float) -> bool:
    """Whether all authorities have published a consensus within so many seconds, and it knows everybody."""
    end = time.monotonic() + seconds
    while not all("Published microdesc consensus" in log(directory / name) for name in AUTHORITIES):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    texts = [(directory / name / "cached-microdesc-consensus").read_text() for name in AUTHORITIES]
    return all(text.count("\nr ") == len(AUTHORITIES) + len(EXITS) for text in texts)


def torrc(directory: Path, name: str, host: str) -> str:
    """What everybody's settings have in common."""
    own = directory / name
    return EVERYWHERE + (
        f"Nickname {name}\nDataDirectory {own}\nLog notice file {own}/log\n"
        f"__OwningControllerProcess {os.getpid()}\nOutboundBindAddress {host}\n"
    )


def certify(directory: Path, ips: dict[str, str]) -> None:
    """The long-term keys of the authorities, and what they certify."""
    running = []
    for name in AUTHORITIES:
        command = ["tor-gencert", "--create-identity-key", "-m", "12", "-a", f"{ips[name]}:{DIR_PORT}"]
        command += ["--passphrase-fd", "0"]
        process = subprocess.Popen(
            command, cwd=directory / name / "keys", stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdin
        process.stdin.write("no secret\n")
        process.stdin.close()
        running.append(process)
    for process in running:
        assert process.stderr
        complaint = process.stderr.read()
        if process.wait():
            raise SystemExit(f"tor-gencert failed: {complaint.strip()}")


def identify(directory: Path, text: dict[str, str]) -> dict[str, str]:
    """Make the relays' keys; their fingerprints."""
    # An authority has to know authorities: for the keys it is enough that it knows someone.
    someone = "DirAuthority nobody orport=1 v3ident=" + "0" * 40 + " 127.0.0.1:1 " + "0" * 40 + "\n"
    running = {}
    for name, lines in text.items():
        path = directory / name / "torrc"
        path.write_text(lines + someone)
        command = ["tor", "--list-fingerprint", "--hush", "-f", str(path)]
        running[name] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = {}
    for name, process in running.items():
        output, complaint = process.communicate()
        if process.returncode:
            raise SystemExit(f"tor does not take the settings of {name}: {output}{complaint}")
        found[name] = (directory / name / "fingerprint").read_text().split()[1]
    return found


def wait_for_words(directory: Path, processes: dict[str, subprocess.Popen[bytes]], words: str, deadline: float) -> None:
    """Until all have logged these words; SystemExit with what they last said if one ends or it takes too long."""
    while True:
        logs = {name: log(directory / name) for name in processes}
        last = {name: " / ".join(text.splitlines()[-3:]) or "nothing" for name, text in logs.items()}
        for name, process in processes.items():
            if process.poll() is not None:
                raise SystemExit(f"tor's {name} has ended; its last words: {last[name]}")
        late = [f"{name}: {last[name]}" for name, text in logs.items() if words not in text]
        if not late:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"no '{words}' by the tor network in time; last words of " + "; ".join(late))
        time.sleep(0.05)


def log(directory: Path) -> str:
    try:
        return (directory / "log").read_text()
    except FileNotFoundError:
        return ""
