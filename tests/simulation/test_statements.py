"""Nodes compare books, in virtual time: they agree, and one that was killed differs by what it had not saved."""

from __future__ import annotations

from tests.simulation.circuit_worlds import circuit_of, client, hop_of, network

from masq.core.accountant.accountant import SAVE_EVERY
from masq.core.circuits.origin import IDLE, LIFE
from masq.core.view import StatementView
from masq.sim.host import SimNode
from masq.sim.workloads.browsing import content_of
from masq.sim.world import World
from masq.types import DEFAULT_RATE_PACK, address_text

SIZE = 20_000_000


def rest(world: World, user: SimNode) -> None:
    """Until all circuits have closed, with their last bills."""
    assert world.run_until(lambda: not list(user.node.own_circuits), LIFE + IDLE + 60)


def of(host: SimNode, wallet: bytes) -> StatementView:
    (one,) = (each for each in host.node.statements.view() if each.wallet == address_text(wallet))
    return one


def test_all_hops_and_the_user_agree_and_have_it_signed() -> None:
    world = network(31)
    user = world.hosts[3]
    one = client(user, "files.test", 80, b"%d\n" % SIZE)
    world.run(1)
    own = circuit_of(user)
    hops = [hop_of(world, own, position) for position in range(3)]
    assert world.run_until(lambda: one.ended, 120)
    assert one.received == content_of(SIZE)
    one.end()
    rest(world, user)
    assert {each.state for each in user.node.statements.view()} == {"agrees"}
    for hop in hops:
        stated = of(user, hop.earning.address)
        assert stated.node == hop.node.keys.public_key.hex()
        assert stated.theirs > 0


def test_after_a_kill_of_the_exit_the_user_is_told_by_how_much_it_counts_less() -> None:
    world = network(32, 5)
    user = world.hosts[0]
    one = client(user, "files.test", 80, b"%d\n" % SIZE)
    world.run(1)
    exit = hop_of(world, circuit_of(user), 2)
    paid_at, payer = exit.earning.address, user.consuming.address
    key = exit.node.keys.public_key.hex()
    assert world.run_until(lambda: any(each.node == key for each in user.node.statements.view()), 120)

    def unsaved() -> int:
        return exit.node.accountant.owed_by(payer) - exit.memory.entries[False, payer].wei

    # The first download is saved; it is killed in the middle of another, of which nothing is yet.
    one.end()
    world.run(2 * SAVE_EVERY)
    assert unsaved() == 0
    two = client(user, "files.test", 80, b"%d\n" % (20 * SIZE))
    assert world.run_until(lambda: unsaved() > 0 and len(two.received) >= SIZE, 10)
    assert not two.ended
    signed = max(each.theirs for each in user.node.statements.view() if each.node == key)
    exit.crash()
    lost = unsaved()
    assert lost > 0
    two.abort()
    world.run(5)
    again = world.add([world.hosts[1], world.hosts[2]], replacing=exit)
    key = again.node.keys.public_key.hex()
    world.run(30)
    # Both go on from what was saved; the user's statement, and the exit's, tell them of the rest.
    for number in range(20):
        client(user, "files.test", 80, b"1000\n", str(number))
        world.run(5)
    rest(world, user)
    (claim,) = (each for each in user.node.statements.view() if each.node == key)
    assert claim.wallet == address_text(paid_at)
    gap = claim.ours - claim.theirs
    assert lost <= gap + 1
    assert gap <= lost + 4 * 2**20 * DEFAULT_RATE_PACK.exit_byte_rate * 2
    assert claim.theirs >= exit.memory.entries[False, payer].wei
    assert signed - claim.theirs <= lost
    admission = of(again, payer)
    assert admission.theirs - admission.ours >= lost - 1
