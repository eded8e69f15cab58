"""Correctness contracts of methods and models; `scripts/verify.py` checks them."""
