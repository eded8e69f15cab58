"""Durations in plain units."""

import pytest

from research.common.durations import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (42.4, "42 s"),
        (119, "119 s"),
        (450, "8 min"),
        (3540, "59 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (140_760, "1 day 15 h"),
        (8 * 86_400, "8 days"),
        (1e6, "12 days"),
        (1e9, "11,574 days"),
    ],
)
def test_durations(seconds: float, said: str):
    assert duration(seconds) == said
