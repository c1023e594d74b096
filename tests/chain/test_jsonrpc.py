"""JSON-RPC: requests as recorded, answers of every quality, and what is said of ranges."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.chain.test_erc20 import JSON
from tests.chain.test_transaction import case

from masq.chain.hexadecimal import bytes_text, parse_bytes, parse_quantity, quantity_text
from masq.chain.jsonrpc import (
    Call,
    Refusal,
    Result,
    decode_answer,
    decode_batch,
    decode_refusal,
    encode_batch,
    encode_call,
)
from masq.chain.range_limit import range_limit
from masq.errors import MalformedError


def test_requests_are_those_of_a_recorded_node() -> None:
    conversation = case("B1-payables-scan-batch")["observed"]["conversation"]
    for exchange in conversation:
        request = json.loads(exchange["request"])
        if isinstance(request, list):
            calls = [Call(element["method"], element["params"]) for element in request]
            assert encode_batch(calls, request[0]["id"]).decode() == exchange["request"]
            answers = decode_batch(exchange["response"].encode(), request[0]["id"], len(calls))
            assert answers == [Result(element["result"]) for element in json.loads(exchange["response"])]
        else:
            assert (
                encode_call(Call(request["method"], request["params"]), request["id"]).decode() == exchange["request"]
            )
            answer = decode_answer(exchange["response"].encode(), request["id"])
            assert answer == Result(json.loads(exchange["response"])["result"])
    assert len(conversation) > 7


def test_answers_of_a_batch_are_matched_by_id() -> None:
    body = [
        {"id": 12, "result": "twelve"},
        {"id": 99, "result": "foreign"},
        {"id": 10, "error": {"code": -32000, "message": "nonce too low"}},
        {"id": 14, "result": 1},
        {"id": 14, "result": 2},
        {"id": True, "result": "no id"},
        {"id": 13.0, "result": "no id"},
        {"id": 15},
        "rubbish",
    ]
    answers = decode_batch(json.dumps(body).encode(), 10, 6)
    assert isinstance(answers, list)
    assert answers[0] == Refusal(-32000, "nonce too low")
    assert answers[2] == Result("twelve")
    assert [str(answers[index]) for index in (1, 3, 4, 5)] == [
        "not answered",
        "not answered",
        "answered twice",
        "an answer with neither result nor error",
    ]


def test_a_batch_refused_as_a_whole() -> None:
    assert decode_batch(b'{"id":null,"error":{"code":-32005,"message":"slow down"}}', 0, 3) == Refusal(
        -32005, "slow down"
    )
    for body in (b'{"id":0,"result":"0x1"}', b"null", b"", b"<html>", b"\xff", b"[" * 100_000, b'{"error":7}'):
        with pytest.raises(MalformedError):
            decode_batch(body, 0, 1)


def test_single_answers() -> None:
    assert decode_answer(b'{"id":3,"result":null,"error":null}', 3) == Result(None)
    assert decode_answer(b'{"id":null,"error":"no"}', 3) == Refusal(0, "no")
    assert decode_answer(b'{"id":3,"error":{"code":"x","message":1}}', 3) == Refusal(0, "no text")
    for body in (b'{"id":4,"result":1}', b'{"id":3}', b"[]", b'{"result":1}', b'{"id":3,"error":[]}'):
        with pytest.raises(MalformedError):
            decode_answer(body, 3)


@given(st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_answers_or_malformed(body: bytes) -> None:
    for decode in (lambda: decode_answer(body, 0), lambda: decode_batch(body, 0, 2), lambda: decode_refusal(body)):
        try:
            decode()
        except MalformedError:
            pass


@given(st.integers(0, 2**256 - 1), st.binary(max_size=100))
def test_numbers_and_bytes_can_be_read_back(number: int, content: bytes) -> None:
    assert parse_quantity(quantity_text(number)) == number
    assert parse_bytes(bytes_text(content), len(content)) == content


@pytest.mark.parametrize(
    "value", [None, 1, "", "0x", "1", "0x-1", "0x 1", "0x1_0", "0xg", "0x٣", "0x1\n", "0x" + "f" * 65, "-0x1", [], {}]
)
def test_wrong_quantities_are_malformed(value: object) -> None:
    with pytest.raises(MalformedError):
        parse_quantity(value)


@pytest.mark.parametrize(
    ("text", "asked", "limit"),
    [
        ("range too large, max: 3500", 10_000, 3500),
        ("query exceeds allowed for your plan: 1000", 10_000, 1000),
        ("eth_getLogs is limited to 1024 blocks", 10_000, 1024),
        ("eth_getLogs is limited to a 10,000 range", 100_000, 10_000),
        ("block range limit (500) exceeded", 10_000, 500),
        ("exceeds max block range 77", 10_000, 77),
        ("it exceeds max block range 77", 10_000, 77),
        ("the maximum allowed is 20001 blocks", 100_000, 20_001),
        ("exceed maximum block range: 5000", 100_000, 5000),
        ("You can make eth_getLogs requests with up to a 10 block range.", 100, 10),
        ("eth_getLogs range is limited to 10k blocks", 100_000, 10_000),
        ("Based on your parameters, this block range should work: [0x10, 0x1f]", 1000, 16),
        ("Got invalid response: Expected batch, got single.", 10_000, 1000),
        # No number, or one that leads nowhere: half of what was asked.
        ("block range is too wide", 10_000, 5000),
        ("query returned more than 10000 results", 50_000, 25_000),
        ("Log response size exceeded.", 7, 3),
        ("range too large, max: 3500", 3000, 1500),
        ("range too large, max: 0", 3000, 1500),
        ("range too large, max: 99999999999999999999999999", 3000, 1500),
        ("block range is too wide", 1, None),
        # About something else.
        ("method not found", 10_000, None),
        ("Your plan is limited to 100 requests per second", 10_000, None),
        ("", 10_000, None),
    ],
)
def test_how_many_blocks_to_ask_for(text: str, asked: int, limit: int | None) -> None:
    """S64."""
    assert range_limit(text, asked) == limit


@given(st.text(), st.integers(1, 10**12))
def test_a_range_always_shrinks(text: str, asked: int) -> None:
    for message in (text, f"{text} max: {text}", f"range too wide {text}"):
        limit = range_limit(message, asked)
        assert limit is None or 1 <= limit < asked
