"""Correctness contracts of methods and models; `scripts/verify.py` tries them."""
