"""What people see of a real network: its streams, routes, failures and payments."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import Demo, picture

from masq.gateway.files import names, packed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
PATIENCE = 60_000
PAGES = ["", "streams", "map", "money", "setup", "log", "settings", "try"]


@pytest.fixture
def watched(demo: Demo, page: Page) -> Page:
    """The demo's page, while something is fetched."""
    page.goto(demo.url)
    expect(page.get_by_role("heading", name="A MASQ network on this machine")).to_be_visible()
    return page


@pytest.fixture
def own(demo: Demo, browser: Browser, page: Page) -> Iterator[Page]:
    """The page of the user's own Node, while the demo's fetches over it."""
    context = browser.new_context()
    context.new_page().goto(demo.url)
    page.goto(demo.window("node-7"))
    expect(page.get_by_role("heading", name="Network", exact=True)).to_be_visible()
    yield page
    context.close()


def go(page: Page, name: str) -> None:
    page.evaluate("name => { location.hash = `#/${name}` }", name)


def test_a_stream_appears_with_its_route(own: Page) -> None:
    go(own, "streams")
    row = own.get_by_role("region", name="Open streams").get_by_role("row").nth(1)
    expect(row).to_contain_text("localhost:", timeout=PATIENCE)
    expect(row.locator(".hops span")).to_have_count(4)
    expect(row.locator(".hops span").first).to_have_text("you")
    picture(own, "streams")


def test_its_route_is_drawn(watched: Page) -> None:
    hops = watched.get_by_role("group", name="Route")
    expect(hops.locator("span")).to_have_count(5, timeout=PATIENCE)
    expect(hops).to_contain_text("node-7→node-")
    expect(watched.locator("canvas")).to_have_count(1)
    # What is drawn in the colour of one's own route: some of the canvas is.
    blue = """() => {
        const canvas = document.querySelector("canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let at = 0; at < data.length; at += 4) {
            if (Math.abs(data[at] - 0x36) + Math.abs(data[at + 1] - 0x51) + Math.abs(data[at + 2] - 0xd4) < 12) count++;
        }
        return count;
    }"""
    watched.wait_for_function(f"({blue})() > 300", timeout=PATIENCE)
    picture(watched, "demo")


def test_a_payment_is_seen(own: Page) -> None:
    go(own, "money")
    expect(own.get_by_role("heading", name="Money", exact=True)).to_be_visible()
    paid = own.locator(".figures div", has_text="Paid since the start").locator("dd")
    before = paid.inner_text()
    expect(paid).not_to_have_text(before, timeout=PATIENCE)
    expect(own.locator(".u-wrap canvas")).to_have_count(1)
    picture(own, "money")
    go(own, "")
    expect(own.locator(".notes")).to_contain_text("were paid, and confirmed", timeout=PATIENCE)
    picture(own, "network")


def test_a_node_is_chosen_by_keyboard(own: Page) -> None:
    own.get_by_role("region", name="All Nodes").get_by_role("button").nth(1).focus()
    own.keyboard.press("Enter")
    details = own.get_by_role("region", name="Node", exact=True)
    expect(details).to_contain_text("Exits for")
    expect(details).to_contain_text("wei a byte")


def test_countries_are_shown(own: Page) -> None:
    go(own, "map")
    expect(own.get_by_role("region", name="Countries")).to_contain_text("(JP)", timeout=PATIENCE)
    expect(own.locator(".map path")).to_have_count(176)
    expect(own.locator(".map path.has, .map path.used").first).to_be_attached()


def test_the_country_of_exits_is_chosen(own: Page) -> None:
    go(own, "map")
    countries = own.get_by_role("region", name="Countries")
    box = countries.get_by_role("checkbox", name="Exit in Japan")
    expect(box).to_be_visible(timeout=PATIENCE)
    box.click()
    expect(own.get_by_text("New connections leave in Japan.")).to_be_visible(timeout=PATIENCE)
    expect(box).to_be_checked(timeout=PATIENCE)
    picture(own, "map")
    expect(own.get_by_label("exit-location", exact=True)).to_have_value("JP")
    box.click()
    expect(own.get_by_text("New connections leave anywhere.")).to_be_visible(timeout=PATIENCE)
    expect(box).not_to_be_checked(timeout=PATIENCE)
    # The map's own shapes do the same.
    own.locator(".map path", has_text="Japan").dispatch_event("click")
    expect(box).to_be_checked(timeout=PATIENCE)
    expect(own.locator(".map path.chosen")).to_have_count(1)
    box.click()
    expect(box).not_to_be_checked(timeout=PATIENCE)


def test_an_error_says_what_to_do(own: Page) -> None:
    go(own, "streams")
    entry = own.locator("main code").first.inner_text()
    words = ["curl", "-s", "--proxy", f"socks5h://{entry}", "http://no-such-name.invalid/"]
    subprocess.run(words, check=False, timeout=60)
    failures = own.get_by_role("region", name="Failures")
    expect(failures).to_contain_text("no-such-name.invalid", timeout=PATIENCE)
    expect(failures).to_contain_text("See that the name is right")


def test_a_setting_is_checked_as_it_is_typed_and_counts_at_once(own: Page) -> None:
    go(own, "settings")
    box = own.get_by_label("max-bandwidth")
    box.fill("lots")
    form = own.locator("form", has=box)
    expect(form.get_by_role("status")).to_contain_text("is not a number of MB")
    expect(form.get_by_role("button")).to_be_disabled()
    box.fill("50")
    expect(form.get_by_role("status")).to_contain_text("would do")
    box.press("Enter")
    expect(form.get_by_role("status")).to_contain_text("used from now on")


def test_the_log_is_live_and_filtered(own: Page) -> None:
    go(own, "log")
    own.get_by_label("Lines with").fill("no line has this")
    expect(own.get_by_role("log")).to_contain_text("Nothing that fits", timeout=PATIENCE)


def test_a_tab_without_the_key_says_how_to_get_it(demo: Demo, page: Page) -> None:
    page.goto(demo.url.partition("#")[0])
    expect(page.get_by_role("alert")).to_contain_text("masq open")
    page.goto("about:blank")
    page.goto(demo.url.partition("#")[0] + "#token=" + "x" * 43)
    expect(page.get_by_role("alert")).to_contain_text("masq open")


def test_the_key_does_not_stay_in_the_address(watched: Page) -> None:
    assert "token" not in watched.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_its_way(own: Page, scheme: str) -> None:
    own.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for name in PAGES:
        go(own, name)
        expect(own.locator(f'nav a[href="#/{name}"]')).to_have_attribute("aria-current", "page")
        expect(own.locator("h1")).to_be_visible()
        own.wait_for_timeout(300)
        found = [each for each in Axe().run(own).response["violations"] if each["impact"] in ("serious", "critical")]
        assert [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in found] == [], name


def test_a_phone_shows_it_without_scrolling_sideways(own: Page) -> None:
    own.set_viewport_size({"width": 360, "height": 740})
    for name in PAGES:
        go(own, name)
        expect(own.locator(f'nav a[href="#/{name}"]')).to_have_attribute("aria-current", "page")
        own.wait_for_timeout(200)
        assert own.evaluate("document.documentElement.scrollWidth") <= 360, name


def test_it_is_small() -> None:
    """All that any page loads, compressed as it comes."""
    assert sum(len(packed(name)) for name in names()) < 200_000


def test_a_node_is_killed_and_the_page_says_so(watched: Page, demo: Demo, browser: Browser) -> None:
    """The last one: the network has one Node less from here on."""
    hops = watched.get_by_role("group", name="Route")
    expect(hops.locator("span")).to_have_count(5, timeout=PATIENCE)
    name = hops.locator("span").nth(1).inner_text()
    other = browser.new_context().new_page()
    other.goto(demo.window("node-7"))
    expect(other.get_by_role("heading", name="Network", exact=True)).to_be_visible()
    card = watched.get_by_role("region", name=name, exact=True)
    card.get_by_role("button", name="Kill").click()
    expect(card).to_contain_text("It is gone")
    expect(watched.locator(".notes")).to_contain_text(f"{name} was killed")
    expect(other.locator(".notes .bad").first).to_be_visible(timeout=PATIENCE)
    other.context.close()
    card.get_by_role("button", name="Start again").click()
    expect(card).to_contain_text("works", timeout=PATIENCE)
