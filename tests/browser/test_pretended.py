"""Disputes, several wallets, lines of a log: as pages show them."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from tests.browser.pretended import pretended, quiet_document

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
MASQ = 10**18


def account(number: int, state: str, theirs: int, ours: int) -> dict[str, Any]:
    return {
        "node": f"{number:02x}" * 64, "wallet": f"0x{number:040x}", "side": "owed", "theirs": str(theirs),
        "ours": str(ours), "paid": "0", "state": state, "when": 1_700_000_000, "agreed": None, "notes": ["<b>odd</b>"],
    }  # fmt: skip


def at(page: Page, url: str, name: str, heading: str) -> None:
    page.goto(url)
    page.evaluate("name => { location.hash = `#/${name}` }", name)
    expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible(timeout=60_000)


def test_what_is_disputed_is_shown_with_its_amounts(page: Page) -> None:
    accounts = [
        account(1, "agrees", MASQ, MASQ),
        account(2, "counts less", MASQ, 2 * MASQ),
        account(3, "disputed", 5 * MASQ, 2 * MASQ),
        account(4, "disputed", 2 * MASQ, MASQ),
    ]
    with pretended({**quiet_document(), "disputed": 2}, accounts) as url:
        at(page, url, "money", "Money")
        expect(page.get_by_text("4 MASQ more are claimed than we count")).to_be_visible(timeout=60_000)
        rows = page.get_by_role("region", name="Books compared").get_by_role("row")
        expect(rows).to_have_count(5)
        # Those that differ come first, and words of others are words.
        expect(rows.nth(1)).to_contain_text("03030303")
        expect(rows.nth(1)).to_contain_text("3 MASQ")
        expect(rows.nth(1)).to_contain_text("<b>odd</b>")
        expect(rows.nth(4)).to_contain_text("agrees")
        serious = [each["id"] for each in Axe().run(page).response["violations"] if each["impact"] == "serious"]
        assert serious == []


def test_all_wallets_that_pay_are_counted(page: Page) -> None:
    wallets = [
        {"wallet": f"0x{number:040x}", "tokens": str(tokens), "coins": str(MASQ // 2), "lacking": str(lacking),
         "owed_wei": "0", "paid_wei": "0", "payments": 0}
        for number, tokens, lacking in ((1, MASQ, 0), (2, 3 * MASQ, 0), (3, 0, MASQ // 4))
    ]  # fmt: skip
    with pretended({**quiet_document(), "wallets": wallets}) as url:
        at(page, url, "money", "Money")
        figure = page.locator(".figures div", has_text="In 3 wallets that pay")
        expect(figure.locator("dd")).to_have_text("4 MASQ")
        rows = page.get_by_role("region", name="Wallets that pay").get_by_role("row")
        expect(rows).to_have_count(4)
        expect(rows.nth(3)).to_contain_text("0.25 MASQ")


def test_the_log_is_read_in_either_form_and_by_level(page: Page) -> None:
    lines = [
        "timestamp='2026-11-26T23:20:40.080777Z' level='info' event='accountant' detail='it\\'s paid'",
        '{"timestamp": "2026-11-26T23:20:41Z", "level": "error", "event": "disk", "detail": "it is full"}',
        "no form at all",
        "{broken",
    ]
    with pretended(quiet_document(), lines=lines) as url:
        at(page, url, "log", "Log")
        log = page.get_by_role("log")
        for words in ("accountant it", "disk it is full", "no form at all", "{broken"):
            expect(log).to_contain_text(words)
        page.get_by_label("at least").select_option("error")
        expect(log).not_to_contain_text("accountant")
        expect(log).to_contain_text("disk")
        page.get_by_label("Lines with").fill("no such words")
        expect(log).to_contain_text("Nothing that fits")


def test_a_node_that_runs_is_changed_as_a_whole(page: Page) -> None:
    with pretended(quiet_document()) as url:
        at(page, url, "setup", "Set up")
        page.get_by_role("radio", name="Use and serve, behind a router").check()
        page.get_by_role("button", name="Look over").click()
        expect(page.get_by_text("It fits together.")).to_be_visible(timeout=60_000)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("In use now: neighborhood-mode")).to_be_visible(timeout=60_000)


def test_who_banned_us_is_shown_with_what_to_do(page: Page) -> None:
    refusal = {
        "node": "ab" * 64, "wallet": "0x" + "33" * 20, "payer": "0x" + "11" * 20, "theirs": str(2 * MASQ),
        "ours": str(MASQ), "since": 1_700_000_000, "most": str(MASQ // 2), "release": str(MASQ // 4), "age": 5.0,
        "advice": "send at least 1 MASQ",
    }  # fmt: skip
    with pretended({**quiet_document(), "refused_by": [refusal]}) as url:
        at(page, url, "money", "Money")
        rows = page.get_by_role("region", name="Who banned us").get_by_role("row")
        expect(rows).to_have_count(2)
        for text in ("abababab", "2 MASQ", "1 MASQ", "0.5 MASQ", "0.25 MASQ", "send at least 1 MASQ"):
            expect(rows.nth(1)).to_contain_text(text)
        serious = [each["id"] for each in Axe().run(page).response["violations"] if each["impact"] == "serious"]
        assert serious == []
