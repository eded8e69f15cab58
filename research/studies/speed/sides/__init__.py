"""The two sides of a case, each in a worker process."""
