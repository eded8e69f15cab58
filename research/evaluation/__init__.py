"""The one scorer, generation of text, what they run on, and baselines."""
