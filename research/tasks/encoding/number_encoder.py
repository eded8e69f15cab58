"""Encoder of regression tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from research.common.errors import InputError
from research.tasks.encoding.encoder import Encoder
from research.tasks.example import Example


@dataclass(frozen=True)
class NumberEncoder(Encoder):
    """Rows without targets, whose label is a number in float32.

    Raises InputError for a route without a head.
    """

    def __post_init__(self) -> None:
        if self.route != "head":
            allowed = "the task asks for a number, which takes an encoder and the method 'head'"
            raise InputError("route", self.route, allowed)
        super().__post_init__()

    def _label(self, examples: Sequence[Example]) -> NDArray:
        return np.array([float(example.label) for example in examples], np.float32)
