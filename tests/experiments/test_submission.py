from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from experiments.example_model import CARD
from experiments.sandbox import SubmissionError
from experiments.submission import Card, keep_secret, load_card, load_kept, store
from experiments.task import Task
from experiments.vetting import vet


def test_store_keeps_by_digest_and_nothing_twice(example: Path, task: Task, tmp_path: Path) -> None:
    folder, card = tmp_path / "submissions", load_card(CARD)
    first = store(example, card, vet(example, task), task, folder)
    assert first == store(example, card, vet(example, task), task, folder)
    assert first.submission_id == f"count_crossings_{first.sha256[:12]}"
    assert load_kept(first.submission_id, folder) == ("count_crossings", first)
    assert sorted(path.name for path in first.model.parent.iterdir()) == ["card.yaml", "model.onnx"]
    for unknown in ("count_crossings_ffffffffffff", "../../etc", "count_crossings_*"):
        with pytest.raises(SubmissionError, match="is unknown"):
            load_kept(unknown, folder)
    first.model.chmod(0o644)
    first.model.write_bytes(b"other")
    with pytest.raises(SubmissionError, match="has changed"):
        load_kept(first.submission_id, folder)


def test_only_what_was_vetted_is_stored(example: Path, looping: Path, task: Task, tmp_path: Path) -> None:
    card, vetting = load_card(CARD), vet(example, task)
    bad = vet(looping, task)
    with pytest.raises(SubmissionError, match="check control_flow failed"):
        store(example, card, bad, task, tmp_path / "kept")
    example.write_bytes(example.read_bytes() + b" ")
    with pytest.raises(SubmissionError, match="not the one that was vetted"):
        store(example, card, vetting, task, tmp_path / "kept")
    assert not list((tmp_path / "kept").rglob("*.onnx"))


def test_card_faults_are_reported_at_once(tmp_path: Path) -> None:
    document = load_card(CARD).model_dump()
    del document["licence"]
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump({**document, "vendr": "x", "decodes": "pickle"}), encoding="utf-8")
    with pytest.raises(SubmissionError) as caught:
        load_card(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert any("did you mean 'vendor'?" in line for line in lines)
    assert any("'licence' is missing" in line for line in lines)
    for text in ("", "a: [", "- 1"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SubmissionError):
            load_card(path)


def test_every_card_loads() -> None:
    cards = sorted(CARD.parent.glob("*.yaml"))
    assert CARD in cards
    assert all(isinstance(load_card(path), Card) for path in cards)


def test_the_secret_is_made_once_and_for_this_user_only(tmp_path: Path) -> None:
    path = tmp_path / "home" / "sealed_secret"
    secret = keep_secret(path)
    assert len(secret) == 64
    assert keep_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["sealed_secret"]
