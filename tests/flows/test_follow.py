"""A pilot that follows a stream: each interval once in the lake, judged by the gate, through stops and restarts."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from pathlib import Path

import pytest
import yaml

from analytics import FOLLOWERS
from analytics.lake import open_lake
from analytics.video import detect
from analytics.video.source import SourceError
from analytics.video.sources import streams
from experiments.pilot import PilotError
from flows import show
from flows.audit_subject import subject_of
from flows.run_pilot import run_pilot
from flows.stopping import seconds
from tests.analytics.video.camera import camera
from tests.analytics.video.sources.test_files import write
from tests.analytics.video.test_live import EVERY_S, RATE, Bright, walker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
TODAY = datetime.now(UTC).date()
KEY = "interval_start_at, site_id, line, direction, road_user"


class Plaza:
    """A test bed with one pilot, whose feed is a stream."""

    def __init__(self, bed) -> None:
        self.settings = replace(bed.settings, streams={})
        self.document = {**bed.document, "id": "plaza", "method": "descriptive", "beside": [], "before": []}
        self.document |= {"after": [date(2026, 1, 1), TODAY + timedelta(days=2)], "sites": {"treated": ["plaza"]}}
        self.document |= {"outcome": {"contract": "counts_by_interval", "column": "crossings"}}
        self.document["succeeds_if"] = {"uptime_above": 0.5}
        self.params = {"site_id": "plaza", "interval_s": EVERY_S, "lines": ["gate=80,0,80,60,westbound,eastbound"]}
        self.write("stream:plaza")

    def write(self, source: str, **feed) -> Path:
        given = {"analytic": "count_crossings", "source": source, "contract": "counts_by_interval", "params": self.params}
        path = self.settings.pilots / "plaza.yaml"
        path.write_text(yaml.safe_dump({**self.document, "feeds": [given | feed]}))
        return path

    def run(self, for_s: float, **arguments) -> dict:
        return run_pilot("plaza", self.settings, orchestrated=False, for_s=for_s, **arguments)

    def rows(self, query: str) -> list[tuple]:
        connection = open_lake(self.settings.catalog, self.settings.lake_files, read_only=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


@pytest.fixture
def plaza(bed, monkeypatch):
    monkeypatch.setattr(detect, "make_detector", Bright)
    monkeypatch.setattr(streams, "LONGEST_WAIT_S", 0.5)
    return Plaza(bed)


def test_intervals_are_in_the_lake_soon_after_their_end_once_and_a_run_judges_them(plaza):
    delays = []

    def look(text: str) -> None:
        if ": interval " in text:
            found = plaza.rows("SELECT max(interval_start_at) FROM lake.counts_by_interval WHERE run_id = 'live'")
            delays.append((datetime.now(UTC) - found[0][0]).total_seconds() - EVERY_S)

    with camera(walker(time.time()), RATE) as shown:
        plaza.settings.streams["plaza"] = shown.address
        first = plaza.run(2.5 * EVERY_S, progress=look)
        assert first["status"] == "published" and not first["reused"]
        second = plaza.run(1.5 * EVERY_S)  # at once, within the interval that was cut
    assert plaza.run(0)["reused"]
    assert delays and max(delays) < 5
    for table in ("live_counts", "counts_by_interval"):
        ((rows, keys),) = plaza.rows(f"SELECT count(*), count(DISTINCT ({KEY})) FROM lake.{table}")
        assert rows == keys == second["rows"] > first["rows"] > 0
    assert plaza.rows("SELECT DISTINCT run_id FROM lake.counts_by_interval") == [(second["run_id"],)]
    whole = plaza.rows("SELECT direction, crossings FROM lake.counts_by_interval WHERE uptime = 1 ORDER BY ALL")
    assert set(whole) == {("eastbound", 1), ("westbound", 0)}
    assert plaza.rows("SELECT count(*) FROM lake.counts_by_interval WHERE (uptime = 0) <> (crossings IS NULL)") == [(0,)]
    assert [source["name"] for source in second["sources"]] == ["stream:plaza"]
    kept = plaza.rows("SELECT plan FROM lake.plans")[0][0] + plaza.rows("SELECT string_agg(result, '') FROM lake.runs")[0][0]
    assert "secret" not in kept and "127.0.0.1" not in kept


def test_a_signal_ends_following_cleanly_and_a_later_run_judges_what_came(plaza, capsys):
    with camera(walker(time.time()), RATE) as shown:
        plaza.settings.streams["plaza"] = shown.address
        seen = []

        def end(text: str) -> None:
            if ": interval " in text and not seen:
                os.kill(os.getpid(), signal.SIGTERM)
            seen.append(text)

        before = signal.getsignal(signal.SIGTERM)
        stopped = plaza.run(3600, progress=end)
    assert signal.getsignal(signal.SIGTERM) is before
    assert (stopped["status"], stopped["run_id"], stopped["effect"]) == ("followed", None, None)
    show.run(stopped)
    intervals = len([text for text in seen if ": interval " in text])
    assert f"{intervals} intervals went into the lake" in capsys.readouterr().out
    document = plaza.run(0)
    assert document["plan_hash"] == stopped["plan_hash"]
    assert document["status"] == "published"
    ((rows,),) = plaza.rows("SELECT count(*) FROM lake.counts_by_interval")
    assert rows == document["rows"] == 2 * intervals and intervals >= 2
    assert not [thread for thread in threading.enumerate() if thread.name in ("stream", "feed 0")]


def test_what_the_gate_refuses_is_kept_and_not_published(plaza, monkeypatch):
    at = datetime(2026, 3, 1, tzinfo=UTC)

    @wraps(FOLLOWERS["count_crossings"])
    def broken(source, *, site_id, interval_s, lines, for_s, stop):
        for minute, crossings in enumerate((3, -4)):
            yield [(site_id, "gate", "north", "any", at.replace(minute=minute), 60, crossings, None, None, 1.0)]

    monkeypatch.setitem(FOLLOWERS, "count_crossings", broken)
    plaza.settings.streams["plaza"] = "rtsp://camera.example/1"
    intervals = []
    document = plaza.run(1, progress=intervals.append)
    assert len([text for text in intervals if ": interval " in text]) == 2
    assert (document["rows"], document["quarantined"]) == (1, 1)
    assert plaza.rows("SELECT crossings FROM lake.live_counts ORDER BY 1") == [(-4,), (3,)]
    assert plaza.rows("SELECT crossings FROM lake.counts_by_interval") == [(3,)]
    assert document["status"] == "stopped"  # a broken must rule stops the judgement, not the following
    refused = plaza.rows("SELECT run_id, rules FROM lake.quarantine")
    assert sorted(refused) == sorted((run, ["crossings.minimum"]) for run in ("live", document["run_id"]))


def test_following_ends_with_the_plan_and_what_comes_later_is_not_let_in(plaza, monkeypatch):
    asked = []

    @wraps(FOLLOWERS["count_crossings"])
    def endless(source, *, site_id, for_s, **_):
        asked.append(for_s)
        for day in range(4):
            at = datetime.combine(TODAY + timedelta(days=day), datetime.min.time(), UTC)
            yield [(site_id, "gate", "north", "any", at, 60, 3, None, None, 1.0)]

    monkeypatch.setitem(FOLLOWERS, "count_crossings", endless)
    plaza.settings.streams["plaza"] = "rtsp://camera.example/1"
    assert plaza.run(float("inf"))["status"] == "published"
    assert 2 * 86400 < asked[0] <= 3 * 86400
    assert plaza.rows("SELECT count(*) FROM lake.live_counts") == [(3,)]
    plaza.document["after"] = [date(2026, 1, 1), date(2026, 1, 31)]
    plaza.write("stream:plaza")
    plaza.run(float("inf"))  # over already: judged, not followed
    assert len(asked) == 1


def test_time_in_which_nobody_followed_was_not_observed(plaza, monkeypatch):
    at = datetime(2026, 3, 1, tzinfo=UTC)

    @wraps(FOLLOWERS["count_crossings"])
    def with_a_gap(source, *, site_id, **_):
        for minute in (0, 1, 4, 5):  # stopped for two minutes; the last interval is never looked at
            yield [(site_id, "gate", "north", "any", at.replace(minute=minute), 60, 3, None, None, 1.0)]

    monkeypatch.setitem(FOLLOWERS, "count_crossings", with_a_gap)
    plaza.settings.streams["plaza"] = "rtsp://camera.example/1"
    assert "for 60.0% of the time" in plaza.run(1)["answer"]


def test_a_failure_of_a_stream_ends_the_run(plaza, monkeypatch):
    plaza.settings.streams["plaza"] = "http://127.0.0.1:9/none"

    @wraps(FOLLOWERS["count_crossings"])
    def failing(source, **_):
        yield from ()
        raise SourceError(f"{source}: found 'no frame'; expected a live stream; check its address")

    monkeypatch.setitem(FOLLOWERS, "count_crossings", failing)
    with pytest.raises(SourceError, match="found 'no frame'"):
        plaza.run(5)
    with pytest.raises(PilotError, match="source 'stream:plaza' has brought nothing yet"):
        plaza.run(0)


@pytest.mark.parametrize(
    ("source", "feed", "message"),
    [
        ("rtsp://anna:secret@camera.example/1", {}, "source 'rtsp://camera.example/1' holds a password"),
        ("http://camera.example/1?key=secret", {}, "holds a password or a query"),
        ("stream:plaza", {"contract": "counts_hourly"}, "contract is 'counts_hourly'; expected 'counts_by_interval'"),
        (
            "stream:plaza",
            {"analytic": "count_footfall"},
            "analytic 'count_footfall' is unknown; expected one of count_crossings",
        ),
        ("stream:plaza", {}, "source 'stream:plaza' has no address; .*set TESTBED_STREAM_PLAZA"),
    ],
)
def test_faults_are_found_before_anything_is_followed(plaza, source, feed, message):
    plaza.write(source, **feed)
    with pytest.raises(PilotError, match=message) as caught:
        plaza.run(1)
    assert "secret" not in str(caught.value)


def test_a_stream_of_which_nothing_is_kept_cannot_be_audited(plaza):
    with pytest.raises(PilotError, match=r"'stream:plaza' is a stream, .* with --site plaza"):
        subject_of("plaza", plaza.settings)


def test_a_stream_has_no_first_instant(plaza):
    plaza.params["started_at"] = "2026-01-01T00:00:00Z"
    plaza.write("stream:plaza")
    with pytest.raises(PilotError, match="parameter of count_crossings 'started_at' is unknown"):
        plaza.run(1)


def test_the_same_recording_twice_for_a_site_is_refused(plaza, tmp_path):
    one = write(tmp_path / "0917.avi", list(range(20)))
    other = Path(shutil.copyfile(one, tmp_path / "0921.avi"))
    feeds = [
        {"analytic": "count_crossings", "source": str(path), "contract": "counts_by_interval",
         "params": {"site_id": site, "started_at": f"2026-01-01T0{hour}:00:00Z", "lines": ["gate=40,0,40,60"]}}
        for hour, (path, site) in enumerate([(one, "plaza"), (one, "mill_lane"), (other, "plaza")])
    ]  # fmt: skip
    path = plaza.write("stream:plaza")
    path.write_text(yaml.safe_dump({**plaza.document, "feeds": feeds}))
    with pytest.raises(PilotError, match=r"feeds.2: source '.*0921.avi' has the same bytes as '.*0917.avi'"):
        plaza.run(0)


def test_lengths_of_time():
    assert [seconds(text) for text in (None, "90", "1.5m", "2h", "0")] == [float("inf"), 90, 90, 7200, 0]
    for text in ("", "soon", "-1", "5 w", "nan"):
        with pytest.raises(SourceError, match="expected a length of time"):
            seconds(text)
