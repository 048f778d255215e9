"""`testbed check` leaves pages, JUnit and Data Docs; the trend comes from the lake; a refusal is code 2."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from analytics.lake import open_lake
from data_contracts.contract import ContractError, example_of
from flows import cli
from flows.check_reports import check_by_hand, past_checks
from tests.flows.conftest import write_counts

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
NOW = datetime(2026, 4, 1, tzinfo=UTC)


def call(capsys, monkeypatch, bed, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setenv("TESTBED_HOME", str(bed.settings.home))
    monkeypatch.setenv("TESTBED_PILOTS", str(bed.pilots))
    monkeypatch.setattr("sys.excepthook", None)
    with pytest.raises(SystemExit) as done:
        cli.main(list(arguments))
    out, err = capsys.readouterr()
    return int(done.value.code or 0), out, err


def test_a_check_by_hand_leaves_a_page_junit_and_data_docs(capsys, monkeypatch, bed, tmp_path):
    page, xml, docs = tmp_path / "check.html", tmp_path / "check.xml", tmp_path / "docs"
    example = str(example_of("counts_hourly"))
    code, out, _ = call(
        capsys,
        monkeypatch,
        bed,
        "check",
        "counts_hourly",
        example,
        "--html",
        str(page),
        "--junit",
        str(xml),
        "--data-docs",
        str(docs),
    )
    assert code == 0 and "passed" in out
    assert "Accepted." in page.read_text() and "Compared with earlier checks" not in page.read_text()
    assert ElementTree.parse(xml).getroot().get("failures") == "0"
    assert "counts_hourly" in (docs / "index.html").read_text()
    assert not (bed.settings.home / "lake.sqlite").exists()  # looking makes no lake


def test_a_broken_line_costs_itself_alone_and_rules_reach_no_file(bed, tmp_path):
    file = tmp_path / "counts.csv"
    good = example_of("counts_hourly").read_text(encoding="utf-8")
    file.write_text(good + "mill_lane,pedestrian\n", encoding="utf-8")
    report = check_by_hand("counts_hourly", file, bed.settings, now=NOW)
    assert (report["accepted"], report["quarantined"]) == (good.count("\n") - 1, 1)


def test_a_page_that_cannot_be_written_is_one_line(bed, tmp_path):
    with pytest.raises(ContractError, match=r"nowhere/check.html: cannot be written \(No such file or directory\)"):
        check_by_hand(
            "counts_hourly", example_of("counts_hourly"), bed.settings, html=tmp_path / "nowhere" / "check.html", now=NOW
        )


def test_the_trend_shows_earlier_runs_also_those_that_were_replaced(bed, tmp_path):
    first = bed.run()["run_id"]
    write_counts(bed.counts, effect=0.0, dead="mill_lane")
    second = bed.run()
    with open_lake(bed.settings.catalog, bed.settings.lake_files, read_only=True) as connection:
        found = past_checks(connection, "counts_hourly", pilot="small")
        assert [(one.label.split()[-1], one.rows) for one in found] == [
            (first[:8], 238 * 24 * 5),
            (second["run_id"][:8], 238 * 24 * 5),
        ]
        assert [one.quarantined for one in found] == [0, second["quarantined"]]
        assert [one.label for one in past_checks(connection, "counts_hourly", less=second["run_id"])] == [found[0].label]
    page = tmp_path / "check.html"
    check_by_hand("counts_hourly", example_of("counts_hourly"), bed.settings, html=page, now=NOW)
    text = page.read_text()
    assert "Compared with earlier checks" in text and first[:8] in text and second["run_id"][:8] in text


def test_a_refused_publication_and_a_refused_repair_are_code_2(capsys, monkeypatch, bed, tmp_path):
    lines = bed.counts.read_text().splitlines()
    lines[39] = ",".join([*lines[39].split(",")[:2], "", *lines[39].split(",")[3:]])
    bed.counts.write_text("\n".join(lines) + "\n")
    bed.run()
    file = tmp_path / "repair.csv"
    code, out, _ = call(capsys, monkeypatch, bed, "quarantine", "small", "--csv", str(file))
    assert code == 0 and "1 rows in the quarantine" in out and f"testbed readmit small {file}" in out
    code, out, _ = call(capsys, monkeypatch, bed, "readmit", "small", str(file))
    assert code == 2 and "footfall_readings, source row 40: crossings is NULL, expected a value" in out
    with open_lake(bed.settings.catalog, bed.settings.lake_files) as connection:
        connection.execute("UPDATE lake.open_counts SET crossings = 3")
    code, _, err = call(capsys, monkeypatch, bed, "publish", "small")
    assert code == 2 and len(err.splitlines()) == 1 and "not those the gate accepted" in err


SHOP = """
apiVersion: v3.2.0
kind: DataContract
id: 6f9619ff-8b86-d011-b42d-00cf4fc964ff
version: 1.0.0
schema:
  - name: orders
    properties:
      - {name: who, logicalType: integer, relationships: [{to: customers.id}]}
      - {name: placed_on, logicalType: date}
  - name: customers
    properties:
      - {name: id, physicalName: CUST_ID, logicalType: integer}
slaProperties:
  - {property: freshness, value: 2, unit: d, element: orders.placed_on}
"""


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop.odcs.yaml").write_text(SHOP, encoding="utf-8")
    (tmp_path / "orders.csv").write_text("who,placed_on\n1,2026-03-31\n7,2026-03-30\n", encoding="utf-8")
    (tmp_path / "customers.csv").write_text("CUST_ID\n1\n2\n", encoding="utf-8")
    return tmp_path


def test_keys_are_looked_up_in_a_file_that_comes_with_it(capsys, monkeypatch, bed, shop):
    asked = ["check", str(shop / "shop.odcs.yaml"), str(shop / "orders.csv"), "--now", "2026-04-01T12:00:00Z", "--json"]
    code, out, _ = call(capsys, monkeypatch, bed, *asked, "--with", f"customers={shop / 'customers.csv'}")
    told = json.loads(out)
    assert (code, told["contract"], told["accepted"], told["quarantined"]) == (2, "shop.orders", 1, 1)
    status = {rule["rule"]: rule["status"] for rule in told["rules"]}
    assert (status["who.relationships"], status["sla.freshness"]) == ("failed", "passed")
    code, out, _ = call(capsys, monkeypatch, bed, *asked)
    assert code == 2 and "--with customers=FILE" in out  # a relationship that must hold and was not looked up fails


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--with", "customers"], "--with is 'customers'; expected NAME=FILE"),
        (["--with", "clients=customers.csv"], "--with clients: nothing in shop.orders points to it; expected customers"),
        (["--with", "customers=nowhere.csv"], "nowhere.csv: no such file"),
        (["--table", "clients"], "table 'clients' is not in the contract; expected one of orders, customers"),
        (["--now", "yesterday"], "--now is 'yesterday'; expected an instant such as"),
        (["--now", "2026-04-01"], "--now is '2026-04-01'; expected an instant such as"),
    ],
)
def test_what_cannot_be_looked_up_is_one_line(capsys, monkeypatch, bed, shop, more, said):
    monkeypatch.chdir(shop)
    code, _, err = call(capsys, monkeypatch, bed, "check", "shop.odcs.yaml", "orders.csv", *more)
    assert code == 1 and said in err and len(err.splitlines()) == 1


def test_a_file_of_another_name_needs_its_table(bed, shop):
    file = (shop / "orders.csv").rename(shop / "march.csv")
    with pytest.raises(ContractError, match="holds 2 tables; expected one of orders, customers; name it, as in --table orders"):
        check_by_hand(str(shop / "shop.odcs.yaml"), file, bed.settings, now=NOW)
    told = check_by_hand(str(shop / "shop.odcs.yaml"), file, bed.settings, now=NOW, table="orders")
    assert told["contract"] == "shop.orders"
