"""Coverage of intervals and false positives of tests, by simulation."""
