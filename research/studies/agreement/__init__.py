"""Runs of a table held against the same runs with PyTorch and PEFT."""
