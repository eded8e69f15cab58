"""Corrections for multiple tests."""

from collections.abc import Sequence


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Which null hypotheses are rejected, by Holm's step-down rule (1979).

    The family-wise error rate is at most `level`.
    """
    rejected = [False] * len(p_values)
    for step, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[i] > level / (len(p_values) - step):
            break
        rejected[i] = True
    return rejected
