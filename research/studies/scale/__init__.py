"""Memory and FLOPs of a training step on other machines, computed from shapes."""
