"""Scoring, generation, calibration and baselines."""
