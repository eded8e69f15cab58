"""Durations in plain units."""

MINUTE, HOUR, DAY = 60, 3600, 86_400


def duration(seconds: float) -> str:
    """A duration, rounded: `42 s`, `7 min`, `3 h 20 min`, `2 days 5 h`, `40 days`."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if (minutes := round(seconds / MINUTE)) < HOUR // MINUTE:
        return f"{minutes} min"
    if minutes < 10 * HOUR // MINUTE:
        return _two(*divmod(minutes, HOUR // MINUTE), "h", "min")
    if (hours := round(seconds / HOUR)) < DAY // HOUR:
        return f"{hours} h"
    if hours < 10 * DAY // HOUR:
        days, rest = divmod(hours, DAY // HOUR)
        return _two(days, rest, "day" if days == 1 else "days", "h")
    return f"{round(seconds / DAY):,} days"


def _two(large: int, small: int, large_unit: str, small_unit: str) -> str:
    whole = f"{large} {large_unit}"
    return f"{whole} {small} {small_unit}" if small else whole
