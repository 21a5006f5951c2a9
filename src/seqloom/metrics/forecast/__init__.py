"""Scores of forecasts: errors as the M4 competition and GluonTS define them, and bands."""
