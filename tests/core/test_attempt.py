"""Second tries: what would be said again, how often, how much, and which exits have failed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from masq.core.attempt import MAX_UNANSWERED, RETRIES, Attempt

words = st.lists(st.binary(max_size=100), max_size=20)
steps = st.lists(
    st.integers(0, MAX_UNANSWERED // 2).map(lambda size: ("said", size))
    | st.sampled_from([("answered", 0), ("renewed", 0), ("again", 0)]),
    max_size=20,
)


@given(said=words)
def test_all_that_was_said_is_said_again_in_its_order(said: list[bytes]) -> None:
    attempt = Attempt()
    for piece in said:
        attempt.said(memoryview(piece))
    assert attempt.again(b"exit") == said


@given(step=st.integers(1, 8))
def test_what_may_be_said_twice_is_known_by_how_it_begins(step: int) -> None:
    for text, harmless, greets in (
        (b"", True, False),
        (b"\x16\x03\x01\0\5hello", True, True),
        (b"GET / HTTP/1.1\r\n", True, False),
        (b"HEAD / HTTP/1.1\r\n", True, False),
        (b"POST / HTTP/1.1\r\n", False, False),
        (b"GETTING", False, False),
        (b"SSH-2.0", False, False),
    ):
        attempt = Attempt()
        for at in range(0, len(text), step):
            attempt.said(text[at : at + step])
        assert (attempt.harmless, attempt.greets) == (harmless, greets)


@given(steps=steps)
def test_never_more_is_said_again_than_is_kept_nor_anything_after_an_answer(steps: list[tuple[str, int]]) -> None:
    attempt, answered, said, retries = Attempt(), False, 0, RETRIES
    for step, size in steps:
        match step:
            case "said":
                attempt.said(bytes(size))
                said += size
            case "answered":
                attempt.answered()
                answered = True
            case "renewed":
                attempt.renewed()
                retries = RETRIES
            case _:
                again = attempt.again(None)
                possible = not answered and said <= MAX_UNANSWERED and retries > 0
                assert (again is not None) == possible
                if again is not None:
                    retries -= 1
                    assert sum(map(len, again)) == said <= MAX_UNANSWERED
    assert sum(map(len, attempt.unanswered or [])) <= MAX_UNANSWERED


def test_a_client_that_has_said_too_much_is_not_kept_in_mind() -> None:
    attempt = Attempt()
    attempt.said(bytes(MAX_UNANSWERED))
    assert attempt.again(None) is not None
    attempt.said(b"x")
    assert attempt.unanswered is None
    attempt.said(b"and more")
    assert attempt.again(None) is None


def test_what_was_answered_once_is_never_said_to_another() -> None:
    attempt = Attempt()
    attempt.said(b"GET /")
    attempt.answered()
    attempt.said(b"more")
    assert attempt.again(b"exit") is None
    assert not attempt.tried


def test_there_are_three_further_tries() -> None:
    attempt = Attempt()
    assert [attempt.again(bytes((number,))) for number in range(RETRIES + 1)] == [[], [], [], None]
    assert attempt.tried == {b"\0", b"\1", b"\2"}


def test_an_unknown_exit_is_held_against_nobody() -> None:
    attempt = Attempt()
    assert attempt.again(None) == []
    assert not attempt.tried


def test_what_works_has_all_its_tries_again() -> None:
    attempt = Attempt()
    for _ in range(RETRIES):
        attempt.again(None)
    attempt.renewed()
    assert attempt.again(None) == []


def test_what_is_said_while_a_try_runs_does_not_change_what_that_try_was_given() -> None:
    attempt = Attempt()
    attempt.said(b"one")
    again = attempt.again(None)
    attempt.said(b"two")
    assert again == [b"one"]
    assert attempt.again(None) == [b"one", b"two"]
