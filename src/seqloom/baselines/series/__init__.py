"""Trivial forecasts: the last value, the last season, Naive2, and a linear model on lags."""
