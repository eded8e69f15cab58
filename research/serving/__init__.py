"""Inference with many adapters on one backbone."""
