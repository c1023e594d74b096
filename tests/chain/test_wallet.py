"""Wallets, phrases and derivation, against recorded values and eth-account."""

from __future__ import annotations

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from masq.chain.derivation import CONSUMING_PATH, EARNING_PATH, derive, parse_path
from masq.chain.phrase import LANGUAGES, WORD_COUNTS, entropy_size, phrase_of, seed_of
from masq.chain.wallet import Wallet, recover
from masq.errors import CryptoError
from masq.keccak import keccak256

SECRETS = st.binary(min_size=32, max_size=32).filter(lambda secret: 0 < int.from_bytes(secret) < ORDER)
DIGESTS = st.binary(min_size=32, max_size=32)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

TIMBER = (
    "timber cage wide hawk phone shaft pattern movie army dizzy hen tackle "
    "lamp absent write kind term toddler sphere ripple idle dragon curious hold"
)
PANDA = (
    "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich "
    "alcohol speed nation flash devote level hobby quick inner drive ghost inside"
)


def test_keccak_is_not_sha3() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@pytest.mark.parametrize(
    ("phrase", "passphrase", "path", "address"),
    [
        (TIMBER, "Test123!", CONSUMING_PATH, "2dcfb0b4c2515ae04dcb2a36e9d7d4251b3611bc"),
        (TIMBER, "Test123!", EARNING_PATH, "20ef925bbbfca786bd426baed8c6ae45e4284e12"),
        (TIMBER, "", CONSUMING_PATH, "5a4d5df91d0124dec73dbd112f82d6077ccab47d"),
        (TIMBER, "", EARNING_PATH, "7a3cf474962646b18666b5a5be597bb0af013d81"),
        (TIMBER, "", "m/44'/60'/0'/0/2", "0bd8bc4b8aba5d8abf13ea78a6668ad0e9985ad6"),
        (TIMBER, "", "m/44h/60h/0h/0/3", "b329c8b029a2d3d217e71bc4d188e8e1a4a8b924"),
        (PANDA, "", CONSUMING_PATH, "63f9a92d8d61b48a9fff8d58080425a3012d05c8"),
    ],
)
def test_the_wallets_of_a_phrase(phrase: str, passphrase: str, path: str, address: str) -> None:
    """S73."""
    assert Wallet(derive(seed_of(phrase, passphrase), path)).address.hex() == address


def test_the_key_of_a_phrase() -> None:
    key = derive(seed_of(PANDA), CONSUMING_PATH)
    assert key.hex() == "ff1e68eb7bf2f48651c47ef0177eb815857322257c5894bb4cfd1176c9989314"


def test_derivation_as_published() -> None:
    # BIP-32, first test vector; its seed of 16 bytes can't be had from a phrase, so eth-account stands in.
    Account.enable_unaudited_hdwallet_features()
    for path in ("m/0'", "m/0'/1", "m/2147483647'/2147483647", "m/44'/60'/0'/0/7"):
        assert derive(seed_of(TIMBER, "x"), path) == bytes(Account.from_mnemonic(TIMBER, "x", path).key)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("words", WORD_COUNTS)
def test_phrases_of_every_language_and_length(language: str, words: int) -> None:
    phrase = phrase_of(bytes(range(entropy_size(words))), language)
    assert len(phrase.split()) == words
    seed = seed_of(phrase, "secret", language)
    assert len(seed) == 64
    assert seed_of(f"  {phrase.replace(' ', '   ')} \n", "secret", language) == seed


def test_a_wrong_phrase_is_refused_without_repeating_it() -> None:
    words = TIMBER.split()
    with pytest.raises(ValueError, match="12, 15, 18, 21 or 24 words, not 23"):
        seed_of(" ".join(words[1:]))
    with pytest.raises(ValueError, match="not in the word list of English: word 2, 24 of the phrase") as refusal:
        seed_of(" ".join([words[0], "cagge", *words[2:23], "holdd"]))
    assert "cagge" not in str(refusal.value)
    with pytest.raises(ValueError, match="checksum"):
        seed_of(" ".join(reversed(words)))
    with pytest.raises(ValueError, match="choose from English, Chinese"):
        seed_of(TIMBER, language="Klingon")


@pytest.mark.parametrize("path", ["", "m", "m/", "n/0", "/0", "m/-1", "m/2147483648", "m/0''", "m/0'h", "m/x", "m/٣"])
def test_a_wrong_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"no derivation path|is no number"):
        parse_path(path)


@pytest.mark.parametrize("secret", [b"", bytes(32), bytes(31) + b"\1\1", b"\1", b"\xff" * 32, ORDER.to_bytes(32)])
def test_a_wrong_secret_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="private key"):
        Wallet(secret)


@given(SECRETS, DIGESTS)
def test_signatures_name_their_signer(secret: bytes, digest: bytes) -> None:
    wallet = Wallet(secret)
    v, r, s = wallet.sign_recoverable(digest)
    assert (v, r, s) == wallet.sign_recoverable(digest)
    assert int.from_bytes(s) <= ORDER // 2
    assert recover(digest, v, r, s) == wallet.address
    # The other s of the same signature is what some signers send.
    assert recover(digest, 1 - v, r, (ORDER - int.from_bytes(s)).to_bytes(32)) == wallet.address


@given(SECRETS, DIGESTS)
def test_addresses_and_signatures_are_those_of_eth_account(secret: bytes, digest: bytes) -> None:
    account = Account.from_key(secret)
    theirs = account.unsafe_sign_hash(digest)
    assert Wallet(secret).address == bytes.fromhex(account.address[2:])
    assert Wallet(secret).sign_recoverable(digest) == (theirs.v - 27, theirs.r.to_bytes(32), theirs.s.to_bytes(32))


@given(st.binary(max_size=40), st.integers(-1, 300), st.binary(max_size=40), st.binary(max_size=40))
def test_any_signature_is_recovered_or_refused(digest: bytes, v: int, r: bytes, s: bytes) -> None:
    try:
        assert len(recover(digest, v, r, s)) == 20
    except CryptoError:
        pass
