"""Sizes of the benchmarked models, whose weights are random."""

from collections.abc import Callable
from dataclasses import replace

from research.models.llama.config import DecoderConfig
from research.models.llama.model import Decoder
from research.models.model import Model
from research.models.t5.config import T5Config
from research.models.t5.model import GatedT5

SMALL_T5 = T5Config(
    vocab_size=32128,
    width=512,
    layers=8,
    decoder_layers=8,
    heads=6,
    head_width=64,
    hidden=1024,
    gated=True,
    tied=False,
    scaled=False,
)
LARGE_T5 = replace(SMALL_T5, width=1024, layers=24, decoder_layers=24, heads=16, hidden=2816)


def decoder(
    vocabulary: int, width: int, layers: int, heads: int, groups: int, hidden: int
) -> Model:
    """A Llama-style decoder with an untied output head."""
    return Decoder(
        DecoderConfig(vocabulary, width, layers, heads, groups, width // heads, hidden, 2048)
    )


# T5 1.1 Small and Large; the 1B decoder has the size of TinyLlama.
SHAPES: dict[str, Callable[[], Model]] = {
    "decoder 10M": lambda: decoder(8000, 288, 6, 6, 6, 768),
    "decoder 1B": lambda: decoder(32000, 2048, 22, 32, 4, 5632),
    "T5 small": lambda: GatedT5(SMALL_T5),
    "T5 large": lambda: GatedT5(LARGE_T5),
}
