"""The positions that are left for a row."""

# Positions of a row if the backbone has no limit: as many as T5 was trained with.
UNBOUNDED = 512


def room(context: int | None, used: int, most: int | None = None) -> int:
    """Positions that are left for a row.

    Args:
        context: maximum number of positions of the backbone; None for no limit.
        used: positions of the methods.
        most: maximum of the result; None for no limit.
    """
    if context is None:
        return UNBOUNDED - used if most is None else most
    return context - used if most is None else min(context - used, most)
