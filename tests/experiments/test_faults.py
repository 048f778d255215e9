from __future__ import annotations

import doctest
from pathlib import Path

import pytest
from pydantic import Field, model_validator

from experiments import faults
from experiments.faults import Part, load


class Wheel(Part):
    spokes: int = Field(gt=0)


class Bicycle(Part):
    name: str = Field(min_length=2)
    wheels: tuple[Wheel, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Bicycle:
        if len(self.wheels) > 2:
            raise ValueError("has too many wheels; expected 2\nmake it a cart")
        return self


class BicycleError(ValueError):
    pass


def said(folder: Path, text: str) -> list[str]:
    path = folder / "bicycle.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BicycleError) as caught:
        load(path, Bicycle, BicycleError, start="a tricycle")
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(faults).failed == 0


def test_a_good_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "bicycle.yaml"
    path.write_text("name: blue\nwheels: [{spokes: 3}]", encoding="utf-8")
    assert load(path, Bicycle, BicycleError, start="a tricycle") == Bicycle(name="blue", wheels=(Wheel(spokes=3),))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("wheels: [{spokes: 3}]", ["key 'name' is missing; expected a value; add it"]),
        ("name: x\nwheels: [{spokes: 3}]", ["name is 'x'; expected at least 2 characters; correct it"]),
        ("name: blue\nwheels: []", ["wheels is '[]'; expected at least 1 item after validation, not 0; correct it"]),
        ("name: blue\nwheels: [{spokes: 0}]", ["wheels.0.spokes is '0'; expected greater than 0; correct it"]),
        (
            "name: blue\nwheels: [{spokes: 3, spoks: 1, bell: 1}]",
            [
                "key 'wheels.0.spoks' is unknown; expected one of spokes; did you mean 'spokes'?",
                "key 'wheels.0.bell' is unknown; expected one of spokes; remove it",
            ],
        ),
        ("name: blue\nwheels: [{spokes: 1}, {spokes: 1}, {spokes: 1}]", ["has too many wheels; expected 2", "make it a cart"]),
    ],
)
def test_every_fault_is_a_line_and_none_is_made_up(tmp_path: Path, text: str, lines: list[str]) -> None:
    assert said(tmp_path, text) == lines


def test_what_was_found_is_short_and_stays_on_its_line(tmp_path: Path) -> None:
    (line,) = said(tmp_path, f"name: ['{'x' * 99}']\nwheels: [{{spokes: 3}}]")
    assert line.startswith("name is '['xxx")
    assert "…'; expected a valid string; correct it" in line
    assert len(line) < 120
    (line,) = said(tmp_path, 'name: blue\nwheels: "a\\nb"')
    assert line == r"wheels is 'a\nb'; expected a valid tuple; correct it"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "holds nothing; expected the keys of a bicycle; start from a tricycle"),
        ("- a", "holds a list; expected the keys of a bicycle; start from a tricycle"),
        (
            "a: [",
            "line 1, column 5: expected the node content, but found '<stream end>'; expected valid YAML; correct the file",
        ),
        ("a: \x01", "unacceptable character #x0001: special characters are not allowed"),
    ],
)
def test_what_is_no_such_file(tmp_path: Path, text: str, line: str) -> None:
    (found,) = said(tmp_path, text)
    assert found.startswith(line)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BicycleError, match=r"none.yaml: cannot be read \('No such file or directory'\); expected a YAML file"):
        load(tmp_path / "none.yaml", Bicycle, BicycleError, start="a tricycle")
    (tmp_path / "latin.yaml").write_bytes(b"\xff")
    with pytest.raises(BicycleError, match="not UTF-8 text"):
        load(tmp_path / "latin.yaml", Bicycle, BicycleError, start="a tricycle")
