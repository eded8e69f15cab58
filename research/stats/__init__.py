"""Intervals, tests and estimates on numpy arrays [seeds, items]."""
