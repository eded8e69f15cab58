"""What can be read of the task files of lm-evaluation-harness."""
