"""Dry run: runs, trained parameters, storage and time of a sweep, without running it."""
