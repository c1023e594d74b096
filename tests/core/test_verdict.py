"""The one line that says whether a Node works: what it rests on, and what it says to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masq.core.verdict import verdict
from masq.core.view import (
    BooksView,
    ExitView,
    FailureView,
    LinkView,
    MoneyView,
    NeighborView,
    NodeView,
    ProcessView,
    RefusalView,
    RoutesView,
    StreamView,
    TrafficView,
    WalletView,
)
from masq.types import Wei, amount_text

PROCESS = ProcessView(
    descriptor="masq://dev:KEY@1.2.3.4:5",
    chain="dev",
    uptime=7200.0,
    pid=1,
    entry="127.0.0.1:1080",
    dns=None,
    window=None,
    consuming_wallet="0x1",
    earning_wallet="0x2",
    warnings=(),
    failures=(),
    version="1",
    traffic=TrafficView(0, 0, 0, None),
)
LINK = LinkView("1.2.3.5:6", "secure", True, 0, 0)
NODE = NodeView(
    mode="consume-only",
    stage="RouteFound",
    public_key="ab",
    record_version=1,
    nodes_known=5,
    neighbors=(NeighborView("cd", "1.2.3.5:6", True),),
    routes=RoutesView(True, 3, None, None),
    exits=(),
    nodes=(),
    streams=(),
    serving=0,
    circuits=0,
    avoided=(),
    overbilled=(),
    disputed=0,
    links=(LINK,),
    bans=(),
)
MONEY = MoneyView((), None, None, None, None, Wei(0), None, Wei(0), Wei(0), 0)
BOOKS = BooksView((), (), (), (), Wei(0), Wei(0), MONEY, Wei(0), Wei(10**18))
ALONE = replace(NODE, neighbors=(), links=(), nodes_known=1, routes=RoutesView(False, 3, "no route: nobody", None))


def failures(count: int, cause: str = "silent", age: float = 1.0) -> tuple[FailureView, ...]:
    return (FailureView("a.example:443", "exit 12345678: it gave no answer", cause, age),) * count


def test_a_node_that_works_says_how() -> None:
    told = verdict(PROCESS, NODE, BOOKS)
    assert (told.works, told.words, told.advice) == (True, "works: browsing over 3 hops", None)


def test_it_says_where_the_exits_are_and_what_an_hour_costs() -> None:
    exits = (ExitView("aa", "DE", 2), ExitView("bb", None, 1), ExitView("cc", "FR", 1), ExitView("dd", "DE", 1))
    told = verdict(PROCESS, replace(NODE, exits=exits), replace(BOOKS, spent_hour_wei=Wei(2 * 10**15)))
    assert told.words == "works: browsing over 3 hops, exit in DE and FR, 0.002 MASQ an hour at this pace"


def test_the_pace_of_a_shorter_use_is_of_an_hour_too() -> None:
    books = replace(BOOKS, spent_hour_wei=Wei(10**15))
    assert "0.006 MASQ an hour" in verdict(replace(PROCESS, uptime=600.0), NODE, books).words
    assert "hour" not in verdict(replace(PROCESS, uptime=10.0), NODE, books).words


@pytest.mark.parametrize(
    ("process", "node", "books", "words", "advice"),
    [
        (PROCESS, ALONE, BOOKS, "no neighbor answers", "masq doctor"),
        (PROCESS, replace(ALONE, mode="standard"), BOOKS, "no neighbor answers", "masq descriptor"),
        (PROCESS, replace(ALONE, links=NODE.links), BOOKS, "none takes this one", "--neighbors"),
        (
            PROCESS,
            replace(ALONE, links=NODE.links, overlooked="take another"),
            BOOKS,
            "remember its key",
            "take another",
        ),
        (replace(PROCESS, uptime=2.0), ALONE, BOOKS, "not work yet", "wait"),
        (
            PROCESS,
            replace(NODE, routes=RoutesView(False, 3, "no route over 3 hops: 1 neighbors", None)),
            BOOKS,
            "no route over 3 hops",
            "--min-hops 2",
        ),
        (PROCESS, replace(NODE, routes=RoutesView(False, 1, None, None)), BOOKS, "there is no route", "wait"),
        (replace(PROCESS, consuming_wallet=None), NODE, BOOKS, "no consuming wallet", "masq wallet create --save"),
        (PROCESS, NODE, replace(BOOKS, spent_hour_wei=Wei(10**18)), "1 MASQ were spent", "max-spending-per-hour"),
        (replace(PROCESS, failures=failures(3)), NODE, BOOKS, "3 streams failed", "masq route new"),
    ],
)
def test_what_is_wrong_comes_with_what_to_do(
    process: ProcessView, node: NodeView, books: BooksView, words: str, advice: str
) -> None:
    told = verdict(process, node, books)
    assert not told.works
    assert told.words.startswith("does not work")
    assert words in told.words
    assert advice in (told.advice or "")


@pytest.mark.parametrize("cause", ["refused", "no_such_name", "policy", "broken"])
def test_servers_that_fail_are_not_the_networks_fault(cause: str) -> None:
    assert verdict(replace(PROCESS, failures=failures(20, cause)), NODE, BOOKS).works


def test_failures_count_only_if_they_are_new_and_nothing_else_works() -> None:
    assert verdict(replace(PROCESS, failures=failures(20, age=61.0)), NODE, BOOKS).works
    assert verdict(replace(PROCESS, failures=failures(2)), NODE, BOOKS).works
    heard = replace(NODE, routes=RoutesView(True, 3, None, 0.5))
    assert verdict(replace(PROCESS, failures=failures(20, age=0.6)), heard, BOOKS).works
    assert not verdict(replace(PROCESS, failures=failures(20, age=0.4)), heard, BOOKS).works
    streams = (StreamView("1.1", "b.example:443", ("ab", "cd"), ("cd", "ab"), 1, 1, 1.0),)
    assert verdict(replace(PROCESS, failures=failures(20)), replace(NODE, streams=streams), BOOKS).works


@pytest.mark.parametrize(
    ("tokens", "spent", "owed", "words"),
    [
        (8 * 10**17, 0, 0, "0.8 MASQ left"),
        (8 * 10**17, 2 * 10**16, 0, "0.8 MASQ left, about 40 hours at this pace"),
        (8 * 10**17, 2 * 10**16, 6 * 10**17, "0.8 MASQ left, about 10 hours at this pace"),
        (8 * 10**17, 2 * 10**16, 9 * 10**17, "0.8 MASQ left, less than an hour at this pace"),
        (2 * 10**18, 2 * 10**16, 0, "2 MASQ left, about 4 days at this pace"),
        (10**21, 1, 0, "1,000 MASQ left, for years at this pace"),
    ],
)
def test_it_says_what_is_left_and_how_long_that_lasts(tokens: int, spent: int, owed: int, words: str) -> None:
    money = replace(MONEY, tokens=Wei(tokens), coins=Wei(1), owed_wei=Wei(owed))
    told = verdict(PROCESS, NODE, replace(BOOKS, spent_hour_wei=Wei(spent), money=money))
    assert told.words == f"works: browsing over 3 hops, {words}"
    assert told.advice is None


def test_an_empty_wallet_works_for_now_and_is_told() -> None:
    told = verdict(PROCESS, NODE, replace(BOOKS, money=replace(MONEY, tokens=Wei(0), coins=Wei(1))))
    assert (told.works, "0 MASQ left" in told.words) == (True, True)
    assert (told.advice or "").startswith("send MASQ to 0x1")
    told = verdict(PROCESS, NODE, replace(BOOKS, money=replace(MONEY, tokens=Wei(1), coins=Wei(0))))
    assert (told.advice or "").startswith("send 0x1 a little of the chain's coin")


def test_a_node_that_serves_says_so() -> None:
    told = verdict(PROCESS, replace(NODE, mode="standard", serving=1, circuits=2), BOOKS)
    assert told.words.endswith("; serves others (1 stream, 2 circuits)")


def test_books_that_can_not_be_saved_are_told() -> None:
    told = verdict(replace(PROCESS, warnings=("ip: not used", "books: the disk is full")), NODE, BOOKS)
    assert (told.works, told.advice) == (True, "books: the disk is full")


def test_a_new_identity_is_told_with_who_has_to_know_it() -> None:
    told = verdict(replace(PROCESS, warnings=("ip: not used", "identity: it has a new one")), NODE, BOOKS)
    assert (told.works, told.advice) == (True, "identity: it has a new one")


def test_without_a_network_nothing_is_promised() -> None:
    told = verdict(PROCESS, replace(ALONE, mode="zero-hop"), BOOKS)
    assert told.works
    assert "hides nothing" in told.words


@pytest.mark.parametrize(
    ("wei", "text"),
    [
        (0, "0 MASQ"),
        (1, "0.000000000000000001 MASQ"),
        (14_479_261_329_456, "0.00001448 MASQ"),
        (-1_500_000_000_000_000_001, "-1.5 MASQ"),
        (99_999 * 10**15, "100 MASQ"),
        (123_456 * 10**18, "123,456 MASQ"),
    ],
)
def test_amounts_for_people_have_four_digits_that_count(wei: int, text: str) -> None:
    assert amount_text(wei) == text


def test_who_serves_us_no_more_until_it_is_paid_is_named_with_what_to_do() -> None:
    refusal = RefusalView("ab" * 64, "0x1", "0x2", Wei(2), Wei(1), 7, Wei(0), Wei(0), 1.0, "send tokens")
    for count, text in ((1, "1 Node"), (2, "2 Nodes")):
        found = verdict(PROCESS, NODE, replace(BOOKS, refused_by=(refusal,) * count))
        assert found.works
        assert found.advice == f"until it is paid, service is refused by {text}: send tokens"


def test_of_several_wallets_the_sum_is_left_and_the_empty_one_is_named() -> None:
    full = WalletView("0x1", Wei(4 * 10**18), Wei(1), Wei(0), Wei(0), Wei(0), 0)
    empty, unseen = replace(full, wallet="0x3", tokens=Wei(0)), replace(full, wallet="0x4", tokens=None, coins=None)
    books = replace(BOOKS, money=replace(MONEY, tokens=Wei(4 * 10**18), coins=Wei(1)), wallets=(full, full, unseen))
    told = verdict(PROCESS, NODE, books)
    assert (told.words, told.advice) == ("works: browsing over 3 hops, 8 MASQ left", None)
    told = verdict(PROCESS, NODE, replace(books, wallets=(full, unseen, empty)))
    assert (told.advice or "").startswith("send MASQ to 0x3: it has none")
    told = verdict(PROCESS, NODE, replace(books, wallets=(full, replace(full, wallet="0x5", coins=Wei(0)))))
    assert (told.advice or "").startswith("send 0x5 a little of the chain's coin")
