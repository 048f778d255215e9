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
    """Where everything is installed, as in continuous integration, a skipped test is a failed one.

    What may only be measured with, and not be handed on, lies beside the repository or nowhere.
    """
    report = yield
    reason = str(call.excinfo.value) if call.excinfo else ""
    missing = report.skipped and not hasattr(report, "wasxfail") and "beside the repository" not in reason
    if missing and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped where nothing may be missing: {reason}"
    return report
