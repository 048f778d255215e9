"""What leaves is what the gate accepted: tampering, small counts, old rows and spent budgets are refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from analytics.lake import open_lake
from data_contracts.contract import load_contract
from data_contracts.privacy.budget import RefusalError
from flows.publish import publish_pilot

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


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


def test_a_small_count_is_refused_also_where_the_digest_was_forged(bed):
    import json

    from flows.feeds import rows_digest

    run_id = bed.run()["run_id"]
    with lake(bed) as connection:
        connection.execute("UPDATE lake.open_counts SET crossings = 4 WHERE site_id = 'oak_road'")
        connection.execute("CREATE TEMP TABLE forged AS SELECT * EXCLUDE (pilot_id, run_id) FROM lake.open_counts")
        digest = json.dumps({"rows_digest": rows_digest(connection, "forged")})
        connection.execute("UPDATE lake.checks SET report = json_merge_patch(report, ?) WHERE stage = 'open_data'", [digest])
    with pytest.raises(RefusalError, match=f"238 rows of run {run_id[:12]} may not be published.*privacy.small_count"):
        publish_pilot("small", bed.settings, now=NOW)


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
