"""Measures over a wide network, emulated on this machine: `make bench-wan`.

`make bench-wan ARGS="--only continent --seconds 10"` takes a minute. The page is written once all settings were
measured, in one run, or in several that keep what they found in the same file (--json).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks import tor
from benchmarks.load import Way
from benchmarks.measures import Figures
from benchmarks.network import running_network
from benchmarks.report import PAGE, TOR
from benchmarks.run import end
from benchmarks.server import running_server
from benchmarks.wan import report
from benchmarks.wan.hosts import Host, Setting, missing, wide_network

SETTINGS = [
    Setting("near", 20, 125),
    Setting("continent", 40, 25),
    Setting("world", 150, 12.5),
    Setting("slow relay", 40, 25, slow={"node2": 2.5}),
    Setting("loss 0.1 %", 40, 25, loss=0.001),
    Setting("loss 1 %", 40, 25, loss=0.01),
]
NODES = ("node1", "node2", "node3", "node4")
"""A route of three hops has four Nodes: so all of these."""
EXIT, ELSEWHERE = "DE", "AT"
PLACES: tuple[dict[str, str], ...] = (
    {"country": EXIT},
    {"country": ELSEWHERE},
    {"country": ELSEWHERE},
    {"country": ELSEWHERE, "exit-location": EXIT, "fallback-routing": "off"},
)
"""The last Node's user wants exits of the first one's country: so the others, one of which may be slow, are relays."""
TOR_PLACES = {tor.EXITS[2]: "node1", tor.EXITS[1]: "node2", tor.EXITS[0]: "node3", tor.CLIENT: "node4"}
"""tor's path over hosts as ours: the client, two relays, the exit."""
TOR_PATIENCE = 60.0
MEASURES = ("one", "eight", "two users", "idle", "under bulk", "download")


def main() -> None:
    arguments = read_arguments()
    why = missing()
    if why:
        raise SystemExit(why)
    if not tor.installed():
        print(tor.MISSING)
    how = (
        f"{arguments.seconds:g} s each, medians of {arguments.rounds}; hosts' own TCP: {arguments.congestion_control}."
    )
    kept = Path(arguments.json) if arguments.json else None
    found = known(kept, how)
    for setting in SETTINGS:
        if arguments.only and setting.name not in arguments.only:
            continue
        found[setting.name] = measure(setting, arguments)
        if kept:
            kept.write_text(json.dumps({"how": how, "found": found}, indent=1) + "\n")
    if arguments.page or (not arguments.measure and len(found) == len(SETTINGS)):
        report.write(found, SETTINGS, how)
        print(f"written to {PAGE}")


def known(path: Path | None, how: str) -> dict[str, dict[str, Figures]]:
    """Figures by setting that an earlier run has kept there; SystemExit if it measured in another way."""
    if path is None or not path.exists():
        return {}
    try:
        kept = json.loads(path.read_text())
        if kept["how"] != how:
            raise SystemExit(f"{path}: measured otherwise ({kept['how']} Now: {how}): name another file")
        return dict(kept["found"])
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path}: no figures of a wide network: {error!r}") from None


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wan.run", description=__doc__)
    names = [setting.name for setting in SETTINGS]
    parser.add_argument("--only", action="append", choices=names, help="of the settings only this one")
    parser.add_argument("--measure", action="append", choices=MEASURES, help="of the measures only this one")
    parser.add_argument("--no-tor", action="store_true", help="no tor network to compare with")
    parser.add_argument("--seconds", type=float, default=12.0, help="how long each bulk takes")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--congestion-control", default="cubic", help="what TCP uses where nobody asks for another")
    parser.add_argument("--other", type=Path, help="another checkout, measured in turns with this one")
    parser.add_argument("--page", action="store_true", help="write the page, though not all settings are measured")
    parser.add_argument("--json", metavar="FILE", help="keep the figures there, with those of settings measured before")
    return parser.parse_args()


def measure(setting: Setting, arguments: argparse.Namespace) -> dict[str, Figures]:
    """The figures of all networks in one setting."""
    rounds: dict[str, list[Figures]] = {}
    pythons = {"circuits": sys.executable}
    if arguments.other:
        pythons = {"before": str(arguments.other.resolve() / ".venv" / "bin" / "python"), **pythons}
    with ExitStack() as stack:
        with_tor = tor.installed() and not arguments.no_tor
        names = [f"{kind[:2]}{node}" for kind in pythons for node in NODES]
        names += [*(f"to{node}" for node in NODES), *tor.AUTHORITIES] if with_tor else []
        slow = {name: rate for name in names for node, rate in setting.slow.items() if name.endswith(node)}
        setting = replace(setting, slow=slow)
        hosts = stack.enter_context(wide_network([*names, "server"], setting, arguments.congestion_control))
        server = hosts["server"]
        _, port = stack.enter_context(running_server(server))
        ways: dict[str, tuple[Host, Way]] = {}
        for kind, python in pythons.items():
            own = [hosts[f"{kind[:2]}{node}"] for node in NODES]
            network = running_network(kind, port, 0, {}, python=python, hosts=own, server_ip=server.ip, each=PLACES)
            ways[kind] = own[-1], stack.enter_context(network).way
        if with_tor:
            places = {name: hosts[f"to{node}"] for name, node in TOR_PLACES.items()}
            places |= {name: hosts[name] for name in tor.AUTHORITIES}
            way = stack.enter_context(tor.running_tor(port, places, server.ip)).way
            ask(places[tor.CLIENT], way, "ready", TOR_PATIENCE)
            ways[TOR] = places[tor.CLIENT], way
        for number in range(arguments.rounds):
            for what in arguments.measure or MEASURES:
                for kind, (host, way) in ways.items():
                    figures = ask(host, way, what, arguments.seconds)
                    rounds.setdefault(kind, []).append(figures)
                    words = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
                    print(f"{setting.name}, round {number + 1}, {kind}: {words}", flush=True)
    return {kind: middle(found) for kind, found in rounds.items()}


def ask(host: Host, way: Way, what: str, seconds: float) -> Figures:
    """What a client at a host measures."""
    words = [sys.executable, "-m", "benchmarks.wan.client", way.socks[0], str(way.socks[1]), way.server_ip]
    command = host.command([*words, str(way.server_port), what, str(seconds)])
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10 * seconds + 120).stdout
    figures: Figures = json.loads(output)
    return figures


def middle(found: list[Figures]) -> Figures:
    values: dict[str, list[float]] = {}
    for figures in found:
        for name, value in figures.items():
            values.setdefault(name, []).append(value)
    return {name: median(several) for name, several in values.items()}


if __name__ == "__main__":
    import signal

    signal.signal(signal.SIGTERM, end)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
