"""The city's page shows what waits for a person, why, and who decided."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import dashboards
from analytics.lake import open_lake
from dashboards import queries, warning_queue
from dashboards.language import LANGUAGES, words
from experiments.settings import load_settings
from tests.dashboards.conftest import AT

CITY = Path(dashboards.__file__).with_name("pages") / "city.py"


def warning(name, *, hours=0, is_raise=True, decided=(), value=61.6):
    """A row of the queue."""
    levels = ("none", "very_high") if is_raise else ("very_high", "none")
    told = {
        "threshold": 54.5,
        "unit": "ug/m3",
        "is_raise": is_raise,
        "values": {"a": value, "b": None},
        "pilot_id": "plaza_crossings",
    }
    status, by, note = decided or ("proposed", None, None)
    at = AT + timedelta(hours=hours)
    return [
        name,
        f"street_{name}",
        "pm25",
        "uk_daqi",
        "2013",
        *levels,
        "observed",
        at,
        json.dumps(told),
        status,
        at,
        by,
        at,
        note,
    ]


@pytest.fixture
def bed(home, tmp_path, monkeypatch):
    """A filled home with a queue, which one warning entered twice at the same moment."""
    folder = shutil.copytree(home, tmp_path / "home")
    monkeypatch.setenv("TESTBED_HOME", str(folder))
    settings = load_settings()
    rows = [
        warning("1"),
        warning("2", hours=5, is_raise=False),
        warning("3", decided=("rejected", "B. <i>Officer</i>", "a bonfire")),
    ]
    with open_lake(settings.catalog, settings.lake_files) as connection:
        for row in [*rows, rows[0]]:
            connection.execute(f"INSERT INTO lake.warnings_queue VALUES ({', '.join('?' * 15)})", row)
    st.cache_data.clear()
    yield folder
    st.cache_data.clear()


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_waits_and_raises_a_level_stands_first_once_and_in_words(bed, code):
    say = words(code)
    found = warning_queue.warnings_of(queries.newest_snapshot())
    assert [row["warning_id"] for row in found] == ["1", "2", "3"]
    titles = {"plaza_crossings": "Counting people on the plaza without keeping a picture"}
    first, second, third = (list(warning_queue._row(row, titles, say).values()) for row in found)
    assert first[0] == f"○ {say('warning_proposed')}" and first[1] == "street\\_1 (Counting people on the…)"
    assert say("warning_no_level") in first[2] and "very high" in first[2] and "PM2" in first[2]
    assert say.number(61.6, 1) in first[3] and f"{say.number(54.5, 1)} µg/m³" in first[3]
    assert say.number(61.6, 1) not in second[3]  # of what falls, no value is told
    counted = {**found[0], "evidence": {**found[0]["evidence"], "unit": "count"}}
    assert list(warning_queue._row(counted, titles, say).values())[3] == f"≥ {say.number(54.5, 1)}"
    assert "B. \\<i\\>Officer" in third[0] and "a bonfire" in third[0]


def said(page):
    """All text of a page."""
    return " ".join([*(one.proto.body for one in page.get("html")), *(one.value for one in page.markdown)])


def test_the_city_page_shows_the_queue(bed):
    page = AppTest.from_file(str(CITY), default_timeout=60).run()
    assert not page.exception
    assert "Nothing is sent out" in said(page) and "testbed warnings --approve" in said(page)
    assert any("very high" in table.value.to_string() for table in page.table)


def test_an_empty_queue_is_said(home, monkeypatch, fresh):
    monkeypatch.setenv("TESTBED_HOME", str(home))
    page = AppTest.from_file(str(CITY), default_timeout=60).run()
    assert not page.exception
    assert "No change of a level of warning has been proposed." in said(page)
