"""Audits and calibrations of sensors from files, by the command, with the page and the registry."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from analytics.sensing.calibration.apply import resolved
from analytics.sensing.readings import SourceError
from experiments.pilot import Feed
from experiments.settings import load_settings
from flows.audit_sensor import audit_files, calibrate_files, terms_of
from flows.collocated import Sides, named_calibration
from flows.parameters import named_files, with_model
from flows.sensor_page import audit_page, write_page
from tests.flows.test_cli import call

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.xdist_group("mlflow"),
]
DAYS = 40
MAPPING = """
sensors:
  columns: {time: at, values: {raw: {property: pm25, unit: ug/m3}, rh: {property: humidity, unit: "%"}}}
reference:
  columns: {time: at, values: {pm: {property: pm25, unit: ug/m3}}}
  cells: {missing: [NA]}
"""


def write(path: Path, header: str, *columns: np.ndarray, first: int = 0) -> str:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [f"at,{header}"]
    for i, values in enumerate(zip(*columns, strict=True)):
        lines.append(f"{start + timedelta(hours=first + i):%Y-%m-%dT%H:%M:%SZ}," + ",".join(f"{value:.3f}" for value in values))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Sides:
    """Three sensors that read (truth + 0.05 humidity - 2) * 2, beside the truth."""
    folder = tmp_path_factory.mktemp("collocation")
    rng = np.random.default_rng(3)
    n = DAYS * 24
    truth = 15 * np.exp(np.convolve(rng.normal(0, 0.35, n + 47), np.ones(48) / 48**0.5, "valid") * 0.7) + 3
    truth[100:160] += 40
    humidity = 60 + 20 * np.sin(np.arange(n) / 24 * 2 * np.pi) + rng.normal(0, 5, n)
    sensors = [
        write(folder / f"unit_{i}.csv", "raw,rh", (truth + 0.05 * humidity - 2) * 2 + rng.normal(0, 1, n), humidity)
        for i in range(3)
    ]
    text = Path(write(folder / "reference.csv", "pm", truth)).read_text().splitlines()
    text[500] = text[500].rpartition(",")[0] + ",NA"
    text[501] = text[501].rpartition(",")[0] + ",broken"
    (folder / "reference.csv").write_text("\n".join(text) + "\n")
    (folder / "mapping.yaml").write_text(MAPPING)
    return Sides(tuple(sensors), str(folder / "reference.csv"), str(folder / "mapping.yaml"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    from experiments.tracking import client

    found = load_settings({"TESTBED_HOME": str(tmp_path_factory.mktemp("home"))})
    client(found.mlflow_uri)
    return found


@pytest.fixture(scope="module")
def fitted(files, settings):
    return calibrate_files(files, "pm25", settings, name="city_pm25", terms=("sensor", "humidity"))


def test_a_calibration_recovers_what_was_planted_and_is_registered_with_a_version(files, settings, fitted):
    assert fitted["calibration"] == "city_pm25@1"
    assert (fitted["intercept"], *fitted["coefficients"]) == pytest.approx((2, 0.5, -0.05), abs=0.05)
    name, by = named_calibration("city_pm25@1", settings)
    assert name == "city_pm25@1" and by.coefficients == tuple(fitted["coefficients"])
    later = fitted["evaluation"]["refitted"]
    assert len(later) == 4 and all(one["calibrated"]["RMSE"] < one["raw"]["RMSE"] / 5 for one in later)
    assert "broken" not in str(fitted["digests"]) and fitted["refused"]["reference: reference.csv"] == 1
    again = calibrate_files(files, "pm25", settings, name="city_pm25", terms=("sensor", "humidity"))
    assert again["calibration"] == "city_pm25@1"  # the same document is the same version
    other = calibrate_files(files, "pm25", settings, name="city_pm25", method="huber")
    assert other["calibration"] == "city_pm25@2" and named_calibration("city_pm25", settings)[0] == "city_pm25@2"


def test_an_audit_by_the_very_readings_that_were_fitted_never_says_meets(files, settings, fitted):
    document, pairs = audit_files(files, "pm25", settings, calibration=fitted["calibration"])
    assert all(row["passed"] for row in document["targets"]["rows"])
    assert document["verdict"]["status"] == "incomplete" and "fitted to these very readings" in document["verdict"]["sentence"]
    assert document["metrics"]["slope"]["value"] == pytest.approx(1, abs=0.02) and len(pairs.reference) == DAYS


def test_the_same_calibration_elsewhere_is_judged_as_it_is(files, settings, fitted, tmp_path):
    moved = Sides(tuple(_later(Path(file), tmp_path) for file in files.sensors), files.reference, files.mapping)
    document, _ = audit_files(moved, "pm25", settings, calibration=fitted["calibration"])
    assert document["verdict"]["status"] == "meets" and document["calibration"] == "city_pm25@1"
    assert document["reasons"]["reference: reference.csv"][0].startswith("value.type")


def _later(file: Path, folder: Path) -> str:
    """The same unit, whose file another night's work has rounded: another digest."""
    target = folder / file.name
    target.write_text(file.read_text() + "\n")
    return str(target)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("city_pm25@9", "'city_pm25@9' is unknown; expected one of barkjohn_2021, barkjohn_2021_smoke, city_pm25@1"),
        ("nobody", "'nobody' is unknown; expected one of barkjohn_2021"),
        ("Bad Name", "'Bad Name' is no name"),
        ("x' OR 1=1", "is no name"),
    ],
)
def test_a_calibration_that_is_not_there_is_said(settings, fitted, name, said):
    with pytest.raises(SourceError, match=said):
        named_calibration(name, settings)


def test_a_feed_gets_the_document_of_the_version_it_names(settings, fitted):
    feed = Feed.model_validate(
        {"analytic": "sense_hourly", "source": "x.csv", "contract": "hourly_readings", "params": {"calibration": "city_pm25@1"}}
    )
    ready = with_model(feed, settings)
    assert ready.params["calibration"]["coefficients"] == list(fitted["coefficients"])
    assert resolved(ready.params["calibration"]).terms == ("sensor", "humidity")
    assert named_files(ready) and not named_files(feed)
    other = feed.model_copy(update={"params": {"calibration": "barkjohn_2021"}})
    assert with_model(other, settings).params == other.params
    with pytest.raises(SourceError, match="sense_hourly: calibration 'city_pm25' has no version; expected NAME@VERSION"):
        with_model(feed.model_copy(update={"params": {"calibration": "city_pm25"}}), settings)


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_says_all_in_words_loads_nothing_and_is_the_same_twice(files, settings, tmp_path):
    document, pairs = audit_files(files, "pm25", settings)
    text = audit_page(document, pairs)
    assert text == audit_page(document, pairs)
    page = Page()
    page.feed(text)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1 and "script" not in tags and "link" not in tags
    assert not [value for _, attrs in page.tags for key, value in attrs.items() if key in ("src", "href") and value[0] != "#"]
    assert [attrs for tag, attrs in page.tags if attrs.get("role") == "img" and attrs.get("aria-label")]
    words = " ".join(page.text)
    assert document["verdict"]["sentence"] in words and "Does not meet the targets." in words
    assert all(one["why"] in words for one in document["skipped"])
    with pytest.raises(SourceError, match="cannot be written"):
        write_page(document, pairs, tmp_path / "nowhere" / "page.html")


@pytest.mark.slow
def test_a_real_browser_prints_the_page_on_one_sheet_and_shows_it_on_a_phone(files, settings, fitted, tmp_path):
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here; install chromium")
    from playwright.sync_api import sync_playwright

    for name, calibration in (("raw", None), ("calibrated", fitted["calibration"])):
        write_page(*audit_files(files, "pm25", settings, calibration=calibration), tmp_path / f"{name}.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        for name in ("raw", "calibrated"):
            page.goto((tmp_path / f"{name}.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert page.get_by_role("img").count() == 1 and page.locator("#metrics").is_visible()
            printed = page.pdf(prefer_css_page_size=True)
            assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
        browser.close()


def test_the_command_prints_its_document_alone(capsys, home, files, new_store, tmp_path):
    home.mkdir()
    shutil.copyfile(new_store, home / "mlflow.db")
    page = tmp_path / "page.html"
    arguments = [*files.sensors, "--reference", files.reference, "--property", "PM2.5", "--mapping", str(files.mapping)]
    code, out, _ = call(capsys, "audit-sensor", *arguments, "--html", str(page), "--json")
    document = json.loads(out)
    assert code == 0 and document["verdict"]["status"] == "fails" and document["intervals"] == DAYS
    assert page.read_text().startswith("<!DOCTYPE html>")
    code, out, _ = call(capsys, "audit-sensor", *arguments)
    assert code == 0 and document["verdict"]["sentence"] in out and "skipped: " in out
    code, out, _ = call(capsys, "calibrate", *arguments, "--name", "street", "--terms", "sensor, rh")
    assert code == 0 and out.startswith("street@1: pm25 = ")


TWO = MAPPING.replace("{raw: {", "{a: {property: pm25, unit: ug/m3}, raw: {").replace(
    "reference:", "  channels: [raw, a]\nreference:"
)


def test_hours_in_which_a_devices_channels_disagree_are_not_audited_and_are_counted(capsys, home, files, tmp_path):
    """The second channel of one unit reads a tenth for two days and misses an hour; the audit of the mean stays as it was."""
    units = []
    for number, file in enumerate(files.sensors):
        rows = [line.split(",") for line in Path(file).read_text().split()]
        other = [float(row[1]) / (10 if number == 0 and 240 <= i < 288 else 1) for i, row in enumerate(rows[1:])]
        cells = ["" if number == 0 and i == 600 else f"{value:.3f}" for i, value in enumerate(other)]
        lines = ["at,a,raw,rh", *(",".join([row[0], cell, *row[1:]]) for row, cell in zip(rows[1:], cells, strict=True))]
        units.append(tmp_path / Path(file).name)
        units[-1].write_text("\n".join(lines) + "\n")
    (tmp_path / "two.yaml").write_text(TWO)
    arguments = [
        *map(str, units),
        "--reference",
        files.reference,
        "--property",
        "pm25",
        "--mapping",
        str(tmp_path / "two.yaml"),
    ]
    code, out, _ = call(capsys, "audit-sensor", *arguments, "--json", "--html", str(tmp_path / "page.html"))
    document = json.loads(out)
    bad = document["channels"]["sensors: unit_0.csv"]
    assert code == 0 and bad["hours_disagree"] == bad["disagree"] and 40 <= bad["disagree"] <= 48
    assert bad["alone"] == 1 and bad["readings"] == bad["hours"] + 1 == DAYS * 24
    assert document["channels"]["sensors: unit_1.csv"]["disagree"] == 0
    assert [one["n"] for one in document["units"]] == [DAYS - 2, DAYS, DAYS]
    assert document["units"][1]["slope"] == pytest.approx(2, abs=0.02)
    assert f"the channels disagree in {bad['disagree']} of" in (tmp_path / "page.html").read_text()
    code, out, _ = call(capsys, "audit-sensor", *arguments)
    assert code == 0 and "1 for want of the other channel" in out


@pytest.mark.parametrize("channels", ["[raw, rh]", "[[raw], [rh]]", "[raw]", "[raw, raw]", "[raw, nothing]", "raw", "{raw: a}"])
def test_channels_are_two_columns_of_pm25(files, settings, tmp_path, channels):
    (tmp_path / "wrong.yaml").write_text(MAPPING.replace("reference:", f"  channels: {channels}\nreference:"))
    with pytest.raises(SourceError, match=r"channels .* found no two columns of PM2\.5; expected the names of two columns"):
        audit_files(Sides(files.sensors, files.reference, str(tmp_path / "wrong.yaml")), "pm25", settings)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--property", "smell"], "observed property 'smell' is unknown"),
        (["--property", "pm25", "--interval", "week"], "interval 'week' is unknown; expected hour or day"),
        (["--property", "pm25", "--coverage", "0"], "--coverage: found '0'"),
        (["--property", "no2"], "no hour of 'no2' is 75% measured"),
        (["--property", "pm25", "--mapping", "nothing.yaml"], "nothing.yaml: cannot be read"),
    ],
)
def test_a_mistake_is_one_line(capsys, home, files, more, said):
    given = [] if "--mapping" in more else ["--mapping", str(files.mapping)]
    code, out, err = call(capsys, "audit-sensor", files.sensors[0], "--reference", files.reference, *given, *more)
    assert code == 1 and out == "" and said in err and len(err.strip().splitlines()) == 1


def test_terms_are_read_as_people_write_them():
    assert terms_of("sensor, rh , sensor * rh") == ("sensor", "humidity", "sensor*humidity")
    with pytest.raises(SourceError, match="observed property 'wetness' is unknown"):
        terms_of("sensor,wetness")
