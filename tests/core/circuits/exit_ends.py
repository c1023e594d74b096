"""An exit, and an originator whose circuit ends there."""

from __future__ import annotations

from collections.abc import Iterable

from tests.circuit_ends import BACK, HonestHop, Originator, Said, Told, begin, others, sent

from masq.core.circuits.exit import TOO_MANY
from masq.core.circuits.terminal import LAZY, Terminal
from masq.core.effects import (
    Connect,
)
from masq.wire.circuit import (
    Close,
    Command,
    StreamEnd,
    encode_end,
)

NOTHING = (0,) * 6

PIECE = 64_000

OVERLOADED = encode_end(StreamEnd.OVERLOADED, str(TOO_MANY))

DATA, WINDOW, BEGIN, END = Command.DATA, Command.WINDOW, Command.BEGIN, Command.END


class Circuit:
    """A circuit that ends at a hop, and the servers behind it."""

    def __init__(self, hop: HonestHop | None = None, circuit: int = 1) -> None:
        self.hop = hop or HonestHop()
        self.user = Originator(self.hop.key, circuit=circuit)
        assert self.hop.hears(self.user.open()) == []
        self.exit = self.hop.exit

    @property
    def terminal(self) -> Terminal:
        (passage,) = [each for each in self.hop.circuits if each.back[1] == self.user.circuit]
        assert passage.terminal
        return passage.terminal

    def says(self, *messages: Said) -> tuple[list[object], list[Said | Told | Close]]:
        """A cell of the originator arrives: what the exit does, and what it answers at once."""
        effects = self.hop.hears(self.user.cell(*messages))
        return others(effects), self.back(effects)

    def back(self, effects: Iterable[object]) -> list[Said | Told | Close]:
        """What the originator hears of effects, and of what becomes due at once."""
        effects = self.hop.done(effects)
        return self.user.hears(sent([*effects, *self.hop.flush()], BACK))

    def begins(self, *streams: int) -> list[int]:
        """Streams whose servers are reached: their sockets."""
        sockets = []
        for stream in streams:
            (connect,), _ = self.says(begin(stream))
            assert isinstance(connect, Connect)
            self.exit.connected(connect.socket, "192.0.2.1", self.hop.now)
            sockets.append(connect.socket)
        self.user.hears(sent(self.hop.flush(after=LAZY), BACK))
        return sockets

    def sends(self, stream: int, size: int) -> list[Said | Told | Close]:
        """Data of the originator for a stream: what is answered."""
        answers = []
        while size:
            piece = min(size, PIECE)
            answers += self.says((stream, DATA, bytes(piece)))[1]
            size -= piece
        return answers


def reason(answers: list[Said | Told | Close]) -> Close | None:
    return answers[-1] if answers and isinstance(answers[-1], Close) else None
