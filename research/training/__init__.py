"""The train step, and what runs it: optimizers, cohorts, devices, checkpoints."""
