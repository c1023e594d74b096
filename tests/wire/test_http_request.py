"""One plain HTTP request: what the server gets of it, where it ends, and what is no request (RFC 9110, 9112)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.wire.http_request import MAX_LINE, MAX_TRAILER, OneRequest, RequestRefused, forwarded, read_head

URL = b"http://h:8080/p"


def asked(*headers: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> tuple[list[bytes], OneRequest]:
    """The lines that the server gets, and the request."""
    head = read_head(b"\r\n".join((method + b" " + URL + b" " + version, *headers)))
    start, request = forwarded(head, b"h:8080", b"/p")
    assert start.endswith(b"\r\n\r\n")
    return start[:-4].split(b"\r\n"), request


def taken(request: OneRequest, data: bytes, step: int) -> bytes:
    return b"".join(bytes(request.part(memoryview(data)[start : start + step])) for start in range(0, len(data), step))


def test_the_host_is_that_of_the_url_whatever_the_client_says() -> None:
    lines, _ = asked(b"Host: other", b"A: b")
    assert lines == [b"GET /p HTTP/1.1", b"Host: h:8080", b"A: b", b"Connection: close"]
    assert asked()[0][1] == b"Host: h:8080"


def test_headers_for_the_proxy_and_those_that_connection_lists_stay_here() -> None:
    lines, _ = asked(
        b"Connection: keep-alive , X-Mine,,x-more",
        b"Connection: X-Third",
        b"x-mine: 1",
        b"X-More: 2",
        b"X-THIRD: 3",
        b"Keep-Alive: 5",
        b"TE: trailers",
        b"Proxy-Authorization: Basic eDp5",
        b"Proxy-Connection: keep-alive",
        b"Upgrade: websocket",
        b"HTTP2-Settings: AA",
        b"X-Yours:  \xe4  ",
    )
    assert lines[2:] == [b"X-Yours: \xe4", b"Connection: close"]


@pytest.mark.parametrize(
    "headers",
    [
        [b"A: 1\nB: 2"],
        [b"A: 1\rB: 2"],
        [b"A: 1\r"],
        [b"A: \x00"],
        [b"A: \x7f"],
        [b"A : 1"],
        [b"A"],
        [b": 1"],
        [b"A: 1", b" folded"],
        [b"Host: h:8080", b"Host: h:8080"],
        [b"Content-Length: 1", b"Content-Length: 1"],
        [b"Content-Length: 1, 1"],
        [b"Content-Length: +1"],
        [b"Content-Length: -1"],
        [b"Content-Length: 0x1"],
        [b"Content-Length: "],
        [b"Content-Length: \xb9"],
        [b"Content-Length: " + b"9" * 19],
        [b"Content-Length: 1", b"Transfer-Encoding: chunked"],
        [b"Connection: Host"],
        [b"Connection: close, content-length", b"Content-Length: 1"],
        [b"Connection: transfer-encoding", b"Transfer-Encoding: chunked"],
    ],
)
def test_what_servers_read_in_different_ways_is_refused(headers: list[bytes]) -> None:
    with pytest.raises(RequestRefused) as refused:
        asked(*headers)
    assert refused.value.status == 400


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"chunked, chunked", b"xchunked", b"", b"identity"])
def test_other_codings_of_the_transfer_are_refused(coding: bytes) -> None:
    with pytest.raises(RequestRefused) as refused:
        asked(b"Transfer-Encoding: " + coding)
    assert refused.value.status == 501


def test_the_old_version_has_no_chunks() -> None:
    with pytest.raises(RequestRefused):
        asked(b"Transfer-Encoding: chunked", version=b"HTTP/1.0")
    assert asked(version=b"HTTP/1.0")[0][0] == b"GET /p HTTP/1.0"


@pytest.mark.parametrize("line", [b"GET  / HTTP/1.1", b"GET /\t HTTP/1.1", b"G(T / HTTP/1.1", b"GET / HTTP/2.0", b""])
def test_first_lines_that_are_none(line: bytes) -> None:
    with pytest.raises(RequestRefused):
        read_head(line)


@pytest.mark.parametrize("step", [1, 2, 5, 100])
def test_a_body_ends_where_its_length_says(step: int) -> None:
    _, request = asked(b"Content-Length: 5", method=b"POST")
    assert taken(request, b"hello", step) == b"hello"
    assert not request.surplus
    assert taken(request, b"GET http://other/ HTTP/1.1\r\n", step) == b""
    assert request.surplus


def test_a_request_without_a_length_has_no_body() -> None:
    _, request = asked(method=b"POST")
    assert taken(request, b"GET ", 1) == b""
    assert request.surplus


CHUNKED = b"5;a=b\r\nhello\r\n0A \r\n0\r\n\r\nhello\r\n00\r\nX-T: 1\r\n\r\n"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_a_body_in_chunks_passes_as_it_is_and_ends_after_its_trailer(step: int) -> None:
    _, request = asked(b"Transfer-Encoding: Chunked", method=b"POST")
    assert taken(request, CHUNKED, step) == CHUNKED
    assert not request.surplus
    assert taken(request, b"\r\nGET ", step) == b""
    assert request.surplus


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize(
    "data",
    [
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5;a\nb\r\n",
        b"5;a\rb\r\n",
        b"0x5\r\n",
        b"-5\r\n",
        b"5 5\r\n",
        b"\r\n",
        b"g\r\n",
        b"1" * 16 + b"\r\n",
        b"0\r\nno trailer\r\n\r\n",
        b"0\r\n folded: 1\r\n\r\n",
        b"0\r\n\n",
        b"5;" + b"a" * MAX_LINE,
        b"0\r\n" + (b"a: " + b"b" * 1000 + b"\r\n") * (MAX_TRAILER // 1000 + 1),
    ],
)
def test_chunks_that_servers_read_in_different_ways_are_refused(data: bytes, step: int) -> None:
    _, request = asked(b"Transfer-Encoding: chunked")
    with pytest.raises(RequestRefused):
        taken(request, data, step)


def upgrading() -> OneRequest:
    lines, request = asked(b"Connection: Upgrade", b"Upgrade: websocket, h2c")
    assert lines[2:] == [b"Connection: Upgrade", b"Upgrade: websocket"]
    return request


@pytest.mark.parametrize("step", [1, 3, 100])
def test_an_upgrade_goes_on_once_the_server_agrees(step: int) -> None:
    request = upgrading()
    answer = b"HTTP/1.1 101 Switching Protocols\r\n"
    for start in range(0, len(answer), step):
        request.answered(answer[start : start + step])
    assert taken(request, b"anything", 3) == b"anything"
    assert not request.surplus


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 1010 ", b"HTTP/1.1 10", b"", b"101"])
def test_an_upgrade_that_the_server_has_not_agreed_to_is_one_request(answer: bytes) -> None:
    request = upgrading()
    request.answered(answer)
    assert taken(request, b"GET http://other/", 4) == b""
    assert request.surplus


def test_who_speaks_before_the_server_has_agreed_is_not_understood_later() -> None:
    request = upgrading()
    assert taken(request, b"early", 5) == b""
    request.answered(b"HTTP/1.1 101 ")
    assert taken(request, b"late", 4) == b""


@pytest.mark.parametrize(
    "headers",
    [
        [b"Upgrade: websocket"],
        [b"Connection: Upgrade"],
        [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AA"],
    ],
)
def test_what_is_no_upgrade(headers: list[bytes]) -> None:
    lines, request = asked(*headers)
    assert lines[2:] == [b"Connection: close"]
    request.answered(b"HTTP/1.1 101 ")
    assert taken(request, b"x", 1) == b""


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_a_request_or_refused(head: bytes, body: bytes, step: int) -> None:
    with suppress(RequestRefused):
        start, request = forwarded(read_head(b"GET http://h/ HTTP/1.1\r\n" + head), b"h", b"/")
        assert start.count(b"\r\n\r\n") == 1
        assert start.count(b"\n") == start.count(b"\r\n")
        taken(request, body, step)
    _, request = asked(b"Transfer-Encoding: chunked")
    with suppress(RequestRefused):
        part = taken(request, body, step)
        assert body.startswith(part)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.integers(1, 100), st.binary(max_size=20))
def test_chunks_end_where_they_end(chunks: list[bytes], step: int, rest: bytes) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    _, request = asked(b"Transfer-Encoding: chunked")
    assert taken(request, data + rest, step) == data
    assert request.surplus == bool(rest)
