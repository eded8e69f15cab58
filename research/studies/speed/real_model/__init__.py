"""The benchmark of a real backbone, `scripts/benchmark.py --model FOLDER`."""
