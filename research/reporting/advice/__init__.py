"""Recommends an approach from the results."""
