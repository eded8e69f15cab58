"""What a device hour and a labelled example cost, as the user says; kept beside the runs."""

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
    """per_hour: of one device. per_example: of a label. None where nobody said. Raises InputError
    for what is no price.
    """

    per_hour: float | None = None
    per_example: float | None = None

    def __post_init__(self) -> None:
        for name, price in resolved(self).items():
            if price is not None and not 0 <= price < math.inf:
                raise InputError(f"price_{name}", price, "a finite number from 0 is expected")

    @property
    def known(self) -> bool:
        """Whether there is one."""
        return self != Prices()


def read_prices(folder: Path) -> Prices:
    """Those that the folder has. Raises InputError for a damaged file."""
    file = folder / FILE
    if not file.is_file():
        return Prices()
    return build(Prices, read_json(file), str(file))


def write_prices(folder: Path, prices: Prices) -> None:
    """Keeps them, if there are any, so that later tables are made with the same."""
    if prices.known:
        write_atomically(folder / FILE, f"{json.dumps(resolved(prices))}\n".encode())
