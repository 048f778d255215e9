"""The pages as people meet them: the real server, a real browser, and nothing fetched from elsewhere."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import dashboards

APP = Path(dashboards.__file__).with_name("app.py")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
]
WAIT_MS = 30_000
ANSWER = "We cannot tell. We found +8% against what would have been expected; the data fit anything"

pytestmark = pytest.mark.slow


def held(folder):
    """What a test bed holds: every row of its catalog and every other file; SQLite's own working files come and go."""
    with closing(sqlite3.connect(folder / "lake.sqlite")) as catalog:
        rows = list(catalog.iterdump())
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("lake.sqlite"))
    return rows, [(str(path), path.read_bytes()) for path in files]


@contextmanager
def serving(home):
    """The address of a Streamlit server over a home; the server ends with the block."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    options = {"server.address": "127.0.0.1", "server.port": port, "server.headless": "true", "server.fileWatcherType": "none"}
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--browser.gatherUsageStats=false"]
    command += [f"--{name}={value}" for name, value in options.items()]
    environment = {**os.environ, "TESTBED_HOME": str(home)}
    address = f"http://127.0.0.1:{port}"
    with (home.parent / "streamlit.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                    if answer.status == 200:
                        break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        else:
            pytest.fail((home.parent / "streamlit.log").read_text())
        yield address
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def server(home):
    before = held(home)
    with serving(home) as address:
        yield address
    assert held(home) == before, "a page wrote into the test bed"


@pytest.fixture(scope="module")
def browser():
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here; install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def visit(server, browser):
    """Open an address in a browser of its own; at the end nothing may have gone wrong or abroad."""
    wrong, contexts = [], []

    def open_page(path="", *, width=1280, **settings):
        context = browser.new_context(viewport={"width": width, "height": 900}, locale="en-US", **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: wrong.append(asked.url) if not is_local(asked.url) else None)
        page.goto(f"{server}/{path}")
        settle(page)
        return page

    def is_local(url):
        return url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


def settle(page):
    """Wait until the page is whole, and see that it shows no error of its own."""
    page.wait_for_selector("h1")
    before, now = "", " "
    while before != now:  # a script that has just ended may begin again, and pictures come later than words
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", state="attached")
        page.wait_for_timeout(300)
        before, now = now, page.evaluate("document.body.innerHTML + [...document.images].map(image => image.complete)")
    assert page.locator("[data-testid=stException]").count() == 0


def go(page, name):
    page.get_by_role("link", name=name, exact=True).click()
    page.wait_for_timeout(300)
    settle(page)


def alerts(page):
    return [box for box in page.locator("[data-testid=stAlertContentError]").all_inner_texts() if box]


def test_a_citizen_reads_the_answer_with_its_uncertainty_first(visit):
    page = visit("?pilot=k_road_streetscape")
    assert page.locator("h1").inner_text() == "What the city tries out"
    assert page.locator("h2").inner_text() == "Wider footpaths and cycleways on Karangahape Road"
    card = page.locator(".tb-answer")
    assert ANSWER in card.inner_text() and "Cannot tell" in card.inner_text()
    assert "above 0%" in card.inner_text()
    text = page.locator("[data-testid=stMain]").inner_text()
    assert text.index(ANSWER) < text.index("What was counted")
    for part in (
        "A stuck sensor is missing, not zero",
        "COVID-19 closed the city centre",
        "cannot separate the new street",
        "107 Quay Street",
        "instead of +8%",
        "What we do not",
        "Heart of the City Auckland",
        "a" * 64,
    ):
        assert part in text, part
    assert "Changed since the plan was locked" not in text
    assert not alerts(page)


def test_every_chart_says_what_it_shows_and_open_data_can_be_downloaded(visit):
    page = visit("?pilot=k_road_streetscape")
    page.wait_for_selector("[data-testid=stVegaLiteChart] svg")
    charts = page.locator("[data-testid=stVegaLiteChart]")
    assert charts.count() == 5  # with the index of the air and the course of the totals
    for chart in charts.all():
        assert len(chart.get_attribute("aria-label") or "") > 30
    for image in page.locator("[data-testid=stImage] img").all():
        assert "sites that changed" in (image.get_attribute("alt") or "")
    assert page.locator("canvas").count() == 0
    assert page.locator("[data-testid=stTable] table").count() >= 3
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the open data (CSV)").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].startswith("site_id,line,road_user") and "16450" in lines[1]


def test_deviations_and_a_stopped_run_are_shown_prominently(visit):
    page = visit("?pilot=te_komititanga_square")
    text = page.locator("[data-testid=stMain]").inner_text()
    assert "Changed since the plan was locked" in text and ANSWER in text
    (alert,) = alerts(page)
    assert "The gate stopped the newest run" in alert and "a stuck sensor is missing, not zero" in alert


def test_the_plaza_shows_no_small_count_and_says_what_is_not_audited(visit):
    page = visit("?pilot=plaza_crossings")
    text = page.locator("[data-testid=stMain]").inner_text()
    assert "Yes. The camera's picture could be counted for 99.8% of the time." in text
    for part in (
        "have not been audited",
        "testbed audit plaza_crossings --count",
        "testbed draw VIDEO",
        "Was the camera delivering?",
        "Money",
        "innovation@city.example",
    ):
        assert part in text, part
    assert not alerts(page)


def test_the_city_sees_all_pilots_and_the_gate(visit):
    page = visit()
    go(page, "City")
    text = page.locator("[data-testid=stMain]").inner_text()
    for part in (
        "All pilots side by side",
        "+8%",
        "1,187,251",
        "EUR 2026",
        "Gate health",
        "no_stuck_sensor",
        "The gate stopped this run",
        "mlflow_aaaaa",
        "testbed up",
    ):
        assert part in text, part
    assert not alerts(page)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Counting people on the plaza without keeping a picture").click()
    settle(opened.value)
    assert "plaza" in opened.value.locator(".tb-pilot").inner_text()


def test_vendors_see_ranks_ties_and_reasons(visit):
    page = visit()
    go(page, "Vendors")
    text = page.locator("[data-testid=stMain]").inner_text()
    for part in ("Count crossings", "StreetNet", "share rank", "QuickCount <b>", "not ranked", "min_coverage", "312 MB", "L3"):
        assert part in text, part
    assert not alerts(page)


def test_the_interface_changes_its_language_and_keeps_it(visit):
    page = visit("?pilot=plaza_crossings&lang=fr")
    assert page.evaluate("document.documentElement.lang") == "fr"
    assert page.locator(".tb-pilot").inner_text() == "Compter les passants sur la place sans garder d'image"
    assert "Oui." in page.locator(".tb-answer").inner_text()
    assert page.locator("span[lang=en]").count() == 1
    page.get_by_role("combobox", name="Langue").click()
    page.get_by_role("option", name="Español").click()
    page.wait_for_selector("h1:has-text('Lo que la ciudad prueba')")
    settle(page)
    assert page.evaluate("document.documentElement.lang") == "es"
    go(page, "Ciudad")
    assert page.locator("h1").inner_text() == "Todas las pruebas, una junto a otra"


def test_a_phone_and_a_dark_page_show_everything(visit):
    page = visit("?pilot=k_road_streetscape", width=390, color_scheme="dark")
    assert ANSWER in page.locator(".tb-answer").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".st-key-map_narrow img").is_visible()
    assert not page.locator(".st-key-map_wide img").is_visible()


def test_an_unknown_pilot_in_the_address_is_said(visit):
    page = visit("?pilot=no_such_pilot")
    assert "There is no pilot 'no_such_pilot' here" in page.locator("[data-testid=stMain]").inner_text()
    assert page.locator(".tb-answer").count() == 1


@pytest.mark.parametrize("name", ["pilots", "city", "vendors"])
def test_without_a_lake_every_page_says_what_to_do(name, tmp_path, monkeypatch):
    import streamlit
    from streamlit.testing.v1 import AppTest

    monkeypatch.setenv("TESTBED_HOME", str(tmp_path))
    streamlit.cache_data.clear()
    page = AppTest.from_file(str(APP.parent / "pages" / f"{name}.py"), default_timeout=30).run()
    streamlit.cache_data.clear()
    assert not page.exception
    assert "testbed demo" in page.info[0].value
    assert not list(tmp_path.iterdir())
