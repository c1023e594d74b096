"""Scenarios: files that say which Nodes there are, what befalls them, and what is expected of them."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from masq.errors import LocalError
from masq.sim.faults.deaths import Kill, Restart
from masq.sim.faults.liars import Lie
from masq.sim.faults.newcomers import Debtors, Newcomers
from masq.sim.faults.paths import Move, Partition, Silence, Slow, Weather
from masq.sim.faults.relays import Drop
from masq.sim.measures.every import MEASURES
from masq.sim.workloads.requests import Browse, Count, Download, Seconds

SHIPPED: Final = Path(__file__).parent / "scenarios"
SUFFIX: Final = ".toml"
MAX_SIZE: Final = 1_000_000
"""Bytes of a scenario file."""

FAULTS: Final = (Kill, Restart, Silence, Partition, Slow, Weather, Move, Drop, Lie, Newcomers, Debtors)
WORKLOADS: Final = (Browse, Download)
AnyFault = Kill | Restart | Silence | Partition | Slow | Weather | Move | Drop | Lie | Newcomers | Debtors
AnyWorkload = Browse | Download


Join = Literal["one", "random", "chain"]
JOINS: Final = sorted(get_args(Join))


class Nodes(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Who is there at first, and how each joins."""

    count: Count
    join: Join = "random"
    """By the descriptor of the first Node, of some drawn at random, or of those that joined last."""
    known: Annotated[int, msgspec.Meta(ge=1, le=10)] = 2
    """How many descriptors each is given; of `one` always one."""
    every: Annotated[float, msgspec.Meta(gt=0, le=1_000)] = 0.5
    """Seconds from one start to the next."""
    hops: Annotated[int, msgspec.Meta(ge=1, le=6)] = 3
    prices: tuple[Annotated[float, msgspec.Meta(gt=0, le=100)], Annotated[float, msgspec.Meta(gt=0, le=100)]] = (1, 1)
    """The lowest and highest, in parts of the usual ones."""
    hostile: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """The share of Nodes that are one hostile owner's, and undercut all others."""
    impatient: bool = False
    """Whether debts are due after seconds, so that a short run sees payments and bans."""


class Surroundings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the network is like."""

    latency: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.005
    """Seconds, one way, between Nodes that are near."""
    farther: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    """Seconds that are added for each end, drawn between 0 and this for each Node."""
    bandwidth: Annotated[float, msgspec.Meta(gt=0, le=1e12)] | None = None
    """Bytes per second each way of each link; none: no limit."""
    split: bool = False
    """Whether what is written at once may arrive in two parts."""
    refuse: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """The share of dials that are refused."""
    break_every: Seconds = 0.0
    """Mean seconds between losses of one connection, whichever; 0: none is lost."""


class Expected(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a measure should be at the end."""

    measure: str
    at_most: float | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise ValueError(f"measure: {self.measure!r} is none of {', '.join(MEASURES)}")
        if self.at_most is None and self.at_least is None:
            raise ValueError("at_most or at_least is missing")

    def met(self, value: float | None) -> bool:
        if value is None:
            return False
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    @property
    def words(self) -> str:
        limits = [] if self.at_least is None else [f"at least {self.at_least:g}"]
        limits += [] if self.at_most is None else [f"at most {self.at_most:g}"]
        return ", ".join(limits)


class Scenario(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One scenario."""

    about: str
    """What it shows, in a sentence."""
    length: Seconds
    """Seconds after the last Node of the start was started."""
    nodes: Nodes
    seed: Annotated[int, msgspec.Meta(ge=0, le=(1 << 62))] = 1
    wanted: str = ""
    """What is wanted of it, for the page of measurements."""
    seeds: str = "1"
    """Those that the page of measurements is made with, as `--seeds` takes them."""
    network: Surroundings = Surroundings()
    workloads: tuple[AnyWorkload, ...] = ()
    faults: tuple[AnyFault, ...] = ()
    expect: tuple[Expected, ...] = ()
    shown: tuple[str, ...] = ()
    """More measures to show, of which nothing is expected."""

    def __post_init__(self) -> None:
        for name in self.shown:
            if name not in MEASURES:
                raise ValueError(f"shown: {name!r} is none of {', '.join(MEASURES)}")


def shipped() -> list[str]:
    """The names of the scenarios that come with the program."""
    return sorted(path.stem for path in SHIPPED.glob(f"*{SUFFIX}"))


def load(name: str) -> Scenario:
    """The scenario in a file, or the shipped one of that name. LocalError says what is wrong with it."""
    path = Path(name)
    if name in shipped() and not path.is_file():
        path = SHIPPED / f"{name}{SUFFIX}"
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SIZE + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise LocalError(
            f"{name}: {reason}. A scenario is a file, or one that is shipped: {', '.join(shipped())}"
        ) from None
    except ValueError:
        raise LocalError(f"{name!r} is no name of a file") from None
    if len(text) > MAX_SIZE:
        raise LocalError(f"{path}: more than {MAX_SIZE:,} bytes are no scenario")
    return parse(text, str(path))


def parse(text: bytes, where: str) -> Scenario:
    """The scenario in a text. LocalError names the file, the key and what is allowed there."""
    try:
        document = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LocalError(f"{where}: this is no TOML: {error}") from None
    _look(document, where)
    _look_for_nan(document, where, "")
    try:
        return msgspec.convert(document, Scenario)
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at ")
        key = place.strip("`").removeprefix("$").removeprefix(".") or "the file"
        words = words[:1].lower() + words[1:]
        if key == "nodes.join":
            words += f": one of {', '.join(map(repr, JOINS))}"
        raise LocalError(f"{where}: {key}: {words}") from None


def _look(document: dict[str, Any], where: str) -> None:
    """Unknown words are told together with those that there are."""
    _known(document, Scenario, where, "")
    for name, kind in (("nodes", Nodes), ("network", Surroundings)):
        if isinstance(document.get(name), dict):
            _known(document[name], kind, where, f"{name}.")
    for name, kinds in (("workloads", WORKLOADS), ("faults", FAULTS), ("expect", (Expected,))):
        listed = document.get(name, [])
        if not isinstance(listed, list):
            raise LocalError(f"{where}: {name}: a list is expected: write [[{name}]] above each of them")
        for number, each in enumerate(listed):
            place = f"{name}[{number}]."
            if isinstance(each, dict):
                _known(each, _kind(each, kinds, where, place), where, place)


def _look_for_nan(value: object, where: str, place: str) -> None:
    """TOML has a number that is none, which no bound keeps out."""
    if isinstance(value, float) and math.isnan(value):
        raise LocalError(f"{where}: {place}: nan is no number here")
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        _look_for_nan(each, where, f"{place}[{key}]" if isinstance(value, list) else f"{place}.{key}".lstrip("."))


def _kind(
    each: dict[str, Any], kinds: tuple[type[msgspec.Struct], ...], where: str, place: str
) -> type[msgspec.Struct]:
    if len(kinds) == 1:
        return kinds[0]
    by_name = {str(kind.__struct_config__.tag): kind for kind in kinds}
    found = by_name.get(str(each.get("kind")))
    if found is None:
        said = f"{each['kind']!r} is none of" if "kind" in each else "is missing: one of"
        raise LocalError(f"{where}: {place}kind: {said} {', '.join(by_name)}")
    return found


def _known(table: dict[str, Any], kind: type[msgspec.Struct], where: str, place: str) -> None:
    names = list(kind.__struct_fields__)
    if kind.__struct_config__.tag is not None:
        names.insert(0, "kind")
    for key in table:
        if key not in names:
            raise LocalError(f"{where}: {place}{key}: there is no such key; those there are: {', '.join(names)}")
