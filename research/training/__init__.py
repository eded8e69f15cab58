"""Train steps, optimizers, cohorts, devices and checkpoints."""
