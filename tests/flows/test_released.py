"""What was released is kept, or its break is announced by a new major version."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from data_contracts.contract import contracts
from flows import released
from flows.released import compare_released

NAME = "data_contracts/counts_hourly.odcs.yaml"


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "data_contracts").mkdir(parents=True)
    shutil.copy(contracts()["counts_hourly"], root / NAME)
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


def change(root: Path, before: str, after: str) -> None:
    text = (root / NAME).read_text(encoding="utf-8")
    assert before in text
    (root / NAME).write_text(text.replace(before, after), encoding="utf-8")


def test_without_a_release_it_says_so_and_passes(project: Path, tmp_path: Path) -> None:
    found = compare_released(project)
    assert found.passed and "no release is tagged" in str(found)
    found = compare_released(tmp_path)
    assert found.passed and "not a git working tree" in str(found)


def test_the_same_contracts_keep_what_was_released(project: Path) -> None:
    git(project, "tag", "v0.1.0")
    found = compare_released(project)
    assert found.passed and found.release == "v0.1.0"
    assert str(found) == "contracts: 1 of 1 keep what v0.1.0 promised"


def test_a_break_needs_a_new_major_version(project: Path) -> None:
    git(project, "tag", "v0.1.0")
    change(project, "maximum: 20000", "maximum: 10")
    found = compare_released(project)
    assert not found.passed
    assert "version is '1.0.0'; expected 2.0.0" in str(found)
    change(project, "version: 1.0.0", "version: 2.0.0")
    assert compare_released(project).passed


def test_the_last_release_counts_and_a_harmless_change_passes(project: Path) -> None:
    git(project, "tag", "v0.1.0")
    change(project, "maximum: 20000", "maximum: 10")
    git(project, "commit", "-qam", "second")
    git(project, "tag", "v0.2.0")
    change(project, "The site.", "The place.")
    found = compare_released(project)
    assert found.passed and found.release == "v0.2.0"


def test_a_contract_that_is_gone_breaks(project: Path) -> None:
    git(project, "tag", "v0.1.0")
    (project / NAME).unlink()
    found = compare_released(project)
    assert not found.passed and "it is gone; breaks" in str(found)


def test_a_contract_that_was_released_as_retired_may_go(project: Path) -> None:
    change(project, "status: active", "status: retired")
    git(project, "commit", "-qam", "retired")
    git(project, "tag", "v0.1.0")
    (project / NAME).unlink()
    found = compare_released(project)
    assert found.passed and "it is gone; it was retired before" in str(found)


@pytest.mark.parametrize(
    ("version", "passes"), [("1.9.0", False), ("2.0.0", True), ("3.0.0", True), ("v2.0.0", True), ("0.9.0", False)]
)
def test_only_a_higher_first_number_announces_a_break(project: Path, version: str, passes: bool) -> None:
    git(project, "tag", "v0.1.0")
    change(project, "maximum: 20000", "maximum: 10")
    change(project, "version: 1.0.0", f"version: {version}")
    assert compare_released(project).passed is passes


def test_continuous_integration_stops_at_a_break_in_a_clone_with_a_tag(
    project: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    git(project, "tag", "v0.1.0")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(project), str(clone))
    monkeypatch.setattr(released, "compare_released", lambda: compare_released(clone))
    assert released.main() == 0
    change(clone, "maximum: 20000", "maximum: 10")
    assert released.main() == 2
    assert "expected 2.0.0, which announces the break" in capsys.readouterr().out


def test_a_fresh_clone_has_what_is_needed(project: Path, tmp_path: Path) -> None:
    git(project, "tag", "v0.1.0")
    git(tmp_path, "clone", "-q", str(project), str(tmp_path / "clone"))
    assert compare_released(tmp_path / "clone").release == "v0.1.0"
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", "--no-tags", f"file://{project}", str(shallow))
    assert compare_released(shallow).passed
