"""What the steps of a package and of a cell cost, in this process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import Accountant, AccountantConfig, SavedState
from masq.crypto import CryptDE
from masq.types import CHAINS, DEFAULT_RATE_PACK
from masq.wire import cbor
from masq.wire.circuit import MAX_DATA, Command, Layer, Seal, data_of, new_cell, pass_on
from masq.wire.frame import Framer, mask, unmask
from masq.wire.message import ClientResponse, SequencedPacket, decode_message, encode_message
from masq.wire.noise import Direction
from masq.wire.package import Package, Payer, open_hop, round_trip, shift


def timed(work: Callable[[], object], seconds: float = 0.2) -> float:
    """Microseconds of one call, the best of three runs."""
    best = float("inf")
    work()
    for _ in range(3):
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds / 3:
            work()
            count += 1
        best = min(best, (time.perf_counter() - begun) / count)
    return best * 1e6


def steps() -> list[tuple[str, float]]:
    contract = CHAINS["dev"].contract
    nodes = [CryptDE(contract, os.urandom) for _ in range(4)]
    way = [node.public_key for node in nodes]
    wallet = Wallet(os.urandom(32))
    hops = round_trip(nodes[0], way, way[::-1], lambda key: Payer.sign(wallet, nodes[0].digest_of(key)), 7)
    data = os.urandom(65_536)
    response = ClientResponse(bytes(20), SequencedPacket(0, data))
    inner = response.inner()
    array = cbor.encode_byte_array(inner)
    message = encode_message(response)
    payload = nodes[0].seal(way[1], message)
    package = Package(hops, payload)
    plain = package.encode()
    box = nodes[0].seal(way[1], plain)
    frame = mask(box)
    payer = Payer.sign(wallet, nodes[1].digest)
    books = Accountant(AccountantConfig(earning_wallet=bytes(20), consuming_wallet=None), SavedState(), 0.0)
    secret = os.urandom(32)
    cell = memoryview(new_cell(1, [(1, Command.DATA, data[:MAX_DATA])]))
    layer, seal, direction = Layer(secret, True), Seal(secret, True), Direction(secret)
    return [
        ("0.9.1: int array, encode", timed(lambda: cbor.encode_byte_array(inner))),
        ("0.9.1: int array, decode", timed(lambda: cbor.decode_byte_array(array))),
        ("0.9.1: message, decode (with the array)", timed(lambda: decode_message(message))),
        ("0.9.1: seal payload", timed(lambda: nodes[0].seal(way[1], message))),
        ("0.9.1: open payload", timed(lambda: nodes[1].open(payload))),
        ("0.9.1: package, encode", timed(lambda: package.encode())),
        ("0.9.1: package, decode", timed(lambda: Package.decode(plain))),
        ("0.9.1: find frame", timed(lambda: Framer().feed(frame))),
        ("0.9.1: mask (base64)", timed(lambda: mask(box))),
        ("0.9.1: unmask (base64)", timed(lambda: unmask(frame))),
        ("0.9.1: open an element (then cached)", timed(lambda: open_hop(hops[1], nodes[1]))),
        ("0.9.1: verify a proof (then cached)", timed(lambda: payer.proves(nodes[1].digest))),
        ("0.9.1: shift (garbage)", timed(lambda: shift(hops, nodes[0]))),
        ("circuit: cell, pack", timed(lambda: new_cell(1, [(1, Command.DATA, data[:MAX_DATA])]))),
        ("circuit: seal or open", timed(lambda: seal.close(data_of(cell)))),
        ("circuit: pass on (one layer)", timed(lambda: pass_on(cell, 2, layer))),
        ("circuit: link frame, seal or open", timed(lambda: direction.encrypt_into(cell[2:-16], cell[2:]))),
        ("book a charge", timed(lambda: books.charge(False, b"w" * 20, DEFAULT_RATE_PACK.routing_charge(65_536), 1.0))),
    ]


if __name__ == "__main__":
    for name, value in steps():
        print(f"{value:8.1f} µs  {name}")
