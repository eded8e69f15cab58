"""What is stored of a run, how it is checked, and which trial dev chooses."""
