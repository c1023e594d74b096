"""The token's call data, and what is believed of a provider's logs and receipts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from hypothesis import given
from hypothesis import strategies as st
from tests.chain.test_transaction import case

from masq.chain.erc20 import Transfer, TransferQuery, balance_data, parse_transfers, transfer_data
from masq.chain.receipt import Receipt, parse_receipt
from masq.errors import MalformedError
from masq.types import CHAINS

CONTRACT = CHAINS["base-sepolia"].contract
WALLET = bytes.fromhex("b7d84eee229a6029c47e611b7faa8443f5020601")
HASH = bytes.fromhex("22" * 32)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary().map(lambda raw: "0x" + raw.hex()),
    lambda values: (
        st.lists(values, max_size=4)
        | st.dictionaries(
            st.sampled_from(["address", "topics", "data", "blockNumber", "transactionHash", "logIndex", "removed"]),
            values,
        )
    ),
    max_leaves=20,
)


def recorded_logs(name: str) -> list[dict[str, Any]]:
    logs: list[dict[str, Any]] = case("D1-receivables-scan")["observed"][name]["logs"]
    return logs


def query(first: int = 0, last: int = 100) -> TransferQuery:
    return TransferQuery(CONTRACT, WALLET, first, last)


@given(st.binary(min_size=20, max_size=20), st.integers(0, 2**256 - 1))
def test_call_data_is_that_of_the_abi(address: bytes, amount: int) -> None:
    data = transfer_data(address, amount)
    assert data[:4].hex() == "a9059cbb"
    assert data[4:] == encode(["address", "uint256"], ["0x" + address.hex(), amount])
    assert decode(["address", "uint256"], data[4:]) == ("0x" + address.hex(), amount)
    assert balance_data(address) == bytes.fromhex("70a08231") + encode(["address"], ["0x" + address.hex()])


def test_call_data_out_of_range_is_refused() -> None:
    for address, amount in ((WALLET, -1), (WALLET, 2**256), (WALLET[1:], 1)):
        with pytest.raises(ValueError, match=r"can't be transferred|20 bytes"):
            transfer_data(address, amount)


@pytest.mark.parametrize("id", ["D1-receivables-scan", "D2-start-block-and-range"])
def test_the_queries_of_a_recorded_node(id: str) -> None:
    filters = [params[0] for method, params in recorded_calls(case(id)["observed"]) if method == "eth_getLogs"]
    # The word "latest" is what 0.9.1 asks for when it doesn't know the head; ours waits until it does.
    numbered = [filter for filter in filters if "latest" not in (filter["fromBlock"], filter["toBlock"])]
    assert len(numbered) > 3
    for filter in numbered:
        recipient = bytes.fromhex(filter["topics"][2][26:])
        ours = TransferQuery(CONTRACT, recipient, int(filter["fromBlock"], 16), int(filter["toBlock"], 16))
        assert ours.filter() == filter


def recorded_calls(value: object) -> list[tuple[str, list[Any]]]:
    """Method and parameters of every request in a recorded case."""
    if isinstance(value, list):
        return [call for element in value for call in recorded_calls(element)]
    if not isinstance(value, dict):
        return []
    request = json.loads(value["request"]) if "request" in value else value
    if isinstance(request, dict) and "method" in request and "params" in request:
        return [(request["method"], request["params"])]
    return recorded_calls(list(value.values()))


def test_recorded_payments_are_found() -> None:
    recorded = case("D1-receivables-scan")
    [_, call] = recorded["observed"]["three_payers"]["calls"]
    transfers = parse_transfers(query(0x16, 0x19), json.loads(call["response"])["result"])
    assert [
        {
            "tx": "0x" + transfer.transaction_hash.hex(),
            "from": "0x" + transfer.sender.hex(),
            "wei": str(transfer.amount),
        }
        for transfer in transfers
    ] == recorded["input"]["payments"]
    assert [transfer.block for transfer in transfers] == [0x16, 0x17, 0x18, 0x19]


def test_a_log_that_comes_twice_counts_once() -> None:
    logs = recorded_logs("log_same_twice")
    assert len(logs) == 2
    [transfer] = parse_transfers(query(), logs)
    assert transfer.amount == 10**9
    with pytest.raises(MalformedError, match="two different logs"):
        parse_transfers(query(), [logs[0], {**logs[0], "data": "0x01"}])


def test_logs_that_may_yet_change_are_left_out() -> None:
    """S59."""
    assert parse_transfers(query(), recorded_logs("log_removed_true")) == []
    assert parse_transfers(query(), recorded_logs("log_without_block_number")) == []


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("log_other_token_and_recipient", "another contract"),
        ("log_block_far_ahead", "outside of 0 to 100"),
        ("log_one_topic", "three topics"),
        ("log_33_data_bytes", "33 bytes instead of 32"),
    ],
)
def test_logs_that_were_not_asked_for_spoil_the_answer(name: str, problem: str) -> None:
    """S63."""
    with pytest.raises(MalformedError, match=problem):
        parse_transfers(query(), recorded_logs(name))


def test_amounts_of_any_size() -> None:
    amounts = {
        "log_empty_data": 0,
        "log_amount_2_pow_126": 2**126,
        "log_amount_2_pow_128": 2**128,
    }
    for name, amount in amounts.items():
        [transfer] = parse_transfers(query(), recorded_logs(name))
        assert transfer.amount == amount


@pytest.mark.parametrize(
    "change",
    [
        {"removed": "no"},
        {"blockNumber": "latest"},
        {"blockNumber": 25},
        {"logIndex": None},
        {"transactionHash": "0x22"},
        {"data": None},
        {"data": "0x1"},
        {"topics": None},
    ],
)
def test_malformed_logs_are_refused(change: dict[str, object]) -> None:
    [log] = recorded_logs("log_empty_data")
    with pytest.raises(MalformedError):
        parse_transfers(query(), [{**log, **change}])


def test_topics_are_compared() -> None:
    [log] = recorded_logs("log_empty_data")
    kind, sender, recipient = log["topics"]
    wrong = [
        (kind, "0x01" + sender[4:], recipient),
        (kind, sender, sender),
        (sender, sender, recipient),
        (kind, sender, recipient, recipient),
    ]
    for topics in wrong:
        with pytest.raises(MalformedError):
            parse_transfers(query(), [{**log, "topics": list(topics)}])


def test_transfers_are_in_the_order_of_the_chain() -> None:
    [log] = recorded_logs("log_empty_data")
    places = [("0x9", "0x0"), ("0x2", "0xa"), ("0x2", "0x9")]
    logs = [{**log, "blockNumber": block, "logIndex": index} for block, index in places]
    transfers = parse_transfers(query(), logs)
    assert [(transfer.block, transfer.log_index) for transfer in transfers] == [(2, 9), (2, 10), (9, 0)]
    first = transfers[0]
    assert first == Transfer(2, 9, HASH, first.sender, 0, first.recipient, first.block_hash)


@given(JSON)
def test_any_answer_is_read_or_malformed(answer: object) -> None:
    for read in (lambda: parse_transfers(query(), answer), lambda: parse_receipt(HASH, answer)):
        try:
            read()
        except MalformedError:
            pass


def test_receipts() -> None:
    receipt = {"transactionHash": "0x" + HASH.hex(), "blockNumber": "0x15", "status": "0x1"}
    assert parse_receipt(HASH, receipt) == Receipt(HASH, 21, True)
    assert parse_receipt(HASH, {**receipt, "status": "0x0"}) == Receipt(HASH, 21, False)
    assert parse_receipt(HASH, {**receipt, "blockNumber": None}) is None
    assert parse_receipt(HASH, None) is None
    for change in ({"transactionHash": "0x" + "33" * 32}, {"status": None}, {"status": "0x2"}, {"blockNumber": "0x"}):
        with pytest.raises(MalformedError):
            parse_receipt(HASH, {**receipt, **change})
