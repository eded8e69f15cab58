"""Stored predictions of a run on test items, one file for each answer kind."""
