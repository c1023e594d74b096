"""The demo's chain in a process of its own: `python -m masq.demo.chain --fund 0x…=NATIVE,TOKEN`.

It speaks JSON-RPC over HTTP on 127.0.0.1, and prints one line of JSON when it does: `{"url": …, "token": …}`. It ends
on SIGTERM, on SIGINT, and when its standard input, if that is a pipe, a socket or a terminal, closes: which is what
happens when whoever started it dies.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socketserver
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Final

from masq.chain.hexadecimal import bytes_text, parse_bytes, parse_quantity, quantity_text
from masq.demo.funds import parse_funds
from masq.errors import MalformedError
from masq.types import CHAINS, Address, address_text

if TYPE_CHECKING:
    from masq.demo.evm import EvmChain, Log, Mined

_MAX_BODY: Final = 4 * 1024 * 1024
_TAGS: Final = ("latest", "pending", "safe", "finalized")
_INVALID_PARAMS: Final = -32602


class ChainRpc:
    """The methods of Ethereum's JSON-RPC that a Node uses."""

    def __init__(self, chain: EvmChain, chain_id: int) -> None:
        from masq.demo.evm import GAS_PRICE, RefusedTransactionError

        self._chain = chain
        self._refusal = RefusedTransactionError
        # One at a time: py-evm isn't made for threads.
        self._lock = threading.Lock()
        self._methods: dict[str, Callable[..., object]] = {
            "net_version": lambda: str(chain_id),
            "eth_chainId": lambda: quantity_text(chain_id),
            "eth_gasPrice": lambda: quantity_text(GAS_PRICE),
            "eth_blockNumber": lambda: quantity_text(chain.head),
            "eth_getBlockByNumber": self._block_of,
            "eth_feeHistory": lambda *_: {"reward": [["0x0"]]},
            "eth_getBalance": lambda wallet, _="latest": quantity_text(chain.balance(parse_bytes(wallet, 20))),
            "eth_getTransactionCount": lambda wallet, _="latest": quantity_text(chain.nonce(parse_bytes(wallet, 20))),
            "eth_call": self._call,
            "eth_sendRawTransaction": lambda raw: bytes_text(chain.send(parse_bytes(raw))),
            "eth_getTransactionReceipt": self._receipt,
            "eth_getLogs": self._logs,
        }

    def answer(self, body: bytes) -> object:
        """The answer to a body of one request, or of a batch."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return _error(None, -32700, "parse error")
        if isinstance(document, list):
            return [self._answer_one(request) for request in document] or _error(None, -32600, "empty batch")
        return self._answer_one(document)

    def _answer_one(self, request: object) -> dict[str, object]:
        if not isinstance(request, dict) or not isinstance(request.get("params", []), list):
            return _error(None, -32600, "invalid request")
        id, method = request.get("id"), self._methods.get(str(request.get("method")))
        if method is None:
            return _error(id, -32601, f"the method {str(request.get('method'))[:80]} does not exist")
        try:
            with self._lock:
                return {"jsonrpc": "2.0", "id": id, "result": method(*request.get("params", []))}
        except (MalformedError, TypeError) as error:  # TypeError: too many parameters, or too few.
            return _error(id, _INVALID_PARAMS, f"invalid params: {error}")
        except self._refusal as error:
            return _error(id, -32000, str(error))

    def _call(self, call: object, _: object = "latest") -> str:
        if not isinstance(call, dict):
            raise MalformedError("a call is an object")
        data = call.get("data", call.get("input", "0x"))
        return bytes_text(self._chain.call(parse_bytes(call.get("to"), 20), parse_bytes(data)))

    def _block_of(self, which: object, full: object = False) -> dict[str, object] | None:
        number = self._block(which)
        made = self._chain.made(number)
        if made is None:
            return None
        mined = self._chain.mined[number - 1 : number] if number else []
        return {
            "number": quantity_text(number),
            "hash": bytes_text(made.hash),
            "timestamp": quantity_text(made.time),
            "baseFeePerGas": quantity_text(made.base_fee),
            "transactions": [
                {"hash": bytes_text(each.hash), "from": bytes_text(each.sender), "nonce": quantity_text(each.nonce)}
                if full
                else bytes_text(each.hash)
                for each in mined
            ],
        }

    def _receipt(self, hash: object) -> dict[str, object] | None:
        mined = self._chain.find(parse_bytes(hash, 32))
        if mined is None:
            return None
        return {
            "transactionHash": bytes_text(mined.hash),
            "transactionIndex": "0x0",
            "blockHash": bytes_text(mined.block_hash),
            "blockNumber": quantity_text(mined.block),
            "from": bytes_text(mined.sender),
            "to": bytes_text(mined.to),
            "status": quantity_text(mined.succeeded),
            "gasUsed": quantity_text(mined.gas_used),
            "cumulativeGasUsed": quantity_text(mined.gas_used),
            "effectiveGasPrice": quantity_text(mined.gas_price),
            "logs": [_log(mined, log) for log in mined.logs],
        }

    def _logs(self, filter: object) -> list[dict[str, object]]:
        if not isinstance(filter, dict):
            raise MalformedError("a filter is an object")
        first, last = (self._block(filter.get(end, "latest")) for end in ("fromBlock", "toBlock"))
        if first > last:
            raise MalformedError("invalid block range: it ends before it begins")
        address = None if filter.get("address") is None else parse_bytes(filter["address"], 20)
        topics = filter.get("topics", [])
        if not isinstance(topics, list) or len(topics) > 4:
            raise MalformedError("topics are a list of four at most")
        wanted = [None if topic is None else parse_bytes(topic, 32) for topic in topics]
        return [_log(mined, log) for mined, log in self._logs_of(first, last) if _matches(log, address, wanted)]

    def _logs_of(self, first: int, last: int) -> Iterator[tuple[Mined, Log]]:
        # Block 1 is the first that has a transaction.
        for mined in self._chain.mined[max(first - 1, 0) : last]:
            for log in mined.logs:
                yield mined, log

    def _block(self, value: object) -> int:
        if value in _TAGS:
            return self._chain.head
        return 0 if value == "earliest" else parse_quantity(value)


def _matches(log: Log, address: Address | None, wanted: list[bytes | None]) -> bool:
    if address not in (None, log.address) or len(wanted) > len(log.topics):
        return False
    return all(topic in (None, found) for topic, found in zip(wanted, log.topics, strict=False))


def _log(mined: Mined, log: Log) -> dict[str, object]:
    return {
        "address": bytes_text(log.address),
        "topics": [bytes_text(topic) for topic in log.topics],
        "data": bytes_text(log.data),
        "blockHash": bytes_text(mined.block_hash),
        "blockNumber": quantity_text(mined.block),
        "transactionHash": bytes_text(mined.hash),
        "transactionIndex": "0x0",
        "logIndex": quantity_text(log.index),
        "removed": False,
    }


def _error(id: object, code: int, message: str) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}


class _Server(socketserver.ThreadingTCPServer):
    # Not http.server's own class: that one asks DNS for the name of the machine first.
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, rpc: ChainRpc) -> None:
        self.rpc = rpc
        super().__init__(("127.0.0.1", port), _Connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of an answer leave together: apart, the second would wait for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 10 and int(length) <= _MAX_BODY):
            self.close_connection = True
            self.send_error(413)
            return
        assert isinstance(self.server, _Server)
        answer = json.dumps(self.server.rpc.answer(self.rfile.read(int(length))), separators=(",", ":")).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Standard output is for one line only."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m masq.demo.chain", description="A chain for demonstrations.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 for any that is free")
    parser.add_argument("--chain", choices=CHAINS, default="dev", help="whose id, and whose address of the token")
    parser.add_argument(
        "--fund",
        type=parse_funds,
        action="append",
        default=[],
        metavar="0xADDRESS=NATIVE,TOKEN",
        help="wei that the address owns of the chain's coin, and of the token",
    )
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))

    from masq.demo.evm import EvmChain

    row = CHAINS[options.chain]
    with _Server(options.port, ChainRpc(EvmChain(row, dict(options.fund)), row.id)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        print(json.dumps({"url": url, "token": address_text(row.contract)}), flush=True)
        _wait_for_the_end()


def _wait_for_the_end() -> None:
    """Until the standard input closes, if somebody holds its other end; else until a signal ends the process."""
    if sys.stdin is None or not _is_held(sys.stdin.fileno()):
        # Files and devices have no end that tells anything: /dev/null is at it at once, /dev/zero never.
        while True:
            signal.pause()
    while sys.stdin.buffer.read(4096):
        pass


def _is_held(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


if __name__ == "__main__":
    main()
