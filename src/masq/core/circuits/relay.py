"""Circuits of others: those that pass through this Node, and those that end at it (protocol.md 15.3-15.6)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from masq.core.circuits.exit import CircuitExit, ExitEffect
from masq.core.circuits.opens import Opens, Source, count_down
from masq.core.circuits.pace import Pace
from masq.core.circuits.passage import Bill, Billing, Leg, Passage, closing
from masq.core.circuits.terminal import Overdrawn, Terminal
from masq.core.circuits.ways import Ways
from masq.core.effects import Log, SendFrame, Stated
from masq.core.limits import CIRCUITS_PER_PAYER, ENDED_AT_ONCE, IDLE_ENOUGH
from masq.core.offence import Offence
from masq.core.proofs import Proofs
from masq.crypto import Keys
from masq.errors import CryptoError, MalformedError, PeerError
from masq.types import Address
from masq.wire import cbor
from masq.wire.circuit import (
    OPEN_LIFE,
    Close,
    Control,
    Layer,
    Seal,
    circuit_frame,
    data_of,
    pass_on,
    reason_of,
)
from masq.wire.package import MAX_HOPS, Hop, open_hop, shift
from masq.wire.secure_link import Frame, FrameType

IDLE: Final = 7_200.0
CLOSING: Final = 10.0
"""Seconds that the rest of a circuit has to end after its originator closed it."""

CircuitEffect = ExitEffect


class PassingCircuits:
    """All circuits that others have opened through or to this Node."""

    def __init__(
        self,
        keys: Keys,
        proofs: Proofs,
        billing: Billing,
        exit: CircuitExit,
        ways: Ways,
        delinquent: Callable[[Address], bool],
        exits: bool,
        epoch: float,
    ) -> None:
        """`exits`: whether we serve as exit. `epoch`: unix time at `now` 0."""
        self._keys = keys
        self._proofs = proofs
        self._billing = billing
        self._exit = exit
        self._ways = ways
        self._delinquent = delinquent
        self._exits = exits
        self._epoch = epoch
        self._legs: dict[Leg, Passage] = {}
        self._opens = Opens()
        self.closed = False
        """Whether no circuits are taken for now."""
        self._next_id: dict[int, int] = {}
        self._on_link: dict[int, int] = {}
        self._of_payer: dict[Address, int] = {}
        self._looked = -math.inf
        """When no circuit was found that could be ended to make room."""

    def __iter__(self) -> Iterator[Passage]:
        return (passage for leg, passage in self._legs.items() if leg == passage.back)

    def new_id(self, link: int) -> int:
        """An id for a circuit that we open on a link: odd if we dialled it, even if the peer did."""
        before = self._next_id.get(link, -1 if self._ways.is_outbound(link) else 0)
        self._next_id[link] = before + 2
        return before + 2

    def uses(self, link: int) -> bool:
        """Whether any circuit goes over a link."""
        return self._on_link.get(link, 0) > 0

    # --- frames ---

    def frame(self, leg: Leg, frame: Frame, now: float) -> Sequence[CircuitEffect | Offence | Stated]:
        """A circuit's frame from a peer."""
        kind, wire = frame
        passage = self._legs.get(leg)
        if kind == FrameType.OPEN:
            return self._open(leg, bytes(data_of(wire)), now)
        if passage is None:
            return []  # Closed a moment ago, most likely.
        if leg == passage.back:
            if kind == FrameType.CELL:
                return self._cell_forward(passage, wire, now)
            if kind == FrameType.CLOSE:
                return self._closed_by_originator(passage, wire, now)
        elif kind in (FrameType.CELL, FrameType.CONTROL):
            return self._cell_back(passage, kind, wire, now)
        elif kind == FrameType.CLOSE:
            self._remove(passage)
            reason = reason_of(wire)
            if passage.closing is not None or reason is Close.DONE:
                return list(self._billing.last_words(passage, Close.DONE))
            bill = [self._billing.bill(passage)] if passage.bill.cells else []
            return [*bill, closing(passage.back, reason)]
        return self.close(passage, Close.PROTOCOL)

    def _open(self, back: Leg, body: bytes, now: float) -> Sequence[CircuitEffect | Offence | Stated]:
        link, circuit = back
        if back in self._legs:
            return self.close(self._legs[back], Close.PROTOCOL)
        if circuit % 2 != (0 if self._ways.is_outbound(link) else 1):
            return [closing(back, Close.PROTOCOL)]
        peer = self._ways.peer(link)
        source = Source.of(peer)
        passage, effects = self._opened(back, body, source, now)
        if passage is not None:
            self._add(passage)
            if said := passage.statement:
                passage.statement = b""
                slack = self._billing.under_way(self._of_payer[passage.payer])
                return [*effects, Stated(b"", passage.payer, said, b"", slack)]
            return effects
        return [*effects, *self._opens.refused(source, peer, now)]

    def _opened(self, back: Leg, body: bytes, source: Source, now: float) -> tuple[Passage | None, list[CircuitEffect]]:
        """What an OPEN has come to: a circuit, unless it is refused, and what is done for that."""
        if self.closed or not self._opens.may_come(source, now):
            return None, [closing(back, Close.OVERLOADED)]
        try:
            elements = cbor.array(cbor.decode(body), "OPEN")
            if not 0 < len(elements) <= MAX_HOPS or not all(type(element) is bytes for element in elements):
                raise MalformedError("OPEN: up to 32 byte strings expected")
            hop = open_hop(elements[0], self._keys)
            payer = self._proofs.payer_of(hop)
        except PeerError as error:
            return None, [closing(back, Close.REFUSED), Log("info", "circuit_refused", str(error))]
        clock = int(self._epoch + now)
        name = hashlib.sha256(elements[0]).digest()[:16]
        if hop.circuit_key is None or hop.expires is None or payer is None:
            return None, [closing(back, Close.REFUSED)]
        if not clock <= hop.expires <= clock + 2 * OPEN_LIFE:
            return None, [closing(back, Close.EXPIRED)]
        if self._opens.has_seen(name):
            return None, [closing(back, Close.REPLAYED)]
        key = hop.circuit_key
        passage = Passage(
            payer, back, None, Layer(key, True), Layer(key, False), Control(key), Bill(told_at=now), now, source
        )
        passage.statement = hop.statement
        if hop.voucher:
            self._billing.vouched(payer, hop.voucher, now)  # It may be what lets the payer be served.
        ended = self._room(passage, now)
        if ended is None or not self._opens.remember(name, hop.expires, source):
            return None, [*(ended or ()), *self._billing.last_words(passage, Close.OVERLOADED)]
        refusal, onward = self._refusal(hop, passage, now)
        if refusal is not None:
            return None, [*ended, *self._billing.last_words(passage, refusal)]
        if onward is None:
            pace = Pace(self._exit.windows)
            layers = [passage.backward], [passage.forward]
            passage.terminal = Terminal(*back, Seal(key, False), Seal(key, True), *layers, pace)
            return passage, ended
        passage.onward = onward, self.new_id(onward)
        following = cbor.encode(shift(elements, self._keys))
        frame = circuit_frame(FrameType.OPEN, passage.onward[1], following)
        return passage, [*ended, SendFrame(onward, frame, passage.onward[1])]

    def _refusal(self, hop: Hop, passage: Passage, now: float) -> tuple[Close | None, int | None]:
        """Why a circuit can't be, or the link to its next Node; neither at its exit."""
        if self._delinquent(passage.payer):
            return Close.DELINQUENT, None
        if not hop.next_key:
            return (None if self._exits else Close.REFUSED), None
        onward = self._ways.to(hop.next_key)
        if onward is None:
            return Close.UNREACHABLE, None
        return (None if self._opens.may_go(passage.source, hop.next_key, now) else Close.OVERLOADED), onward

    def close_all(self) -> list[CircuitEffect]:
        """End the circuits of others, with their last bills."""
        return [effect for each in list(self) for effect in self.close(each, Close.OVERLOADED, "it stops serving")]

    def _room(self, passage: Passage, now: float) -> list[CircuitEffect] | None:
        """What is ended for a circuit to have room; None if it has none. Who has most circuits loses idle ones."""
        source, payer = passage.source, passage.payer
        if self._opens.is_crowd(source) or self._of_payer.get(payer, 0) >= CIRCUITS_PER_PAYER:
            return None
        if not self._opens.is_full(source):
            return []
        if now - self._looked < 1.0:
            return None
        is_heaviest = self._heaviest(source)
        idle = [each for each in self if is_heaviest(each) and now - each.active > IDLE_ENOUGH]
        if not idle:
            self._looked = now
            return None
        effects: list[CircuitEffect] = []
        for each in sorted(idle, key=lambda each: each.active)[:ENDED_AT_ONCE]:
            effects += self.close(each, Close.OVERLOADED, "others need the room")
        return effects

    def _heaviest(self, source: Source) -> Callable[[Passage], bool]:
        """Which circuits are of who has most of them: a source, or a payer who comes from many sides."""
        worst, most = self._opens.heaviest(source)
        payer, paid_for = max(self._of_payer.items(), key=lambda each: each[1])
        if worst.neighbor and paid_for > most:
            return lambda passage: passage.payer == payer
        return lambda passage: passage.source == worst

    def _cell_forward(self, passage: Passage, wire: memoryview, now: float) -> list[CircuitEffect]:
        if passage.closing is not None:
            return self.close(passage, Close.PROTOCOL)
        passage.active = now
        if passage.onward is None:
            effects: list[CircuitEffect] = []
            try:
                self._exit.cell(passage, data_of(wire), now, effects)
            except CryptoError:
                effects += self.close(passage, Close.TAMPERED)
            except Overdrawn as error:
                effects += self.close(passage, Close.CREDIT, str(error))
            except MalformedError as error:
                effects += self.close(passage, Close.PROTOCOL, str(error))
            return effects
        link, circuit = passage.onward
        pass_on(wire, circuit, passage.forward)
        return [*self._billing.earn(passage, len(wire) - _AROUND, False, now), SendFrame(link, wire, circuit)]

    def _cell_back(self, passage: Passage, kind: int, wire: memoryview, now: float) -> list[CircuitEffect]:
        passage.active = now
        link, circuit = passage.back
        pass_on(wire, circuit, passage.backward)
        sent = SendFrame(link, wire, circuit)
        if kind == FrameType.CONTROL:
            return [sent]
        # The bill that may be among these was layered after this cell, so it has to follow it.
        return [sent, *self._billing.earn(passage, len(wire) - _AROUND, False, now)]

    # --- ending ---

    def _closed_by_originator(self, passage: Passage, wire: memoryview, now: float) -> list[CircuitEffect]:
        """What is under way back to him is still let pass, until the Node behind us ends the circuit, too."""
        if passage.onward is not None:
            passage.closing = now
            return [closing(passage.onward, reason_of(wire))]
        self._remove(passage)
        return [*self._exit.closed_circuit(passage), *self._billing.last_words(passage, Close.DONE)]

    def close(self, passage: Passage, reason: Close, detail: str = "", now: float | None = None) -> list[CircuitEffect]:
        """End a circuit from here, and tell both sides. `now`: by default that of the circuit's last cell."""
        self._remove(passage)
        effects: list[CircuitEffect] = [*self._billing.last_words(passage, reason, detail, now)]
        if passage.onward is not None:
            effects.append(closing(passage.onward, reason))
        return effects + self._exit.closed_circuit(passage)

    def end(self, leg: Leg, reason: Close, detail: str) -> list[CircuitEffect]:
        """The exit wants a circuit to end."""
        passage = self._legs.get(leg)
        return [] if passage is None else self.close(passage, reason, detail)

    def overrun(self, link: int, circuit: int) -> list[CircuitEffect]:
        """What waits for a circuit at a link is more than may be: it ends."""
        passage = self._legs.get((link, circuit))
        if passage is None:
            return []
        if passage.back != (link, circuit):
            return self.close(passage, Close.OVERLOADED)
        # Cells towards the originator are lost: he couldn't remove the layer of anything that we would tell him.
        self._remove(passage)
        ends = [closing(leg, Close.OVERLOADED) for leg in passage.legs]
        return [*ends, *self._exit.closed_circuit(passage)]

    def link_lost(self, link: int) -> list[CircuitEffect]:
        effects: list[CircuitEffect] = []
        for (at, _), passage in list(self._legs.items()):
            if at != link or passage.back not in self._legs:
                continue
            self._remove(passage)
            if passage.back[0] == link:
                effects += [] if passage.onward is None else [closing(passage.onward, Close.UNREACHABLE)]
            else:
                effects += self._billing.last_words(passage, Close.UNREACHABLE, "the link to it was lost")
            effects += self._exit.closed_circuit(passage)
        self._next_id.pop(link, None)
        self._exit.link_lost(link)
        return effects

    def tick(self, now: float) -> list[CircuitEffect]:
        clock = int(self._epoch + now)
        self._opens.tick(clock, now)
        effects: list[CircuitEffect] = []
        for passage in list(self):
            if passage.closing is not None:
                if now - passage.closing > CLOSING:
                    effects += self.close(passage, Close.DONE)
            elif self._delinquent(passage.payer):
                effects += self.close(passage, Close.DELINQUENT, now=now)
            elif now - passage.active > IDLE:
                effects += self.close(passage, Close.DONE)
        return effects

    def _add(self, passage: Passage) -> None:
        self._of_payer[passage.payer] = self._of_payer.get(passage.payer, 0) + 1
        self._opens.added(passage.source)
        for leg in passage.legs:
            self._legs[leg] = passage
            self._on_link[leg[0]] = self._on_link.get(leg[0], 0) + 1

    def _remove(self, passage: Passage) -> None:
        if self._legs.get(passage.back) is not passage:
            return
        count_down(self._of_payer, passage.payer)
        self._opens.removed(passage.source)
        for leg in passage.legs:
            del self._legs[leg]
            count_down(self._on_link, leg[0])


_AROUND: Final = len(circuit_frame(FrameType.CELL, 0, b""))
