"""Makes the embedded checkpoint: `PYTHONPATH=. python scripts/pretrain.py --out /tmp/world-1m`.

Trains a tokenizer and a small decoder on the text of research/tasks/world, with the step that also
trains every method. Batches alternate: one of packed documents, where every token is a target, one
of exercises, where only the answer is (language modelling and instruction tuning at once). The
folder is in Hugging Face format, its README holds the figures. About ten minutes on two cores.
"""

import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags, logging
from rich.console import Console

from research.common.errors import InputError, exit_on_input_error
from research.common.tokenizer import Tokenizer
from research.evaluation.batch import Rows, batch_rows, prompt_frame
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.methods.full import Full
from research.methods.method import Leaves
from research.models.backbone import random_params, save_backbone
from research.models.llama.config import DecoderConfig
from research.models.llama.model import Decoder
from research.runtime.process import prepare
from research.tasks.encoding.encoded import Encoded
from research.tasks.world.corpus import VERSION, Split
from research.tasks.world.packing import document_rows, exercise_rows, token_stream
from research.tasks.world.tokenizer import train_tokenizer
from research.training.optimizer import Schedule
from research.training.step import Hyper, Program, init_state, train_step

OUT = flags.DEFINE_string("out", None, "Folder to write; must be new or empty.", required=True)
SEED = flags.DEFINE_integer("seed", 0, "Seed of the text and of the initial weights.")
STEPS = flags.DEFINE_integer("steps", 7000, "Optimizer steps.")
BATCH = flags.DEFINE_integer("batch", 4, "Rows of documents a step.")
LENGTH = flags.DEFINE_integer("length", 256, "Tokens in a row of documents; the model's context.")
SHORT = flags.DEFINE_integer("short_length", 64, "Tokens in a row of documents at first.")
EXERCISE = flags.DEFINE_integer("exercise_length", 48, "Tokens in a row of exercises, at most.")
SHARE = flags.DEFINE_float("short_share", 0.65, "Share of the steps with short rows.")
RATE = flags.DEFINE_float("learning_rate", 3e-3, "Peak learning rate.")
DECAY = flags.DEFINE_float("weight_decay", 0.05, "Weight decay of matrices.")
ENTRIES = flags.DEFINE_integer("vocabulary", 1536, "Ids of the tokenizer.")
WIDTH = flags.DEFINE_integer("width", 96, "Width of the residual stream.")
LAYERS = flags.DEFINE_integer("layers", 3, "Layers.")
HEADS = flags.DEFINE_integer("heads", 4, "Attention heads; half as many for keys and values.")
HIDDEN = flags.DEFINE_integer("hidden", 256, "Width inside the MLP.")

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


def documents(tokenizer: Tokenizer, split: Split, short: int = 0) -> Iterator[Rows]:
    """Batches of packed documents [B, T]; the first `short` have shorter rows, and more of them.

    Short sequences first make training faster (Li et al. 2022, arXiv 2108.06084).
    """
    stream = token_stream(tokenizer, SEED.value, split)
    while True:
        length = SHORT.value if short > 0 else LENGTH.value
        short -= 1
        size = BATCH.value * LENGTH.value // length
        yield _batch(document_rows(stream, size, length), length - 1)


def answer_accuracy(tokenizer: Tokenizer) -> Iterator[Rows]:
    """Batches of exercises [B, T], with about as many tokens as those of documents."""
    size = BATCH.value * LENGTH.value // EXERCISE.value
    for encoded in exercise_rows(tokenizer, SEED.value, size, EXERCISE.value):
        yield _batch(encoded, MOST_ANSWER_TOKENS)


def _batch(encoded: Encoded, targets: int) -> Rows:
    size, width = encoded.tokens.shape
    return batch_rows(encoded, np.arange(size), size, width, targets)


def held_out_loss(model: Decoder, leaves: Leaves, tokenizer: Tokenizer) -> float:
    """Mean nats a token on the first rows of the held-out corpus."""

    @jax.jit
    def loss(batch: Rows) -> jax.Array:
        return -target_logprobs(Adapted(model, (), leaves), batch, prompt_frame([]))[0].mean()

    batches = islice(documents(tokenizer, "heldout"), HELD_OUT_ROWS // BATCH.value)
    return float(np.mean([loss(batch) for batch in batches]))


def pretrain(model: Decoder, tokenizer: Tokenizer, console: Console) -> Leaves:
    """Leaves after training; progress goes to the console."""
    steps = STEPS.value
    program = Program(model, Schedule(steps=steps, warmup=0.02, decay="cosine"))
    hyper = Hyper((Full(),), jnp.float32(RATE.value), jnp.float32(DECAY.value))
    state = init_state(
        program, jax.random.key(SEED.value), random_params(model, jax.random.key(SEED.value))
    )
    step = jax.jit(partial(train_step, program), donate_argnums=0)
    short = round(steps * SHARE.value / 2)
    streams = (documents(tokenizer, "train", short), answer_accuracy(tokenizer))
    losses, begun = [], time.perf_counter()
    for number in range(steps):
        state, metrics = step(state, {}, next(streams[number % 2]), prompt_frame([]), hyper)
        losses.append(metrics.loss)
        if number % 200 == 199:
            documented, exercised = np.mean(losses[-200::2]), np.mean(losses[-199::2])
            losses_text = f"documents {documented:.3f}  exercises {exercised:.3f}"
            console.print(f"step {number + 1}  {losses_text}  {time.perf_counter() - begun:.0f} s")
    return state.trained


def check() -> None:
    """Raises InputError for flags that make no sense, before any work."""
    if Path(OUT.value).exists() and any(Path(OUT.value).iterdir()):
        raise InputError("out", OUT.value, "the folder is not empty; name a new one")
    for flag in (STEPS, BATCH, LENGTH, SHORT, EXERCISE, HEADS):
        if flag.value < 1:
            raise InputError(flag.name, flag.value, "a number of at least 1 is expected")
    if LENGTH.value % SHORT.value:
        raise InputError("short_length", SHORT.value, f"it has to divide length {LENGTH.value}")
    if HELD_OUT_ROWS % BATCH.value:
        raise InputError("batch", BATCH.value, f"it has to divide {HELD_OUT_ROWS}")
    if ENTRIES.value < 300:
        raise InputError("vocabulary", ENTRIES.value, "at least 300: 256 bytes, specials, words")


@exit_on_input_error
def main(argv: list[str]) -> None:
    del argv
    prepare()
    logging.set_verbosity(logging.WARNING)
    check()
    console, begun = Console(), time.perf_counter()
    model = Decoder(
        DecoderConfig(
            vocab_size=ENTRIES.value,
            width=WIDTH.value,
            layers=LAYERS.value,
            heads=HEADS.value,
            kv_heads=max(1, HEADS.value // 2),
            head_width=WIDTH.value // HEADS.value,
            hidden=HIDDEN.value,
            context=LENGTH.value,
            tied=True,
        )
    )
    tokenizer = train_tokenizer(SEED.value, ENTRIES.value, LENGTH.value)
    leaves = pretrain(model, tokenizer, console)
    loss = held_out_loss(model, leaves, tokenizer)
    save_backbone(OUT.value, model, leaves, tokenizer)
    readme = README.format(
        parameters=sum(leaf.size for leaf in leaves.values()),
        version=VERSION,
        command=_command(),
        seed=SEED.value,
        tokens=STEPS.value * BATCH.value * LENGTH.value,
        loss=loss,
        rows=HELD_OUT_ROWS,
        length=LENGTH.value,
        minutes=(time.perf_counter() - begun) / 60,
    )
    (Path(OUT.value) / "README.md").write_text(readme, encoding="utf-8")
    console.print(f"held-out loss {loss:.4f}; wrote {OUT.value}")


def _command() -> str:
    """The flags that differ from their defaults, and where to write."""
    defined = flags.FLAGS.get_key_flags_for_module(__name__)
    changed = [f"--{flag.name}={flag.value}" for flag in defined if flag.value != flag.default]
    return " ".join(["--out=world-1m", *(c for c in changed if not c.startswith("--out="))])


if __name__ == "__main__":
    app.run(main)
