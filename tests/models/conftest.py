"""What the tests of models are made from."""

from collections.abc import Callable

import pytest

from research.methods.method import Leaves
from research.models.llama.model import Decoder
from tests import tiny


@pytest.fixture(scope="session")
def make() -> Callable[..., tuple[Decoder, Leaves]]:
    """`make(**config changes)` gives a tiny decoder and its parameters."""
    return tiny.decoder
