"""The command: what a user types, what comes back, and one clear line for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from experiments.settings import ROOT
from flows import cli
from tests.flows.conftest import pilot_document, write_counts

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
TESTBED = [sys.executable, "-c", "from flows.cli import main; main()"]


def command(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TESTBED, *arguments], env={**os.environ, **environment}, cwd=cwd, capture_output=True, text=True, check=False
    )


def call(capsys, *arguments: str) -> tuple[int, str, str]:
    """Run the command in this process."""
    hook, environment = sys.excepthook, dict(os.environ)
    try:
        with pytest.raises(SystemExit) as done:
            cli.main(list(arguments))
    finally:
        sys.excepthook = hook
        os.environ.clear()
        os.environ.update(environment)
    out, err = capsys.readouterr()
    return int(done.value.code or 0), out, err


def test_help_imports_nothing_heavy():
    program = (
        "import sys; sys.argv = ['testbed', '--help']\nfrom flows.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('prefect','mlflow','great_expectations','streamlit','cv2','pandas','onnx','scipy','duckdb') "
        "if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Run every built-in pilot" in done.stdout


@pytest.mark.parametrize("name", sorted(typer.main.get_command(cli.app).commands))
def test_every_command_has_help(capsys, name):
    code, out, _ = call(capsys, name, "--help")
    assert code == 0 and name in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runn"], "runn"),
        (["run"], "(?i)missing argument"),
        (["run", "k_road"], r"pilot 'k_road' does not exist; expected one of k_road_streetscape"),
        (["run", "plaza_crossings", "--runner", "ray"], "'ray' is unknown; expected 'threads' or 'dask'"),
        (["check", "counts_hourli", "x.csv"], "counts_hourli"),
        (["check", "counts_hourly", "nothing.csv"], "nothing.csv"),
        (["count", "nothing.mp4", "--line", "a=0,0,1,1"], "nothing.mp4"),
        (["count", "scene:street?seed=1&seconds=2", "--line", "a=0,0"], "NAME=x1,y1,x2,y2"),
        (["sense", "nothing.csv"], "nothing.csv: the file was not found"),
        (["sense", "README.md", "--format", "x"], "format 'x' is unknown; expected auto or one of wide_hourly_csv"),
        (["sense", "README.md", "--property", "smell"], "property 'smell' is unknown; expected one of footfall"),
        (["leaderboard", "count_crossing"], "count_crossing"),
        (["evaluate", "nobody"], "submission 'nobody' is unknown"),
        (["fetch", "moon"], "source 'moon' is unknown; expected 'plaza'"),
        (["fetch", "plaza", "--from", "nothing.avi"], "nothing.avi: the file was not found"),
        (["new", "Bad-Name"], "pilot id 'Bad-Name' is not a name"),
        (["new", "plaza_crossings"], "is there already"),
        (["publish", "plaza_crossings"], "has no published run; expected one; run 'testbed run plaza_crossings' first"),
        (["compare", "counts_hourly", "nothing.yaml"], "nothing.yaml"),
    ],
)
def test_a_users_mistake_is_one_line_and_code_1(capsys, home, arguments, said):
    import re

    code, out, err = call(capsys, *arguments)
    assert code == 1
    assert out == ""
    assert re.search(said, err)
    assert len(err.strip().splitlines()) == 1 and "Traceback" not in err


def test_a_home_that_cannot_be_used_is_one_line(capsys, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("TESTBED_HOME", str(file))
    code, _, err = call(capsys, "list")
    assert code == 1 and err.startswith("TESTBED_HOME:") and len(err.splitlines()) == 1


def test_something_unforeseen_keeps_its_traceback_and_is_code_3(tmp_path):
    program = "import flows.cli, experiments.pilot\ndef broken(*_): raise RuntimeError('unforeseen')\n"
    program += "import flows.catalogue; flows.catalogue.catalogue = broken\nflows.cli.main(['list'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TESTBED_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "Traceback" in done.stderr and "unforeseen" in done.stderr


def test_check_prints_its_document_alone_and_code_2_when_the_contract_says_no(capsys, home, tmp_path):
    example = ROOT / "data_contracts" / "examples" / "counts_hourly.csv"
    code, out, _ = call(capsys, "check", "counts_hourly", str(example), "--json")
    document = json.loads(out)
    assert code == 0 and document["passed"] and document["accepted"] == document["rows"]
    assert set(document) == {"contract", "version", "rows", "accepted", "quarantined", "passed", "rules"}
    bad = tmp_path / "bad.csv"
    header, first, *rest = example.read_text().splitlines()
    bad.write_text("\n".join([header, first.replace(first.split(",")[0], "BAD SITE"), *rest]))
    code, out, _ = call(capsys, "check", "counts_hourly", str(bad), "--json")
    document = json.loads(out)
    assert code == 2 and not document["passed"] and document["quarantined"] == 1
    assert [r["rule"] for r in document["rules"] if r["status"] == "failed"] == ["site_id.pattern"]


def test_count_prints_its_document_alone(capsys, home):
    code, out, _ = call(capsys, "count", "scene:street?seed=3&seconds=20", "--line", "mid=384,0,384,576,west,east", "--json")
    document = json.loads(out)
    assert code == 0
    known = ["source", "frames", "frame_rate", "video_s", "wall_s", "uptime", "detector", "counts"]
    assert [name for name in document if name in known] == known
    assert [(r["line"], r["direction"], r["road_user"], r["lower"]) for r in document["counts"]] == [
        ("mid", "west", "any", None),
        ("mid", "east", "any", None),
    ]


def test_a_new_pilot_is_a_file_that_loads_and_lists(capsys, home, tmp_path, monkeypatch):
    monkeypatch.setenv("TESTBED_PILOTS", str(tmp_path))
    code, out, _ = call(capsys, "new", "mill_lane")
    assert code == 0 and "testbed run mill_lane" in out
    code, out, _ = call(capsys, "list", "--json")
    assert code == 0 and [p["pilot"] for p in json.loads(out)["pilots"]] == ["mill_lane"]
    code, _, err = call(capsys, "run", "mill_lane")
    assert code == 1 and "source 'counts.csv' was found" not in err and "'counts.csv'" in err


def test_sense_finds_outages(capsys, home, tmp_path):
    file = write_counts(tmp_path / "counts.csv", dead="oak_road")
    code, out, _ = call(capsys, "sense", str(file), "--json")
    document = json.loads(out)
    assert code == 0
    assert document["rows"] == 238 * 24 * 5 and len(document["sites"]) == 5
    assert [(o["site_id"], o["reason"]) for o in document["outages"]] == [("oak_road", "zeros where people usually walk")]
    assert document["outages"][0]["start_at"] <= "2024-03-31T00:00:00+00:00"


def test_contracts_and_compare(capsys, tmp_path):
    code, out, _ = call(capsys, "contracts", "--json")
    names = [c["contract"] for c in json.loads(out)["contracts"]]
    assert code == 0 and {"footfall_readings", "counts_hourly", "counts_by_interval", "vendor_scores", "open_counts"} <= set(
        names
    )
    old = ROOT / "data_contracts" / "counts_hourly.odcs.yaml"
    new = tmp_path / "counts_hourly.odcs.yaml"
    new.write_text(old.read_text().replace("maximum: 20000", "maximum: 100"))
    assert call(capsys, "compare", str(old), str(old))[0] == 0
    code, out, _ = call(capsys, "compare", str(old), str(new))
    assert code == 2 and "maximum" in out


def test_run_prints_the_agreed_document_by_prefect_and_says_no_with_code_2(tmp_path):
    import yaml

    pilots = tmp_path / "pilots"
    pilots.mkdir()
    counts = write_counts(tmp_path / "counts.csv")
    (pilots / "small.yaml").write_text(yaml.safe_dump(pilot_document(counts)))
    environment = {"TESTBED_HOME": str(tmp_path / "home"), "TESTBED_PILOTS": str(pilots)}
    done = command("run", "small", "--json", **environment)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    keys = [
        "pilot",
        "run_id",
        "plan_hash",
        "snapshot_id",
        "mlflow_run_id",
        "rows",
        "quarantined",
        "effect",
        "verdict",
        "deviations",
    ]
    assert list(document)[:10] == keys
    assert {"method", "estimate", "lower", "upper", "relative", "relative_lower", "relative_upper", "p_value"} <= set(
        document["effect"]
    )
    counts.write_text(
        "\n".join(
            line if i == 0 or i % 2 else line.rsplit(",", 4)[0] + ",,,,"
            for i, line in enumerate(counts.read_text().splitlines())
        )
    )
    done = command("run", "small", **environment)
    assert done.returncode == 2, done.stderr
    assert "stopped" in done.stdout
    published = command("publish", "small", **environment)
    assert published.returncode == 0
    page = (tmp_path / "home" / "published" / "small" / "index.html").read_text()
    assert '<html lang="en">' in page and "Do more people walk on Mill Lane?" in page
    rows = (tmp_path / "home" / "published" / "small" / "open_counts.csv").read_text().splitlines()
    assert len(rows) == 1 + 238 * 5


@pytest.mark.slow
def test_a_run_on_dask_gives_the_same_figures(tmp_path):
    import yaml

    pilots = tmp_path / "pilots"
    pilots.mkdir()
    (pilots / "small.yaml").write_text(yaml.safe_dump(pilot_document(write_counts(tmp_path / "counts.csv"))))
    effects = []
    for runner in ("threads", "dask"):
        environment = {"TESTBED_HOME": str(tmp_path / runner), "TESTBED_PILOTS": str(pilots)}
        done = command("run", "small", "--runner", runner, "--json", **environment)
        assert done.returncode == 0, done.stderr
        effects.append(json.loads(done.stdout)["effect"])
    assert effects[0] == effects[1]
