"""Makes the embedded checkpoint: `python scripts/pretrain.py --out /tmp/world-1m`.

Generates the world's corpus, trains a tokenizer on it, packs documents into rows and trains a small
decoder with the step that also trains every method. The folder is in Hugging Face format, and its
README holds the figures.
Defaults are those of research/assets/world-1m.
"""

import time
from collections.abc import Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from rich.console import Console

from research.errors import InputError, exit_on_input_error
from research.evaluation.batch import Rows, prefix
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.methods.full import Full
from research.methods.method import Leaves
from research.models.backbone import random_params, save_backbone
from research.models.decoder import Decoder
from research.models.decoder_config import DecoderConfig
from research.tasks.world.corpus import VERSION, corpus
from research.tasks.world.tokenizer import train_tokenizer
from research.training.optimizer import Schedule
from research.training.step import Hyper, Program, init_state, train_step

OUT = flags.DEFINE_string("out", None, "Folder to write; must be new or empty.", required=True)
SEED = flags.DEFINE_integer("seed", 0, "Of corpus and initial weights.")
STEPS = flags.DEFINE_integer("steps", 3000, "Optimizer steps.")
BATCH = flags.DEFINE_integer("batch", 4, "Rows a step.")
LENGTH = flags.DEFINE_integer("length", 256, "Tokens a row; the model's context.")
SHORT = flags.DEFINE_integer("short_length", 64, "Tokens a row at first; it divides the length.")
SHARE = flags.DEFINE_float("short_share", 0.65, "Share of the steps with short rows.")
RATE = flags.DEFINE_float("learning_rate", 3e-3, "Peak.")
DECAY = flags.DEFINE_float("weight_decay", 0.05, "Of matrices.")
ENTRIES = flags.DEFINE_integer("vocabulary", 1536, "Ids of the tokenizer.")
WIDTH = flags.DEFINE_integer("width", 96, "Width of the residual stream.")
LAYERS = flags.DEFINE_integer("layers", 3, "Layers.")
HEADS = flags.DEFINE_integer("heads", 4, "Attention heads; half as many for keys and values.")
HIDDEN = flags.DEFINE_integer("hidden", 256, "Width inside the MLP.")

HELD_OUT_ROWS = 128

README = """# world-1m

A decoder of {parameters:,} parameters (Llama architecture) for adaptlab's embedded benchmark,
pretrained on nothing but the text of `research/tasks/world` (world version {version}). Made by

    python scripts/pretrain.py {command}

| | |
| --- | --- |
| seed | {seed} |
| tokens seen | {tokens:,} |
| held-out loss, nats a token | {loss:.4f} |
| held-out sample | first {rows} rows of {length} tokens of `corpus({seed}, "heldout")` |
| training time | {minutes:.0f} minutes |
"""


def packed(tokenizer, split: Literal["train", "heldout"], short_steps: int = 0) -> Iterator[Rows]:
    """Batches [B, T] of `<s> text </s>` end to end; all but a row's first token are targets.

    At first rows are short and as many more, so that a batch always has the same tokens: what
    stands near is learned first, and faster (Li et al. 2022, arXiv 2108.06084).
    """
    stream = _tokens(tokenizer, split)
    for step in count():
        length = SHORT.value if step < short_steps else LENGTH.value
        batch = BATCH.value * LENGTH.value // length
        tokens = np.fromiter(islice(stream, batch * length), np.int32).reshape(batch, length)
        full, ones = np.full(batch, length, np.int32), np.ones(batch, np.int32)
        place = np.arange(batch, dtype=np.int32)
        yield Rows(tokens, full, ones, tokens[:, 1:], place)  # pyright: ignore


def _tokens(tokenizer, split: Literal["train", "heldout"]) -> Iterator[int]:
    documents = corpus(SEED.value, split)
    while True:
        for ids in tokenizer(list(islice(documents, 256)), add_special_tokens=False)["input_ids"]:
            yield tokenizer.bos_token_id
            yield from ids
            yield tokenizer.eos_token_id


def held_out_loss(model: Decoder, leaves: Leaves, tokenizer) -> float:
    """Mean nats a token on the first rows of the held-out corpus."""

    @jax.jit
    def loss(rows: Rows) -> jax.Array:
        return -target_logprobs(Adapted(model, (), leaves), rows, prefix([]))[0].mean()

    batches = packed(tokenizer, "heldout")
    return float(np.mean([loss(next(batches)) for _ in range(HELD_OUT_ROWS // BATCH.value)]))


def pretrain(model: Decoder, tokenizer, console: Console) -> Leaves:
    """Leaves after training; progress goes to the console."""
    schedule = Schedule(steps=STEPS.value, batch_size=BATCH.value, warmup=0.03, decay="cosine")
    program = Program(model, schedule)
    rate, decay = jnp.float32(RATE.value), jnp.float32(DECAY.value)
    hyper = Hyper((Full(),), rate, decay)
    params = random_params(model, jax.random.key(SEED.value))
    state = init_state(program, jax.random.key(SEED.value), params)
    step = jax.jit(partial(train_step, program), donate_argnums=0)
    begun, nothing = time.perf_counter(), prefix([])
    batches = packed(tokenizer, "train", round(STEPS.value * SHARE.value))
    for number, rows in enumerate(islice(batches, STEPS.value), 1):
        state, metrics = step(state, {}, rows, nothing, hyper)
        if number % 100 == 0 or number == STEPS.value:
            seconds = time.perf_counter() - begun
            console.print(f"step {number}  loss {float(metrics.loss):.3f}  {seconds:.0f} s")
    return state.trained


def check() -> None:
    """Raises InputError for flags that make no sense, before any work."""
    if Path(OUT.value).exists() and any(Path(OUT.value).iterdir()):
        raise InputError("out", OUT.value, "the folder is not empty; name a new one")
    for flag in (STEPS, BATCH, LENGTH, SHORT, HEADS):
        if flag.value < 1:
            raise InputError(flag.name, flag.value, "a number of at least 1")
    if LENGTH.value % SHORT.value:
        raise InputError("short_length", SHORT.value, f"a divisor of the length {LENGTH.value}")
    if HELD_OUT_ROWS % BATCH.value:
        raise InputError("batch", BATCH.value, f"a divisor of {HELD_OUT_ROWS}")
    if ENTRIES.value < 300:
        raise InputError("vocabulary", ENTRIES.value, "at least 300: 256 bytes, specials and words")


@exit_on_input_error
def main(argv: list[str]) -> None:
    check()
    console, begun = Console(), time.perf_counter()
    tokenizer = train_tokenizer(SEED.value, ENTRIES.value, LENGTH.value)
    model = Decoder(
        DecoderConfig(
            vocab_size=len(tokenizer),
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
    leaves = pretrain(model, tokenizer, console)
    loss = held_out_loss(model, leaves, tokenizer)
    save_backbone(OUT.value, model, leaves, tokenizer)
    written = README.format(
        parameters=sum(leaf.size for leaf in leaves.values()),
        version=VERSION,
        command=" ".join(argument for argument in argv[1:] if not argument.startswith("--out")),
        seed=SEED.value,
        tokens=STEPS.value * BATCH.value * LENGTH.value,
        loss=loss,
        rows=HELD_OUT_ROWS,
        length=LENGTH.value,
        minutes=(time.perf_counter() - begun) / 60,
    )
    (Path(OUT.value) / "README.md").write_text(written, encoding="utf-8")
    console.print(f"held-out loss {loss:.4f}; wrote {OUT.value}")


if __name__ == "__main__":
    app.run(main)
