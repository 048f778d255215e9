"""Early warning: declared levels, forecasts that beat baselines or say that they do not, intervals, and skill."""
