"""What all Nodes of a world want done, as a hash: two runs that differ in anything differ in it."""

from __future__ import annotations

import hashlib

from masq.core.effects import WriteLink, WriteSocket
from masq.core.node import NodeEffect


class Trace:
    """The hashes of one world."""

    def __init__(self) -> None:
        self._written = hashlib.sha256()
        self._rest = hashlib.sha256()
        """What else there is: effects that are no writes, and which ids were written to in between."""
        self._names: dict[tuple[int, str, int], int] = {}
        """Links and sockets in the order in which they were first written to: what ids they have is no matter."""

    def note(self, now: float, number: int, effect: NodeEffect) -> None:
        match effect:
            case WriteLink(id, data) | WriteSocket(id, data):
                kind = type(effect).__name__
                name = self._names.setdefault((number, kind, id), len(self._names))
                self._written.update(f"{now:.6f} {number} {kind} {name} {len(data)} ".encode())
                self._written.update(data)
                self._rest.update(b"%d\n" % id)
            case _:
                self._rest.update(f"{now:.6f} {number} {effect!r}\n".encode())

    @property
    def all(self) -> str:
        """Of all effects so far, with their times and Nodes."""
        return hashlib.sha256(self._written.digest() + self._rest.digest()).hexdigest()

    @property
    def written(self) -> str:
        """Of all that was written to links and sockets: what a change of the house must leave as it was."""
        return self._written.hexdigest()
