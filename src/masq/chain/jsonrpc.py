"""JSON-RPC 2.0 as Ethereum's providers speak it: calls to bytes, bytes to answers (accounting.md 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from masq.errors import MalformedError


class Call(NamedTuple):
    """A method and its parameters, which are JSON values."""

    method: str
    params: Sequence[object] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave; any JSON value."""

    value: object


@dataclass(frozen=True, slots=True)
class Refusal:
    """The provider's error in place of a result."""

    code: int
    message: str


Answer = Result | Refusal | MalformedError
"""MalformedError as a value: this call got no valid answer, while others of its batch may have."""


def encode_call(call: Call, id: int) -> bytes:
    return msgspec.json.encode(_request(call, id))


def encode_batch(calls: Sequence[Call], first_id: int) -> bytes:
    """The calls, with ids counted up from `first_id`."""
    return msgspec.json.encode([_request(call, first_id + number) for number, call in enumerate(calls)])


def decode_answer(body: bytes, id: int) -> Result | Refusal:
    """The answer to one call. MalformedError if it is none, or that of another call."""
    answer = _parse_answer(_parse_object(_decode(body)), id)
    if isinstance(answer, MalformedError):
        raise answer
    return answer


def decode_batch(body: bytes, first_id: int, count: int) -> list[Answer] | Refusal:
    """The answers to the calls of a batch, in the order of the calls, whatever the order they came in.

    A Refusal if the provider refused the batch as such; MalformedError if it is no answer to a batch. An answer
    that is missing or came twice is an error of its call alone; answers that nobody asked for are left out.
    """
    document = _decode(body)
    if not isinstance(document, list):
        if refusal := _refusal_of(document):
            return refusal
        raise MalformedError("no list in answer to a batch")
    found: dict[int, Answer] = {}
    for element in document:
        if not isinstance(element, Mapping):
            continue
        id = element.get("id")
        # JSON's 1.0 and true are equal to 1 in Python, but are no ids of ours.
        if type(id) is not int or not first_id <= id < first_id + count:
            continue
        found[id] = MalformedError("answered twice") if id in found else _parse_answer(element, id)
    return [found.get(first_id + number, MalformedError("not answered")) for number in range(count)]


def decode_refusal(body: bytes) -> Refusal | None:
    """The error that a body holds, whatever call it answers; None if it holds none."""
    try:
        return _refusal_of(_decode(body))
    except MalformedError:
        return None


def _request(call: Call, id: int) -> dict[str, object]:
    return {"jsonrpc": "2.0", "method": call.method, "params": list(call.params), "id": id}


def _decode(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedError("the answer is not JSON") from error
    except RecursionError as error:
        raise MalformedError("the answer is nested too deeply") from error


def _parse_object(document: object) -> Mapping[str, object]:
    if not isinstance(document, Mapping):
        raise MalformedError("the answer is not an object")
    return document


def _parse_answer(element: Mapping[str, object], id: int) -> Answer:
    error = element.get("error")
    if error is not None:
        return _parse_refusal(error)
    if type(element.get("id")) is not int or element["id"] != id:
        return MalformedError("an answer with another id")
    if "result" not in element:
        return MalformedError("an answer with neither result nor error")
    return Result(element["result"])


def _refusal_of(document: object) -> Refusal | None:
    if not isinstance(document, Mapping) or document.get("error") is None:
        return None
    refusal = _parse_refusal(document["error"])
    return refusal if isinstance(refusal, Refusal) else None


def _parse_refusal(error: object) -> Answer:
    if isinstance(error, str):
        return Refusal(0, error)
    if not isinstance(error, Mapping):
        return MalformedError("an error that is no object")
    code, message = error.get("code"), error.get("message")
    return Refusal(code if type(code) is int else 0, message if isinstance(message, str) else "no text")
