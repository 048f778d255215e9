"""The environment is read in one place, and a home that cannot be used is one line."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from experiments.settings import QUIET, ROOT, SettingsError, load_settings


def test_defaults_live_under_home(tmp_path):
    settings = load_settings({"TESTBED_HOME": str(tmp_path / "a" / "b")})
    assert settings.home.is_dir()
    for place in (settings.cache, settings.sources, settings.submissions, settings.published):
        assert place.is_relative_to(settings.home)
    assert str(settings.home) in settings.catalog and str(settings.home) in settings.mlflow_uri


def test_a_home_that_is_a_file_is_one_clear_line(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match=r"TESTBED_HOME: .*file' cannot be used .*expected a folder"):
        load_settings({"TESTBED_HOME": str(file)})


def test_an_unknown_runner_is_one_clear_line(tmp_path):
    with pytest.raises(SettingsError, match="'ray' is unknown; expected 'threads' or 'dask'"):
        load_settings({"TESTBED_HOME": str(tmp_path), "TESTBED_RUNNER": "ray"})


def test_the_environment_is_read_nowhere_else():
    reads = re.compile(r"os\.environ\.get|os\.getenv|environ\[[^]]*\](?!\s*=)")
    found = [
        str(file.relative_to(ROOT))
        for folder in ("analytics", "data_contracts", "experiments", "flows", "dashboards")
        for file in (ROOT / folder).rglob("*.py")
        if reads.search(file.read_text()) and file.name != "settings.py"
    ]
    assert found == []


def test_telemetry_is_off_before_the_tools_are_imported(tmp_path):
    program = (
        "import os; from experiments.settings import load_settings, quieten; quieten(load_settings());"
        "import importlib.util, prefect.settings as p, mlflow.telemetry.utils as m;"
        "print(p.get_current_settings().server.analytics_enabled, m.is_telemetry_disabled(),"
        " importlib.util.find_spec('posthog'), os.environ['STREAMLIT_BROWSER_GATHER_USAGE_STATS'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "/usr/bin:/bin", "TESTBED_HOME": str(tmp_path), "HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    # Great Expectations reports through posthog, which is not there.
    assert done.stdout.split() == ["False", "True", "None", "false"]
    assert QUIET["DO_NOT_TRACK"] == "1"
