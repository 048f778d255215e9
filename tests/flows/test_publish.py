"""What leaves is what the gate accepted: tampering, small counts, old rows and spent budgets are refused."""

from __future__ import annotations

import csv
import json
import threading
from datetime import UTC, datetime

import pytest

from analytics.lake import open_lake
from data_contracts.contract import ContractError, contracts, load_contract, parse_contract
from data_contracts.privacy.budget import RefusalError
from data_contracts.privacy.publishable import publishable
from experiments.pilot import find_pilot, load_pilot
from flows import publish
from flows.judged_table import rows_digest
from flows.publish import publish_pilot

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = load_contract("open_counts")


def lake(bed):
    return open_lake(bed.settings.catalog, bed.settings.lake_files)


@pytest.mark.parametrize(
    "tampering",
    [
        "INSERT INTO lake.open_counts SELECT * REPLACE (4 AS crossings, 'nowhere' AS site_id) FROM lake.open_counts LIMIT 1",
        "UPDATE lake.open_counts SET crossings = crossings + 5",
        "DELETE FROM lake.open_counts WHERE site_id = 'oak_road'",
        "UPDATE lake.checks SET report = json_merge_patch(report, '{\"rows_digest\": null}')",
        "DELETE FROM lake.checks",
    ],
)
def test_rows_that_were_tampered_with_are_not_published(bed, tampering):
    bed.run()
    with lake(bed) as connection:
        connection.execute(tampering)
    with pytest.raises(RefusalError, match="not those the gate accepted"):
        publish_pilot("small", bed.settings, now=NOW)
    assert not (bed.settings.published / "small").exists()


def forge(connection) -> None:
    """Write the digest of what the lake holds now, as somebody could who may write the whole lake."""
    connection.execute("CREATE OR REPLACE TEMP TABLE forged AS SELECT * EXCLUDE (pilot_id, run_id) FROM lake.open_counts")
    digest = json.dumps({"rows_digest": rows_digest(connection, "forged")})
    connection.execute("UPDATE lake.checks SET report = json_merge_patch(report, ?) WHERE stage = 'open_data'", [digest])


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE lake.open_counts SET crossings = 4 WHERE site_id = 'oak_road'",
        "UPDATE lake.open_counts SET crossings = crossings + 5 WHERE site_id = 'oak_road'",  # keeps every rule
        "DELETE FROM lake.open_counts WHERE site_id = 'oak_road'",
        "DROP TABLE lake.open_counts; CREATE VIEW lake.open_counts AS SELECT 'small' AS pilot_id, run_id, site_id, "
        "NULL AS line, road_user, NULL AS direction, interval_start_at AS period_start_at, 3600 AS period_s, crossings, "
        "false AS suppressed, coverage, 'x' AS attribution FROM lake.counts_hourly",
    ],
)
def test_tampering_is_refused_also_where_the_digest_was_forged(bed, tampering):
    bed.run()
    with lake(bed) as connection:
        connection.execute(tampering)
        forge(connection)
    with pytest.raises(RefusalError, match="not those the gate accepted"):
        publish_pilot("small", bed.settings, now=NOW)


def test_the_smallest_count_of_the_pilot_holds_where_it_is_larger(bed):
    bed.write(privacy={**bed.document["privacy"], "small_count": 2000})
    bed.run()
    done = publish_pilot("small", bed.settings, now=NOW)
    rows = list(csv.DictReader((bed.settings.published / "small" / "open_counts.csv").read_text().splitlines()))
    assert len(rows) == done["rows"] and any(row["suppressed"] == "true" for row in rows)
    assert all(int(row["crossings"]) >= 2000 for row in rows if row["crossings"])


def test_a_contract_that_lets_anything_out_is_refused(bed, tmp_path, monkeypatch):
    # an edited copy of the contract in the place of the contract: what it would let out was never made
    bed.run()
    edited = tmp_path / "open_counts.odcs.yaml"
    text = contracts()["open_counts"].read_text()
    edited.write_text(text.replace("small_count, value: 10", "small_count, value: 1"))
    monkeypatch.setattr("flows.publish.load_contract", lambda name: load_contract(edited if name == "open_counts" else name))
    with pytest.raises(ContractError, match=r"testbed.small_count is 1; expected 3 or more"):
        publish_pilot("small", bed.settings, now=NOW)
    assert not (bed.settings.published / "small").exists()


def test_rows_older_than_the_retention_do_not_leave(bed):
    bed.run()
    whole = publish_pilot("small", bed.settings, now=NOW)
    assert (whole["rows"], whole["too_old"], whole["epsilon"]) == (238 * 5, 0, None)
    later = publish_pilot("small", bed.settings, now=datetime(2034, 1, 11, tzinfo=UTC))
    assert (later["rows"], later["too_old"]) == (228 * 5, 50)
    rows = (bed.settings.published / "small" / "open_counts.csv").read_text().splitlines()
    assert len(rows) == 1 + 228 * 5


def test_a_release_with_noise_is_booked_once_and_refused_beyond_the_budget(bed):
    pytest.importorskip("opendp")
    contract = load_contract("noisy_counts")
    bed.run()
    first = publish_pilot("small", bed.settings, with_noise=True, now=NOW)
    file = bed.settings.published / "small" / "noisy_counts.csv"
    text = file.read_text()
    again = publish_pilot("small", bed.settings, with_noise=True, now=NOW)
    assert (first["epsilon"], again["epsilon"]) == (0.5, 0.5) and file.read_text() == text
    with lake(bed) as connection:
        differ = connection.execute(
            "SELECT count(*) FILTER (n.crossings <> o.crossings), max(abs(n.crossings - o.crossings)), count(*) "
            "FROM lake.noisy_counts n JOIN lake.open_counts o USING (site_id, road_user, period_start_at)"
        ).fetchone()
        booked = connection.execute(
            "SELECT pilot_id, contract, epsilon, unit FROM lake.privacy_budget WHERE epsilon > 0"
        ).fetchall()
    assert differ[0] > 100 and differ[1] < 200 and differ[2] == 238 * 5
    assert booked == [("small", "noisy_counts", 0.5, "one person on one day")]
    for title in ("a", "b", "c"):  # another run each time
        bed.write(title={"en": title})
        bed.run()
        spent = publish_pilot("small", bed.settings, with_noise=True, now=NOW)["epsilon"]
    assert spent == contract.custom["testbed.epsilon_total"] == 2
    bed.write(title={"en": "d"})
    bed.run()
    text = file.read_text()
    with pytest.raises(RefusalError, match=r"epsilon 2 of 2 is spent under noisy_counts and the release needs 0.5"):
        publish_pilot("small", bed.settings, with_noise=True, now=NOW)
    assert file.read_text() == text


def spent(bed) -> list[tuple]:
    with lake(bed) as connection:
        query = "SELECT run_id, epsilon FROM lake.privacy_budget WHERE epsilon > 0"
        return connection.execute(query).fetchall()


def test_a_release_that_is_killed_is_booked_or_not_made(bed, monkeypatch):
    pytest.importorskip("opendp")
    run_id = bed.run()["run_id"]
    folder = bed.settings.published / "small"

    def killed(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # before the commit: neither booked nor kept
        patch.setattr(publish, "publishable", lambda c, t, *a, **k: killed() if t == "noisy" else publishable(c, t, *a, **k))
        with pytest.raises(KeyboardInterrupt):
            publish_pilot("small", bed.settings, with_noise=True, now=NOW)
    assert spent(bed) == [] and not folder.exists()
    with monkeypatch.context() as patch:  # after the commit: booked and kept, not published
        patch.setattr(publish, "retained", killed)
        with pytest.raises(KeyboardInterrupt):
            publish_pilot("small", bed.settings, with_noise=True, now=NOW)
    assert spent(bed) == [(run_id, 0.5)] and not folder.exists()
    assert publish_pilot("small", bed.settings, with_noise=True, now=NOW)["epsilon"] == 0.5
    assert spent(bed) == [(run_id, 0.5)]


def test_releases_at_once_do_not_overspend_a_new_account(bed, monkeypatch):
    pytest.importorskip("opendp")
    bed.run()
    pilot = load_pilot(find_pilot("small", bed.settings.pilots))
    terms = contracts()["noisy_counts"].read_text().replace("epsilon_total, value: 2", "epsilon_total, value: 0.5")
    monkeypatch.setattr(publish, "load_contract", lambda name: parse_contract(terms, name) if "noisy" in name else OPEN)
    together, refused = threading.Barrier(3), []

    def release(run_id: str) -> None:
        with lake(bed) as connection:
            connection.execute("CREATE TEMP TABLE in_lake AS SELECT * EXCLUDE (pilot_id, run_id) FROM lake.open_counts LIMIT 9")
            together.wait(timeout=60)
            try:
                publish._release(connection, pilot, run_id)
            except RefusalError:
                refused.append(run_id)

    threads = [threading.Thread(target=release, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(spent(bed)) == 1 and len(refused) == 2


def test_the_page_says_what_is_spent_of_the_privacy_budget_in_each_language(bed):
    pytest.importorskip("opendp")
    words = {"why": "a", "what_we_collect": "b", "what_we_do_not": "c"}
    bed.write(citizens={"en": words, "fr": words, "es": words})
    bed.run()
    publish_pilot("small", bed.settings, now=NOW)
    page = bed.settings.published / "small" / "index.html"
    assert 'class="budget"' not in page.read_text()
    publish_pilot("small", bed.settings, with_noise=True, now=NOW)
    text = page.read_text()
    assert text.count('class="budget"') == 3
    assert "of 2, 0.5 is spent and 1.5 is left" in text
    assert "0.5 est dépensé et 1.5 est disponible" in text and "se ha gastado 0.5 y queda 1.5" in text
