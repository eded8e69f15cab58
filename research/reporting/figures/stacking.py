"""Places one below the other, as close to the wanted ones as possible."""

from collections.abc import Sequence


def apart(tops: Sequence[float], heights: Sequence[float], bottom: float) -> list[float]:
    """Ascending tops, moved as little as possible until nothing overlaps.

    All stay between 0 and `bottom`, which must be at least the sum of the heights.
    """
    # Groups that touch move together, as in isotonic regression (pool adjacent violators).
    groups: list[list[tuple[float, float]]] = []  # (wanted top, height)
    for label in zip(tops, heights, strict=True):
        groups.append([label])
        while len(groups) > 1:
            above, below = _stack(groups[-2], bottom), _stack(groups[-1], bottom)
            if above[-1] <= below[0] + 1e-9:
                break
            last = groups.pop()
            groups[-1] += last
    return [top for group in groups for top in _stack(group, bottom)[:-1]]


def _stack(group: Sequence[tuple[float, float]], bottom: float) -> list[float]:
    """The tops of a group one below the other, close to the wanted ones, and its lower end."""
    depths = [0.0]
    for _, height in group:
        depths.append(depths[-1] + height)
    wanted = [top - depth for (top, _), depth in zip(group, depths, strict=False)]
    begin = max(min(sum(wanted) / len(wanted), bottom - depths[-1]), 0.0)
    return [begin + depth for depth in depths]
