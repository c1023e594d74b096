"""The first start, as a newcomer sees it: from nothing to a Node that runs, in one page."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from tests.browser.conftest import Demo, picture

from masq.settings.sources import read_config_file

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
PATIENCE = 60_000
PHRASE = "test test test test test test test test test test test junk"


class Fresh:
    """`masq open` on a machine where nothing is set up."""

    def __init__(self, directory: Path, *words: str) -> None:
        self.directory = directory
        self.errors = directory.parent / "errors"
        environment = {name: text for name, text in os.environ.items() if not name.startswith("MASQ_")}
        command = [sys.executable, "-m", "masq.cli.main", "open", "--no-browser", "--data-directory", str(directory)]
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen([*command, *words], env=environment, stdout=subprocess.PIPE, stderr=errors)
        assert self.process.stdout
        self.url = self.process.stdout.readline().decode().strip()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.stdout
        self.process.stdout.close()
        self.process.wait(60)


@pytest.fixture
def fresh() -> Iterator[Fresh]:
    with tempfile.TemporaryDirectory(prefix="m") as directory:
        opened = Fresh(Path(directory) / "node")
        yield opened
        opened.stop()


def asked(url: str, path: str) -> Any:
    place, _, token = url.partition("#token=")
    request = urllib.request.Request(place + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def provider_of(demo: Demo) -> str:
    rows = asked(demo.window("node-7"), "api/settings")["settings"]
    return next(str(row["value"]) for row in rows if row["name"] == "blockchain-service-url")


def serious(page: Page) -> list[Any]:
    violations = Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"][:2]) for each in violations if each["impact"] in ("serious", "critical")]


def following(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    assert serious(page) == []
    page.get_by_role("button", name="Next").click()


def choose_provider(page: Page, url: str) -> None:
    page.get_by_label("chain").first.select_option("dev")
    box = page.get_by_label("blockchain-service-url")
    box.fill("ftp://nowhere")
    expect(page.get_by_text("is not an http:// or https:// URL")).to_be_visible()
    box.fill("http://127.0.0.1:9")
    expect(page.locator(".findings .bad")).to_be_visible(timeout=PATIENCE)
    box.fill(url)
    expect(page.locator(".findings")).to_contain_text("dev (2), answered", timeout=PATIENCE)
    expect(page.locator(".findings .bad")).to_have_count(0)
    page.set_viewport_size({"width": 1200, "height": 800})
    page.emulate_media(color_scheme="light")
    picture(page, "setup-provider")


def make_wallets(page: Page) -> list[str]:
    """The phrase, which is gone from the page then."""
    # Who serves nobody can't do without one.
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    expect(page.get_by_role("radio", name="No wallet that pays")).to_have_count(0)
    page.get_by_role("radio", name="Make new wallets").check()
    page.get_by_role("button", name="Make new wallets").click()
    words = page.get_by_role("list", name="Phrase").get_by_role("listitem")
    expect(words).to_have_count(24)
    phrase = words.all_inner_texts()
    # Nobody goes on without having written it down.
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    typed = page.get_by_label("from your paper")
    asked_for = re.search(r"Word (\d+)", page.locator("label", has_text="from your paper").inner_text())
    assert asked_for
    typed.fill("nonsense")
    typed.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("look at what you wrote down")
    assert serious(page) == []
    typed.fill(phrase[int(asked_for[1]) - 1])
    typed.press("Enter")
    expect(page.get_by_text("Send the first one some MASQ")).to_be_visible()
    assert page.get_by_role("list", name="Phrase").count() == 0
    return phrase


def name_neighbor(page: Page, descriptor: str) -> None:
    named = page.get_by_label("neighbors")
    named.fill("masq://dev:short@127.0.0.1:5000")
    expect(page.locator(".setting .error, .findings .bad").first).to_be_visible(timeout=PATIENCE)
    named.fill(descriptor + "\n")
    expect(page.locator(".findings")).to_contain_text("it answers", timeout=PATIENCE)


def test_a_newcomer_comes_from_nothing_to_a_node(fresh: Fresh, demo: Demo, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    page.goto(fresh.url)
    expect(page.get_by_role("heading", name="1. What you want")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_role("radio", name="Use the network").check()
    following(page)
    choose_provider(page, provider_of(demo))
    following(page)
    phrase = make_wallets(page)
    following(page)
    descriptor = asked(demo.window("node-1"), "api/status")["descriptor"]
    name_neighbor(page, descriptor)
    following(page)
    following(page)
    page.set_viewport_size({"width": 1200, "height": 1300})
    page.get_by_label("entry-port").fill("0")
    following(page)
    expect(page.get_by_text("It fits together.", exact=True)).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".findings").nth(1)).to_contain_text("it answers", timeout=PATIENCE)
    picture(page, "setup")
    assert not (fresh.directory / "config.toml").exists()
    page.get_by_role("button", name="Save, and start the Node").click()
    # The same page goes on with the Node.
    expect(page.get_by_role("heading", name="Network", exact=True)).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("region", name="All Nodes").get_by_role("row").nth(2)).to_be_visible(timeout=PATIENCE)
    written = read_config_file(fresh.directory / "config.toml")
    assert stat.S_IMODE((fresh.directory / "config.toml").stat().st_mode) == 0o600
    assert (written["neighborhood-mode"], written["neighbors"]) == ("consume-only", descriptor)
    status = asked(fresh.url, "api/status")
    assert status["pid"] == fresh.process.pid
    assert status["consuming_wallet"]
    said = fresh.errors.read_text() + json.dumps(status)
    assert written["consuming-private-key"] not in said
    assert " ".join(phrase[:3]) not in said


def test_what_keeps_the_node_from_starting_is_told_on_the_page(fresh: Fresh, page: Page) -> None:
    page.goto(fresh.url)
    page.get_by_role("radio", name="Use and serve, reachable by all").check()
    page.get_by_role("button", name="Wallets").click()
    page.get_by_role("radio", name="Recover").check()
    page.get_by_label("The phrase").fill("no phrase at all")
    page.get_by_role("button", name="Take these wallets").click()
    expect(page.get_by_role("alert")).to_contain_text("a phrase has 12, 15, 18, 21 or 24 words")
    page.get_by_label("The phrase").fill(PHRASE)
    page.get_by_role("button", name="Take these wallets").click()
    expect(page.get_by_text("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266")).to_be_visible()
    page.get_by_role("button", name="Your programs").click()
    page.get_by_label("entry-port").fill("0")
    page.get_by_role("button", name="Look over").click()
    expect(page.get_by_role("alert")).to_contain_text("blockchain-service-url")
    page.get_by_role("button", name="Go there").click()
    page.get_by_label("blockchain-service-url").fill("http://127.0.0.1:9")
    page.get_by_role("button", name="How others reach you").click()
    page.get_by_label("clandestine-port").fill("6001")
    page.get_by_role("button", name="Look over").click()
    page.get_by_role("button", name="Save, and start the Node").click()
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("The Node did not start", timeout=PATIENCE)
    expect(problem).to_contain_text("ip: this machine's address is")
    expect(page.get_by_role("heading", name="How others reach you")).to_be_visible()
    page.get_by_label("ip", exact=True).fill("127.0.0.77")
    # The wallet is in the file by now, and not to be replaced by accident.
    page.get_by_role("button", name="Wallets").click()
    expect(page.get_by_text("A wallet that pays is set already")).to_be_visible()
    expect(page.get_by_role("radio")).to_have_count(0)
    page.get_by_role("button", name="Look over").click()
    page.get_by_role("button", name="Save, and start the Node").click()
    expect(page.get_by_role("heading", name="Network", exact=True)).to_be_visible(timeout=PATIENCE)
    assert read_config_file(fresh.directory / "config.toml")["ip"] == "127.0.0.77"


def test_what_was_said_outlives_a_reload_but_no_secret(fresh: Fresh, page: Page) -> None:
    page.goto(fresh.url)
    page.get_by_role("radio", name="Use and serve, reachable by all").check()
    page.get_by_role("button", name="How others reach you").click()
    page.get_by_label("ip", exact=True).fill("198.51.100.7")
    page.get_by_role("button", name="Wallets").click()
    page.get_by_role("radio", name="Take the private key").check()
    page.get_by_label("consuming-private-key").fill("ab" * 32)
    page.get_by_role("radio", name="Recover").check()
    page.get_by_label("The phrase").fill(PHRASE)
    page.get_by_role("button", name="Take these wallets").click()
    expect(page.get_by_text("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266")).to_be_visible()
    kept = page.evaluate("JSON.stringify(sessionStorage)")
    assert "198.51.100.7" in kept
    assert "abab" not in kept
    assert "junk" not in kept
    page.reload()
    page.get_by_role("button", name="How others reach you").click()
    expect(page.get_by_label("ip", exact=True)).to_have_value("198.51.100.7")
    page.get_by_role("button", name="Wallets").click()
    expect(page.get_by_text("If their phrase is not on your paper")).to_be_visible()
