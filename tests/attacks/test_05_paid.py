"""Issue 9, 5: look-ups are paid where both ends know of it, once, to the wei; who doesn't pay waits behind who does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.circuit_ends import BACK, Entry, Nodes, Told, sent
from tests.core.circuits.exit_ends import Circuit
from tests.simulation.circuit_worlds import circuits, client, hop_of, network
from tests.worlds import books_agree, complaints

from masq.core.circuits import entry as entry_module
from masq.core.circuits import exit as exit_module
from masq.core.circuits.entry import Wish
from masq.core.circuits.origin import IDLE, LIFE, OwnCircuit
from masq.core.effects import Log
from masq.core.failure import SERVER, Cause, Failure
from masq.core.limits import LOOK_UPS_WAITING
from masq.shell.look_ups import FREE_TURN, LookUps
from masq.sim.host import SimNode
from masq.sim.world import World
from masq.types import DEFAULT_RATE_PACK
from masq.wire import cbor
from masq.wire.circuit import (
    MAX_PAID_ANSWER,
    Addresses,
    Close,
    Command,
    Resolution,
    StreamEnd,
    decode_resolve,
    decode_resolved,
    encode_end,
    encode_resolve,
    encode_resolved,
    paid_bytes,
)
from masq.wire.secure_link import Frame

FOUND: Addresses = (("192.0.2.1", 60),)
PAID = encode_resolved(Resolution(FOUND, paid=True))
QUESTION = encode_resolve("files.test", paid=True)
PRICE = DEFAULT_RATE_PACK.exit_charge(paid_bytes(len(QUESTION), len(PAID)))


def older_exit(data: memoryview) -> tuple[str, bool]:
    return decode_resolve(data)[0], False


def older_originator(host: str, paid: bool = False) -> bytes:
    return encode_resolve(host)


def exit_of(world: World, own: OwnCircuit) -> SimNode:
    return hop_of(world, own, len(own.hops) - 1)


def earned(host: SimNode, user: SimNode) -> int:
    account = host.node.accountant.ledger.receivables.get(user.consuming.address)
    return account.wei if account else 0


def asked(world: World, user: SimNode, *hosts: str) -> list[OwnCircuit]:
    """The user asks for these names, one after the other, and has his answers: the circuits that he used."""
    used: dict[int, OwnCircuit] = {}
    for host in hosts:
        socket = user.resolve(host)
        used |= {id(own): own for own in user.node.own_circuits}
        assert world.run_until(lambda socket=socket: socket in user.clients.resolutions, 60)  # type: ignore[misc]
    world.run(2)
    return list(used.values())


def test_05_both_ends_book_a_look_up_at_the_exit_s_rates() -> None:
    world = network(501, 8)
    user = world.hosts[0]
    own, *_ = asked(world, user, "files.test")
    rates = own.hops[-1].service.rates
    assert earned(exit_of(world, own), user) == rates.exit_charge(paid_bytes(len(QUESTION), len(PAID)))
    asked(world, user, "nowhere.test", "files.test")
    assert books_agree(world, user)
    assert not own.asked
    world.run(LIFE + IDLE + 15)
    assert circuits(world) == 0
    assert books_agree(world, user)
    assert not complaints(world)


@pytest.mark.parametrize("older", [older_exit, older_originator])
def test_05_a_node_of_before_neither_pays_nor_is_paid(
    older: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    if older is older_exit:
        monkeypatch.setattr(exit_module, "decode_resolve", older_exit)
    else:
        monkeypatch.setattr(entry_module, "encode_resolve", older_originator)
    world = network(502, 8)
    user = world.hosts[0]
    used = asked(world, user, "files.test", "nowhere.test")
    assert all(earned(exit_of(world, own), user) == 0 for own in used)
    world.run(LIFE + IDLE + 15)
    assert not user.node.own_circuits.audit
    assert not complaints(world)


def test_05_a_question_whose_client_is_gone_is_paid_if_it_was_answered_and_only_then() -> None:
    world = network(503, 8)
    user = world.hosts[0]
    asked(world, user, "files.test")
    for wait in range(40):
        socket = user.resolve("files.test")
        world.run(wait / 100)
        user.carry(user.node.socket_closed(socket, Failure(Cause.CLOSED), world.now))
        world.run(1)
        assert books_agree(world, user), f"closed after {wait / 100} s"
    world.run(LIFE + IDLE + 15)
    assert books_agree(world, user)
    assert not complaints(world)


def test_05_circuits_that_end_with_answers_under_way_leave_equal_books() -> None:
    world = network(504, 8)
    user = world.hosts[0]
    one = client(user, "files.test", 80, b"200000\n")
    assert world.run_until(lambda: one.ended, 60)
    for number in range(20):
        user.resolve("files.test")
        world.run(number / 50)
        user.node.own_circuits.renew(leave=False)
    one.end()
    world.run(LIFE + IDLE + 15)
    assert circuits(world) == 0
    assert books_agree(world, user)
    assert not complaints(world)


def test_05_an_exit_that_books_look_ups_more_than_once_is_found_out() -> None:
    world = network(505, 8)
    user = world.hosts[0]
    own, *_ = asked(world, user, "files.test")
    thief = exit_of(world, own)
    billing = thief.node.circuit_exit._billing
    earn = billing.earn

    def often(passage, size, as_exit, now):  # type: ignore[no-untyped-def]
        return [frame for _ in range(8 if as_exit else 1) for frame in earn(passage, size, as_exit, now)]

    billing.earn = often  # type: ignore[method-assign]
    asked(world, user, *["files.test"] * 10)
    world.run(LIFE + IDLE + 15)
    (found,) = user.node.own_circuits.audit.values()
    assert found.key == thief.node.keys.public_key
    assert any(isinstance(log, Log) and log.event == "overbilled" for log in user.logs)


def owed(entry: Entry) -> int:
    """Wei that are owed to the exit, beyond nothing."""
    return entry.circuit(entry.ways[0].circuit).hops[-1].wei


def answer(nodes: Nodes, *streams: int, data: bytes = PAID) -> Frame:
    return nodes.cell(*((stream, Command.RESOLVED, data) for stream in streams))


def test_05_what_was_not_asked_for_or_is_said_again_is_not_paid() -> None:
    entry = Entry()
    entry.open(b"", group="x")
    entry.open(kind=Wish.RESOLUTION, host="files.test", group="x")
    nodes = entry.ways[0]
    entry.hears(answer(nodes, 1, 3, 7, 0))
    assert owed(entry) == 0
    entry.hears(answer(nodes, 2, 2, 2))
    assert owed(entry) == PRICE
    entry.hears(answer(nodes, 2))
    assert owed(entry) == PRICE


def test_05_an_answer_that_is_blown_up_costs_no_more_than_an_honest_one_may() -> None:
    entry = Entry()
    entry.open(kind=Wish.RESOLUTION, host="files.test")
    blown_up = cbor.encode({"addresses": [["192.0.2.1", 60]], "paid": True, "more": bytes(60_000)})
    entry.hears(answer(entry.ways[0], 1, data=blown_up))
    assert owed(entry) == DEFAULT_RATE_PACK.exit_charge(len(QUESTION) + MAX_PAID_ANSWER)
    longest = encode_resolved(
        Resolution(
            tuple((f"2001:db8:{at:x}:1111:2222:3333:4444:5555", 2**32 - 1) for at in range(4_096, 4_200)), "", True
        )
    )
    assert len(longest) < MAX_PAID_ANSWER
    assert len(encode_resolved(Resolution((), "\U0001f600" * 300, True))) < MAX_PAID_ANSWER
    assert paid_bytes(10, 65_000) == 10 + MAX_PAID_ANSWER


def test_05_an_exit_that_ended_the_question_is_not_paid_for_it() -> None:
    entry = Entry()
    entry.open(kind=Wish.RESOLUTION, host="files.test")
    nodes = entry.ways[0]
    end = (1, Command.END, encode_end(StreamEnd.OVERLOADED))
    entry.hears(nodes.cell(end, (1, Command.RESOLVED, PAID)))
    assert entry.circuit(nodes.circuit).hops[-1].wei == 0


@pytest.mark.parametrize("cause", list(Cause))
def test_05_an_exit_takes_nothing_for_what_it_did_not_ask(cause: Cause) -> None:
    circuit = Circuit()
    circuit.says((5, Command.RESOLVE, QUESTION))
    before = circuit.hop.earned
    found = Failure(cause, SERVER, "why")
    (message,) = circuit.back(circuit.exit.resolved(circuit.hop.next_socket, found, 0.0))
    assert not isinstance(message, Told | Close)
    said = message[2]
    paid = cause not in (Cause.OVERLOADED, Cause.STOPPED)
    assert decode_resolved(said).paid is paid
    size = paid_bytes(len(QUESTION), len(said))
    assert circuit.hop.earned - before == (DEFAULT_RATE_PACK.exit_charge(size) if paid else 0)


def test_05_an_answer_that_was_never_sent_is_not_booked() -> None:
    circuit = Circuit()
    circuit.says((5, Command.RESOLVE, QUESTION))
    before = circuit.hop.earned
    circuit.exit.resolved(circuit.hop.next_socket, FOUND, 0.0)
    assert circuit.hop.earned == before
    assert sent(circuit.hop.flush(1.0), BACK)
    assert circuit.hop.earned == before + PRICE
    circuit.hop.flush(2.0)
    assert circuit.hop.earned == before + PRICE


# --- turns ---


class Names:
    """Nothing is answered until it is let go, one name after the other."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = asyncio.Semaphore(0)

    def known(self, host: str) -> Addresses | None:
        return None

    async def look_up(self, host: str) -> Addresses:
        self.asked.append(host)
        await self.go.acquire()
        return FOUND


def test_05_payers_come_first_and_the_others_get_a_share() -> None:
    async def work() -> list[str]:
        names = Names()
        each = LookUps(names, at_once=1)
        free = [asyncio.create_task(each.look_up(f"free{n}", bytes((n,)) * 20, False)) for n in range(20)]
        await asyncio.sleep(0)
        paid = [asyncio.create_task(each.look_up(f"paid{n}", bytes((100 + n,)) * 20)) for n in range(20)]
        for _ in range(200):
            names.go.release()
            await asyncio.sleep(0)
        await asyncio.gather(*free, *paid)
        assert not any(each._waiting)
        return names.asked

    order = asyncio.run(work())
    assert len(order) == 40
    first = order[1:25]
    assert sum("free" in name for name in first) == len(first) // FREE_TURN
    assert [name for name in order if "paid" in name] == [f"paid{n}" for n in range(20)], "in their turns"


def test_05_strangers_who_do_not_pay_fill_no_queue_of_those_who_do() -> None:
    async def work() -> None:
        names = Names()
        each = LookUps(names, at_once=1)
        many = [
            asyncio.create_task(each.look_up(f"n{n}", n.to_bytes(20, "big"), False))
            for n in range(LOOK_UPS_WAITING + 1)
        ]
        await asyncio.sleep(0)
        assert each._count == LOOK_UPS_WAITING
        late = asyncio.create_task(each.look_up("free", b"f" * 20, False))
        payer = asyncio.create_task(each.look_up("paid", b"p" * 20))
        await asyncio.sleep(0)
        assert late.done()
        assert not payer.done()
        assert each._count == LOOK_UPS_WAITING
        for _ in range(2 * FREE_TURN):
            names.go.release()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert payer.done()
        assert payer.result() == FOUND
        for task in many:
            task.cancel()
        await asyncio.gather(*many, late, return_exceptions=True)
        each.close()

    asyncio.run(work())


def test_05_the_message_is_read_by_nodes_of_before() -> None:
    assert decode_resolved(PAID).addresses == FOUND
    assert not decode_resolved(encode_resolved(Resolution(FOUND))).paid
    assert encode_resolve("h") == b"\xa1\x64host\x61h", "as ever, where nobody offers"
