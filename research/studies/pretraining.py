"""Pretraining of the embedded checkpoint on the text of `research.tasks.world`.

It uses the training step of all methods. Batches alternate between packed documents, where every
token is a target, and exercises, where only the answer is a target: language modelling and
instruction tuning at once.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.evaluation.batch import Rows, batch_rows, prompt_frame
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.methods.full import Full
from research.methods.method import Leaves
from research.models.backbone import random_params, save_backbone
from research.models.llama.config import DecoderConfig
from research.models.llama.model import Decoder
from research.tasks.encoding.encoded import Encoded
from research.tasks.world.corpus import VERSION, Split
from research.tasks.world.packing import document_rows, exercise_rows, token_stream
from research.tasks.world.tokenizer import train_tokenizer
from research.training.optimizer import Schedule
from research.training.step import Hyper, Program, init_state, train_step

HELD_OUT_ROWS = 128
MOST_ANSWER_TOKENS = 8

README = """# world-1m

A decoder of {parameters:,} parameters (Llama architecture) for adaptlab's embedded benchmark,
pretrained on nothing but the text of `research/tasks/world` (world version {version}). Made by

    PYTHONPATH=. python scripts/pretrain.py {command}

Half of the steps predict every token of packed documents, half only the answer of an exercise.

| | |
| --- | --- |
| seed | {seed} |
| tokens seen | {tokens:,}, padding of exercises included |
| held-out loss, nats a token | {loss:.4f} |
| held-out sample | first {rows} rows of {length} tokens of `corpus({seed}, "heldout")` |
| time | {minutes:.0f} minutes |
"""


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


def make_checkpoint(
    settings: PretrainingSettings, folder: Path, command: str, console: Console
) -> None:
    """Trains tokenizer and model and writes them into a folder, with a README of the figures.

    Args:
        settings: Settings of the pretraining.
        folder: A Hugging Face folder; new or empty.
        command: Arguments of scripts/pretrain.py, for the README.
        console: Where progress is printed.
    """
    begun = time.perf_counter()
    model = settings.model()
    tokenizer = train_tokenizer(settings.seed, settings.vocabulary, settings.length)
    leaves = pretrain(settings, model, tokenizer, console)
    loss = held_out_loss(settings, model, leaves, tokenizer)
    save_backbone(str(folder), model, leaves, tokenizer)
    readme = README.format(
        parameters=sum(leaf.size for leaf in leaves.values()),
        version=VERSION,
        command=command,
        seed=settings.seed,
        tokens=settings.steps * settings.batch * settings.length,
        loss=loss,
        rows=HELD_OUT_ROWS,
        length=settings.length,
        minutes=(time.perf_counter() - begun) / 60,
    )
    (folder / "README.md").write_text(readme, encoding="utf-8")
    console.print(f"held-out loss {loss:.4f}; wrote {folder}")


def documents(
    settings: PretrainingSettings, tokenizer: Tokenizer, split: Split, short: int = 0
) -> Iterator[Rows]:
    """Batches of packed documents [B, T]; the first `short` have shorter rows, and more of them.

    Short sequences first make training faster (Li et al. 2022, arXiv 2108.06084).
    """
    stream = token_stream(tokenizer, settings.seed, split)
    while True:
        length = settings.short_length if short > 0 else settings.length
        short -= 1
        size = settings.batch * settings.length // length
        yield _batch(document_rows(stream, size, length), length - 1)


def exercises(settings: PretrainingSettings, tokenizer: Tokenizer) -> Iterator[Rows]:
    """Batches of exercises [B, T], with about as many tokens as those of documents."""
    width = settings.exercise_length
    size = settings.batch * settings.length // width
    for encoded in exercise_rows(tokenizer, settings.seed, size, width):
        yield _batch(encoded, MOST_ANSWER_TOKENS)


def _batch(encoded: Encoded, targets: int) -> Rows:
    size, width = encoded.tokens.shape
    return batch_rows(encoded, np.arange(size), size, width, targets)


def held_out_loss(
    settings: PretrainingSettings, model: Decoder, leaves: Leaves, tokenizer: Tokenizer
) -> float:
    """Mean nats per token on the first rows of the held-out corpus."""

    @jax.jit
    def loss(batch: Rows) -> jax.Array:
        return -target_logprobs(Adapted(model, (), leaves), batch, prompt_frame([]))[0].mean()

    batches = documents(settings, tokenizer, "heldout")
    return float(np.mean([loss(b) for b in islice(batches, HELD_OUT_ROWS // settings.batch)]))


def pretrain(
    settings: PretrainingSettings, model: Decoder, tokenizer: Tokenizer, console: Console
) -> Leaves:
    """Leaves after training; progress goes to the console."""
    steps, seed = settings.steps, jax.random.key(settings.seed)
    program = Program(model, Schedule(steps=steps, warmup=0.02, decay="cosine"))
    rate, decay = jnp.float32(settings.learning_rate), jnp.float32(settings.weight_decay)
    hyper = Hyper((Full(),), rate, decay)
    state = init_state(program, seed, random_params(model, seed))
    step = jax.jit(partial(train_step, program), donate_argnums=0)
    short = round(steps * settings.short_share / 2)
    streams = (
        documents(settings, tokenizer, "train", short),
        exercises(settings, tokenizer),
    )
    losses, begun = [], time.perf_counter()
    for number in range(steps):
        state, metrics = step(state, {}, next(streams[number % 2]), prompt_frame([]), hyper)
        losses.append(metrics.loss)
        if number % 200 == 199:
            documented, exercised = np.mean(losses[-200::2]), np.mean(losses[-199::2])
            losses_text = f"documents {documented:.3f}  exercises {exercised:.3f}"
            console.print(f"step {number + 1}  {losses_text}  {time.perf_counter() - begun:.0f} s")
    return state.trained
