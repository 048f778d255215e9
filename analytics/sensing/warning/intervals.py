"""Which intervals a forecast gets: split conformal, adaptive, or conformalized quantiles of boosted trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analytics.sensing.warning.conformal import RATE, Intervals, adaptive
from analytics.sensing.warning.forecast import WEEK, Hours, Values, backtests
from analytics.sensing.warning.levels import EarlyWarningError

METHODS = ("split", "adaptive", "cqr")
"""`split` on the newest four weeks, `adaptive` with a level that follows its misses, `cqr` the same around quantiles."""


@dataclass(frozen=True)
class Backtest:
    """Forecasts of one horizon with what intervals are made around.

    Attributes:
        horizon: Hours from the origin to the hour forecast. [h]
        forecasts: Shape of the values.
        low: Lower quantile, or the forecast itself.
        high: Upper quantile, or the forecast itself.
    """

    horizon: int
    forecasts: Values
    low: Values
    high: Values

    def newest(self, rows: slice) -> Backtest:
        """The same for some rows."""
        return Backtest(self.horizon, self.forecasts[rows], self.low[rows], self.high[rows])

    def intervals(self, values: Values, method: str, *, alpha: float, floor: float | Values) -> Intervals:
        """Intervals of the forecasts, from errors known at each origin."""
        rate = 0.0 if method == "split" else RATE
        return adaptive((self.low, self.high), values, self.horizon, alpha=alpha, rate=rate, floor=floor)


def backtests_with(
    method: str,
    name: str,
    hours: Hours,
    horizons: Sequence[int],
    *,
    alpha: float = 0.1,
    refit_every: int = WEEK,
    first_fit: int = 2 * WEEK,
    seed: int = 7,
) -> Iterator[Backtest]:
    """Backtests of a model at some horizons, ready for intervals of a method.

    Args:
        method: One of `METHODS`.
        name: The model.
        hours: The series.
        horizons: Hours from the origin to the hour forecast. [h]
        alpha: Share of misses that is allowed.
        refit_every: Hours between two fits. [h]
        first_fit: Hours known at the first fit. [h]
        seed: Of what is drawn.

    Raises:
        EarlyWarningError: The method or the model is unknown.
    """
    if method not in METHODS:
        raise EarlyWarningError(f"interval '{method}' is unknown; expected one of {', '.join(METHODS)}; correct --interval")
    how = {"refit_every": refit_every, "first_fit": first_fit, "seed": seed}
    points = backtests(name, hours, horizons, **how)
    if method != "cqr":
        for horizon, middle in points:
            yield Backtest(horizon, middle, middle, middle)
        return
    from analytics.sensing.warning.learned import boosted_quantiles

    quantiles = boosted_quantiles(hours, horizons, (alpha / 2, 1 - alpha / 2), **how)
    for (horizon, middle), (_, (low, high)) in zip(points, quantiles, strict=True):
        yield Backtest(horizon, middle, low, high)
