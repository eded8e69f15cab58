"""Cases that `make test` leaves to CI: more of the same on other models and settings."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def cases(values: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """Parameters of a test; those not in `quick` bear the mark `thorough`."""
    return [v if v in quick else pytest.param(v, marks=pytest.mark.thorough) for v in values]
