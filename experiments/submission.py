"""Submissions: the card and the model of a vendor, and how the city keeps them."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from experiments.faults import Part, load
from experiments.sandbox import SubmissionError
from experiments.task import Task
from experiments.vetting import Vetting


class Card(Part):
    """What a vendor states about a model.

    Attributes:
        name: Name of the model, as shown.
        vendor: Who submits it.
        contact: Whom to ask.
        version: Version of the model.
        licence: Licence of the model.
        decodes: How its outputs are read.
        training_data: What it was trained on.
        intended_use: What it is meant for.
        limitations: What it is known to do badly.
    """

    name: str = Field(min_length=1, max_length=80)
    vendor: str = Field(min_length=1, max_length=80)
    contact: str = Field(min_length=3, max_length=200)
    version: str = Field(min_length=1, max_length=40)
    licence: str = Field(min_length=2, max_length=200)
    decodes: Literal["boxes_scores_labels"]
    training_data: str = Field(min_length=3, max_length=2000)
    intended_use: str = Field(min_length=3, max_length=2000)
    limitations: str = Field(min_length=3, max_length=2000)


def load_card(path: Path) -> Card:
    """Read a card's YAML file.

    Raises:
        SubmissionError: The file cannot be read, or has faults: all of them, a line each.
    """
    return load(path, Card, SubmissionError, start="the example")


@dataclass(frozen=True)
class Kept:
    """A submission as kept.

    Attributes:
        submission_id: Name of the submission: the task and the start of the model's digest.
        sha256: Digest of the model.
        model: The kept model.
        card: Its card.
    """

    submission_id: str
    sha256: str
    model: Path
    card: Card


def store(path: Path, card: Card, vetting: Vetting, task: Task, folder: Path) -> Kept:
    """Keep a vetted model and its card under the model's digest; storing the same twice changes nothing.

    Raises:
        SubmissionError: The vetting was not passed, the card names outputs that the task cannot read, or the file is not the
            one that was vetted.
    """
    vetting.require()
    if card.decodes not in task.accepts.decodes:
        raise SubmissionError(
            f"{path.name}: the card says decodes '{card.decodes}'; expected one of {', '.join(task.accepts.decodes)}; "
            "choose another task"
        )
    home = folder / task.id / vetting.sha256
    home.mkdir(parents=True, exist_ok=True)
    number = f"{os.getpid()}-{secrets.token_hex(4)}"
    model, draft = home / "model.onnx", home / f".{number}.onnx"
    shutil.copyfile(path, draft)
    if _digest(draft) != vetting.sha256:
        draft.unlink()
        raise SubmissionError(f"{path}: the file is 'not the one that was vetted'; expected no change; submit again")
    draft.chmod(0o444)
    draft.replace(model)
    note = home / f".{number}.yaml"
    note.write_text(yaml.safe_dump(card.model_dump(), sort_keys=False, allow_unicode=True), encoding="utf-8")
    note.replace(home / "card.yaml")
    return Kept(f"{task.id}_{vetting.sha256[:12]}", vetting.sha256, model, card)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_kept(submission_id: str, folder: Path) -> tuple[str, Kept]:
    """Find a kept submission; returns its task's id and the submission.

    Raises:
        SubmissionError: There is none of that name, or its file was changed.
    """
    task_id, _, short = submission_id.rpartition("_")
    found = sorted((folder / task_id).glob(f"{short}*")) if task_id and len(short) == 12 and short.isalnum() else []
    if len(found) != 1:
        raise SubmissionError(f"submission '{submission_id}' is unknown; expected one that was submitted; look at the list")
    home = found[0]
    if _digest(home / "model.onnx") != home.name:
        raise SubmissionError(
            f"{submission_id}: the kept model has changed, 'not {short}'; expected its bytes; submit it again"
        )
    return task_id, Kept(submission_id, home.name, home / "model.onnx", load_card(home / "card.yaml"))


def keep_secret(path: Path) -> str:
    """The secret from which the sealed split's seeds follow; made and kept, for this user only, where there is none yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(draft, path)  # the first to come wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()
