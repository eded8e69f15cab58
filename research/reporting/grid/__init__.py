"""Reads records into the grid of a table's cells."""
