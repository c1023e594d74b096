"""A demo network, and Debian's Chromium that looks at it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = os.environ.get("MASQ_IMAGES")
"""Where pictures of the pages go, if anywhere: `make images`."""


class Demo(NamedTuple):
    """Where its page is, with the token, and where the Nodes' directories are."""

    url: str
    directory: Path

    def window(self, name: str) -> str:
        """The page of one Node."""
        words = [sys.executable, "-m", "masq.cli.main", "open", "--no-browser", "--data-directory"]
        told = subprocess.run([*words, str(self.directory / name)], check=True, capture_output=True, timeout=60)
        return told.stdout.decode().strip()


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="m") as directory:
        process = subprocess.Popen(
            [sys.executable, "-m", "masq.cli.main", "demo", "--nodes", "7", "--size", "8", "--no-browser"],
            env={**os.environ, "TMPDIR": directory, "MASQ_DB_PASSWORD": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/#token=\S+", line):
                break
        else:
            pytest.fail("".join(said))
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield Demo(found[0], next(Path(directory).glob("masq-demo-*")))
        process.send_signal(signal.SIGINT)
        process.wait(120)
        process.stdout.close()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """One for each test: while Playwright runs, its event loop does, and other tests of the process start their own."""
    path = shutil.which("chromium")
    assert path, "Debian's Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh tab; what a page throws or logs as an error fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 800}, color_scheme="light")
    context.set_default_timeout(30_000)
    tab = context.new_page()
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield tab
    context.close()
    # What the server refuses on purpose is shown by the page, and logged by the browser.
    assert [each for each in problems if "status of 4" not in each] == []


def picture(page: Page, name: str) -> None:
    """For README and docs, if they are to be made."""
    if IMAGES:
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=Path(IMAGES) / f"{name}.png")
