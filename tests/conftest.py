"""Settings that all tests share: a home of their own, telemetry off, nothing from the user's environment."""

from __future__ import annotations

import os

import pytest

from experiments.settings import QUIET

for _name in [name for name in os.environ if name.startswith(("TESTBED_", "PREFECT_", "MLFLOW_", "STREAMLIT_"))]:
    del os.environ[_name]
os.environ.update(QUIET)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A test bed's home, for this test alone."""
    folder = tmp_path / "home"
    monkeypatch.setenv("TESTBED_HOME", str(folder))
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything is installed, as in continuous integration, a skipped test is a failed one."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} was skipped where nothing may be missing: {call.excinfo.value if call.excinfo else ''}"
        )
    return report
