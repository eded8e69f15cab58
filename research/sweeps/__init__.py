"""From an experiment to run records: which runs, what each gave, what is missing."""
