"""Errors, configs, JSON, hashing and files: used by every package, knows nothing of models."""
