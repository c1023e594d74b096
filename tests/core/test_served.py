"""The places that an exit has for others: nobody may hold more than are left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from masq.core.limits import RESERVED, Limits
from masq.core.served import Served


def filled(served: Served, *holders: str) -> list[int]:
    """How many places each takes, if all take in turns as many as they get."""
    counts = [0] * len(holders)
    going = True
    while going:
        going = False
        for number, holder in enumerate(holders):
            if served.room([holder]):
                served.take(sum(counts), [holder])
                counts[number] += 1
                going = True
    return counts


def test_one_gets_half_two_a_third_each_and_newcomers_something() -> None:
    assert filled(Served(Limits(served=60)), "a") == [30]
    assert filled(Served(Limits(served=60)), "a", "b") == [20, 20]
    served = Served(Limits(served=60))
    filled(served, "a", "b", "c", "d")
    assert served.room(["new"])


def test_who_has_too_much_as_one_of_many_things_is_refused() -> None:
    served = Served(Limits(served=4))
    served.take(1, ["link", "payer one"])
    served.take(2, ["link", "payer two"])
    assert not served.room(["link", "payer three"])
    assert served.room(["other", "payer three"])
    served.give(1)
    served.give(1)
    assert served.taken == 1
    assert served.room(["link", "payer three"])


def test_who_is_nobody_may_take_all() -> None:
    served = Served(Limits(served=3))
    for socket in range(3):
        assert served.room(())
        served.take(socket, ())
    assert not served.room(())


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.sampled_from("abc"), st.integers(1, 2))))
def test_what_is_given_back_is_there_again(steps: list[tuple[bool, int, str, int]]) -> None:
    served = Served(Limits(served=10))
    places: dict[int, int] = {}
    for takes, socket, holder, count in steps:
        if takes and socket not in places and served.room([holder], count):
            served.take(socket, [holder], count)
            places[socket] = count
        elif not takes:
            served.give(socket)
            places.pop(socket, None)
        assert served.taken == sum(places.values()) <= 10
    for socket in places:
        served.give(socket)
    assert served.taken == 0
    assert filled(served, "new") == [5]


@given(st.integers(0, 2**20))
def test_all_that_may_be_taken_fits_into_the_descriptors(descriptors: int) -> None:
    limits = Limits.of(descriptors)
    assert min(limits.links, limits.served, limits.own) >= 8
    assert limits.links + limits.served + limits.own + RESERVED <= max(descriptors, RESERVED + 32)
