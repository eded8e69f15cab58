"""The one scorer, what it runs on, and baselines."""
