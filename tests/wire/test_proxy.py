"""What clients say on the entry port, in any pieces (RFC 1928, 1929, 9110, 9112)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.wire.proxy import ClientRefused, ClientSpeech, Greeting, Reply, Target, refused

NAMED = b"\x05\x01\x00\x03\x0bexample.com\x01\xbb"


def greet(data: bytes, step: int = 10_000) -> tuple[Target | None, bytes]:
    greeting, answers = Greeting(), b""
    for start in range(0, len(data), step):
        target = greeting.feed(data[start : start + step])
        answers += greeting.answers
        greeting.answers = b""
        if target is not None:
            return Target(
                target.speech, target.host, target.port, target.group, target.rest + data[start + step :]
            ), answers
    return None, answers


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_socks5_with_a_name(step: int) -> None:
    target, answers = greet(b"\x05\x01\x00" + NAMED + b"hello", step)
    assert target == Target(ClientSpeech.SOCKS5, "example.com", 443, "", b"hello")
    assert answers == b"\x05\x00"


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_socks5_with_user_and_password_isolates(step: int) -> None:
    target, answers = greet(b"\x05\x02\x00\x02\x01\x02me\x02pw" + NAMED, step)
    assert target
    assert target.group == "6d65:7077"
    assert answers == b"\x05\x02\x01\x00"


def test_socks5_with_addresses() -> None:
    four, _ = greet(b"\x05\x01\x00\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50")
    six, _ = greet(b"\x05\x01\x00\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x50")
    assert four
    assert (four.host, four.port) == ("1.2.3.4", 80)
    assert six
    assert six.host == "::1"


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"\x05\x01\x05", b"\x05\xff"),
        (b"\x05\x01\x00\x05\x02\x00\x01\x01\x02\x03\x04\x00\x50", b"\x05\x07"),
        (b"\x04\x01\x00\x50\x01\x02\x03\x04\x00", b"\x00\x5b"),
        (b"GET / HTTP/9\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /path HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /path HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET http:///p HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET http://h/ HTTP/1.1\n\n", b"HTTP/1.1 400"),
        (b"CONNECT h:1 HTTP/1.1\nA: b\r\n\r\n", b"HTTP/1.1 400"),
        (b"POST http://h/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", b"HTTP/1.1 400"),
        (b"CONNECT nowhere HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET http://a/ HTTP/1.1\r\n" + b"x: y\r\n" * 20_000, b"HTTP/1.1 431"),
    ],
)
def test_refusals_say_why(data: bytes, answer: bytes) -> None:
    with pytest.raises(ClientRefused) as refusal:
        greet(data)
    assert answer in refusal.value.answer
    assert str(refusal.value)


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_what_was_agreed_on_is_said_before_a_refusal(step: int) -> None:
    greeting, told = Greeting(), b""
    data = b"\x05\x01\x02\x07\x02me\x02pw"
    with pytest.raises(ClientRefused) as refusal:
        for start in range(0, len(data), step):
            greeting.feed(data[start : start + step])
            told, greeting.answers = told + greeting.answers, b""
    assert told + refusal.value.answer == b"\x05\x02\x01\x01"


@pytest.mark.parametrize("step", [1, 9, 1000])
def test_connect_to_any_port(step: int) -> None:
    target, _ = greet(b"CONNECT [2001:db8::1]:22 HTTP/1.1\r\nHost: x\r\n\r\nSSH-", step)
    assert target == Target(ClientSpeech.CONNECT, "2001:db8::1", 22, "", b"SSH-")


def test_plain_http_is_made_a_request_for_the_server() -> None:
    target, _ = greet(
        b"POST http://user@host.test:8080/a?b HTTP/1.1\r\nHost: host.test:8080\r\nProxy-Connection: keep-alive\r\n"
        b"Connection: keep-alive\r\nProxy-Authorization: Basic bWU6cHc=\r\nContent-Length: 2\r\n\r\nhi"
    )
    assert target == Target(
        ClientSpeech.HTTP,
        "host.test",
        8080,
        "6d65:7077",
        b"POST /a?b HTTP/1.1\r\nHost: host.test:8080\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
    )


@pytest.mark.parametrize(
    ("method", "url", "host", "line"),
    [
        (b"GET", b"http://h", "h", b"GET / HTTP/1.1"),
        (b"GET", b"http://h?a=b/c", "h", b"GET /?a=b/c HTTP/1.1"),
        (b"GET", b"HTTP://h#x/y", "h", b"GET / HTTP/1.1"),
        (b"GET", b"http://a:b@h/c@d#e", "h", b"GET /c@d HTTP/1.1"),
        (b"OPTIONS", b"http://h", "h", b"OPTIONS * HTTP/1.1"),
        (b"GET", b"http://[2001:db8::1]/", "2001:db8::1", b"GET / HTTP/1.1"),
    ],
)
def test_urls_become_paths(method: bytes, url: bytes, host: str, line: bytes) -> None:
    target, _ = greet(method + b" " + url + b" HTTP/1.1\r\n\r\n")
    assert target
    assert target.host == host
    assert target.rest.startswith(line + b"\r\nHost: ")
    assert b"b@" not in target.rest


@pytest.mark.parametrize("step", [1, 1000])
def test_a_second_request_is_not_for_the_first_one_s_server(step: int) -> None:
    greeting = Greeting()
    data = b"POST http://h/ HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET http://other/ HTTP/1.1\r\nCookie: c\r\n\r\n"
    told = b""
    target: Target | None = None
    for start in range(0, len(data), step):
        piece = data[start : start + step]
        if target is None:
            target = greeting.feed(piece)
            told += target.rest if target else b""
        else:
            assert target.request
            told += target.request.part(memoryview(piece))
    assert told.endswith(b"\r\n\r\nhi")
    assert target
    assert target.request
    assert target.request.surplus


def test_an_upgrade_keeps_its_connection_header() -> None:
    target, _ = greet(b"GET http://h/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert target
    assert b"Connection: Upgrade" in target.rest
    assert b"close" not in target.rest


@given(st.binary(max_size=300))
def test_any_bytes_are_a_target_a_wait_or_a_refusal(data: bytes) -> None:
    try:
        greet(data, 3)
    except ClientRefused:
        return


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize("head", [b"GET http://h/ HTTP/1.1\r\r\n\r\n", b"GET http://h/ HTTP/1.1\r\nA: b\n\r\n\r\n"])
def test_half_line_ends_are_refused_alike_in_any_pieces(head: bytes, step: int) -> None:
    with pytest.raises(ClientRefused, match="line ends that are no CR LF"):
        greet(head, step)


def test_an_error_page_can_t_be_injected_into() -> None:
    page = refused(ClientSpeech.HTTP, Reply.UNREACHABLE, "<script>")
    assert b"<script>" not in page
    assert refused(ClientSpeech.SOCKS5, Reply.NO_ROUTE, "")[:2] == b"\x05\x03"
