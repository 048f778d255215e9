"""The page on which a person counts: driven by keyboard in a real browser, blind, and kept nowhere but in the lake."""

from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from analytics.video.measures.lines import parse_line
from data_contracts.contract import ContractError
from experiments.settings import load_settings
from flows.audit import begin, report, take_in
from flows.audit_page import audit_app, rows_of
from flows.audit_subject import Subject
from flows.local_page import HEADERS, listen, new_token

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
SOURCE = "scene:street?seed=7&seconds=40&width=384&height=288"
LINE = parse_line("gate=192,0,192,288,westbound,eastbound")


@contextmanager
def served(app, token):
    """The application on a free port, in a thread of this process."""
    import uvicorn

    with listen(0) as found:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [found]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{found.getsockname()[1]}/{token}/"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def browser_page(**options):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        try:
            page = browser.new_page(**options)
            page.faults = []
            page.on("pageerror", lambda error: page.faults.append(str(error)))
            page.on("console", lambda said: page.faults.append(said.text) if said.type == "error" else None)
            yield page
            assert page.faults == []
        finally:
            browser.close()


@pytest.fixture
def audit(home):
    settings = load_settings()
    subject = Subject("mill_lane", SOURCE, (LINE,), interval_s=4)
    return begin(subject, settings, size=3, seed=1)[0], subject, settings


@pytest.mark.slow
def test_counting_by_keyboard(audit):
    found, subject, settings = audit
    token = new_token()
    app, clips = audit_app(found, subject, settings, token, annotator="a")
    drawn = int(found.sample.drawn.sum())
    with served(app, token) as address, browser_page(viewport={"width": 390, "height": 844}) as page:
        page.goto(address)
        page.get_by_text(re.compile(rf"Interval 1 of {drawn}")).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("1")
        page.keyboard.press("1")
        page.keyboard.press("2")
        page.keyboard.press("Backspace")
        assert [one.inner_text() for one in page.locator("#cells output").all()] == ["2", "0"]
        page.keyboard.press("+")
        page.keyboard.press("+")
        page.keyboard.press("Space")
        page.get_by_text("End of the interval").wait_for()
        page.keyboard.press("Enter")
        page.get_by_text(re.compile(rf"Interval 2 of {drawn}")).wait_for(timeout=90_000)
        assert [one.inner_text() for one in page.locator("#cells output").all()] == ["0", "0"]
        assert "automatic" not in page.content()
    clips.close()
    document = report(found, settings)
    assert document["counted"] == 1 and document["annotators"] == ["a"]
    assert document["errors"][0]["manual"] == 2
    assert document["status"] == "not audited"


def test_the_page_answers_only_its_own_address_and_is_never_kept(audit):
    found, subject, settings = audit
    token = new_token()
    app, clips = audit_app(found, subject, settings, token, annotator="a")
    first = next(row["index"] for row in [{"index": i} for i, drawn in enumerate(found.sample.drawn) if drawn])
    with served(app, token) as address:
        for path in ("", "plan", f"interval/{first}", f"interval/{first}/frame/0"):
            with urllib.request.urlopen(address + path) as answer:
                assert {name: answer.headers[name] for name in HEADERS} == HEADERS
                text = answer.read()
        assert text[:2] == b"\xff\xd8"  # a JPEG, from memory
        with urllib.request.urlopen(address + "plan") as answer:
            said = answer.read().decode()
        assert "crossings" not in said and "automatic" not in said and "stratum" not in said
        for wrong in (address.replace(token, "x" * 32), address.replace(token + "/", ""), address + "interval/9999"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(wrong)
    clips.close()


def test_rows_hold_every_cell_and_any_is_the_sum(audit):
    found, _, settings = audit
    index = int(found.sample.drawn.argmax())
    rows = rows_of(found, index, "a", [("gate", "westbound", "any"), ("gate", "westbound", "any")])
    assert [(row["direction"], row["crossings"]) for row in rows] == [("westbound", 2), ("eastbound", 0)]
    with pytest.raises(ContractError, match="'gate, up, any' is unknown; expected a cell of the audit"):
        rows_of(found, index, "a", [("gate", "up", "any")])
    with pytest.raises(ContractError, match="was not drawn; expected one of the sample"):
        take_in(found, rows_of(found, int((~found.sample.drawn).argmax()), "a", []), settings)
    with pytest.raises(ContractError, match=r"counts_manual: .*annotator"):
        take_in(found, rows_of(found, index, "Anna Muster", []), settings)
