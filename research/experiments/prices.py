"""Prices of a device hour and of a labelled example, stored in the results folder."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from research.common.config import build, resolved
from research.common.errors import InputError
from research.common.files import write_atomically
from research.common.json_io import read_json

FILE = "prices.json"


@dataclass(frozen=True)
class Prices:
    """Prices that the user sets.

    Attributes:
        per_hour: price of an hour of one device; None if not set.
        per_example: price of a labelled example; None if not set.

    Raises InputError for an invalid price.
    """

    per_hour: float | None = None
    per_example: float | None = None

    def __post_init__(self) -> None:
        for name, price in resolved(self).items():
            if price is not None and not 0 <= price < math.inf:
                raise InputError(f"price_{name}", price, "a finite number from 0 is expected")

    @property
    def known(self) -> bool:
        """Whether a price is set."""
        return self != Prices()


def read_prices(folder: Path) -> Prices:
    """The prices stored in a folder. Raises InputError for a damaged file."""
    file = folder / FILE
    if not file.is_file():
        return Prices()
    return build(Prices, read_json(file), str(file))


def write_prices(folder: Path, prices: Prices) -> None:
    """Stores the prices, if any are set, for later tables."""
    if prices.known:
        write_atomically(folder / FILE, f"{json.dumps(resolved(prices))}\n".encode())
