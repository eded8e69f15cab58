"""The sizes at which growth is measured: of SmolLM2-135M, one number changed at a time."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from research.models.llama.config import DecoderConfig
from research.models.llama.model import Decoder
from research.models.model import Model
from research.studies.speed.case import Case
from research.studies.speed.cases import LORA, random_case

VOCABULARY, HEAD_WIDTH, QUERIES_PER_KEY = 49_152, 64, 3
TOKENS = 64  # of a row


class Size(NamedTuple):
    """The size of a step.

    Attributes:
        layers: Layers of the decoder.
        width: Its width; a multiple of 192.
        rows: Rows of a batch.
    """

    layers: int = 12
    width: int = 576
    rows: int = 8

    def case(self) -> Case:
        """A LoRA step of this size on both sides."""
        layers, width, rows = self
        name = f"{layers} layers, width {width}, {rows} rows"
        write = partial(
            random_case, shape=self._model(), rows=rows, width=TOKENS, targets=1, methods=(LORA,)
        )
        return Case(name, None, write, learning_rate=1e-6)

    def _model(self) -> Model:
        heads = self.width // HEAD_WIDTH
        return Decoder(
            DecoderConfig(
                vocab_size=VOCABULARY,
                width=self.width,
                layers=self.layers,
                heads=heads,
                kv_heads=heads // QUERIES_PER_KEY,
                head_width=HEAD_WIDTH,
                hidden=self.width * 8 // 3,
                context=2048,
                tied=True,
            )
        )


# The values of each field; the others have their defaults.
AXES = {
    "layers": (6, 12, 24, 30),
    "width": (192, 384, 576, 768),
    "rows": (4, 8, 16, 32),
}


def sizes() -> Iterator[Size]:
    """All sizes, each once."""
    yield from dict.fromkeys(size for axis in AXES for size in sizes_along(axis))


def sizes_along(axis: str) -> list[Size]:
    """The sizes that differ in one field."""
    return [Size()._replace(**{axis: value}) for value in AXES[axis]]
