"""Issue 9, 21: who serves two isolation groups of a user can't join them by the wallet that pays for them."""

from __future__ import annotations

from collections.abc import Callable

from masq.core.accountant.thresholds import PaymentThresholds
from masq.sim.host import SimNode
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download
from masq.sim.world import World
from masq.types import DEFAULT_RATE_PACK, RatePack

GROUPS = ("work", "leisure", "bank")
SOON = PaymentThresholds(
    debt_threshold_gwei=2_000,
    maturity_threshold_sec=20,
    payment_grace_period_sec=10,
    permanent_debt_allowed_gwei=1,
    threshold_interval_sec=10,
    unban_below_gwei=1,
)
DEAR = RatePack(*(50 * rate for rate in DEFAULT_RATE_PACK))


def browse(world: World, user: SimNode, groups: tuple[str, ...], size: int = 20_000) -> None:
    pages = []
    for group in groups:
        application = Application()
        user.open(application, "files.test", 80, group)
        application.send(f"{size}\n".encode())
        pages.append(application)
    assert world.run_until(lambda: all(len(page.received) >= size for page in pages), 120)


def with_wallets(count: int, package_policy: str = "auto") -> tuple[World, SimNode]:
    world = World(2101)
    world.join(6, rates=DEAR, thresholds=SOON, scan_every=10.0)
    user = world.add(world.hosts[-2:], wallets=count, package_policy=package_policy, thresholds=SOON, scan_every=10.0)
    world.run(30)
    world.servers["files.test", 80] = Download
    return world, user


def payers(world: World, user: SimNode) -> set[bytes]:
    """Wallets that other Nodes have seen, and count as debtors."""
    return {wallet for host in world.hosts if host is not user for wallet in host.node.accountant.ledger.receivables}


def all_wallets(user: SimNode) -> list[bytes]:
    return [user.consuming.address, *(wallet.address for wallet, _ in user.owner.further)]


def test_21_each_group_is_served_for_a_wallet_of_its_own(tell: Callable[[str], None]) -> None:
    world, user = with_wallets(3)
    seen: list[set[bytes]] = []
    for group in GROUPS:
        before = payers(world, user)
        browse(world, user, (group,))
        world.run(2)
        seen.append(payers(world, user) - before)
    assert sorted(wallet for each in seen for wallet in each) == sorted(all_wallets(user))
    assert all(len(each) == 1 for each in seen)
    # The same group, the same wallet.
    browse(world, user, GROUPS)
    world.run(2)
    assert payers(world, user) == set(all_wallets(user))
    tell(f"{len(GROUPS)} groups: {len(payers(world, user))} wallets, none of two groups")


def test_21_with_packages_of_0_9_1_too() -> None:
    world, user = with_wallets(2, package_policy="masq")
    browse(world, user, ("work",))
    first = payers(world, user)
    browse(world, user, ("leisure",))
    assert first == {user.consuming.address}
    assert payers(world, user) == set(all_wallets(user))


def test_21_each_wallet_pays_what_its_groups_owe() -> None:
    world, user = with_wallets(2)
    for _ in range(3):
        browse(world, user, GROUPS[:2], 200_000)
    owed = [user.node.accountant_of(purse).ledger.payables for purse in range(2)]
    assert all(sum(each.wei for each in book.values()) > 0 for book in owed)
    had = [world.chain.tokens[wallet] for wallet in all_wallets(user)]
    assert world.run_until(lambda: all(user.node.accountant_of(purse).paid > 0 for purse in range(2)), 600)
    world.run(120)
    for purse, wallet in enumerate(all_wallets(user)):
        accountant = user.node.accountant_of(purse)
        assert had[purse] - world.chain.tokens[wallet] == accountant.paid
        creditors = {host.earning.address: host for host in world.hosts}
        for earning, account in accountant.ledger.payables.items():
            theirs = creditors[earning].node.accountant.ledger.receivables[wallet]
            assert abs(theirs.wei - account.wei) <= DEAR.routing_byte_rate * 200_000
    view = user.node.books(world.now)
    assert [each.paid_wei for each in view.wallets] == [user.node.accountant_of(purse).paid for purse in range(2)]
    assert view.paid_wei == sum(each.paid_wei for each in view.wallets)


def test_21_a_crash_loses_no_wallets_books_nor_who_has_which() -> None:
    world, user = with_wallets(2)
    browse(world, user, GROUPS[:2], 100_000)
    world.run(15)
    before = [dict(user.node.accountant_of(purse).ledger.payables) for purse in range(2)]
    user.crash()
    again = world.add(world.hosts[:2], replacing=user, thresholds=SOON, scan_every=10.0)
    for purse in range(2):
        book = again.node.accountant_of(purse).ledger.payables
        assert {wallet: each.wei for wallet, each in book.items()} == {
            wallet: each.wei for wallet, each in before[purse].items()
        }
    assert [again.node.purses.of(group, world.now) for group in reversed(GROUPS[:2])] == [1, 0]
