"""Forecast series: their past in, their next steps out. Many-to-many."""
