"""Sockets: ids are never used twice, and each belongs to the part that has put it among its own."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from masq.core.effects import CloseSocket, Effect
from masq.core.failure import Failure
from masq.core.sockets import OwnSockets, Sockets


class Owner:
    """A part that closes whatever it hears of."""

    def received(self, socket: int, data: memoryview, now: float) -> Sequence[Effect]:
        return [CloseSocket(socket)]

    def ended(self, socket: int, now: float) -> Sequence[Effect]:
        return [CloseSocket(socket)]

    def closed(self, socket: int, failure: Failure, now: float) -> Sequence[Effect]:
        return []

    def congested(self, socket: int) -> None:
        pass

    def drained(self, socket: int, now: float) -> Sequence[Effect]:
        return []


ONE, OTHER = Owner(), Owner()


@given(steps=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_an_id_is_never_given_twice_and_each_owner_has_its_own(steps: list[tuple[bool, bool]]) -> None:
    sockets = Sockets()
    owners = {True: OwnSockets[str](sockets, ONE), False: OwnSockets[str](sockets, OTHER)}
    given: list[int] = []
    kept: dict[int, bool] = {}
    for which, keep in steps:
        socket = owners[which].new()
        assert socket not in given
        given.append(socket)
        owners[which].put(socket, f"socket {socket}")
        kept[socket] = which
        if not keep:
            owners[which].drop(socket)
            del kept[socket]
    for socket in given:
        owner = None if socket not in kept else ONE if kept[socket] else OTHER
        assert sockets.owner(socket) is owner
    for which, own in owners.items():
        mine = [socket for socket, of in kept.items() if of is which]
        assert list(own) == [f"socket {socket}" for socket in mine]
        assert len(own) == len(mine)
        assert all(socket in own for socket in mine)


def test_an_id_that_nobody_has_put_among_its_own_is_nobodys() -> None:
    sockets = Sockets()
    own = OwnSockets[str](sockets, ONE)
    socket = own.new()
    assert sockets.owner(socket) is None
    assert own.get(socket) is None
    assert socket not in own


def test_who_drops_a_socket_that_is_not_its_own_takes_it_from_nobody() -> None:
    sockets = Sockets()
    one, other = OwnSockets[str](sockets, ONE), OwnSockets[str](sockets, OTHER)
    socket = one.new()
    one.put(socket, "mine")
    other.drop(socket)
    assert sockets.owner(socket) is ONE
    one.drop(socket)
    one.drop(socket)
    assert sockets.owner(socket) is None
    assert one.get(socket) is None
