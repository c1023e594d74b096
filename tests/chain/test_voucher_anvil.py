"""What the contract makes of vouchers, on a real chain (anvil): each wei is paid once, only as its payer has said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.anvil import running_anvil
from tests.anvil_chain import Chain
from tests.bank_ends import CHAIN, CONSUMER, EARNER
from tools.contracts import ARTIFACT

from masq.chain.disperser import sign_allow
from masq.chain.erc20 import TRANSFER_TOPIC
from masq.chain.voucher import Deal, Voucher, redeem_data, redeemed_data, sign_redeem
from masq.chain.wallet import Wallet
from masq.demo.funds import Funds
from masq.types import Address

GWEI = 10**9
DEPLOYED, TWIN = b"\x77" * 20, b"\x78" * 20
REDEEMER = Wallet(b"\x09" * 32)
TOKENS = 10**20
DEAL = Deal(CHAIN, DEPLOYED, CONSUMER.address, EARNER.address)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def chain() -> Iterator[Chain]:
    with running_anvil({CONSUMER.address: Funds(10**18, TOKENS), REDEEMER.address: Funds(10**18, 0)}) as url:
        chain = Chain(url)
        for place in (DEPLOYED, TWIN):
            chain.ask("anvil_setCode", "0x" + place.hex(), json.loads(ARTIFACT.read_text())["runtime"])
        yield chain


def allow(chain: Chain, wei: int, contract: Address = DEPLOYED) -> None:
    nonce = int(chain.ask("eth_getTransactionCount", "0x" + CONSUMER.address.hex(), "latest"), 16)
    signed = sign_allow(CONSUMER, CHAIN, contract, nonce=nonce, gas_price=2 * GWEI, wei=wei)
    chain.ask("eth_sendRawTransaction", "0x" + signed.raw.hex())
    chain.mine()


def redeem(chain: Chain, voucher: Voucher, wei: int, deal: Deal = DEAL) -> bool:
    """Whether it was paid; else nothing is different."""
    before = chain.got(), redeemed(chain, deal)
    nonce = int(chain.ask("eth_getTransactionCount", "0x" + REDEEMER.address.hex(), "latest"), 16)
    signed = sign_redeem(REDEEMER, deal, voucher, wei, nonce=nonce, gas_price=2 * GWEI)
    chain.ask("eth_sendRawTransaction", "0x" + signed.raw.hex())
    chain.mine()
    receipt = chain.ask("eth_getTransactionReceipt", "0x" + signed.hash.hex())
    done = bool(receipt["status"] == "0x1")
    if not done:
        assert (chain.got(), redeemed(chain, deal)) == before
        return False
    (log,) = receipt["logs"]
    words = ["0x" + each.rjust(32, b"\0").hex() for each in (TRANSFER_TOPIC, deal.payer, deal.payee)]
    assert (log["topics"], int(log["data"], 16)) == (words, wei), "as a transfer from the payer's wallet"
    return True


def redeemed(chain: Chain, deal: Deal = DEAL) -> int:
    call = {"to": "0x" + deal.contract.hex(), "data": "0x" + redeemed_data(deal).hex()}
    return int(chain.ask("eth_call", call, "latest"), 16)


def why(chain: Chain, voucher: Voucher, wei: int, deal: Deal = DEAL) -> str:
    call = {"to": "0x" + deal.contract.hex(), "data": "0x" + redeem_data(deal, voucher, wei).hex()}
    with pytest.raises(RuntimeError) as error:
        chain.ask("eth_call", call, "latest")
    return str(error.value)


def signed(total: int, deal: Deal = DEAL) -> Voucher:
    return Voucher.sign(CONSUMER, deal, total)


def test_a_voucher_pays_what_it_promises_once_in_as_many_pieces_as_its_holder_likes(chain: Chain) -> None:
    allow(chain, TOKENS)
    first, second = signed(100), signed(250)
    assert redeem(chain, first, 60)
    assert redeem(chain, first, 40)
    assert not redeem(chain, first, 1), "all of it was paid"
    assert "more than is promised" in why(chain, first, 1)
    assert not redeem(chain, second, 151), "what the one before it has paid counts"
    assert redeem(chain, second, 150)
    assert not redeem(chain, first, 1), "an older one is worth nothing"
    assert not redeem(chain, second, 0)
    assert (chain.got(), redeemed(chain)) == (250, 250)
    assert not redeem(chain, second, 2**256 - 1)


def test_nobody_changes_who_pays_who_gets_it_or_how_much(chain: Chain) -> None:
    allow(chain, TOKENS)
    allow(chain, TOKENS, TWIN)
    voucher = signed(100)
    for deal in (
        replace(DEAL, payee=REDEEMER.address),
        replace(DEAL, payer=REDEEMER.address),
        replace(DEAL, payer=bytes(20)),
        replace(DEAL, contract=TWIN),
    ):
        assert not redeem(chain, voucher, 100, deal)
    assert not redeem(chain, Voucher(101, voucher.signature), 101)
    assert "not signed by the payer" in why(chain, Voucher(101, voucher.signature), 101)
    elsewhere = Voucher.sign(CONSUMER, replace(DEAL, chain=replace(CHAIN, id=CHAIN.id + 1)), 100)
    assert "not signed by the payer" in why(chain, elsewhere, 100)
    assert redeem(chain, voucher, 100)


def test_the_twin_of_a_signature_and_none_at_all_are_refused(chain: Chain) -> None:
    allow(chain, TOKENS)
    voucher = signed(100)
    v, r, s = voucher.signature[0], voucher.signature[1:33], voucher.signature[33:]
    twin = Voucher(100, bytes((1 - v,)) + r + (ORDER - int.from_bytes(s, "big")).to_bytes(32, "big"))
    assert "high s" in why(chain, twin, 100)
    for signature in (bytes(65), bytes((2,)) + r + s):
        assert "not signed by the payer" in why(chain, Voucher(100, signature), 100)
        assert "not signed by the payer" in why(chain, Voucher(100, signature), 100, replace(DEAL, payer=bytes(20)))


def test_a_voucher_that_can_t_be_paid_yet_is_worth_as_much_later(chain: Chain) -> None:
    voucher = signed(100)
    assert not redeem(chain, voucher, 100), "nothing is allowed"
    assert "the token refused" in why(chain, voucher, 100)
    allow(chain, 30)
    assert not redeem(chain, voucher, 31)
    assert redeem(chain, voucher, 30), "as far as it goes"
    allow(chain, TOKENS)
    assert redeem(chain, voucher, 70)
    rich = signed(2 * TOKENS)
    allow(chain, 2 * TOKENS)
    assert not redeem(chain, rich, 2 * TOKENS - 100), "more than the payer has"
    assert (chain.got(), redeemed(chain)) == (100, 100)


def test_no_token_at_an_address_is_no_payment(chain: Chain) -> None:
    allow(chain, TOKENS)
    deal = replace(DEAL, chain=replace(CHAIN, contract=b"\x55" * 20))
    assert "no token there" in why(chain, Voucher.sign(CONSUMER, deal, 100), 100, deal)
