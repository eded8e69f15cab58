"""Formats numbers: scores, counts, bytes, seconds."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from research.stats.intervals import Interval

MISSING, RANGE = "—", "–"


def percent(score: Interval) -> str:
    """`98.0 [95.1, 99.2]`: a score and its interval."""
    return f"{100 * score.score:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"


def count(number: float) -> str:
    """`512`, `12.3 k`, `1.5 M`, `7.0 G`, up to `E`."""
    for prefix, decimals in (("", 0), (" k", 1), (" M", 1), (" G", 1), (" T", 1), (" P", 1)):
        if round(number, decimals) < 1000:
            return f"{number:.{decimals}f}{prefix}"
        number /= 1000
    return f"{number:.1f} E"


def byte_size(number: float) -> str:
    """Bytes in decimal units: `512 B`, `12.3 kB`."""
    text = count(number)
    return f"{text}B" if " " in text else f"{text} B"


def seconds(number: float) -> str:
    """`0.42`, `7.3`, `125`: two digits, and whole seconds from 10 on."""
    decimals = 2 if number < 1 else 1 if number < 10 else 0
    return f"{number:.{decimals}f}"


def spread(values: Sequence[float]) -> list[float]:
    """The lowest and the highest value, once if they are equal."""
    return sorted({min(values), max(values)})


def middle(values: Sequence[float]) -> list[float]:
    """The median alone, for seconds, which always differ."""
    return [statistics.median(values)]


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 seed`, `5 seeds`: a number with its noun."""
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"


def amount(regime: str) -> str:
    """The regime with its unit: `500 examples`, but `16-shot` unchanged."""
    return counted(int(regime), "example") if regime.isdecimal() else regime


def tried_rates(trials: Iterable[Mapping[str, Any]]) -> tuple[float, ...]:
    """The learning rates that trials set, in ascending order."""
    set_by_trials = (trial[name] for trial in trials for name in trial if is_rate(name))
    return tuple(sorted(set(set_by_trials)))


def is_rate(name: str) -> bool:
    """Whether a trial's field is a learning rate: of the last stage, or of all stages."""
    return name.rpartition(".")[2] == "learning_rate"


def rates_note(rates: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    """A note with the learning rates that each row tries, or none if there are none.

    Rows that try the same rates stand together.
    """
    rows_by_rates: dict[tuple[float, ...], list[str]] = {}
    for row, tried in rates.items():
        if tried:
            rows_by_rates.setdefault(tuple(tried), []).append(row)
    groups = [
        f"{', '.join(f'{rate:g}' for rate in tried)} ({', '.join(rows)})"
        for tried, rows in rows_by_rates.items()
    ]
    return (f"Learning rates tried: {'; '.join(groups)}.",) if groups else ()


def points(difference: float) -> str:
    """A difference of scores in percentage points."""
    return f"{100 * difference:.1f} points"
