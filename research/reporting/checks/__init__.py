"""Recomputes tables and finds cells produced under different conditions."""
