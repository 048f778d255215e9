"""The table of skill judges what is warned about, on the same hours for all, and a good model stands above the references."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from analytics.sensing.warning.forecast import earlier, hours_of
from analytics.sensing.warning.intervals import Backtest, backtests_with
from analytics.sensing.warning.levels import EarlyWarningError
from analytics.sensing.warning.verify import _of_means, verify

START = datetime(2026, 3, 2, tzinfo=UTC)


def smoke(weeks=16, sites=3):
    """Sites that share an evening peak which the wind of six hours before makes tall or low."""
    rng = np.random.default_rng(4)
    n = weeks * 168
    wind = np.repeat(rng.random(n // 12), 12)
    peak = 30 * (np.arange(n) % 24 >= 18) * (np.concatenate([np.zeros(6), wind[:-6]]) > 0.6)
    values = (10 + peak)[:, None] * np.linspace(1, 1.2, sites) + rng.normal(0, 1, (n, sites))
    values[rng.random(values.shape) < 0.03] = np.nan
    return hours_of(values, START, known={"wind_speed": wind})


def test_a_model_that_knows_the_wind_beats_what_repeats_the_past():
    rows = {
        row.model: row
        for row in verify(smoke(), 30, models=["boosting"], horizons=[6], refit_every=672, first_fit=672, draws=300)
    }
    assert list(rows) == ["persistence", "seasonal_naive_24", "seasonal_naive_168", "boosting"]
    assert len({(row.hours, row.events, row.episodes) for row in rows.values()}) == 1
    trees, plain = rows["boosting"], rows["persistence"]
    assert trees.mae_skill[1] > 0.3 and plain.mae_skill[0] == 0
    assert trees.scores["csi"][1] > max(rows[name].scores["csi"][2] for name in list(rows)[:3])  # their intervals are apart
    assert plain.begins["csi"][0] < 0.4 < 0.6 < trees.begins["csi"][0]
    assert trees.brier_skill[1] > plain.brier_skill[2]
    assert 4 < trees.lead_h[0] <= 6
    for row in rows.values():
        scored = [*row.scores.values(), row.brier, row.brier_skill, row.lead_h, row.coverage]
        assert all(low <= middle <= high for middle, low, high in scored if np.isfinite(low))
        assert abs(row.coverage[0] - 0.9) < 0.03 and row.coverage[0] == pytest.approx(row.intervals.coverage)
        assert len(row.sites) == 3 and sum(site["events"] for site in row.sites) == row.events
    assert [
        row.intervals for row in verify(smoke(), 30, models=["boosting"], horizons=[6], refit_every=672, first_fit=672, draws=9)
    ] == [row.intervals for row in rows.values()]


def test_means_are_measured_up_to_the_origin_and_forecast_from_there_on():
    rng = np.random.default_rng(5)
    values = rng.random((60, 1))
    made = [Backtest(h, one, one - 1, one + 1) for h in range(1, 6) for one in [np.full((60, 1), float(h))]]
    found = {one.horizon: one for one in _of_means(made, values, [2, 5], 4, 0.75)}
    # at a horizon of 2 and a mean over 4: two hours as measured, then one hour ahead, two hours ahead
    expected = (earlier(values, 3) + earlier(values, 2) + 1 + 2) / 4
    np.testing.assert_allclose(found[2].forecasts[10:], expected[10:])
    np.testing.assert_allclose(found[2].high[10:], expected[10:] + 0.5)
    np.testing.assert_allclose(found[5].forecasts[10:], (2 + 3 + 4 + 5) / 4)


def test_means_of_a_day_are_judged_where_levels_are_about_them():
    hours = smoke(weeks=10)
    rows = verify(hours, 18, models=["climatology"], horizons=[1, 12], mean_over=24, first_fit=3 * 168, draws=50)
    by = {(row.model, row.horizon_h): row for row in rows}
    assert by["persistence", 1].mae < 0.5 * by["persistence", 12].mae  # 23 of 24 hours are known
    assert by["climatology", 12].mae < by["persistence", 12].mae


def test_no_events_and_too_short_a_series_are_said():
    quiet = verify(smoke(weeks=6, sites=1), 1000, models=[], horizons=[1], draws=20)[0]
    assert quiet.events == 0 and quiet.episodes == 0 and np.isnan(quiet.scores["pod"][0]) and np.isnan(quiet.lead_h[0])
    with pytest.raises(EarlyWarningError, match="no hour of 504 can be judged; expected a series of more than 673 hours"):
        verify(smoke(weeks=3), 30, models=[], horizons=[1], first_fit=672)
    with pytest.raises(EarlyWarningError, match="interval 'magic' is unknown; expected one of split, adaptive, cqr"):
        next(backtests_with("magic", "persistence", smoke(weeks=3), [1]))
