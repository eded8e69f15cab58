"""Pretraining of the embedded checkpoint."""
