"""Many runs: which are missing, who executes them, and the progress shown."""
