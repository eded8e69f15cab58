"""Settings of pretraining."""

from dataclasses import dataclass

from research.common.errors import InputError
from research.models.llama.config import DecoderConfig
from research.models.llama.model import Decoder

HELD_OUT_ROWS = 128


@dataclass(frozen=True)
class PretrainingSettings:
    """Settings of a pretraining.

    Attributes:
        seed: Seed of the text and of the initial weights.
        steps: Optimizer steps.
        batch: Rows of documents per step.
        length: Tokens per row of documents; the model's context.
        short_length: Tokens per row of documents at first.
        exercise_length: Maximum number of tokens per row of exercises.
        short_share: Share of the steps with short rows.
        learning_rate: Peak learning rate.
        weight_decay: Weight decay of matrices.
        vocabulary: Number of ids of the tokenizer.
        width: Width of the residual stream.
        layers: Number of layers.
        heads: Number of attention heads; keys and values have half as many.
        hidden: Width inside the MLP.

    Raises InputError for a value that is out of range.
    """

    seed: int
    steps: int
    batch: int
    length: int
    short_length: int
    exercise_length: int
    short_share: float
    learning_rate: float
    weight_decay: float
    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "length", "short_length", "exercise_length", "heads"):
            value = getattr(self, name)
            if value < 1:
                raise InputError(name, value, "a number of at least 1 is expected")
        if self.length % self.short_length:
            allowed = f"it has to divide length {self.length}"
            raise InputError("short_length", self.short_length, allowed)
        if HELD_OUT_ROWS % self.batch:
            raise InputError("batch", self.batch, f"it has to divide {HELD_OUT_ROWS}")
        if self.vocabulary < 300:
            allowed = "at least 300: 256 bytes, specials, words"
            raise InputError("vocabulary", self.vocabulary, allowed)

    def model(self) -> Decoder:
        """The decoder that is trained."""
        return Decoder(
            DecoderConfig(
                vocab_size=self.vocabulary,
                width=self.width,
                layers=self.layers,
                heads=self.heads,
                kv_heads=max(1, self.heads // 2),
                head_width=self.width // self.heads,
                hidden=self.hidden,
                context=self.length,
                tied=True,
            )
        )
