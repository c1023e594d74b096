"""Payments as rows of the database, and saves as facts of the journal (accounting.md 6)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from masq.core.accountant.effects import Part, Payment, Save, State, Variant
from masq.shell.evidence import Facts, Row
from masq.types import address_text


def payment_row(payment: Payment, purse: bytes) -> Row:
    """In the order of `schema.PAYMENTS.columns`."""
    return (
        payment.hash,
        payment.creditor,
        str(payment.wei),
        payment.nonce,
        payment.made,
        payment.sender,
        variants_text(payment.variants),
        payment.state.value,
        payment.block,
        purse,
        _parts_text(payment.parts),
    )


def payment_of(row: Row) -> Payment:
    """Of what `payment_row` made. ValueError if it makes no sense."""
    _, creditor, wei, nonce, made, sender, variants, state, block, _, parts = row
    return Payment(creditor, int(wei), nonce, made, sender, _variants(variants), State(state), block, _parts(parts))


def variants_text(variants: Iterable[Variant]) -> str:
    return json.dumps(
        [[v.raw.hex(), v.hash.hex(), str(v.most), None if v.tip is None else str(v.tip), v.made] for v in variants]
    )


def _variants(text: str) -> tuple[Variant, ...]:
    variants = tuple(
        Variant(bytes.fromhex(raw), bytes.fromhex(hash), int(most), None if tip is None else int(tip), int(made))
        for raw, hash, most, tip, made in json.loads(text)
    )
    if not variants:
        raise ValueError("a payment without a transaction")
    return variants


def _parts_text(parts: Iterable[Part]) -> str:
    listed = [[each.creditor.hex(), str(each.wei), int(each.failed)] for each in parts]
    return json.dumps(listed) if listed else ""


def _parts(text: str) -> tuple[Part, ...]:
    listed = json.loads(text) if text else ()
    return tuple(Part(bytes.fromhex(creditor), int(wei), bool(failed)) for creditor, wei, failed in listed)


def facts_of(save: Save) -> Facts:
    """What the journal tells of a save, beside charges."""
    kinds: tuple[tuple[str, list[Any]], ...] = (
        (
            "payments",
            [
                {
                    "hash": p.hash.hex(),
                    "creditor": address_text(p.creditor),
                    "wei": str(p.wei),
                    "nonce": p.nonce,
                    "state": p.state.value,
                    "block": p.block,
                    **(
                        {"parts": [[address_text(to), str(wei), failed] for to, wei, failed in p.parts]}
                        if p.parts
                        else {}
                    ),
                }
                for p in save.payments
            ],
        ),
        ("ended", [hash.hex() for hash in save.ended_payments]),
        (
            "paid",
            [
                {"hash": p.hash.hex(), "creditor": address_text(p.creditor), "wei": str(p.wei), "block": p.block}
                for p in save.paid
            ],
        ),
        (
            "earned",
            [
                {"hash": e.hash.hex(), "debtor": address_text(e.debtor), "wei": str(e.wei), "block": e.block}
                for e in save.earned
            ],
        ),
        ("banned", [address_text(wallet) for wallet in save.banned]),
        ("released", [address_text(wallet) for wallet in save.released]),
        ("forgotten", [address_text(wallet) for wallet in save.forgotten]),
    )
    return {name: items for name, items in kinds if items}
