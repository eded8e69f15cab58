"""Step time, memory and compilation as a model grows, `scripts/benchmark.py --growth`."""
