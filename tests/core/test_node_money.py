"""The whole Node, by its money: who is served, what is booked and saved, and what is asked of the chain."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.node_ends import EPOCH, Nodes, One, events, wallet

from masq.chain.erc20 import Transfer
from masq.chain.head import Head, Prices
from masq.chain.receipt import Receipt
from masq.core.accountant.accountant import SavedState
from masq.core.accountant.effects import (
    AccountantEffect,
    AskReceipts,
    AskTerms,
    AskTransfers,
    Notice,
    Paid,
    Save,
    Scan,
    SendPayments,
    Way,
)
from masq.core.accountant.ledger import BookEntry
from masq.core.accountant.payments import Look
from masq.core.accountant.terms import Terms
from masq.core.effects import CloseSocket, Connect, SaveConfig
from masq.core.failure import BUDGET, Cause, FailureError
from masq.core.view import as_json
from masq.types import Mode, PackagePolicy, address_text

USER = wallet("consuming 1").address
"""Of the Node that is added first."""
TOO_MUCH = BookEntry(True, b"c" * 20, 2 * 10**18, int(EPOCH) - 100_000)
"""A debt that is due."""


def row(policy: PackagePolicy, relay: SavedState = SavedState(), exit: SavedState = SavedState()) -> list[One]:
    nodes = Nodes()
    all = [nodes.add(hops=2, package_policy=policy), nodes.add(saved=relay), nodes.add(saved=exit)]
    nodes.line(*all)
    nodes.open(all[0])
    return all


def money(effects: object) -> list[AccountantEffect]:
    assert isinstance(effects, list)
    return [each for each in effects if isinstance(each, AccountantEffect)]


# --- who is served ---


@pytest.mark.parametrize("policy", [PackagePolicy.CIRCUITS, PackagePolicy.MASQ])
@pytest.mark.parametrize("where", ["relay", "exit"])
def test_who_owes_too_much_is_served_by_neither_relay_nor_exit(policy: PackagePolicy, where: str) -> None:
    """S12."""
    banned = SavedState(banned=(USER,))
    user, relay, exit = row(policy, **{where: banned})
    assert not [each for each in exit.asked if isinstance(each, Connect)]
    if policy is PackagePolicy.MASQ:
        assert "delinquent" in events(relay if where == "relay" else exit)
    else:
        failure = user.take(CloseSocket)[0].failure
        assert failure
        assert failure.cause is Cause.DELINQUENT
    assert exit.is_owed() == {}


def test_whom_a_node_bans_sees_which_node_how_much_and_what_to_do_until_it_is_served_again() -> None:
    debt = BookEntry(False, USER, 2 * 10**18, int(EPOCH) - 10_000)
    user, _, exit = row(PackagePolicy.CIRCUITS, exit=SavedState(entries=(debt,), banned=(USER,)))
    failure = user.take(CloseSocket)[0].failure
    assert failure
    assert "it counts 2 MASQ owed" in str(failure)
    (seen,) = user.node.books(7.0).refused_by
    assert (seen.node, seen.wallet) == (
        exit.node.keys.public_key.hex(),
        address_text(exit.config.profile.earning_wallet),
    )
    assert (seen.payer, seen.theirs, seen.since) == (address_text(USER), 2 * 10**18, int(EPOCH) - 10_000)
    thresholds = exit.config.accountant.thresholds
    assert (seen.most, seen.release) == (thresholds.allowed(10_000), thresholds.release)
    assert seen.ours < 10**9, "what the circuit cost"
    assert "compare books" in seen.advice
    assert user.node.books(8.0).refused_by[0].age == seen.age + 1
    key, creditor = exit.node.keys.public_key, exit.config.profile.earning_wallet
    reputation = user.node.reputation
    assert reputation.terms[key].count == 1
    other, paid = (Save(paid=(Paid(bytes(32), to, 1, 1, None, 0),)) for to in (USER, creditor))
    user.node._carry([other], 9.0)
    assert reputation.terms[key].count == 1
    user.node._carry([paid], 9.0)
    assert reputation.terms[key].count == 0, "it isn't held against who was paid"
    assert "refusals" in {each.name for each in user.node.stop(9.0) if isinstance(each, SaveConfig)}


def test_others_are_served_while_somebody_is_banned() -> None:
    _, _, exit = row(PackagePolicy.MASQ, SavedState(banned=(b"b" * 20,)), SavedState(banned=(b"b" * 20,)))
    assert len(exit.take(Connect)) == 1
    assert exit.is_owed()


@pytest.mark.parametrize("policy", [PackagePolicy.CIRCUITS, PackagePolicy.MASQ])
def test_a_node_that_only_consumes_is_no_exit(policy: PackagePolicy) -> None:
    nodes = Nodes()
    user, other = nodes.add(package_policy=policy), nodes.add()
    nodes.line(user, other)
    other.node.rules = replace(other.node.rules, exits=False)
    other.node.circuits._exits = False
    nodes.open(user)
    assert other.take(Connect) == []
    if policy is PackagePolicy.MASQ:
        nodes.open(user)
        assert events(other) == ["package_dropped"]
    assert other.is_owed() == {}


def test_a_node_that_routes_nothing_relays_nothing() -> None:
    nodes = Nodes()
    user, relay, exit = nodes.add(hops=2, package_policy=PackagePolicy.MASQ), nodes.add(), nodes.add()
    nodes.line(user, relay, exit)
    relay.node.rules = replace(relay.node.rules, relays=False)
    nodes.open(user)
    assert events(relay) == ["package_dropped"]
    assert exit.take(Connect) == []
    assert relay.is_owed() == {}
    assert set(user.owes()) == {one.config.profile.earning_wallet for one in (relay, exit)}


# --- what is booked ---


def test_what_an_input_cost_is_booked_at_once_and_saved_after_a_second() -> None:
    nodes = Nodes()
    user, exit = nodes.add(package_policy=PackagePolicy.MASQ), nodes.add()
    nodes.line(user, exit)
    nodes.open(user, b"12345")
    rates = exit.config.profile.rates
    assert user.owes() == {exit.config.profile.earning_wallet: rates.exit_charge(5)}
    nodes.run(0.5)
    assert user.take(Save) == []
    nodes.run(1.0)
    ((entry,),) = [save.entries for save in user.take(Save)]
    assert (entry.payable, entry.wallet, entry.wei) == (True, exit.config.profile.earning_wallet, rates.exit_charge(5))


def test_who_has_spent_as_much_as_he_wants_opens_nothing_more_for_a_while() -> None:
    nodes = Nodes()
    user, exit = nodes.add(max_spending=10_000), nodes.add()
    nodes.line(user, exit)
    nodes.open(user, bytes(1_000))
    with pytest.raises(FailureError) as stream:
        user.node.open("a.test", 80, "", nodes.now)
    with pytest.raises(FailureError) as question:
        user.node.resolve("a.test", "", nodes.now)
    assert stream.value.failure is question.value.failure is BUDGET
    assert user.node.open("a.test", 80, "", nodes.now + 7_200.0)[0]


def test_before_the_end_what_was_gathered_is_saved() -> None:
    user, relay, exit = row(PackagePolicy.CIRCUITS)
    (save,) = user.node.stop(0.0)
    assert isinstance(save, Save)
    assert {entry.wallet for entry in save.entries} == {one.config.profile.earning_wallet for one in (relay, exit)}
    assert user.node.stop(0.0) == []


def test_books_of_before_are_remembered() -> None:
    one = Nodes().add(saved=SavedState(entries=(TOO_MUCH,)))
    assert one.owes() == {TOO_MUCH.wallet: TOO_MUCH.wei}
    assert as_json(one.node.accountant.view(0.0))["payables"][0]["wei"] == str(TOO_MUCH.wei)


# --- the chain ---


def test_scans_begin_with_the_first_route() -> None:
    nodes = Nodes()
    alone = nodes.add()
    nodes.do(alone, alone.node.start(0.0))
    nodes.run(20.0, 1.0)
    assert alone.take(AskTransfers) == []
    one, other = nodes.add(), nodes.add()
    nodes.line(one, other)
    assert one.node.has_route
    assert one.node.accountant._scans.runs(Scan.RECEIVABLES)


def test_where_scans_are_off_there_are_none_unless_the_user_wants_one() -> None:
    """S36."""
    nodes = Nodes()
    one, other = nodes.add(scans=False, saved=SavedState(entries=(TOO_MUCH,))), nodes.add()
    nodes.line(one, other)
    nodes.run(20.0, 1.0)
    assert not [each for each in one.asked if isinstance(each, AskTerms | AskTransfers)]
    assert one.node.scan(Scan.PAYABLES, nodes.now) == [AskTransfers(Scan.PAYABLES, Way.OUT, None, None)]
    assert one.node.scan(Scan.RECEIVABLES, nodes.now) == [AskTransfers(Scan.RECEIVABLES, Way.IN, None, None)]


def test_a_zero_hop_node_never_scans() -> None:
    nodes = Nodes()
    one = nodes.add(mode=Mode.ZERO_HOP)
    nodes.do(one, one.node.start(0.0))
    nodes.run(20.0, 1.0)
    assert one.take(AskTransfers) == []


HEAD = Head(100, int(EPOCH), bytes(32))
TERMS = Terms(HEAD, Prices(10**9), 10**18, 10**19, 4, 4)


def pay(one: One) -> tuple[Save, SendPayments]:
    """A scan for what is to be paid, up to the sending."""
    effects = one.node.scan(Scan.PAYABLES, 0.0)
    for _ in range(2):
        (asked,) = effects
        assert isinstance(asked, AskTransfers)
        assert one.node.transfers(asked, [], HEAD.number, HEAD, 0.0)[-1] == AskTerms()
        effects = one.node.terms(TERMS, 0.0)
    save, send = effects
    assert isinstance(save, Save)
    assert isinstance(send, SendPayments)
    return save, send


def test_a_debt_is_paid_and_the_payment_confirmed() -> None:
    one = Nodes().add(saved=SavedState(entries=(TOO_MUCH,)))
    node = one.node
    save, send = pay(one)
    (payment,) = send.payments
    assert (payment.creditor, payment.wei, payment.nonce) == (TOO_MUCH.wallet, TOO_MUCH.wei, 4)
    assert save.payments == send.payments, "what is sent is on disk before"
    (taken,) = node.sent([None], [payment], 0.0)
    assert isinstance(taken, Save)
    assert node.scan(Scan.PENDING_PAYABLES, 1.0) == [AskReceipts((payment.hash,), (payment.sender,))]
    receipt = Receipt(payment.hash, 100, True)
    look = Look(HEAD, Prices(10**9), {payment.hash: receipt}, {payment.sender: (5, 5)})
    done = node.receipts(look, 2.0)
    assert [type(each) for each in done] == [Save, Notice]
    assert one.owes() == {TOO_MUCH.wallet: 0}


def test_a_payment_that_the_provider_does_not_take_is_a_warning() -> None:
    one = Nodes().add(saved=SavedState(entries=(TOO_MUCH,)))
    _, send = pay(one)
    (notice,) = one.node.sent(["nonce too low"], send.payments, 0.0)
    assert isinstance(notice, Notice)
    assert "nonce too low" in notice.text


def test_income_is_credited_and_releases_who_was_banned() -> None:
    debt = BookEntry(False, USER, 2 * 10**18, int(EPOCH) - 100_000)
    one = Nodes().add(saved=SavedState(entries=(debt,), banned=(USER,)))
    asked = AskTransfers(Scan.RECEIVABLES, Way.IN, None, None)
    assert one.node.scan(Scan.RECEIVABLES, 0.0) == [asked]
    found = [Transfer(HEAD.number, 0, b"h" * 32, USER, debt.wei)]
    effects = money(one.node.transfers(asked, found, HEAD.number, HEAD, 1.0))
    assert USER in [wallet for each in effects if isinstance(each, Save) for wallet in each.released]
    assert not one.node.accountant.is_delinquent(USER)
    assert one.is_owed() == {USER: 0}


def test_a_scan_that_failed_says_why_and_the_next_one_keeps_to_the_provider_s_limit() -> None:
    one = Nodes().add()
    one.node.scan(Scan.RECEIVABLES, 0.0)
    (notice,) = one.node.scan_failed(Scan.RECEIVABLES, "no answer", 1.0)
    assert isinstance(notice, Notice)
    assert "no answer" in notice.text
    one.node.scan(Scan.RECEIVABLES, 2.0)
    assert one.node.scan_failed(Scan.RECEIVABLES, "too many blocks", 3.0, most_blocks=500) == []
    assert one.node.scan(Scan.RECEIVABLES, 4.0) == [AskTransfers(Scan.RECEIVABLES, Way.IN, None, 500)]


def test_the_user_can_have_income_looked_for_from_any_block() -> None:
    one = Nodes().add()
    assert one.node.search_from(7, 0.0) == [AskTransfers(Scan.RECEIVABLES, Way.IN, 7, None)]


def test_a_clock_that_jumps_is_told() -> None:
    one = Nodes().add(saved=SavedState(entries=(TOO_MUCH,)))
    assert one.node.set_clock(EPOCH, 0.0) == []
    notices = [each for each in one.node.set_clock(EPOCH + 7_200, 0.0) if isinstance(each, Notice)]
    assert "7200 s ahead" in notices[0].text


def test_the_next_wake_is_the_earliest_of_all_parts() -> None:
    one = Nodes().add()
    assert one.node.next_wake(0.0) <= 5.0
    assert one.node.next_wake(4.0) <= 5.0, "inputs in between put nothing off"
    one.node.accountant.charge(True, b"c" * 20, 5, 0.0)
    assert one.node.next_wake(0.0) == 1.0
    (save,) = money(one.node.tick(1.0))
    assert isinstance(save, Save)
    assert one.node.next_wake(1.0) > 2.0
