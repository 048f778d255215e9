"""Expanded uncertainty at a limit value."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.sensing.calibration.uncertainty import expanded_uncertainty, orthogonal_fit


def test_the_orthogonal_line_is_the_first_principal_axis():
    rng = np.random.default_rng(1)
    x = rng.normal(20, 5, 300)
    y = 3 + 1.4 * x + rng.normal(0, 4, 300)
    values, axes = np.linalg.eigh(np.cov(x, y))
    axis = axes[:, np.argmax(values)]
    slope, intercept = orthogonal_fit(x, y)
    assert slope == pytest.approx(axis[1] / axis[0]) and intercept == pytest.approx(y.mean() - slope * x.mean())


def test_the_slope_turns_round_when_sides_change():
    x, y = np.array([1.0, 2, 3, 5]), np.array([1.0, 3, 2, 6])
    assert orthogonal_fit(x, y)[0] * orthogonal_fit(y, x)[0] == pytest.approx(1)


def test_a_bias_alone_is_twice_its_share_and_scatter_adds():
    x = np.linspace(5, 40, 200)
    assert expanded_uncertainty(x, x + 2, at=25).expanded == pytest.approx(100 * 2 * 2 / 25)
    scattered = expanded_uncertainty(x, x + 2 + 3 * np.cos(np.arange(200) * 2.4), at=25)
    assert scattered.expanded == pytest.approx(200 * np.hypot(scattered.random, scattered.bias) / 25)
    assert scattered.random == pytest.approx(3 / 2**0.5, rel=0.02)


def test_the_references_own_scatter_is_taken_off_but_never_below_nothing():
    x = np.linspace(5, 40, 200)
    y = x + 3 * np.cos(np.arange(200) * 2.4)
    less = expanded_uncertainty(x, y, at=25, of_reference=1.0)
    assert less.random**2 == pytest.approx(expanded_uncertainty(x, y, at=25).random ** 2 - 1)
    assert expanded_uncertainty(x, y, at=25, of_reference=9.0).random == 0


def test_a_limit_beyond_the_reference_is_said():
    assert not expanded_uncertainty([1, 2, 3], [1, 2, 4], at=25).reaches
    with pytest.raises(ValueError, match="vary together"):
        orthogonal_fit([1, 2, 3], [5, 5, 5])
