"""Forecasting: what comes next in a series, as a number, as quantiles, or as a distribution."""
