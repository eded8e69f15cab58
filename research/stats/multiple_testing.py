"""TODO stats/multiple_testing.py"""

from collections.abc import Sequence


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Which hypotheses fall, by Holm's step-down rule (1979): family-wise error at most `level`."""
    fallen = [False] * len(p_values)
    for step, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[i] > level / (len(p_values) - step):
            break
        fallen[i] = True
    return fallen
