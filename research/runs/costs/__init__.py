"""Parameters, bytes, FLOPs and seconds of a run."""
